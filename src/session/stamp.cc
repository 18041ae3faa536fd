// How it works: last_micros_ is the microsecond part of the highest version issued or adopted. Next takes the first
// microsecond that is above it, above seen's and not before now, by compare-and-swap, so two threads never get the
// same. A `seen` from too far ahead (a row written under a broken clock) is outdone for its own key, but last_micros_
// does not follow it. One of our own is followed however far ahead it is: then it is our clock that was set back, and
// what we write now must not come before what we wrote then.
//
// A wall clock that has stepped forward makes what was stamped before look older than it is, so a version's age is
// taken by the least offset of the two clocks that was ever seen.

#include "session/stamp.h"

#include <algorithm>

namespace holdfast::session {

int64_t StampClock::NoteWall() {
  const int64_t now = clock_.WallMicros();
  const int64_t offset = now - clock_.SteadyMicros();
  int64_t least = least_offset_us_.load(std::memory_order_relaxed);
  while (offset < least && !least_offset_us_.compare_exchange_weak(least, offset, std::memory_order_relaxed)) {
  }
  return now;
}

int64_t StampClock::SteadyMicrosOf(uint64_t version) {
  NoteWall();
  return MicrosOf(version) - least_offset_us_.load(std::memory_order_relaxed);
}

uint64_t StampClock::Next(uint64_t seen) {
  const int64_t now = NoteWall();
  const int64_t above_seen = MicrosOf(seen) + 1;
  const bool adopt = above_seen <= now + kFutureMaxMicros;
  int64_t last = last_micros_.load(std::memory_order_relaxed);
  int64_t next;
  do {
    next = std::max({now, last + 1, adopt ? above_seen : 0});
  } while (!last_micros_.compare_exchange_weak(last, next, std::memory_order_relaxed));
  return static_cast<uint64_t>(std::max(next, above_seen)) << kNodeBits | node();
}

void StampClock::Observe(uint64_t version) {
  const int64_t micros = MicrosOf(version);
  if (NodeOf(version) != node() && micros > clock_.WallMicros() + kFutureMaxMicros) return;
  int64_t last = last_micros_.load(std::memory_order_relaxed);
  while (micros > last && !last_micros_.compare_exchange_weak(last, micros, std::memory_order_relaxed)) {
  }
}

}  // namespace holdfast::session
