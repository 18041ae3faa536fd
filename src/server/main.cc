// main.cc - the program: options, then the server's parts in order, then a wait for the signal that ends it.

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/debug_clock.h"
#include "base/log.h"
#include "base/option.h"
#include "security/privileges.h"
#include "server/configuration.h"
#include "server/port_file.h"
#include "server/reload.h"
#include "server/schema_orders.h"
#include "server/server.h"
#include "server/successor.h"

extern char** environ;

namespace holdfast::server {

namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 64;

int Fail(const base::Status& status) {
  std::fprintf(stderr, "holdfast: %s\n", status.message().c_str());
  return status.kind() == base::ErrorKind::kUsage ? kExitUsage : kExitFailure;
}

int Print(const std::string& text) {
  return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0 ? 0 : kExitFailure;
}

// Where it cannot be told, relative names are taken from where the process is.
std::string WorkingDirectory() {
  char* const path = ::getcwd(nullptr, 0);
  const std::string directory = path == nullptr ? "." : path;
  std::free(path);
  return directory;
}

base::Status BecomeOrdinary(const Settings& settings) {
  if (!security::IsRoot()) return {};
  if (settings.server.user.empty()) {
    return base::Status(base::ErrorKind::kUsage,
                        "started as root, but not told whom to become: give -u USER (-u root to stay)");
  }
  auto user = security::FindUser(settings.server.user);
  if (!user.ok()) return user.status();
  return security::BecomeUser(user.value());
}

base::Status TellPorts(const Server& server) {
  const char* const path = std::getenv("MEMCACHED_PORT_FILENAME");
  return path == nullptr ? base::Status() : WritePortFile(path, server.sockets());
}

base::Status WritePidFile(const Settings& settings, const base::Log& log) {
  if (settings.server.pid_file.empty()) return {};
  return security::WritePidFile(settings.server.pid_file, log, settings.server.takeover);
}

// What the server sends to its own process when another one serves in its place.
const int kHandedOver = SIGRTMIN;
constexpr const char* kFinishSignal = "SIGUSR1";

// Has a SIGTERM or SIGINT come that nobody has waited for: while the server starts, or since the one that stops it?
class Hurry {
 public:
  bool Asked() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : {SIGTERM, SIGINT}) sigaddset(&signals, number);
    const timespec at_once{};
    if (!asked_ && sigtimedwait(&signals, nullptr, &at_once) > 0) asked_ = true;
    return asked_;
  }
  // As of the last look.
  bool was_asked() const { return asked_; }

 private:
  bool asked_ = false;
};

// Blocked in every thread, taken by the main thread in WaitForEnd.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, kHandedOver}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

const char* WaitForEnd(const sigset_t& signals, const std::function<void()>& reload,
                       const std::function<void()>& start_successor) {
  for (;;) {
    int number = 0;
    if (sigwait(&signals, &number) != 0) continue;
    if (number == SIGTERM) return "SIGTERM";
    if (number == SIGINT) return "SIGINT";
    if (number == SIGUSR1) return kFinishSignal;
    if (number == kHandedOver) return "handed over";
    if (number == SIGHUP) reload();
    if (number == SIGUSR2) start_successor();
  }
}

