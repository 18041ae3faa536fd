// Server::TakeOver: starting in the place of a process that runs.
//
// How it works: everything that can take long or fail comes before the cut, for from the cut on clients wait; nothing
// that can fail comes after Commit, for from then on nobody else serves.

#include <utility>

#include "base/clock.h"
#include "server/server.h"

namespace holdfast::server {

base::Status Server::TakeOver() {
  auto begun = Takeover::Begin(HandoverDoor(settings_));
  if (!begun.ok()) return begun.status();
  Takeover& takeover = *begun.value();
  log_.Format(base::LogLevel::kNotice, "taking over from process %d, version %s",
              static_cast<int>(takeover.predecessor()), takeover.welcome().version.c_str());
  base::Status status = PrepareTakeOver(takeover);
  if (status.ok()) status = takeover.Cut();
  if (status.ok()) status = ReceiveAll(takeover);
  if (!status.ok()) {
    takeover.Refuse(status);
    return status.In("--takeover");
  }
  if (status = takeover.Commit(); !status.ok()) return status.In("--takeover");
  return Serve(takeover);
}

base::Status Server::PrepareTakeOver(Takeover& takeover) {
  const WelcomeBody& theirs = takeover.welcome();
  if (service_manager_.address().empty()) service_manager_.set_address(theirs.notify_address);
  if (!theirs.database_uuid.empty() && settings_.session.database.empty()) {
    return base::Status(base::ErrorKind::kUsage, "the running server keeps sessions: give the same --sessions");
  }
  if (theirs.has_journal && settings_.session.journal == "none") {
    return base::Status(base::ErrorKind::kUsage, "the running server has a journal: give the same --journal");
  }
  if (base::Status status = MakeWorkers(); !status.ok()) return status;
  SessionService::Inherited inherited{takeover.TakeDatabaseLock(), takeover.TakeJournalDirectory(),
                                      takeover.TakeJournalRing()};
  if (base::Status status = OpenSessions(std::move(inherited), [] { return false; }); !status.ok()) return status;
  if (sessions_ != nullptr && !theirs.database_uuid.empty() &&
      sessions_->database().identity().uuid != theirs.database_uuid) {
    return base::Status(base::ErrorKind::kUsage,
                        "the running server keeps its sessions in another database: give the same --sessions");
  }
  if (sessions_ != nullptr) {
    if (base::Status status = sessions_->CatchUp(); !status.ok()) return status;
  }
  TakeoverStep("prepared");
  return StartWorkers();
}

base::Status Server::ReceiveAll(Takeover& takeover) {
  network::ListenerSettings listener = ListenerSettingsOf();
  listener.addresses.clear();
  listener.unix_path.clear();
  for (Takeover::Listening& listening : takeover.listeners()) {
    listener.inherited.push_back(listening.socket.Release());
    if (listening.owns_file) listener.inherited_files.push_back(listener.inherited.back());
  }
  if (base::Status status = OpenListener(std::move(listener)); !status.ok()) return status;
  store_->ReserveCas(takeover.sealed().cas);
  if (sessions_ == nullptr) return {};
  return sessions_->CatchUpToEnd(takeover.sealed().sessions);
}

base::Status Server::Serve(Takeover& takeover) {
  listener_->OwnFiles();
  AddStats();
  started_ = true;
  if (sessions_ != nullptr) {
    if (base::Status status = sessions_->Start(); !status.ok()) return status;
  }
  size_t next = 0;
  const size_t connections = takeover.connections().size();
  for (Takeover::Arriving& arriving : takeover.connections()) {
    auto transport = network::MakePlainTransport(arriving.socket.Release(), std::move(arriving.state.unread));
    workers_[next++ % workers_.size()]->Adopt(network::Arrival{
        std::move(transport), limit_.Take(), std::make_unique<network::ConnectionState>(std::move(arriving.state))});
  }
  if (base::Status status = listener_->Start(); !status.ok()) return status;
  const int64_t pause_us = base::MonotonicMicros() - takeover.sealed().stopped_us;
  MakeHandover();
  if (base::Status status = handover_->InheritDoor(takeover.TakeDoor().Release()); !status.ok()) return status;
  if (base::Status status = handover_->Start(); !status.ok()) return status;
  log_.Format(
      base::LogLevel::kNotice,
      "took over from process %d: %zu connections (%llu could not move), %llu sessions not yet in the database, "
      "pause %lld.%03lld ms; cache items were not taken along",
      static_cast<int>(takeover.predecessor()), connections,
      static_cast<unsigned long long>(takeover.sealed().left_behind),
      static_cast<unsigned long long>(sessions_ == nullptr ? 0 : sessions_->sessions().write_behind().dirty_items()),
      static_cast<long long>(pause_us / 1000), static_cast<long long>(pause_us % 1000));
  return {};
}

}  // namespace holdfast::server
