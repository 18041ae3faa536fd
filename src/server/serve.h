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
    std::unique_ptr<Upload> upload;  // whose request it is, instead; else null
    command::Frame frame;
    bool parked = false;  // waits for Wake; else it is tried again each round
    Request& current() { return upload != nullptr ? upload->request() : request; }
  };

  // Empty: go on. A Turn: that is how this turn ends.
  std::optional<network::Turn> ServeBatch(network::Connection& connection, uint32_t* left);
  std::optional<network::Turn> ExecuteBatch(network::Connection& connection, uint32_t count);
  std::optional<network::Turn> ContinueUpload(network::Connection& connection);
  std::optional<network::Turn> ContinueHeld(network::Connection& connection);
  std::optional<network::Turn> FinishUpload(network::Connection& connection);
  void BeginUpload(network::Connection& connection, const Request& request, size_t consumed);
  network::Turn Hold(network::Connection& connection, std::unique_ptr<Held> held, command::Progress progress);
  // Executes and, when it is done, writes. kDone with *close: that was the last reply.
  command::Progress Answer(network::Connection& connection, const Request& request, command::Frame& frame, bool* close);
  void PreloadSessions(uint32_t from, uint32_t count);

  WorkerState& worker_;
  Codec codec_;
  std::unique_ptr<Upload> upload_;  // null unless a value is on its way in
  std::unique_ptr<Held> held_;      // null unless a request waits
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SERVE_H_
