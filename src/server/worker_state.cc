// How it works: the worker's loop tells when the thread may wait; then it holds no view into the store and says so.

#include "server/worker_state.h"

#include <thread>
#include <utility>

#include "server/serve.h"

namespace holdfast::server {

WorkerState::~WorkerState() = default;

void WorkerState::OnStart(network::Worker& worker) {
  access_.emplace(shared_.store);
  context_.emplace(command::Context{*access_, shared_.sessions, shared_.clock, shared_.control, counters_, index_});
  context_->now = shared_.clock.Now();
  context_->operations = shared_.operations;
  context_->waker = [&worker](uint64_t connection) { return [&worker, connection] { worker.Resume(connection); }; };
}

void WorkerState::BeforeWait() {
  access_->Offline();
  // Offline first: who yields while online holds the others' memory in turn.
  if (std::exchange(retrying_, false)) std::this_thread::yield();
}

void WorkerState::AfterWait() {
  access_->Online();
  context_->now = shared_.clock.Now();
}

void WorkerState::OnStop() {
  context_.reset();
  access_.reset();
}

namespace {

void NoteConnection(command::Tap& tap, command::WatchRecord::Type type, const network::Connection& connection,
                    const char* reason) {
  if (!tap.Wants(command::kWatchConnections)) return;
  command::WatchRecord record;
  record.type = type;
  record.socket = connection.socket();
  record.status = reason;
  tap.Note(record, connection.PeerName());
}

}  // namespace

void WorkerState::NoteClosed(const network::Connection& connection) {
  const uint32_t timeout = shared_.live.idle_timeout_seconds;
  const bool idle = timeout > 0 && connection.IdleSeconds() > timeout;
  NoteConnection(shared_.operations->watch.tap(index_), command::WatchRecord::Type::kClose, connection,
                 idle ? "idle_timeout" : "normal");
}

std::unique_ptr<network::Handler> WorkerState::MakeHandler(network::Connection& connection) {
  NoteConnection(shared_.operations->watch.tap(index_), command::WatchRecord::Type::kOpen, connection, "");
  return std::make_unique<Serve>(*this, connection);
}

void WorkerState::Wake(const session::Waiter& waiter, session::LoadOutcome outcome) {
  const auto found = parked_.find(waiter.connection);
  if (found == parked_.end()) return;  // the client has gone
  found->second.serve->Wake(*found->second.connection, waiter.request, outcome);
}

}  // namespace holdfast::server
