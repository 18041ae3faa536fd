// serve.h - the one loop: parse, execute, write.
//
// Parses what a turn's input holds, up to a batch; starts fetching what the batch will look at; executes each request
// in order and writes its reply. A request that cannot be answered yet is held, with all that follows on this
// connection, and executed again from the start.
//
// Threads: one worker.
// Owns:    the connection's codec, its upload or held request while there is one. Borrows the worker's state.
// Limits:  kBatch requests parsed ahead; -R requests a turn while other connections wait; network::kOutputHighWater
// unsent bytes.

#ifndef HOLDFAST_SERVER_SERVE_H_
#define HOLDFAST_SERVER_SERVE_H_

#include <memory>
#include <optional>
#include <string>

#include "command/command.h"
#include "network/connection.h"
#include "server/codec.h"
#include "server/upload.h"

namespace holdfast::server {

class WorkerState;

class Serve final : public network::Handler {
 public:
  explicit Serve(WorkerState& worker, network::Connection& connection);

  network::Turn OnTurn(network::Connection& connection) override;
  void OnClose(network::Connection& connection) override;
  // A request that waits, and an upload, are given as the bytes they came in: they begin anew in the other process.
  bool Export(std::string* state, std::string* unread) const override;
  bool Import(std::string_view state) override { return codec_.RestorePosition(state); }
  bool Busy() const override { return held_ != nullptr || upload_ != nullptr; }

  // The session module knows more now of what request `number` waits for.
  void Wake(network::Connection& connection, uint64_t number, session::LoadOutcome outcome);

 private:
  using Request = protocol::Request;
  using Reply = protocol::Reply;

  // A request that waits, with all it points to.
  struct Held {
    Request request;
    std::string text;
    std::string value;
    std::string bytes;               // what it was parsed from, unless it was an upload
    std::unique_ptr<Upload> upload;  // whose request it is, instead; else null
    command::Frame frame;
    bool parked = false;      // waits for Wake; else it is tried again each round
    size_t behind_bytes = 0;  // of input, that were there when it began; 0 for one that has waited behind another itself
    Request& current() { return upload != nullptr ? upload->request() : request; }
  };

  // The front of the input has waited behind a request that was refused in the end.
  struct WaitedBehind {
    size_t bytes;
    int64_t since_us;  // steady
  };

  // A reply that another thread makes. Of the request only what the writers need is left.
  struct Feeding {
    Request request;
    std::shared_ptr<command::Feed> feed;
  };

  // Empty: go on. A Turn: that is how this turn ends.
  std::optional<network::Turn> ServeBatch(network::Connection& connection, uint32_t* left);
  std::optional<network::Turn> ExecuteBatch(network::Connection& connection, uint32_t count);
  std::optional<network::Turn> ContinueUpload(network::Connection& connection);
  std::optional<network::Turn> ContinueHeld(network::Connection& connection);
  std::optional<network::Turn> FinishUpload(network::Connection& connection);
  std::optional<network::Turn> ContinueFeed(network::Connection& connection);
  void BeginFeed(const Request& request);
  // begin, end: where the request's head stands in the input.
  void BeginUpload(network::Connection& connection, const Request& request, size_t begin, size_t end);
  // An upload that is longer does not move to another process: its connection is closed.
  static constexpr uint64_t kUploadBytesThatMove = 4u << 20;
  network::Turn Hold(network::Connection& connection, std::unique_ptr<Held> held, command::Progress progress);
  // Executes and, when it is done, writes. kDone with *close: that was the last reply.
  command::Progress Answer(network::Connection& connection, const Request& request, command::Frame& frame, bool* close);
  // The same for a request whose reply was kept.
  command::Progress Conclude(network::Connection& connection, const Request& request, command::Frame& frame,
                             bool* close);
  command::Progress Finish(command::Progress progress, network::Connection& connection, const Request& request,
                           const Reply& reply, command::Frame& frame, bool* close);
  // May what is in hand be begun anew elsewhere, without being done twice?
  bool MayBeginAnew() const;
  void Consume(network::Connection& connection, size_t bytes);
  void NoteWaitedBehind(const Held& held);
  bool HasWaited(size_t begin) const { return waited_ != nullptr && begin < waited_->bytes; }
  void RememberCodecBefore(uint32_t i);
  void PreloadSessions(uint32_t from, uint32_t count);

  WorkerState& worker_;
  Codec codec_;
  // The codec before the request that is held or uploaded: another process parses it again.
  std::unique_ptr<Codec> before_;             // null unless there is one
  std::unique_ptr<Upload> upload_;            // null unless a value is on its way in
  std::unique_ptr<Held> held_;                // null unless a request waits
  std::unique_ptr<command::KeptReply> kept_;  // of the request that is held; null unless it waits for a commit
  std::unique_ptr<Feeding> feeding_;          // null unless a reply comes from elsewhere
  std::unique_ptr<WaitedBehind> waited_;      // null: nothing
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SERVE_H_
