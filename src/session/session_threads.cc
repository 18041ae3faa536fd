// How it works: each loop sleeps on an Alarm, which a wake-up from elsewhere rings. While a loop is in the database its
// Access is offline, so that it holds up no page. Writer and reader keep a connection each, opened again after an error
// that made it useless; what failed is tried again when the state machine says so (it keeps the pauses), or, while
// there is no connection, after kReopenMicros.

#include "session/session_threads.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace holdfast::session {
namespace {

constexpr int64_t kReopenMicros = 200'000;
constexpr int64_t kIdleMicros = 1'000'000;  // without a write, before the database may tidy up
constexpr int64_t kSleepMicrosMax = 60'000'000;
constexpr int64_t kDrainLookMicros = 10'000;
constexpr int64_t kProgressMicros = 1'000'000;

// What a loop sleeps on. A ring while awake makes the next sleep return at once.
class Alarm {
 public:
  void Ring() {
    {
      const std::lock_guard lock(mutex_);
      rung_ = true;
    }
    condition_.notify_one();
  }

  void SleepUntil(int64_t until_us, const base::Clock& clock) {
    const int64_t delay_us = std::min(until_us - std::min(until_us, clock.SteadyMicros()), kSleepMicrosMax);
    std::unique_lock lock(mutex_);
    if (delay_us > 0 && !rung_) {
      condition_.wait_for(lock, std::chrono::microseconds(delay_us), [this] { return rung_; });
    }
    rung_ = false;
  }

 private:
  std::mutex mutex_;  // guards rung_
  std::condition_variable condition_;
  bool rung_ = false;
};

// A connection that is opened when it is needed, and one line in the log when it goes and when it is back.
class Line {
 public:
  Line(const char* what, std::unique_ptr<Driver> driver, const base::Log& log)
      : what_(what), driver_(std::move(driver)), log_(log) {}

  Driver& driver() { return *driver_; }
  bool is_open() const { return open_; }

  Failure Open() {
    Failure failure = driver_->Open();
    open_ = failure.ok();
    return failure;
  }

  // Is there a connection, or one that could be opened now?
  bool Ready(int64_t now_us) {
    if (open_) return true;
    if (now_us < reopen_at_us_) return false;
    if (const Failure failure = Open(); !failure.ok()) Note(failure, now_us);
    return open_;
  }
  int64_t reopen_at_us() const { return open_ ? 0 : reopen_at_us_; }

  void Note(const Failure& failure, int64_t now_us) {
    if (failure.ok()) {
      if (away_) log_.Notice(std::string("sessions: the database answers again (") + what_ + ")");
      away_ = false;
      return;
    }
    if (failure.kind == FailureClass::kNextNode) open_ = false;
    reopen_at_us_ = now_us + kReopenMicros;
    if (!away_) log_.Error(std::string("sessions: cannot ") + what_ + ": " + failure.detail + "; it is tried again");
    away_ = true;
  }

 private:
  const char* const what_;  // "read", "write"
  const std::unique_ptr<Driver> driver_;
  const base::Log& log_;
  bool open_ = false;
  bool away_ = false;  // said so
  int64_t reopen_at_us_ = 0;
};

}  // namespace

class SessionThreads::Loops {
 public:
  Loops(Sessions& sessions, Database& database, const base::Log& log)
      : sessions_(sessions),
        writing_("write", database.NewDriver(), log),
        reading_("read", database.NewDriver(), log),
        log_(log) {}
  ~Loops() { Stop(); }

  base::Status Open();
  base::Status Start();
  uint64_t Drain(uint32_t timeout_ms, const std::function<void(uint64_t)>& progress,
                 const std::function<bool()>& hurried);
  void Stop();

 private:
  int64_t Now() const { return sessions_.clock().SteadyMicros(); }
  void Write();
  bool WriteOnce(store::Access& access);
  void Read();
  bool ReadOnce(store::Access& access);
  void Tick();

  Sessions& sessions_;
  Line writing_;
  Line reading_;
  const base::Log& log_;
  Alarm write_alarm_, read_alarm_, tick_alarm_;
  std::atomic<bool> stopping_{false};
  std::thread writer_, reader_, ticker_;
};

base::Status SessionThreads::Loops::Open() {
  for (Line* line : {&writing_, &reading_}) {
    if (line->is_open()) continue;
    const Failure failure = line->Open();
    if (!failure.ok()) return base::Status(base::ErrorKind::kUnavailable, failure.detail);
  }
  return {};
}

base::Status SessionThreads::Loops::Start() {
  if (base::Status status = Open(); !status.ok()) return status;
  sessions_.write_behind().SetWake([this] { write_alarm_.Ring(); });
  sessions_.read_through().SetWakes([this] { read_alarm_.Ring(); }, [this] { tick_alarm_.Ring(); });
  writer_ = std::thread([this] { Write(); });
  reader_ = std::thread([this] { Read(); });
  ticker_ = std::thread([this] { Tick(); });
  return {};
}

