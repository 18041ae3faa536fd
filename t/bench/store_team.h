// store_team.h - a process with a store and threads that use it, without sockets: how much threads stand in each
// other's way there, and nowhere else.
//
// Threads: one thread; no other may have been started when a team is made, for it is a fork.
// Owns:    the process and its store, gone with the object.
// Errors:  BenchError when the process is gone.
// Blocks:  the constructor until the store is filled, Finish until the order has been carried out.

#ifndef HOLDFAST_BENCH_STORE_TEAM_H_
#define HOLDFAST_BENCH_STORE_TEAM_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace holdfast::bench {

enum class StoreWork : uint32_t { kGet, kGetOneKey, kSet };

struct StoreOrder {
  StoreWork work = StoreWork::kGet;
  uint32_t warm_up_ms = 0;
  uint32_t run_ms = 0;
};

struct StoreFigures {
  uint64_t operations = 0;
  uint64_t wall_ns = 0;
  uint64_t cpu_ns = 0;

  double per_second() const { return static_cast<double>(operations) * 1e9 / static_cast<double>(wall_ns); }
};

class StoreTeam {
 public:
  // As many threads as cpus, each on its own; a cpu below zero: anywhere.
  StoreTeam(uint32_t items, const std::vector<int>& cpus);
  ~StoreTeam();
  StoreTeam(const StoreTeam&) = delete;
  StoreTeam& operator=(const StoreTeam&) = delete;

  // Gives a thread its order, and waits until it is done.
  void Begin(size_t thread, const StoreOrder& order);
  StoreFigures Finish(size_t thread);

 private:
  std::vector<int> sockets_;  // one to each thread
  pid_t process_ = -1;
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_STORE_TEAM_H_
