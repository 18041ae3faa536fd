// How it works: a crowd of connections, each with one request for a session that is not in memory, sent once the
// database hangs. When the server says that all of them are parked the open loop begins, and it ends while they still
// are. The rule's budget ends before the database comes back, so every one of the crowd must be answered the rule's
// error in time. In the undisturbed run of a pair the same connections are open and nobody waits.
#include "bench/parked.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "bench/load.h"
#include "bench/session_rates.h"
#include "bench/session_server.h"

namespace holdfast::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr uint32_t kKeys = 10'000;
constexpr int kEventsMax = 256;
constexpr int kAtATime = 100;  // of the crowd; between, others have their turn
constexpr auto kWarmUp = milliseconds(300);
constexpr auto kPoll = milliseconds(5);
constexpr auto kPatience = std::chrono::seconds(20);  // beyond the budget: then it is called hanging
constexpr std::string_view kError = "SERVER_ERROR the session database cannot be asked\r\n";
constexpr rlim_t kFurtherFiles = 200;

// Requests that wait. Its thread sleeps while they do.
class Crowd {
 public:
  Crowd(uint16_t port, uint32_t size) : epoll_(epoll_create1(EPOLL_CLOEXEC)), members_(size) {
    for (Member& member : members_) {
      member.fd = ConnectLoopback(port, false);
      if (member.fd < 0) throw BenchError(std::string("cannot connect so often: ") + std::strerror(errno));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &member;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, member.fd, &event);
    }
  }
  ~Crowd() {
    Await(milliseconds(0));
    for (const Member& member : members_) close(member.fd);
    close(epoll_);
  }

  // Asks for sessions that nobody has asked for before.
  void Ask() {
    ++round_;
    answered_ = 0;
    patient_until_ = Clock::time_point::max();
    for (size_t i = 0; i < members_.size(); ++i) {
      const std::string request = "get sess:absent:" + std::to_string(round_) + ":" + std::to_string(i) + "\r\n";
      members_[i].sent = Clock::now();
      members_[i].is_right = false;
      if (send(members_[i].fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) throw BenchError("the crowd: send");
      if (i % kAtATime == kAtATime - 1) std::this_thread::sleep_for(milliseconds(1));
    }
    thread_ = std::thread([this] { Listen(); });
  }

  // Waits for all answers, no longer than this.
  void Await(milliseconds patience) {
    if (!thread_.joinable()) return;
    patient_until_ = Clock::now() + patience;
    thread_.join();
  }

  void AddTo(ParkedFigures* figures) const {
    for (const Member& member : members_) {
      ++(member.is_right ? figures->answered : figures->others);
      if (!member.is_right) continue;
      const double ms = std::chrono::duration<double, std::milli>(member.answered - member.sent).count();
      figures->latest_ms = std::max(figures->latest_ms, ms);
      figures->earliest_ms = figures->earliest_ms == 0 ? ms : std::min(figures->earliest_ms, ms);
    }
  }

 private:
  struct Member {
    int fd = -1;
    Clock::time_point sent, answered;
    bool is_right = false;
  };

  void Listen() {
    epoll_event events[kEventsMax];
    while (answered_ < members_.size() && Clock::now() < patient_until_.load()) {
      const int ready = epoll_wait(epoll_, events, kEventsMax, 100);
      for (int i = 0; i < ready; ++i) {
        Member& member = *static_cast<Member*>(events[i].data.ptr);
        char bytes[256];
        const ssize_t got = recv(member.fd, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EAGAIN) continue;
        member.answered = Clock::now();
        member.is_right = got > 0 && std::string_view(bytes, static_cast<size_t>(got)) == kError;
        ++answered_;
        if (got <= 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, member.fd, nullptr);
      }
    }
  }

  const int epoll_;
  std::vector<Member> members_;
  int round_ = 0;
  size_t answered_ = 0;  // of the thread's while it runs
  std::atomic<Clock::time_point> patient_until_;
  std::thread thread_;
};

void AllowFiles(uint32_t files) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < files + kFurtherFiles) {
    throw BenchError("needs " + std::to_string(files + kFurtherFiles) + " open files: ulimit -n");
  }
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

double CapacityOf(ServerProcess& server, const SessionOptions& options) {
  const Keyspace keyspace{"page:", kOpenLoopValueBytes, kKeys, false};
  Preload(server, Keys::kLarge, keyspace);
  const Workload gets{.name = "gets",
                      .title = "gets",
                      .verb = Verb::kGet,
                      .syntax = Syntax::kText,
                      .memcached_syntax = Syntax::kText,
                      .keys = Keys::kLarge,
                      .draw = Draw::kUniform,
                      .connections = 50,
                      .depth = 1,
                      .target = 0};
  Load load(server, gets, Syntax::kText, keyspace, options.seed);
  const Measurement measured = load.Measure(kWarmUp, milliseconds(options.run_ms));
  return static_cast<double>(measured.operations) * 1e9 / static_cast<double>(measured.wall_ns);
}

void WaitUntilParked(const ServerProcess& server, uint64_t count, Clock::time_point deadline) {
  while (server.Statistic("parked", "sessions") != count) {
    if (Clock::now() > deadline) throw BenchError("not all requests are parked in time");
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace

ParkedFigures MeasureParked(const SessionOptions& options, std::optional<int> cpu) {
  AllowFiles(options.parked);
  // The crowd is parked before the run begins and for a while after it has ended.
  const milliseconds hang(options.hang_ms), budget = hang * 9 / 10, run = hang * 6 / 10;
  ParkedFigures figures;
  figures.parked = options.parked;
  figures.budget_ms = static_cast<uint32_t>(budget.count());
  const BenchDirectory directory;
  const std::unique_ptr<ServerProcess> server = directory.StartWithSessions(
      options,
      {"-t", "1", "-m", "512", "-c", std::to_string(options.parked + 500),
       "--session-rule=prefix=sess: action=error budget=" + std::to_string(figures.budget_ms) + "ms"},
      cpu);
  HangingDatabase database(options, directory);
  figures.rate_per_s = CapacityOf(*server, options) / 2;
  OpenLoop plain(server->port(), "page:", kKeys, 0, options.seed);
  plain.StoreAll();
  Crowd crowd(server->port(), options.parked);

  const auto undisturbed = [&] { figures.undisturbed.push_back(plain.Run(figures.rate_per_s, run)); };
  const auto hanging = [&] {
    const auto begun = Clock::now();
    database.Begin();
    crowd.Ask();
    WaitUntilParked(*server, options.parked, begun + hang - run);
    figures.hanging.push_back(plain.Run(figures.rate_per_s, run));
    if (server->Statistic("parked", "sessions") != options.parked) throw BenchError("answered before the run ended");
    std::this_thread::sleep_until(begun + hang);
    crowd.Await(kPatience);
    database.End();
    crowd.AddTo(&figures);
    WaitUntilParked(*server, 0, Clock::now() + kPatience);
  };
  for (int pair = 0; pair < options.pairs; ++pair) {
    if (pair % 2 == 0) undisturbed();
    hanging();
    if (pair % 2 != 0) undisturbed();
    figures.ratios.push_back(figures.hanging.back().p99_us / figures.undisturbed.back().p99_us);
    std::fprintf(stderr, "parked: p99 undisturbed %.0f us, hanging %.0f us\n", figures.undisturbed.back().p99_us,
                 figures.hanging.back().p99_us);
  }
  return figures;
}

}  // namespace holdfast::bench
