// stamp.h - the clock that orders writes: a hybrid of wall time and a counter, unique among nodes.
//
//   version = (max(now_us, (seen >> 10) + 1) << 10) | node
//
// `seen` is the highest version known for this key, issued here, or read from any row. So versions of a key only grow,
// whatever the wall clock does, and two nodes never issue the same one.
//
// Threads: any.
// Limits:  63 bits, so that databases with signed integers hold it. Another node's version more than kFutureMax ahead
// of
//          the wall clock is not adopted for other keys: one broken clock must not carry all others away.

#ifndef HOLDFAST_SESSION_STAMP_H_
#define HOLDFAST_SESSION_STAMP_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/clock.h"
#include "base/packing.h"

namespace holdfast::session {

inline constexpr int kNodeBits = 10;
inline constexpr uint64_t kNodesMax = 1u << kNodeBits;
inline constexpr int64_t kFutureMaxMicros = 60'000'000;

class StampClock {
 public:
  // clock is borrowed. node < kNodesMax.
  StampClock(const base::Clock& clock, uint32_t node) : clock_(clock), node_(node) {}

  // A version above everything issued or adopted here, and above seen.
  uint64_t Next(uint64_t seen) { return Next(seen, clock_.ReadBoth()); }
  uint64_t Next(uint64_t seen, const base::Moment& now);
  // A version read from a row or heard from a peer.
  void Observe(uint64_t version);

  // A moment in the row of versions, for IsIssuedAfter.
  uint64_t Mark() const { return static_cast<uint64_t>(last_micros_.load()); }
  // Whether the version was surely issued after the mark was taken. Not so sure of one that outdoes a clock far ahead.
  bool IsIssuedAfter(uint64_t version, uint64_t mark) const {
    return MicrosOf(version) > static_cast<int64_t>(mark) && MicrosOf(version) > ahead_micros_.load();
  }

  // By our steady clock, when a version was issued, or later: if the wall clock has stepped while this process ran, no
  // earlier than under any of its settings.
  int64_t SteadyMicrosOf(uint64_t version);

  uint32_t node() const { return node_.load(std::memory_order_relaxed); }
  // Another number has been leased.
  void SetNode(uint32_t node) {
    node_since_us_.store(clock_.WallMicros(), std::memory_order_relaxed);
    node_.store(node, std::memory_order_relaxed);
  }
  // Issued here, or by a process whose connections were handed to this one; not by who had the number before.
  bool IsOwn(uint64_t version) const;

  // For a hand-over: under which numbers, from when to when by their wall clock, this process and those before it
  // issued versions. Before anybody asks.
  void Save(base::Packer* to);
  void Restore(base::Unpacker* from);
  static int64_t MicrosOf(uint64_t version) { return static_cast<int64_t>(version >> kNodeBits); }
  static uint32_t NodeOf(uint64_t version) { return static_cast<uint32_t>(version & (kNodesMax - 1)); }

 private:
  static constexpr size_t kTermsMax = 8;  // later hand-overs than a writer window are not asked for
  struct Term {
    uint32_t node;
    int64_t since_us;
    int64_t until_us;
  };

  void Note(const base::Moment& now);
  static void Raise(std::atomic<int64_t>* highest, int64_t micros);

  const base::Clock& clock_;
  static constexpr int64_t kNoOffset = std::numeric_limits<int64_t>::max();
  std::atomic<uint32_t> node_;
  std::atomic<int64_t> node_since_us_{0};            // the wall clock's; 0: always
  std::vector<Term> before_;                         // of the processes before, oldest first
  std::atomic<int64_t> least_offset_us_{kNoOffset};  // of the wall clock to the steady one, of all that were seen
  std::atomic<int64_t> last_micros_{0};              // of the highest version issued or adopted
  std::atomic<int64_t> ahead_micros_{0};             // of the highest that last_micros_ did not follow
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_STAMP_H_
