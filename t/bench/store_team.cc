// How it works: the process is forked, fills a store of its own and says so on every thread's socket; then each thread
// waits there for orders. It works through batches as a worker does through a read buffer: all keys fetched ahead, then
// one by one, then a quiescent state. A thread that waits for an order is offline, so that nobody waits for it.
//
// Keys come from one long list, drawn beforehand, so that making them costs little; each thread starts elsewhere in it.
#include "bench/store_team.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "base/check.h"
#include "base/clock.h"
#include "bench/keyspace.h"
#include "bench/server_process.h"
#include "lib/thread_cpu.h"
#include "store/store.h"

namespace holdfast::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kBatch = 32;
constexpr size_t kValueBytes = 100;
constexpr size_t kDrawsMax = 1 << 20;  // of fewer items four each
constexpr uint64_t kMemoryBytes = 1024u << 20;
constexpr char kFilled = 'f';

struct Name {
  std::array<char, kKeyBytes> bytes;
  std::string_view view() const { return {bytes.data(), bytes.size()}; }
};

// What the threads share.
struct Team {
  explicit Team(uint32_t items, size_t threads) : keyspace{"user:", kValueBytes, items, false} {
    store::StoreSettings settings{.memory_limit_bytes = kMemoryBytes};
    settings.threads = static_cast<uint32_t>(threads);
    auto created = store::Store::Create(settings, clock);
    CHECK(created.ok());
    store = std::move(created.value());
    KeyChooser chooser(Draw::kUniform, items, 1);
    std::string key;
    const size_t count = std::min<size_t>(kDrawsMax, size_t{4} * items) / kBatch * kBatch;
    for (size_t i = 0; i < count; ++i) {
      key.clear();
      keyspace.AppendKey(key, chooser.Next());
      std::memcpy(draws.emplace_back().bytes.data(), key.data(), kKeyBytes);
    }
  }

  const base::SystemClock clock;
  const Keyspace keyspace;
  std::unique_ptr<store::Store> store;
  std::vector<Name> draws;
};

class Member {
 public:
  Member(Team& team, size_t number, size_t members)
      : team_(team), access_(*team.store), next_(team.draws.size() / members * number / kBatch * kBatch) {}

  void Fill() {
    std::string key;
    for (uint32_t id = 0; id < team_.keyspace.keys; ++id) {
      key.clear();
      team_.keyspace.AppendKey(key, id);
      Set(store::Key::Of(key), team_.clock.Now());
      if (id % kBatch == 0) access_.Quiesce();
    }
  }

  StoreFigures CarryOut(const StoreOrder& order) {
    access_.Online();
    Work(order.work, Clock::now() + milliseconds(order.warm_up_ms));
    const Clock::time_point began = Clock::now();
    const int64_t cpu_before_ns = test::ThreadCpuNanos();
    StoreFigures figures;
    figures.operations = Work(order.work, began + milliseconds(order.run_ms));
    figures.cpu_ns = static_cast<uint64_t>(test::ThreadCpuNanos() - cpu_before_ns);
    figures.wall_ns = static_cast<uint64_t>(std::chrono::nanoseconds(Clock::now() - began).count());
    Rest();
    return figures;
  }

  void Rest() { access_.Offline(); }

 private:
  uint64_t Work(StoreWork work, Clock::time_point until) {
    uint64_t operations = 0;
    do {
      const size_t first = work == StoreWork::kGetOneKey ? 0 : next_;
      const size_t step = work == StoreWork::kGetOneKey ? 0 : 1;
      next_ = (next_ + kBatch) % team_.draws.size();
      const bool sets = work == StoreWork::kSet;
      std::array<store::Lookup, kBatch> lookups;
      for (size_t i = 0; i < kBatch; ++i) {
        lookups[i] = {.key = store::Key::Of(team_.draws[first + i * step].view()), .is_write = sets};
      }
      Batch(lookups, sets);
      access_.Quiesce();
      operations += kBatch;
    } while (Clock::now() < until);
    return operations;
  }

