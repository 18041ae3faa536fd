// How it works: the order of members is the order of dependence; Stop goes through them backwards. Clients are cut off
// before the sessions are drained, so that nothing new is acknowledged that the drain would miss.

#include "server/server.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/check.h"
#include "config.h"
#include "server/listen_address.h"
#include "server/memory_check.h"
#include "session/database_url.h"
#include "session/session_options.h"
#include "store/store_options.h"

namespace holdfast::server {

namespace {

constexpr uint64_t kReserveFactor = 4;         // of address space, beyond -m
constexpr int64_t kFinishMicros = 10'000'000;  // that connections have for what they have in hand
constexpr int kFinishLookMillis = 10;

uint64_t PhysicalMemoryBytes() {
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

protocol::ParserSettings ParserSettingsOf(const store::StoreSettings& store) {
  protocol::ParserSettings settings;
  settings.item_bytes_max = store.item_bytes_max;
  settings.with_cas = store.cas;
  return settings;
}

}  // namespace

Server::Server(const Settings& settings, const base::OptionSet& options, base::Log& log, const base::Clock& clock)
    : settings_(settings),
      options_(options),
      log_(log),
      clock_(clock),
      started_steady_micros_(clock.SteadyMicros()),
      budget_(settings.server.connection_memory_bytes),
      limit_(settings.server.connections),
      live_(settings.server),
      control_(options, stats_, log, live_) {}

Server::~Server() { Stop(); }

base::Status Server::ReadSecrets() {
  auto password = session::ReadDatabasePassword(settings_.session);
  if (!password.ok()) return password.status().In("--database-password-file");
  database_password_ = std::move(password.value());
  return {};
}

base::Status Server::OpenStore() {
  if (const std::string warning = MemoryWarning(settings_.store.memory_limit_bytes); !warning.empty())
    log_.Warning(warning);
  store::StoreSettings settings = settings_.store;
  // cache_memlimit may raise the limit; with locked memory all that is reserved would be filled at once.
  if (!settings_.server.lock_memory)
    settings.memory_reserve_bytes = std::max(PhysicalMemoryBytes(), settings.memory_limit_bytes * kReserveFactor);
  auto store = store::Store::Create(settings, clock_);
  if (!store.ok()) return store.status();
  store_ = std::move(store.value());
  return {};
}

base::Status Server::OpenSockets(std::vector<int> passed) {
  if (base::Status status = MakeWorkers(); !status.ok()) return status;
  network::ListenerSettings listener = ListenerSettingsOf();
  if (!passed.empty()) {
    listener.inherited = std::move(passed);
    listener.addresses.clear();
    listener.unix_path.clear();
    log_.Notice("listening on the sockets that the service manager has passed: -l, -p and -s are not used");
  }
  if (base::Status status = OpenListener(std::move(listener)); !status.ok()) return status;
  WarnOfPublicAddress();
  return {};
}

base::Status Server::OpenListener(network::ListenerSettings settings) {
  std::vector<network::Worker*> workers;
  for (const auto& worker : workers_) workers.push_back(worker.get());
  listener_ = std::make_unique<network::Listener>(std::move(settings), limit_, std::move(workers));
  return listener_->Open();
}

void Server::WarnOfPublicAddress() const {
  for (const network::ListenSocket& socket : listener_->bound()) {
    if (socket.local_only()) continue;
    log_.Warning("listening on " + socket.name() +
                 ": whoever reaches that address can read and change everything, for there is no authentication yet; "
                 "keep it behind a firewall");
    break;
  }
}

command::OperationSettings Server::OperationSettingsOf() const {
  const ServerSettings& server = settings_.server;
  command::OperationSettings operations;
  operations.threads = server.threads;
  operations.list_sessions = server.list_sessions;
  operations.track_sizes = server.track_sizes;
  operations.prefix_stats = server.prefix_stats;
  operations.prefix_delimiter = server.prefix_delimiter.front();
  operations.worker_log_bytes = server.worker_log_bytes;
  operations.watcher_log_bytes = server.watcher_log_bytes;
  return operations;
}

base::Status Server::MakeWorkers() {
  operations_ = std::make_unique<command::Operations>(OperationSettingsOf(), *store_, clock_, host_);
  store_->SetEvictionWatch(&operations_->watch);
  control_.SetOperations(*operations_);
  shared_ = std::make_unique<Shared>(Shared{clock_, *store_, nullptr, control_, settings_.server.protocol,
                                            ParserSettingsOf(settings_.store), live_, operations_.get()});
  for (uint32_t i = 0; i < settings_.server.threads; ++i) {
    counters_.push_back(std::make_unique<command::CommandCounters>());
    auto state = std::make_unique<WorkerState>(*shared_, i, *counters_.back());
    states_.push_back(state.get());
    network::WorkerSettings worker;
    worker.index = static_cast<int>(i);
    worker.idle_timeout_seconds = settings_.server.idle_timeout_seconds;
    worker.busy_poll_us = settings_.server.busy_poll_us;
    worker.spare_processor = &spare_processor_;
    workers_.push_back(std::make_unique<network::Worker>(worker, budget_, std::move(state)));
  }
  return {};
}

network::ListenerSettings Server::ListenerSettingsOf() const {
  network::ListenerSettings listener;
  const ServerSettings& server = settings_.server;
  listener.unix_path = server.unix_path;
  listener.unix_mode = server.unix_mask;
  listener.port = server.port;
  listener.backlog = static_cast<int>(server.backlog);
  listener.reject_when_full = server.reject_when_full;
  listener.mark = server.socket_mark;
  if (!server.unix_path.empty() || server.port == 0) return listener;
  for (const std::string& text : server.listen) {
    const auto parsed = ParseListenAddress(text);
    CHECK(parsed.ok());  // looked at by CheckTogether
    listener.addresses.push_back(parsed.value().address);
    listener.labels.push_back(LabelOf(parsed.value().protocol));
  }
  if (listener.addresses.empty()) listener.addresses = {"127.0.0.1"};
  return listener;
}

base::Status Server::OpenSessions(const std::function<bool()>& is_asked_to_end) {
  return OpenSessions({}, is_asked_to_end);
}

base::Status Server::OpenSessions(SessionService::Inherited inherited, const std::function<bool()>& is_asked_to_end) {
  if (settings_.session.database.empty()) return {};
  auto service = SessionService::Open(
      settings_, database_password_, clock_, *store_, log_,
      [this](const session::Waiter& waiter, session::LoadOutcome outcome) { WakeWaiter(waiter, outcome); },
      OwnAddress(), std::move(inherited), is_asked_to_end);
  if (!service.ok()) return service.status();
  sessions_ = std::move(service.value());
  shared_->sessions = &sessions_->sessions();
  operations_->sessions = &sessions_->sessions();
  operations_->inquiry = &sessions_->inquiry();
  return {};
}

// Where other servers on other machines may reach this one: the first address that is not this machine's own, else the
// first. Empty: only a unix socket.
std::string Server::OwnAddress() const {
  // Taking over, the sockets come later: they are those that the options name.
  if (listener_ == nullptr) {
    if (settings_.server.listen.empty() || settings_.server.port <= 0) return {};
    const std::string& address = settings_.server.listen.front();
    return address.find(':') == std::string::npos ? address + ":" + std::to_string(settings_.server.port) : address;
  }
  std::string address;
  for (const network::ListenSocket& socket : listener_->bound()) {
    if (socket.port() == 0) continue;
    std::string name = socket.name();
    if (name.starts_with("0.0.0.0:") || name.starts_with("[::]:") || name.starts_with("*:")) {
      char host[256] = {};
      if (::gethostname(host, sizeof host - 1) != 0) continue;
      name = std::string(host) + ":" + std::to_string(socket.port());
    }
    if (address.empty() || !socket.local_only()) address = name;
    if (!socket.local_only()) break;
  }
  return address;
}

void Server::WakeWaiter(const session::Waiter& waiter, session::LoadOutcome outcome) {
  WorkerState* const state = states_[waiter.worker];
  workers_[waiter.worker]->Post([state, waiter, outcome] { state->Wake(waiter, outcome); });
}

base::Status Server::Start() {
  AddStats();
  started_ = true;
  if (sessions_ != nullptr) {
    if (base::Status status = sessions_->Start(); !status.ok()) return status;
  }
  if (base::Status status = StartWorkers(); !status.ok()) return status;
  MakeHandover();
  if (const std::string door = HandoverDoor(settings_); !door.empty()) {
    if (base::Status status = handover_->OpenDoor(door); !status.ok()) {
      if (options_.IsGiven("takeover-socket")) return status.In("--takeover-socket");
      log_.Notice("no hand-over: " + status.message() + "; --takeover-socket gives it another place");
    }
  }
  if (base::Status status = listener_->Start(); !status.ok()) return status;
  return handover_->Start();
}

base::Status Server::StartWorkers() {
  for (const auto& worker : workers_) {
    if (base::Status status = worker->Start(); !status.ok()) return status;
  }
  upkeep_ = std::make_unique<Upkeep>(*store_, clock_);
  upkeep_->Start();
  return {};
}

void Server::MakeHandover() {
  handover_ = std::make_unique<Handover>(
      Handover::Parts{*listener_, workers_, sessions_.get(), *store_, service_manager_, log_}, on_handed_over_);
}

void Server::AddStats() {
  process_source_ = {&clock_, &workers_, listener_.get(), &limit_, started_steady_micros_, &budget_, operations_.get()};
  std::vector<const command::CommandCounters*> counters;
  for (const auto& counter : counters_) counters.push_back(counter.get());
  stats_.Add("", ProcessStats(), process_source_);
  if (settings_.server.reject_when_full) stats_.Add("", RejectionStats(), process_source_);
  if (settings_.server.idle_timeout_seconds > 0) stats_.Add("", IdleStats(), process_source_);
  stats_.Add("", command::CommandStats(), counters);
  stats_.Add("", store::StoreStats(), *store_);
  stats_.Add("", store::AccessStats(), *store_);
  stats_.Add("holdfast", ProcessDetailStats(), process_source_);
  stats_.Add("holdfast", store::StoreDetailStats(), *store_);
  if (sessions_ != nullptr) {
    stats_.Add("sessions", session::SessionStatRows(), sessions_->sessions());
    stats_.Add("sessions", session::SessionMeasureRows(), sessions_->sessions());
    stats_.Add("sessions", command::SessionCommandStats(), counters);
  }
}

bool Server::Stop(const std::function<bool()>& hurried) {
  if (!started_) return true;
  started_ = false;
  if (handover_ != nullptr) handover_->Stop();
  if (listener_ != nullptr) {
    listener_->Stop();
    listener_->Join();
  }
  if (operations_ != nullptr) operations_->Stop();
  for (const auto& worker : workers_) worker->Stop();
  for (const auto& worker : workers_) worker->Join();
  if (upkeep_ != nullptr) upkeep_->Stop();
  if (sessions_ == nullptr) return true;
  if (successor() == 0) return sessions_->Stop(hurried);
  sessions_->Leave();
  return true;
}

void Server::Finish(const std::function<bool()>& hurried) {
  if (successor() != 0) return;
  listener_->Stop();
  listener_->Join();
  listener_->Close();
  for (const auto& worker : workers_) worker->FinishConnections();
  const int64_t until_us = clock_.SteadyMicros() + kFinishMicros;
  const auto connections = [this] {
    uint64_t sum = 0;
    for (const auto& worker : workers_) sum += worker->counters().connections_current.value();
    return sum;
  };
  while (connections() > 0 && clock_.SteadyMicros() < until_us && !hurried()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(kFinishLookMillis));
  }
  if (const uint64_t left = connections(); left > 0) {
    log_.Format(base::LogLevel::kNotice, "%llu connections are closed in the middle of a request",
                static_cast<unsigned long long>(left));
  }
}

std::string Server::Banner() const {
  std::string where;
  for (const network::ListenSocket& socket : listener_->bound()) where += (where.empty() ? "" : ", ") + socket.name();
  return std::string(PACKAGE_NAME) + " " + PACKAGE_VERSION + " on " + where + ", " +
         std::to_string(settings_.store.memory_limit_bytes >> 20) + " MB, " +
         (sessions_ == nullptr ? "no sessions (--sessions=sqlite:PATH keeps them)"
                               : "sessions in " + sessions_->Describe()) +
         "; stop with Ctrl-C or SIGTERM";
}

}  // namespace holdfast::server
