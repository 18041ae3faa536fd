// row_clock.h - the clock that rows of a file expire by: told by the wall clock once, and steady from then on.
//
// Rows outlive process and machine, so they have absolute times. Were these the wall clock's, a step of it by an hour
// would end every session with less than an hour left. So a file has a clock of its own. Within a run of the machine it
// is the steady clock, moved; over a start of the machine the wall clock says how long that took. A note in the file,
// of what the clocks said together, carries it from one process to the next. How far the wall clock is ahead is the
// *shift*: rows are never rewritten, and who shows their times to people adds it.
//
// Threads: any.
// Owns:    nothing. Borrows the clock that it goes by.
// Limits:  a step within the last moments of a machine's run, of which there is no note, counts as time it was off.
// Invariants
// (1) Within a run of the machine WallMicros - SteadyMicros is the same in every process that has the note.
// (2) What is written down after a step is the step, not the rows.

#ifndef HOLDFAST_SESSION_ROW_CLOCK_H_
#define HOLDFAST_SESSION_ROW_CLOCK_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace holdfast::session {

// What the clocks said in one moment.
struct RowClockNote {
  static constexpr int64_t kNoLead = INT64_MIN;

  uint64_t boot_id = 0;
  int64_t steady_us = 0;
  int64_t row_us = 0;
  int64_t wall_us = 0;
  // What people are to add to a row's time; 0 while the two clocks agree to kStepMicros.
  int64_t shift_us = 0;
  // The largest that the wall clock's lead had before it went back by more than a day; kNoLead: it never did. One of
  // the two was wrong then, and nobody knows which.
  int64_t lead_before_us = kNoLead;

  int64_t lead_us() const { return wall_us - row_us; }
  bool operator==(const RowClockNote&) const = default;

  // All but the shift, in one line.
  std::string Text() const;
  // The shift is left 0. Nothing: it is not a note.
  static std::optional<RowClockNote> Parse(std::string_view text);
};

class RowClock final : public base::Clock {
 public:
  static constexpr int64_t kStepMicros = 1'000'000;   // less than this is no step
  static constexpr int64_t kNoteMicros = 60'000'000;  // a note that is older is due again
  static constexpr int64_t kTogetherMicros = 20'000;  // clocks that were read further apart say nothing together
  static constexpr int64_t kDayMicros = 86'400'000'000;

  // kept: what the file has. Nothing: its rows have times of the wall clock, as it is now.
  RowClock(const base::Clock& clock, const std::optional<RowClockNote>& kept);

  // The row's time in place of the wall clock's; the rest as `clock` says.
  int64_t WallMicros() const override { return At(clock_.SteadyMicros()); }
  int64_t WallAheadMicros() const override { return ahead_us_; }
  int64_t SteadyMicros() const override { return clock_.SteadyMicros(); }
  base::Seconds Now() const override { return clock_.Now(); }
  uint64_t BootId() const override { return clock_.BootId(); }
  int64_t SteadyMicrosAt(base::Seconds second) const override { return clock_.SteadyMicrosAt(second); }

  // The row's time at this steady one.
  int64_t At(int64_t steady_us) const { return steady_us + ahead_us_; }

  // The note that the file should have now, if that is another one: the wall clock has stepped, the machine was started
  // anew, or the last one is old.
  std::optional<RowClockNote> Due() const;
  // The file has it.
  void Keep(const RowClockNote& note);

 private:
  const base::Clock& clock_;
  int64_t ahead_us_ = 0;  // of the steady clock; constant after the constructor

  mutable std::mutex mutex_;  // guards all below
  std::optional<RowClockNote> kept_;
  bool is_noted_ = false;  // kept_ is of this run of the machine
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_ROW_CLOCK_H_