  void Batch(std::span<store::Lookup> lookups, bool sets) {
    const base::Seconds now = team_.clock.Now();
    access_.FetchAhead(lookups);
    for (const store::Lookup& lookup : lookups) {
      if (sets) {
        Set(lookup.key, now);
      } else {
        Get(lookup.key, lookup.ahead, now);
      }
    }
  }

  void Get(const store::Key& key, const store::Index::Ahead& ahead, base::Seconds now) {
    const store::Found found = access_.Find(key, now, ahead);
    CHECK(found.live());
    access_.NoteHit(found.item, now);
    const std::string_view value = found.item.value();
    CHECK(value.size() == kValueBytes);
    std::memcpy(reply_.data(), value.data(), kValueBytes);
    asm volatile("" : : "r"(reply_.data()) : "memory");  // somebody wants the reply
  }

  // As a worker does: when memory waits for readers, after its own next quiescent state.
  void Set(const store::Key& key, base::Seconds now) {
    store::Draft draft;
    while (access_.NewDraft({.key = key, .value_size = kValueBytes}, &draft) != store::Reserve::kOk) access_.Quiesce();
    draft.Append({reply_.data(), kValueBytes});
    access_.Lock(key, now).Publish(std::move(draft));
  }

  Team& team_;
  store::Access access_;
  size_t next_;
  std::array<char, kValueBytes> reply_{};
};

void Serve(Team& team, size_t number, size_t members, int cpu, int socket) {
  if (cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);  // best effort, as for servers
  }
  Member member(team, number, members);
  if (number == 0) member.Fill();
  member.Rest();
  if (write(socket, &kFilled, 1) != 1) return;
  StoreOrder order;
  while (read(socket, &order, sizeof order) == sizeof order) {
    const StoreFigures figures = member.CarryOut(order);
    if (write(socket, &figures, sizeof figures) != sizeof figures) return;
  }
}

[[noreturn]] void Become(uint32_t items, const std::vector<int>& cpus, const std::vector<int>& sockets) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Team team(items, cpus.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < cpus.size(); ++i) {
    threads.emplace_back([&team, &cpus, &sockets, i] { Serve(team, i, cpus.size(), cpus[i], sockets[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  _exit(0);
}

}  // namespace

StoreTeam::StoreTeam(uint32_t items, const std::vector<int>& cpus) {
  std::vector<int> theirs;
  for (size_t i = 0; i < cpus.size(); ++i) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) throw BenchError("no pair of sockets");
    sockets_.push_back(pair[0]);
    theirs.push_back(pair[1]);
  }
  process_ = fork();
  if (process_ == 0) {
    for (const int socket : sockets_) close(socket);
    Become(items, cpus, theirs);
  }
  for (const int socket : theirs) close(socket);
  if (process_ < 0) throw BenchError(std::string("cannot fork: ") + std::strerror(errno));
  for (const int socket : sockets_) {
    char said = 0;
    if (read(socket, &said, 1) != 1 || said != kFilled) throw BenchError("the store cannot be filled");
  }
}

StoreTeam::~StoreTeam() {
  // Later teams have copies of our ends, so closing them would tell nobody.
  for (const int socket : sockets_) {
    shutdown(socket, SHUT_RDWR);
    close(socket);
  }
  if (process_ > 0) waitpid(process_, nullptr, 0);
}

void StoreTeam::Begin(size_t thread, const StoreOrder& order) {
  if (send(sockets_[thread], &order, sizeof order, MSG_NOSIGNAL) != sizeof order) {
    throw BenchError("the process with the store is gone");
  }
}

StoreFigures StoreTeam::Finish(size_t thread) {
  StoreFigures figures;
  if (read(sockets_[thread], &figures, sizeof figures) != sizeof figures) {
    throw BenchError("the process with the store is gone");
  }
  return figures;
}

}  // namespace holdfast::bench
