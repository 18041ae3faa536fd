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

void StampClock::Note(const base::Moment& now) {
  const int64_t offset = now.wall_ahead_us();
  int64_t least = least_offset_us_.load(std::memory_order_relaxed);
  while (offset < least && !least_offset_us_.compare_exchange_weak(least, offset, std::memory_order_relaxed)) {
  }
}

int64_t StampClock::SteadyMicrosOf(uint64_t version) {
  Note(clock_.ReadBoth());
  return MicrosOf(version) - least_offset_us_.load(std::memory_order_relaxed);
}

uint64_t StampClock::Next(uint64_t seen, const base::Moment& now) {
  Note(now);
  const int64_t above_seen = MicrosOf(seen) + 1;
  const bool adopt = above_seen <= now.wall_us + kFutureMaxMicros;
  int64_t last = last_micros_.load(std::memory_order_relaxed);
  int64_t next;
  do {
    next = std::max({now.wall_us, last + 1, adopt ? above_seen : 0});
  } while (!last_micros_.compare_exchange_weak(last, next, std::memory_order_relaxed));
  if (above_seen > next) Raise(&ahead_micros_, above_seen);
  return static_cast<uint64_t>(std::max(next, above_seen)) << kNodeBits | node();
}

void StampClock::Raise(std::atomic<int64_t>* highest, int64_t micros) {
  int64_t before = highest->load(std::memory_order_relaxed);
  while (micros > before && !highest->compare_exchange_weak(before, micros, std::memory_order_relaxed)) {
  }
}

void StampClock::Observe(uint64_t version) {
  const int64_t micros = MicrosOf(version);
  const bool adopt = NodeOf(version) == node() || micros <= clock_.WallMicros() + kFutureMaxMicros;
  Raise(adopt ? &last_micros_ : &ahead_micros_, micros);
}

bool StampClock::IsOwn(uint64_t version) const {
  const int64_t micros = MicrosOf(version);
  if (NodeOf(version) == node() && micros >= node_since_us_.load(std::memory_order_relaxed)) return true;
  return std::any_of(before_.begin(), before_.end(), [&](const Term& term) {
    return NodeOf(version) == term.node && micros >= term.since_us && micros <= term.until_us;
  });
}

void StampClock::Save(base::Packer* to) {
  const uint64_t last = Next(0);
  std::vector<Term> terms = before_;
  terms.push_back({node(), node_since_us_.load(std::memory_order_relaxed), MicrosOf(last)});
  if (terms.size() > kTermsMax) terms.erase(terms.begin());
  to->Put(last).Put(static_cast<uint32_t>(terms.size()));
  for (const Term& term : terms) to->Put(term.node).Put(term.since_us).Put(term.until_us);
}

void StampClock::Restore(base::Unpacker* from) {
  Observe(from->Take<uint64_t>());
  const auto count = from->Take<uint32_t>();
  for (uint32_t i = 0; i < count && from->ok(); ++i) {
    Term term{};
    term.node = from->Take<uint32_t>();
    term.since_us = from->Take<int64_t>();
    term.until_us = from->Take<int64_t>();
    if (from->ok()) before_.push_back(term);
  }
}

}  // namespace holdfast::session