void SessionThreads::Loops::Stop() {
  stopping_.store(true);
  for (Alarm* alarm : {&write_alarm_, &read_alarm_, &tick_alarm_}) alarm->Ring();
  for (std::thread* thread : {&writer_, &reader_, &ticker_}) {
    if (thread->joinable()) thread->join();
  }
}

// -- Writing --------------------------------------------------------------------------------------

void SessionThreads::Loops::Write() {
  store::Access access(sessions_.store());
  access.Offline();
  bool tidied = false;
  int64_t last_write_us = Now();
  while (!stopping_.load()) {
    if (writing_.Ready(Now())) {
      const bool wrote = WriteOnce(access);
      if (sessions_.reaper().NextDue() <= Now()) writing_.Note(sessions_.reaper().Sweep(writing_.driver()), Now());
      if (wrote) {
        last_write_us = Now();
        tidied = false;
        continue;
      }
      if (!tidied && Now() >= last_write_us + kIdleMicros) {
        writing_.driver().Idle();
        tidied = true;
      }
    }
    int64_t until_us = std::min(sessions_.write_behind().NextDue(), sessions_.reaper().NextDue());
    if (!tidied) until_us = std::min(until_us, last_write_us + kIdleMicros);
    write_alarm_.SleepUntil(std::max(until_us, writing_.reopen_at_us()), sessions_.clock());
  }
  writing_.driver().Idle();
}

// False when there was nothing to write, or it failed.
bool SessionThreads::Loops::WriteOnce(store::Access& access) {
  access.Online();
  const std::span<const Change> batch = sessions_.write_behind().NextBatch(access);
  access.Offline();
  if (batch.empty()) return false;
  std::vector<ChangeOutcome> outcomes;
  const Failure failure = writing_.driver().Write(batch, &outcomes);
  writing_.Note(failure, Now());
  if (!failure.ok()) {
    sessions_.write_behind().OnFailure(failure);
    return false;
  }
  access.Online();
  sessions_.write_behind().OnOutcomes(access, outcomes);
  access.Offline();
  return true;
}

uint64_t SessionThreads::Loops::Drain(uint32_t timeout_ms, const std::function<void(uint64_t)>& progress,
                                      const std::function<bool()>& hurried) {
  WriteBehind& write_behind = sessions_.write_behind();
  write_behind.SetDraining(true);
  const int64_t end_us = Now() + int64_t{timeout_ms} * 1000;
  int64_t progress_at_us = Now() + kProgressMicros;
  Alarm never;
  uint64_t left = write_behind.dirty_items();
  // What is in quarantine cannot be written, however long we wait.
  while (left > write_behind.quarantined() && Now() < end_us) {
    never.SleepUntil(Now() + kDrainLookMicros, sessions_.clock());
    left = write_behind.dirty_items();
    if (hurried && hurried()) break;
    if (Now() < progress_at_us) continue;
    progress(left);
    progress_at_us += kProgressMicros;
  }
  progress(left);
  return left;
}

// -- Reading --------------------------------------------------------------------------------------

void SessionThreads::Loops::Read() {
  store::Access access(sessions_.store());
  access.Offline();
  while (!stopping_.load()) {
    if (!reading_.Ready(Now())) {
      sessions_.read_through().NoteAway();
    } else if (ReadOnce(access)) {
      continue;
    }
    const int64_t due_us = sessions_.read_through().NextDue();
    read_alarm_.SleepUntil(std::max(due_us, reading_.reopen_at_us()), sessions_.clock());
  }
}

bool SessionThreads::Loops::ReadOnce(store::Access& access) {
  const std::span<const std::string_view> keys = sessions_.read_through().NextBatch();
  if (keys.empty()) return false;
  std::vector<Row> rows;
  const Failure failure = reading_.driver().Load(keys, &rows);
  reading_.Note(failure, Now());
  if (!failure.ok()) {
    sessions_.read_through().OnFailure();
    return false;
  }
  access.Online();
  sessions_.read_through().OnRows(access, std::move(rows));
  access.Offline();
  return true;
}

void SessionThreads::Loops::Tick() {
  while (!stopping_.load()) tick_alarm_.SleepUntil(sessions_.read_through().Tick(), sessions_.clock());
}

// -- SessionThreads -------------------------------------------------------------------------------

SessionThreads::SessionThreads(Sessions& sessions, Database& database, const base::Log& log)
    : loops_(std::make_unique<Loops>(sessions, database, log)) {}
SessionThreads::~SessionThreads() = default;
base::Status SessionThreads::Start() { return loops_->Start(); }
base::Status SessionThreads::Open() { return loops_->Open(); }
uint64_t SessionThreads::Drain(uint32_t timeout_ms, const std::function<void(uint64_t)>& progress,
                               const std::function<bool()>& hurried) {
  return loops_->Drain(timeout_ms, progress, hurried);
}
void SessionThreads::Stop() { loops_->Stop(); }

}  // namespace holdfast::session
