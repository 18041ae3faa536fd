// network_harness.h - a worker with a small line protocol, and clients for it, for the tests of network/.
//
// A client sends lines. The worker answers each:
//     TEXT        the same line
//     big N       N bytes 'b' and a newline, copied into the output
//     lend N      N bytes 'l' and a newline, lent; the lender's memory is overwritten at the next quiescent state
//     park        nothing until Resume, then "resumed"
//     early       as park, but it resumes itself before it parks
//     quit        "bye", then close
//     abort       closes at once
// A line that fills the input block is a mistake of the client: "long", then close.

#ifndef HOLDFAST_T_UNIT_NETWORK_HARNESS_H_
#define HOLDFAST_T_UNIT_NETWORK_HARNESS_H_

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "network/worker.h"

namespace holdfast::network {

inline bool Eventually(const std::function<bool()>& holds, int seconds = 10) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// What the handlers of one worker share and the test looks at.
struct Stage {
  uint32_t lines_a_turn = 0;  // -R; 0: no limit
  bool resume_at_once = false;

  std::atomic<int> opened{0};
  std::atomic<int> closed{0};
  std::atomic<uint64_t> parked_id{0};
  std::atomic<int> parks{0};
  std::atomic<uint64_t> rounds{0};
  std::atomic<size_t> unsent_max{0};
  std::atomic<bool> waiting{false};
  std::atomic<bool> turn_while_waiting{false};
  std::atomic<bool> stopped{false};
  std::vector<std::unique_ptr<std::string>> lent;  // the worker's own
};

class LineHandler final : public Handler {
 public:
  LineHandler(Stage& stage, Connection&) : stage_(stage) { ++stage_.opened; }

  Turn OnTurn(Connection& connection) override {
    if (stage_.waiting) stage_.turn_while_waiting = true;
    if (parked_) {
      parked_ = false;
      connection.output().Append("resumed\n");
    }
    uint32_t lines = 0;
    for (;;) {
      const size_t unsent = connection.output().size();
      if (unsent > stage_.unsent_max) stage_.unsent_max = unsent;
      if (unsent >= kOutputHighWater) return Turn::kFull;
      const std::string_view input = connection.input();
      const size_t end = input.find('\n');
      if (end == std::string_view::npos) break;
      if (stage_.lines_a_turn > 0 && lines == stage_.lines_a_turn && connection.worker().OthersReady()) {
        return Turn::kYield;
      }
      ++lines;
      const std::string line(input.substr(0, end));
      connection.Consume(end + 1);
      if (line == "park" || line == "early") return Park(connection, line == "early");
      if (line == "abort") return Turn::kAbort;
      if (line == "quit") {
        connection.output().Append("bye\n");
        return Turn::kClose;
      }
      Answer(connection, line);
    }
    if (connection.InputFull()) {
      connection.output().Append("long\n");
      return Turn::kClose;
    }
    return Turn::kNeedInput;
  }

  bool Export(std::string* state, std::string* unread) const override {
    *state = "a line handler's";
    if (parked_) unread->append("park\n");
    return true;
  }
  bool Import(std::string_view state) override { return state == "a line handler's"; }
  bool Busy() const override { return parked_; }

  void OnClose(Connection&) override {
    EXPECT_FALSE(closed_);
    closed_ = true;
    ++stage_.closed;
  }

 private:
  void Answer(Connection& connection, const std::string& line) {
    if (line.starts_with("big ")) {
      connection.output().Append(std::string(std::stoul(line.substr(4)), 'b'));
      connection.output().Append("\n");
    } else if (line.starts_with("lend ")) {
      stage_.lent.push_back(std::make_unique<std::string>(std::stoul(line.substr(5)), 'l'));
      connection.output().Lend(*stage_.lent.back());
      connection.output().Append("\n");
    } else {
      connection.output().Append(line);
      connection.output().Append("\n");
    }
  }

  Turn Park(Connection& connection, bool early) {
    parked_ = true;
    stage_.parked_id = connection.id();
    ++stage_.parks;
    if (early) connection.worker().Resume(connection.id());
    return Turn::kParked;
  }

  Stage& stage_;
  bool parked_ = false;
  bool closed_ = false;
};

class LineHooks final : public WorkerHooks {
 public:
  explicit LineHooks(Stage& stage) : stage_(stage) {}
  void OnStart(Worker&) override {}
  void BeforeWait() override {
    EXPECT_FALSE(stage_.waiting.exchange(true));
    ++stage_.rounds;
    for (auto& lent : stage_.lent) lent->assign(lent->size(), 'X');
    stage_.lent.clear();
  }
  void AfterWait() override { EXPECT_TRUE(stage_.waiting.exchange(false)); }
  void OnStop() override { stage_.stopped = true; }
  std::unique_ptr<Handler> MakeHandler(Connection& connection) override {
    return std::make_unique<LineHandler>(stage_, connection);
  }

 private:
  Stage& stage_;
};

// A blocking client on one end of a stream. Every read gives up after ten seconds, so that a test fails and ends.
class Client {
 public:
  explicit Client(int socket) : socket_(socket) {
    const timeval patience{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  Client(Client&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  ~Client() { Close(); }

  int socket() const { return socket_; }
  void Close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void EndSending() { ::shutdown(socket_, SHUT_WR); }

  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  // Exactly size bytes, or fewer when the stream ended or nothing came.
  std::string Receive(size_t size) {
    std::string bytes(size, '\0');
    size_t have = 0;
    while (have < size) {
      const ssize_t n = ::recv(socket_, bytes.data() + have, size - have, 0);
      if (n <= 0) break;
      have += static_cast<size_t>(n);
    }
    bytes.resize(have);
    return bytes;
  }
  std::string ReceiveLine() {
    std::string line;
    char c;
    while (::recv(socket_, &c, 1, 0) == 1) {
      line += c;
      if (c == '\n') break;
    }
    return line;
  }
  // True when the other side has closed and nothing is left.
  bool AtEnd() {
    char c;
    return ::recv(socket_, &c, 1, 0) == 0 || errno == ECONNRESET;
  }

 private:
  int socket_;
};

// The worker's end is [0].
inline std::pair<int, Client> MakeStream() {
  int ends[2];
  EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  EXPECT_EQ(0, ::fcntl(ends[0], F_SETFL, O_NONBLOCK));
  return {ends[0], Client(ends[1])};
}

class LineWorker {
 public:
  explicit LineWorker(size_t budget_bytes = size_t{64} << 20, const WorkerSettings& settings = {})
      : budget(budget_bytes), worker(settings, budget, std::make_unique<LineHooks>(stage)) {}
  ~LineWorker() { Stop(); }

  void Start() {
    const base::Status status = worker.Start();
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void Stop() {
    worker.Stop();
    worker.Join();
  }
  Client Connect() {
    auto [socket, client] = MakeStream();
    worker.Adopt(socket);
    return std::move(client);
  }
  // Runs task on the worker and waits for it.
  void Do(const std::function<void()>& task) {
    std::promise<void> done;
    worker.Post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }

  Stage stage;
  base::BlockBudget budget;
  Worker worker;
};

// For as long as it lives the worker does nothing, so that what comes meanwhile is there for the same round.
class Hold {
 public:
  explicit Hold(Worker& worker) {
    worker.Post([this, gone = gone_.get_future().share()] {
      held_.set_value();
      gone.wait();
    });
    held_.get_future().wait();
  }
  ~Hold() { gone_.set_value(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  std::promise<void> held_, gone_;
};

}  // namespace holdfast::network

#endif  // HOLDFAST_T_UNIT_NETWORK_HARNESS_H_
