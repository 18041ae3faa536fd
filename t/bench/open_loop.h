// open_loop.h - gets (and now and then sets) at a given rate, whatever the server does: who asks does not wait for who
// asked before, so a server that stands still for a moment is seen in the times of all that came meanwhile.
//
// Every reply is compared to the last byte. A key always goes over the same connection, so which value it must have is
// known exactly: a stale one is a wrong reply.
//
// Threads: one thread.
// Errors:  BenchError: a wrong byte, a closed connection, no answer within kAnswerTimeoutMs.
// Blocks:  every function, until its work is done.

#ifndef HOLDFAST_BENCH_OPEN_LOOP_H_
#define HOLDFAST_BENCH_OPEN_LOOP_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "sim/dice.h"

namespace holdfast::bench {

inline constexpr size_t kOpenLoopValueBytes = 1024;

struct OpenLoopFigures {
  uint64_t gets = 0;
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
};

class OpenLoop {
 public:
  // Stores all its keys, as often as is said. set_every: one request in so many is a set; 0: none.
  OpenLoop(uint16_t port, std::string_view prefix, uint32_t keys, uint32_t set_every, uint64_t seed);
  ~OpenLoop();
  OpenLoop(const OpenLoop&) = delete;
  OpenLoop& operator=(const OpenLoop&) = delete;

  void StoreAll();
  OpenLoopFigures Run(double requests_per_s, std::chrono::milliseconds run);

 private:
  struct Expected {
    int64_t due_ns;
    uint32_t key;
    uint32_t stored;
    bool is_get;
  };
  struct Connection {
    int fd = -1;
    std::string unsent;
    std::string received;
    size_t consumed = 0;  // of received
    std::deque<Expected> expected;
    bool waits_for_room = false;
  };

  void Ask(uint32_t key, bool is_get, int64_t due_ns);
  void Send(Connection& connection);
  void WaitUntil(int64_t until_ns);
  void Receive(Connection& connection);
  void Check(Connection& connection, int64_t now_ns);
  void Finish();
  void AppendValue(std::string& out, uint32_t key, uint32_t stored) const;

  const std::string prefix_;
  const uint32_t set_every_;
  const int epoll_;
  sim::Dice dice_;
  std::vector<uint32_t> stored_;  // how often each key was
  std::vector<Connection> connections_;
  std::string wanted_;  // the reply in hand
  uint64_t waiting_ = 0;
  int64_t looked_ns_ = 0;  // when replies were last looked for
  std::vector<uint32_t> gets_ns_;
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_OPEN_LOOP_H_
