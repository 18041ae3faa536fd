// How it works: the constructor finds how far the rows' time is ahead of the steady clock, and that stays. A note of
// the same run of the machine says it directly. Behind a start of the machine the rows' time is that of the note and
// what the wall clock has gone since; if that is less than nothing (a machine that keeps no time begins in 1970),
// nothing.
//
// Such a machine may also have been off for a year, have run in 1970 for an hour, and come back with the right time:
// since the note the wall clock has gone half a century. So after a step back by more than a day the lead from before
// it is kept too, and the rows age by the less of what the two say.
//
// Clocks are read one after the other, and the process may be stopped between: the steady clock is read on both sides
// of the wall clock, and a pair with too much between them is read again.

#include "session/row_clock.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace holdfast::session {

namespace {

constexpr int kTries = 8;
constexpr int64_t kMicrosMax = int64_t{1} << 60;  // a time beyond is none: that is in the year 38,500

bool IsTime(int64_t micros) { return micros < kMicrosMax && micros > -kMicrosMax; }

struct Reading {
  int64_t steady_us;
  int64_t wall_us;
  int64_t apart_us;
};

// The closest of some.
Reading ReadTogether(const base::Clock& clock) {
  Reading best{0, 0, INT64_MAX};
  for (int tries = 0; tries < kTries && best.apart_us > RowClock::kTogetherMicros; ++tries) {
    const int64_t before_us = clock.SteadyMicros();
    const int64_t wall_us = clock.WallMicros();
    const int64_t apart_us = clock.SteadyMicros() - before_us;
    if (apart_us < best.apart_us) best = {before_us, wall_us, apart_us};
  }
  return best;
}

}  // namespace

std::string RowClockNote::Text() const {
  std::string text = std::to_string(boot_id);
  for (const int64_t number : {steady_us, row_us, wall_us}) text += " " + std::to_string(number);
  return text + (lead_before_us == kNoLead ? " -" : " " + std::to_string(lead_before_us));
}

std::optional<RowClockNote> RowClockNote::Parse(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto take = [&](auto* number, char behind) {
    const auto [next, error] = std::from_chars(at, end, *number);
    const bool ok = error == std::errc() && (behind == 0 ? next == end : next != end && *next == behind);
    at = ok && behind != 0 ? next + 1 : next;
    return ok;
  };
  RowClockNote note;
  const auto take_time = [&](int64_t* micros, char behind) { return take(micros, behind) && IsTime(*micros); };
  if (!take(&note.boot_id, ' ') || !take_time(&note.steady_us, ' ') || !take_time(&note.row_us, ' ') ||
      !take_time(&note.wall_us, ' ')) {
    return std::nullopt;
  }
  if (std::string_view(at, end) == "-" || take_time(&note.lead_before_us, 0)) return note;
  return std::nullopt;
}

RowClock::RowClock(const base::Clock& clock, const std::optional<RowClockNote>& kept) : clock_(clock), kept_(kept) {
  const Reading now = ReadTogether(clock);
  // Of a machine whose runs have no name nobody knows whether this is the same.
  is_noted_ = kept && kept->boot_id != 0 && kept->boot_id == clock.BootId() && kept->steady_us <= now.steady_us;
  if (!kept) {
    ahead_us_ = now.wall_us - now.steady_us;
  } else if (is_noted_) {
    ahead_us_ = kept->row_us - kept->steady_us;
  } else {
    int64_t away_us = now.wall_us - kept->wall_us;
    if (kept->lead_before_us != RowClockNote::kNoLead) {
      away_us = std::min(away_us, now.wall_us - kept->lead_before_us - kept->row_us);
    }
    ahead_us_ = kept->row_us + std::max<int64_t>(away_us, 0) - now.steady_us;
  }
}

std::optional<RowClockNote> RowClock::Due() const {
  const Reading now = ReadTogether(clock_);
  if (now.apart_us > kTogetherMicros) return std::nullopt;  // soon again
  RowClockNote note{clock_.BootId(), now.steady_us, At(now.steady_us), now.wall_us};
  const std::lock_guard lock(mutex_);
  if (kept_) {
    note.shift_us = kept_->shift_us;
    note.lead_before_us = kept_->lead_before_us;
    if (note.lead_us() < kept_->lead_us() - kDayMicros) {
      note.lead_before_us = std::max(note.lead_before_us, kept_->lead_us());
    }
  }
  const bool has_stepped = std::llabs(note.lead_us() - note.shift_us) > kStepMicros;
  if (is_noted_ && !has_stepped && note.steady_us - kept_->steady_us < kNoteMicros) return std::nullopt;
  if (has_stepped) note.shift_us = std::llabs(note.lead_us()) > kStepMicros ? note.lead_us() : 0;
  return note;
}

void RowClock::Keep(const RowClockNote& note) {
  const std::lock_guard lock(mutex_);
  if (is_noted_ && kept_->steady_us > note.steady_us) return;
  kept_ = note;
  is_noted_ = true;
}

}  // namespace holdfast::session
