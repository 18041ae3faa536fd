// load.h - the load generator: one workload against one server, every reply compared with what it must be.
//
// Each connection sends a batch, waits for the whole reply, and sends the next (a closed loop).
//
// Threads: one thread.
// Owns:    the connections.  Borrows the server and the workload: both must outlive it.
// Errors:  BenchError: a wrong byte (so a miss too), a closed connection, or no answer within kAnswerTimeoutMs.
// Blocks:  every function, until its work is done.

#ifndef HOLDFAST_BENCH_LOAD_H_
#define HOLDFAST_BENCH_LOAD_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bench/server_process.h"
#include "bench/workload.h"

namespace holdfast::bench {

inline constexpr int kAnswerTimeoutMs = 5'000;

struct Measurement {
  uint64_t operations = 0;
  uint64_t cpu_ns = 0;  // of the server
  uint64_t wall_ns = 0;
  uint64_t round_trip_ns = 0;  // median; 0 unless the workload asks for it

  double cpu_per_operation_ns() const { return static_cast<double>(cpu_ns) / static_cast<double>(operations); }
};

class Load {
 public:
  Load(ServerProcess& server, const Workload& workload, Syntax syntax, Keyspace keyspace, uint64_t seed);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Runs for a while unmeasured, lets the server come to rest, then measures one run.
  Measurement Measure(std::chrono::milliseconds warm_up, std::chrono::milliseconds run);

  // The same in bursts, of one load or of several on servers of their own: while the servers are held a batch is sent
  // on every connection, and while they answer we sleep, so that all cores are free for them.
  static Measurement MeasureBursts(std::span<Load* const> loads, std::chrono::milliseconds warm_up,
                                   std::chrono::milliseconds run);

  // Sends exactly so many batches.
  void SendBatches(uint64_t batches);

 private:
  struct Connection;

  void Run();
  static void RunBursts(std::span<Load* const> loads, std::chrono::steady_clock::time_point deadline);
  static uint64_t CpuNsOf(std::span<Load* const> loads);
  void BeginAll();
  void AwaitAll();
  void Begin(Connection& connection);
  void Advance(Connection& connection, uint32_t events);
  bool FlushRequest(Connection& connection);
  bool ReceiveReply(Connection& connection);
  void Check(Connection& connection, size_t from);
  bool MayBegin();
  void OrderEcho(Connection& connection);
  [[noreturn]] void Stalled() const;

  ServerProcess& server_;
  const Workload& workload_;
  BatchWriter writer_;
  Batch canned_;  // what the echo server answers
  const int epoll_;
  std::vector<std::unique_ptr<Connection>> connections_;

  // The run in hand: it begins no batch when either is used up, and ends when the last one has been answered.
  uint64_t batches_left_ = 0;
  std::chrono::steady_clock::time_point deadline_;

  bool is_past_deadline_ = false;
  size_t busy_ = 0;  // connections that wait for a reply
  uint64_t operations_ = 0;
  std::vector<uint64_t> round_trips_ns_;
};

// How all items are stored: sets in the order of the keys.
Workload FillOf(Keys keys);

// Stores every item of the keyspace, resets the server's ledger if they are counters, and waits until the server rests.
void Preload(ServerProcess& server, Keys keys, Keyspace keyspace);

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_LOAD_H_