int Run(int argc, char** argv) {
  const Sources sources{argc, argv, environ, WorkingDirectory()};
  Configuration configuration;
  if (base::Status status = configuration.ReadFlags(sources); !status.ok()) return Fail(status);
  if (const auto answer = ObeyFlags(configuration)) return Print(*answer);
  if (base::Status status = configuration.ReadRest(sources); !status.ok()) return Fail(status);
  const Settings& settings = configuration.settings();
  const base::OptionSet& options = configuration.options();

  auto passed = ServiceManager::InheritSockets();
  if (!passed.ok()) return Fail(passed.status());
#ifdef NDEBUG
  const base::SystemClock clock;
#else
  base::DebugClock clock;
#endif
  base::Log log(LogLevelOf(static_cast<uint32_t>(settings.server.verbosity)),
                base::LogFormatOf(std::getenv("JOURNAL_STREAM")), clock);
  for (const std::string& warning : options.Warnings()) log.Warning(warning);
  if (const auto answer = ObeyConfiguration(configuration)) return Print(*answer);
  if (const auto answer = ObeySchemaOrders(settings)) {
    return answer->ok() ? Print(answer->value()) : Fail(answer->status());
  }
  if (security::IsRoot() && settings.server.user.empty()) return Fail(BecomeOrdinary(settings));

  std::optional<security::Background> background;
  if (settings.server.background) {
    auto entered = security::Background::Enter();
    if (!entered.ok()) return Fail(entered.status());
    background.emplace(std::move(entered.value()));
  }
  const sigset_t signals = BlockSignals();
  if (base::Status status = security::RaiseOpenFiles(DescriptorsFor(settings.server.connections)); !status.ok()) {
    return Fail(status);
  }
  if (settings.server.lock_memory) {
    if (base::Status status = security::LockMemory(); !status.ok()) return Fail(status);
  }

  Server server(settings, options, log, clock);
#ifndef NDEBUG
  server.AllowDebugTime(&clock);
#endif
  if (base::Status status = server.ReadSecrets(); !status.ok()) return Fail(status);
  if (base::Status status = server.OpenStore(); !status.ok()) return Fail(status);
  const bool takes_over = settings.server.takeover;
  server.set_on_handed_over([] { ::kill(::getpid(), kHandedOver); });
  if (!takes_over) {
    if (base::Status status = server.OpenSockets(std::move(passed.value())); !status.ok()) return Fail(status);
    if (base::Status status = TellPorts(server); !status.ok()) return Fail(status);
    if (base::Status status = WritePidFile(settings, log); !status.ok()) return Fail(status);
  }
  if (base::Status status = BecomeOrdinary(settings); !status.ok()) return Fail(status);
  if (settings.server.core_dumps) {
    if (base::Status status = security::AllowCoreDumps(); !status.ok()) return Fail(status);
  }
  Hurry hurry;
  const auto hurried = [&] {
    server.service_manager().GoesOn();
    return hurry.Asked();
  };
  base::Status status = takes_over ? server.TakeOver() : server.OpenSessions(hurried);
  if (status.ok() && !takes_over) status = server.Start();
  if (status.ok() && takes_over) {
    // Until now it named the process before.
    if (base::Status written = WritePidFile(settings, log); !written.ok()) log.Warning(written.message());
  }
  if (status.ok()) {
    log.Notice(server.Banner());
    server.service_manager().Ready(server.Banner());
    if (background.has_value()) status = background->Ready(settings.server.verbosity > 0);
  }
  if (status.ok()) {
    const auto reload = [&] {
      server.service_manager().Reloading();
      Reload(sources, configuration, server, log);
      server.service_manager().Ready(server.Banner());
    };
    const auto start_successor = [&] {
      if (base::Status started = StartSuccessor(sources); !started.ok()) log.Error(started.message());
    };
    const std::string_view signal = WaitForEnd(signals, reload, start_successor);
    log.Notice("stopping: " + std::string(signal));
    if (server.successor() == 0) server.service_manager().Stopping();
    if (signal == kFinishSignal) server.Finish(hurried);
  }
  const bool stopped = server.Stop(hurried);
  if (!settings.server.pid_file.empty()) {
    if (base::Status removed = security::RemovePidFile(settings.server.pid_file); !removed.ok())
      log.Warning(removed.message());
  }
  // Threads may hang in the database: nothing of them is waited for.
  if (!stopped) ::_exit(0);
  if (!status.ok()) {
    if (!hurry.was_asked()) return Fail(status);
    log.Warning(status.message());  // what it was waiting for when it was told to end
  }
  log.Notice("stopped");
  return 0;
}

}  // namespace

}  // namespace holdfast::server

int main(int argc, char** argv) { return holdfast::server::Run(argc, argv); }
