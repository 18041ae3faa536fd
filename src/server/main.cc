// main.cc - the program: options, then the server's parts in order, then a wait for the signal that ends it.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/option.h"
#include "base/option_document.h"
#include "config.h"
#include "security/privileges.h"
#include "server/manual.h"
#include "server/server.h"
#include "server/server_options.h"

extern char** environ;

namespace holdfast::server {

namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 64;

int Fail(const base::Status& status) {
  std::fprintf(stderr, "holdfast: %s\n", status.message().c_str());
  return status.kind() == base::ErrorKind::kUsage ? kExitUsage : kExitFailure;
}

// The orders that are answered without a server. Empty: go on.
std::optional<int> ObeyOrders(const base::OptionSet& options, const Settings& settings) {
  if (settings.server.help) {
    std::fputs(
        base::HelpText(
            options, "usage: holdfast [OPTION...]\n\nA memcached-compatible cache that keeps sessions in a database.\n")
            .c_str(),
        stdout);
    return 0;
  }
  if (settings.server.version) {
    std::printf("%s %s\n", PACKAGE_NAME, PACKAGE_VERSION);
    return 0;
  }
  if (settings.server.license) {
    std::printf("%s %s comes without a license text: ask those you have it from.\n", PACKAGE_NAME, PACKAGE_VERSION);
    return 0;
  }
  if (settings.server.manual) {
    std::fputs(Manual(options).c_str(), stdout);
    return 0;
  }
  return std::nullopt;
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

// Blocked in every thread, taken by the main thread in WaitForEnd.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

const char* WaitForEnd(const sigset_t& signals) {
  for (;;) {
    int number = 0;
    if (sigwait(&signals, &number) != 0) continue;
    if (number == SIGTERM) return "SIGTERM";
    if (number == SIGINT) return "SIGINT";
    if (number == SIGUSR1) return "SIGUSR1";
    // SIGHUP: nothing can be reloaded yet, and a closed terminal is no reason to end.
  }
}

// Descriptors beside the connections: listeners, epoll and eventfds of the workers, database, log.
constexpr uint64_t kOtherDescriptors = 64;

int Run(int argc, char** argv) {
  Settings settings;
  base::OptionSet options;
  AddOptions(options, settings);
  if (base::Status status = options.ReadArguments(argc, argv); !status.ok()) return Fail(status);
  if (const auto exit_status = ObeyOrders(options, settings)) return *exit_status;
  if (base::Status status = CheckTogether(options, settings); !status.ok()) return Fail(status);

  const base::SystemClock clock;
  base::Log log(LogLevelOf(static_cast<uint32_t>(settings.server.verbosity)),
                base::LogFormatOf(std::getenv("JOURNAL_STREAM")), clock);
  for (const std::string& warning : options.Warnings()) log.Warning(warning);
  if (security::IsRoot() && settings.server.user.empty()) return Fail(BecomeOrdinary(settings));

  std::optional<security::Background> background;
  if (settings.server.background) {
    auto entered = security::Background::Enter();
    if (!entered.ok()) return Fail(entered.status());
    background.emplace(std::move(entered.value()));
  }
  const sigset_t signals = BlockSignals();
  const uint64_t descriptors = settings.server.connections + kOtherDescriptors;
  if (base::Status status = security::RaiseOpenFiles(descriptors); !status.ok()) return Fail(status);
  if (settings.server.lock_memory) {
    if (base::Status status = security::LockMemory(); !status.ok()) return Fail(status);
  }

  Server server(settings, options, log, clock);
  if (base::Status status = server.OpenStore(); !status.ok()) return Fail(status);
  if (base::Status status = server.OpenSockets(); !status.ok()) return Fail(status);
  if (!settings.server.pid_file.empty()) {
    if (base::Status status = security::WritePidFile(settings.server.pid_file, log); !status.ok()) return Fail(status);
  }
  if (base::Status status = BecomeOrdinary(settings); !status.ok()) return Fail(status);
  if (settings.server.core_dumps) {
    if (base::Status status = security::AllowCoreDumps(); !status.ok()) return Fail(status);
  }
  base::Status status = server.OpenSessions();
  if (status.ok()) status = server.Start();
  if (status.ok()) {
    log.Notice(server.Banner());
    if (background.has_value()) status = background->Ready(settings.server.verbosity > 0);
  }
  if (status.ok()) {
    const char* const signal = WaitForEnd(signals);
    log.Format(base::LogLevel::kNotice, "stopping: %s", signal);
  }
  server.Stop();
  if (!settings.server.pid_file.empty()) {
    if (base::Status removed = security::RemovePidFile(settings.server.pid_file); !removed.ok())
      log.Warning(removed.message());
  }
  if (!status.ok()) return Fail(status);
  log.Notice("stopped");
  return 0;
}

}  // namespace

}  // namespace holdfast::server

int main(int argc, char** argv) { return holdfast::server::Run(argc, argv); }
