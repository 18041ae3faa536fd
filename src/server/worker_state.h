// worker_state.h - what one worker thread has of its own: its door to the store, its counters, its batch of parsed
// requests.
//
// Threads: made on the main thread, used by the worker between OnStart and OnStop; counters may be read from any.
// Owns:    the Access, from OnStart to OnStop. Borrows what Shared names.

#ifndef HOLDFAST_SERVER_WORKER_STATE_H_
#define HOLDFAST_SERVER_WORKER_STATE_H_

#include <array>
#include <memory>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "command/command.h"
#include "command/operations.h"
#include "network/worker.h"
#include "server/codec.h"
#include "server/live_settings.h"

namespace holdfast::server {

class Serve;

// What all workers share. All of it outlives them.
struct Shared {
  const base::Clock& clock;
  store::Store& store;
  session::Sessions* sessions;  // null: off
  command::Control& control;
  WireProtocol protocol;
  protocol::ParserSettings parser;
  const LiveSettings& live;
  command::Operations* operations;
};

// How a connection's label (network::Connection::label) carries the protocol of the address that it came by.
constexpr uint8_t LabelOf(std::optional<WireProtocol> protocol) {
  return protocol.has_value() ? static_cast<uint8_t>(static_cast<uint8_t>(*protocol) + 1) : 0;
}
constexpr WireProtocol ProtocolOf(uint8_t label, WireProtocol otherwise) {
  return label == 0 ? otherwise : static_cast<WireProtocol>(label - 1);
}

class WorkerState final : public network::WorkerHooks {
 public:
  static constexpr uint32_t kBatch = 32;

  WorkerState(Shared& shared, uint32_t index, command::CommandCounters& counters)
      : batch(kBatch + 1, Parsed(Codec(shared.protocol, shared.parser))),
        shared_(shared),
        index_(index),
        counters_(counters) {}
  ~WorkerState() override;

  void OnStart(network::Worker& worker) override;
  void BeforeWait() override;
  void AfterWait() override;
  void OnStop() override;
  std::unique_ptr<network::Handler> MakeHandler(network::Connection& connection) override;

  // Requests that wait, by connection.
  void NoteParked(network::Connection& connection, Serve& serve) { parked_[connection.id()] = {&connection, &serve}; }
  void NoteUnparked(uint64_t connection_id) { parked_.erase(connection_id); }
  // A request is tried again in the next round: the memory it waits for may be held by a thread that has no processor.
  void NoteRetry() { retrying_ = true; }
  // For those who watch connections.
  void NoteClosed(const network::Connection& connection);
  void Wake(const session::Waiter& waiter, session::LoadOutcome outcome);

  Shared& shared() { return shared_; }
  command::Context& context() { return *context_; }

  // Requests parsed ahead; where the input stood, and the parser, after each. Used by one turn at a time.
  struct Parsed {
    explicit Parsed(const Codec& codec) : after(codec) {}
    protocol::Request request;
    size_t end = 0;
    Codec after;
  };
  static_assert(std::is_trivially_copyable_v<Codec>, "copied for each request");
  std::vector<Parsed> batch;
  std::array<store::Lookup, kBatch> lookups;  // of the batch
  std::optional<Codec> before_batch;
  uint64_t next_request_number = 1;

 private:
  struct Parked {
    network::Connection* connection;
    Serve* serve;
  };
  Shared& shared_;
  const uint32_t index_;
  command::CommandCounters& counters_;
  std::optional<store::Access> access_;      // empty before OnStart and after OnStop
  std::optional<command::Context> context_;  // as access_
  std::unordered_map<uint64_t, Parked> parked_;
  bool retrying_ = false;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_WORKER_STATE_H_
