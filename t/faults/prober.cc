// How it works: one round after the other through all servers that are not left, on one connection each. A server that
// has been started is given its session first; only then it is in its memory.

#include "faults/prober.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace holdfast::faults {
namespace {

constexpr int64_t kPauseMicros = 1'000;
constexpr uint32_t kProbedKey = 4'000'000'000;  // and one for each further server; no writer's
// What waits for nothing is answered within half a second; a hand-over may take 0.8 s.
constexpr int64_t kAnswerMicros = 800'000;

std::string NameAt(size_t server) { return "php:" + std::to_string(kProbedKey + server); }

}  // namespace

Prober::~Prober() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void Prober::Start() {
  servers_ = std::vector<Probed>(site_.ports.size());
  thread_ = std::thread([this] { Work(); });
}

void Prober::Leave(size_t server) {
  std::lock_guard lock(mutex_);
  servers_[server].is_left = true;
  servers_[server].is_kept = false;
  servers_[server].connection.Close();
}

void Prober::Return(size_t server) {
  std::lock_guard lock(mutex_);
  servers_[server].is_left = false;
}

Prober::Count Prober::Take() {
  std::lock_guard lock(mutex_);
  return std::exchange(count_, {});
}

void Prober::Work() {
  while (!stop_) {
    for (size_t server = 0; server < servers_.size(); ++server) {
      std::lock_guard lock(mutex_);
      if (!servers_[server].is_left) Probe(server);
    }
    ::usleep(kPauseMicros);
  }
}

void Prober::Probe(size_t server) {
  Probed& probed = servers_[server];
  if (!probed.connection.is_open()) probed.connection.Open(site_.ports[server]);
  if (!probed.is_kept) {
    const std::string line = probed.connection.Ask("set " + NameAt(server) + " 0 0 4\r\nkept\r\n", false).line;
    probed.is_kept = line == "STORED";
  }
  Ask(server, "set cache:probed 0 0 1\r\nx\r\n", false, "STORED");
  Ask(server, "get cache:probed\r\n", true, "VALUE ");
  if (probed.is_kept) Ask(server, "get " + NameAt(server) + "\r\n", true, "VALUE ");
}

void Prober::Ask(size_t server, const std::string& request, bool is_get, const char* expected) {
  const int64_t begun_us = NowMicros();
  const std::string line = servers_[server].connection.Ask(request, is_get).line;
  const int64_t took_us = NowMicros() - begun_us;
  ++count_.probes;
  count_.longest_us = std::max(count_.longest_us, took_us);
  int64_t allowed_us = kAnswerMicros;
  if (took_us > allowed_us) {
    const test::Lateness::Clock::time_point begun{std::chrono::microseconds(begun_us)};
    allowed_us += std::chrono::microseconds(site_.lateness.WorstSince(begun)).count();
  }
  if (line.starts_with(expected) && took_us <= allowed_us) {
    ++count_.answered;
  } else {
    count_.unanswered = Describe(Trouble{begun_us, begun_us + took_us, 0, 0, static_cast<uint32_t>(server),
                                         request.substr(0, request.find('\r')), line});
  }
}

}  // namespace holdfast::faults
