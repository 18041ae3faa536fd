// yields.h - lets go of sessions that another server asks for.
//
// Only a row's owner may have changes that the database lacks. A server that finds a row owned by another live one asks
// it; the owner writes what is dirty, drops its copy, and makes the row nobody's. The asker asks again until it is told
// kDone (or is tired of it), and claims the row.
//
// Threads: Ask and Holds from any; Step, NextClaims, OnClaimed from one (the writer).
// Blocks:  never.
// Limits:  kEntriesMax keys at a time, kLifeMicros each.
// Invariants
// (1) From the moment the copy is dropped until the row is not ours any more, no load here brings it back (Holds).

#ifndef HOLDFAST_SESSION_YIELDS_H_
#define HOLDFAST_SESSION_YIELDS_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "session/driver.h"
#include "store/store.h"

namespace holdfast::session {

class Sessions;

enum class YieldAnswer : uint8_t { kWait, kDone, kRefused };

class Yields {
 public:
  explicit Yields(Sessions& sessions) : sessions_(sessions) {}

  YieldAnswer Ask(std::string_view key, uint32_t asker);
  bool Holds(std::string_view key);

  // Drops what is clean, brings forward what is dirty.
  void Step(store::Access& access);
  // Owners to be changed now; the answer is OnClaimed. They live until then.
  std::span<const OwnerChange> NextClaims();
  void OnClaimed(bool ok);
  // Steady microseconds when Step has something to do.
  int64_t NextDue();
  size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kEntriesMax = 10'000;
  static constexpr int64_t kLifeMicros = 1'000'000;
  static constexpr int64_t kLookMicros = 2'000;

  enum class Stage : uint8_t { kWriting, kDropped, kDone };
  struct Entry {
    uint32_t asker = 0;
    Stage stage = Stage::kWriting;
    int64_t until_us = 0;
  };

  bool Drop(store::Access& access, std::string_view key);

  Sessions& sessions_;
  std::atomic<size_t> size_{0};
  std::mutex mutex_;  // guards entries_
  std::unordered_map<std::string, Entry> entries_;

  // Of the writer's thread:
  std::vector<std::string> claimed_keys_;
  std::vector<OwnerChange> claims_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_YIELDS_H_
