// How it works: each loop sleeps on an Alarm, which a wake-up from elsewhere rings. While a loop is in the database its
// Access is offline, so that it holds up no page. Writer and reader keep a connection each, opened again after an error
// that made it useless; what failed is tried again when the state machine says so (it keeps the pauses), or, while
// there is no connection, after kReopenMicros.

#include "session/session_threads.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace holdfast::session {
namespace {

constexpr int64_t kReopenMicros = 200'000;
constexpr int64_t kJoinMicros = 500'000;
constexpr int64_t kIdleMicros = 1'000'000;  // without a write, before the database may tidy up
constexpr int64_t kSleepMicrosMax = 60'000'000;
constexpr int64_t kDrainLookMicros = 10'000;
constexpr int64_t kHeldLookMicros = 1'000;
constexpr int64_t kGiveWayMicros = 150'000;  // SQLite's own waits for a lock are of at most 100 ms
constexpr int64_t kProgressMicros = 1'000'000;
constexpr size_t kQuestionKeys = 100;
constexpr std::chrono::milliseconds kForever = std::chrono::hours(24 * 365);
constexpr int kStrictBatchesATurn = 100;  // then the others have their turn, however many there are

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

// A connection that is opened when it is needed, and one line in the log when it goes, when it turns out that a person
// must mend it, and when it is back.
class Line {
 public:
  Line(const char* what, std::unique_ptr<Driver> driver, const base::Log& log, SessionStats& stats)
      : what_(what), driver_(std::move(driver)), log_(log), stats_(stats) {}

  Driver& driver() { return *driver_; }
  bool is_open() const { return open_; }

  Failure Open() {
    Failure failure = driver_->Open();
    open_ = failure.ok();
    reopened_ = open_;
    return failure;
  }

  // The next use opens it anew.
  void Drop() { open_ = false; }

  // Has it been opened since this was asked last?
  bool TakeReopened() { return std::exchange(reopened_, false); }

  // Is there a connection, or one that could be opened now?
  bool Ready(int64_t now_us) {
    if (open_) return true;
    if (now_us < reopen_at_us_) return false;
    if (const Failure failure = Open(); !failure.ok()) Note(failure, now_us);
    return open_;
  }
  int64_t reopen_at_us() const { return open_ ? 0 : reopen_at_us_; }

  void Note(const Failure& failure, int64_t now_us) {
    stats_.database_away.Note(failure.ok(), now_us);
    if (failure.ok()) {
      if (said_ != FailureClass::kNone) {
        log_.Notice(std::string("sessions: the database answers again (") + what_ + ")");
      }
      said_ = FailureClass::kNone;
      return;
    }
    Count(failure.kind);
    if (failure.kind == FailureClass::kNextNode) open_ = false;
    reopen_at_us_ = now_us + kReopenMicros;
    const bool needs_a_person = failure.kind == FailureClass::kConfiguration;
    if (said_ != FailureClass::kNone && (!needs_a_person || said_ == FailureClass::kConfiguration)) return;
    log_.Error(std::string("sessions: cannot ") + what_ + ": " + failure.detail + "; it is tried again");
    said_ = failure.kind;
  }

 private:
  void Count(FailureClass kind) {
    if (kind == FailureClass::kRetry) stats_.calls_retried.Add();
    if (kind == FailureClass::kNextNode) stats_.calls_reconnected.Add();
    if (kind == FailureClass::kConfiguration) stats_.calls_blocked.Add();
  }

  const char* const what_;  // "read", "write"
  const std::unique_ptr<Driver> driver_;
  const base::Log& log_;
  SessionStats& stats_;
  bool open_ = false;
  bool reopened_ = false;
  FailureClass said_ = FailureClass::kNone;  // in the log, since it answered last
  int64_t reopen_at_us_ = 0;
};

}  // namespace

class SessionThreads::Loops {
 public:
  Loops(Sessions& sessions, Database& database, const base::Log& log, Peers* peers)
      : sessions_(sessions),
        writing_("write", database.NewDriver(), log, sessions.stats()),
        reading_("read", database.NewDriver(), log, sessions.stats()),
        polling_("look for changes", database.NewDriver(), log, sessions.stats()),
        peers_(peers),
        log_(log),
        loses_unsynced_(sessions.settings().journal == "none") {}
  ~Loops() { Stop(kForever); }

  void JoinLater(std::function<Failure(Driver&)> join);
  base::Status Open();
  base::Status Start();
  uint64_t Drain(uint32_t timeout_ms, const std::function<void(uint64_t)>& progress,
                 const std::function<bool()>& hurried);
  void SetPace(Pace pace);
  bool AwaitHeld(uint32_t timeout_ms);
  bool Stop(std::chrono::milliseconds timeout);

 private:
  void Launch(std::thread* thread, void (Loops::*loop)());
  int64_t Now() const { return sessions_.clock().SteadyMicros(); }
  void Write();
  bool WriteTurn(store::Access& access);
  bool WriteOnce(store::Access& access);
  Failure Send(std::span<const Change> batch, std::vector<ChangeOutcome>* outcomes);
  bool WriteStrict(store::Access& access);
  void GiveWay();
  void Read();
  bool ReadOnce(store::Access& access);
  bool ReadBack(store::Access& access);
  void Tick();
  bool Yield(store::Access& access);
  bool Join();
  void Poll();
  void Ask();

  Sessions& sessions_;
  Line writing_;
  Line reading_;
  Line polling_;
  Peers* const peers_;  // null: nobody is asked
  const base::Log& log_;
  Alarm write_alarm_, read_alarm_, tick_alarm_, poll_alarm_, ask_alarm_, give_way_alarm_;
  std::function<Failure(Driver&)> join_;  // null: not needed
  std::atomic<bool> joined_{true};
  const bool loses_unsynced_;  // there is no journal: what the database lacks is gone with the process
  std::atomic<bool> stopping_{false};
  std::atomic<Pace> pace_{Pace::kFull};
  std::atomic<bool> in_turn_{false};  // the writer may be in the database; set before it looks at pace_
  std::thread writer_, reader_, ticker_, poller_, asker_;
  std::mutex running_mutex_;  // guards running_
  std::condition_variable all_ended_;
  int running_ = 0;
};

void SessionThreads::Loops::JoinLater(std::function<Failure(Driver&)> join) {
  join_ = std::move(join);
  joined_.store(false);
}

base::Status SessionThreads::Loops::Open() {
  for (Line* line : {&writing_, &reading_, &polling_}) {
    if (line->is_open() || (line == &polling_ && !sessions_.settings().shared)) continue;
    const Failure failure = line->Open();
    if (!failure.ok()) return base::Status(base::ErrorKind::kUnavailable, failure.detail);
  }
  return {};
}

base::Status SessionThreads::Loops::Start() {
  if (joined_.load()) {
    if (base::Status status = Open(); !status.ok()) return status;
  }
  sessions_.write_behind().SetWake([this] { write_alarm_.Ring(); });
  sessions_.read_through().SetWakes([this] { read_alarm_.Ring(); }, [this] { tick_alarm_.Ring(); });
  sessions_.journal_room().SetWakeTicker([this] { tick_alarm_.Ring(); });
  sessions_.strict_writes().SetWakeTicker([this] { tick_alarm_.Ring(); });
  Launch(&writer_, &Loops::Write);
  Launch(&reader_, &Loops::Read);
  sessions_.verification().Beat();
  Launch(&ticker_, &Loops::Tick);
  if (!sessions_.settings().shared) return {};
  sessions_.read_through().SetWakeAsker([this] { ask_alarm_.Ring(); });
  Launch(&poller_, &Loops::Poll);
  Launch(&asker_, &Loops::Ask);
  return {};
}

void SessionThreads::Loops::Launch(std::thread* thread, void (Loops::*loop)()) {
  const std::lock_guard lock(running_mutex_);
  ++running_;
  *thread = std::thread([this, loop] {
    (this->*loop)();
    const std::lock_guard ended(running_mutex_);
    if (--running_ == 0) all_ended_.notify_all();
  });
}

bool SessionThreads::Loops::Stop(std::chrono::milliseconds timeout) {
  stopping_.store(true);
  for (Alarm* alarm : {&write_alarm_, &read_alarm_, &tick_alarm_, &poll_alarm_, &ask_alarm_, &give_way_alarm_}) {
    alarm->Ring();
  }
  bool ended = false;
  {
    std::unique_lock lock(running_mutex_);
    ended = all_ended_.wait_for(lock, timeout, [this] { return running_ == 0; });
  }
  for (std::thread* thread : {&writer_, &reader_, &ticker_, &poller_, &asker_}) {
    if (!thread->joinable()) continue;
    if (ended) {
      thread->join();
    } else {
      thread->detach();
    }
  }
  if (ended && polling_.is_open()) sessions_.nodes().Leave(polling_.driver());
  return ended;
}

// -- Writing --------------------------------------------------------------------------------------

void SessionThreads::Loops::Write() {
  store::Access access(sessions_.store());
  access.Offline();
  bool tidied = false;
  int64_t last_write_us = Now();
  while (!stopping_.load()) {
    if (pace_.load() == Pace::kHeld) {
      write_alarm_.SleepUntil(kNeverMicros, sessions_.clock());
      continue;
    }
    if (joined_.load() && writing_.Ready(Now())) {
      if (WriteTurn(access)) {
        last_write_us = Now();
        tidied = false;
        GiveWay();
        continue;
      }
      if (pace_.load() != Pace::kFull) tidied = true;
      if (!tidied && Now() >= last_write_us + kIdleMicros) {
        writing_.driver().Idle();
        tidied = true;
      }
    }
    int64_t until_us = std::min({sessions_.write_behind().NextDue(), sessions_.strict_writes().NextDue(),
                                 sessions_.reaper().NextDue(), sessions_.yields().NextDue()});
    if (!tidied) until_us = std::min(until_us, last_write_us + kIdleMicros);
    if (!joined_.load()) until_us = Now() + kIdleMicros;
    // Changes that are not due yet wake nobody.
    if (loses_unsynced_) {
      sessions_.losses().SetUnsynced(sessions_.write_behind().dirty_items());
      until_us = std::min(until_us, Now() + kIdleMicros);
    }
    write_alarm_.SleepUntil(std::max(until_us, writing_.reopen_at_us()), sessions_.clock());
  }
  if (pace_.load() == Pace::kFull) writing_.driver().Idle();
}

// One of each kind of work that there is. False when nothing came of it.
bool SessionThreads::Loops::WriteTurn(store::Access& access) {
  in_turn_.store(true);
  bool wrote = false;
  if (pace_.load() != Pace::kHeld) {
    if (!sessions_.settings().shared && writing_.TakeReopened()) {
      writing_.Note(sessions_.nodes().CheckIdentity(writing_.driver()), Now());
    }
    access.Online();
    const bool walks = sessions_.doubt_walk().Step(access);
    access.Offline();
    for (int i = 0; i < kStrictBatchesATurn && (i == 0 || pace_.load() == Pace::kFull) && WriteStrict(access); ++i) {
      wrote = true;
    }
    if (writing_.is_open()) wrote = WriteOnce(access) || Yield(access) || wrote;
    wrote |= walks;
    if (sessions_.reaper().NextDue() <= Now()) writing_.Note(sessions_.reaper().Sweep(writing_.driver()), Now());
  }
  in_turn_.store(false);
  return wrote;
}

void SessionThreads::Loops::GiveWay() {
  if (pace_.load() != Pace::kGivesWay || stopping_.load()) return;
  give_way_alarm_.SleepUntil(Now() + kGiveWayMicros, sessions_.clock());
}

void SessionThreads::Loops::SetPace(Pace pace) {
  pace_.store(pace);
  for (Alarm* alarm : {&write_alarm_, &give_way_alarm_}) alarm->Ring();
}

bool SessionThreads::Loops::AwaitHeld(uint32_t timeout_ms) {
  const int64_t end_us = Now() + int64_t{timeout_ms} * 1000;
  Alarm never;
  while (in_turn_.load() && Now() < end_us) never.SleepUntil(Now() + kHeldLookMicros, sessions_.clock());
  return !in_turn_.load();
}

Failure SessionThreads::Loops::Send(std::span<const Change> batch, std::vector<ChangeOutcome>* outcomes) {
  const int64_t begun_us = Now();
  const Failure failure = sessions_.forgotten_deletes().Write(writing_.driver(), batch, outcomes);
  sessions_.stats().write_micros.Record(static_cast<uint64_t>(Now() - begun_us));
  writing_.Note(failure, Now());
  return failure;
}

// False when there was nothing to write, or it failed.
bool SessionThreads::Loops::WriteOnce(store::Access& access) {
  access.Online();
  const std::span<const Change> batch = sessions_.write_behind().NextBatch(access);
  access.Offline();
  if (batch.empty()) return false;
  std::vector<ChangeOutcome> outcomes;
  if (const Failure failure = Send(batch, &outcomes); !failure.ok()) {
    sessions_.write_behind().OnFailure(failure);
    return false;
  }
  access.Online();
  sessions_.write_behind().OnOutcomes(access, outcomes);
  access.Offline();
  return true;
}

// The same for changes whose requests wait for the commit.
bool SessionThreads::Loops::WriteStrict(store::Access& access) {
  access.Online();
  const std::span<const Change> batch = sessions_.strict_writes().NextBatch(access);
  access.Offline();
  if (batch.empty()) return false;
  std::vector<ChangeOutcome> outcomes;
  if (!Send(batch, &outcomes).ok()) {
    sessions_.strict_writes().OnFailure();
    return false;
  }
  access.Online();
  sessions_.strict_writes().OnOutcomes(access, outcomes);
  access.Offline();
  return true;
}

// False when nothing was handed over.
bool SessionThreads::Loops::Yield(store::Access& access) {
  if (sessions_.yields().size() == 0) return false;
  access.Online();
  sessions_.yields().Step(access);
  access.Offline();
  const std::span<const OwnerChange> claims = sessions_.yields().NextClaims();
  if (claims.empty()) return false;
  const Failure failure = writing_.driver().Claim(claims);
  writing_.Note(failure, Now());
  sessions_.yields().OnClaimed(failure.ok());
  return failure.ok();
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
    const bool joined = joined_.load();
    if (!joined || !reading_.Ready(Now())) {
      sessions_.read_through().NoteAway();
    } else if (ReadOnce(access)) {
      continue;
    }
    const int64_t due_us =
        joined ? std::min(sessions_.read_through().NextDue(), sessions_.sampler().NextDue()) : kNeverMicros;
    read_alarm_.SleepUntil(std::max(due_us, reading_.reopen_at_us()), sessions_.clock());
  }
}

bool SessionThreads::Loops::ReadOnce(store::Access& access) {
  if (sessions_.nodes().wants_refresh()) reading_.Note(sessions_.nodes().Refresh(reading_.driver()), Now());
  if (const std::span<const OwnerChange> claims = sessions_.read_through().NextClaims(); !claims.empty()) {
    const Failure failure = reading_.driver().Claim(claims);
    reading_.Note(failure, Now());
    sessions_.read_through().OnClaimed(failure.ok());
    return failure.ok();
  }
  const std::span<const std::string_view> keys = sessions_.read_through().NextBatch();
  if (keys.empty()) return ReadBack(access);
  std::vector<Row> rows;
  const int64_t begun_us = Now();
  const Failure failure = reading_.driver().Load(keys, &rows);
  sessions_.stats().load_micros.Record(static_cast<uint64_t>(Now() - begun_us));
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

// False when there was nothing to read back, or it failed.
bool SessionThreads::Loops::ReadBack(store::Access& access) {
  const std::span<const std::string_view> keys = sessions_.sampler().NextBatch();
  if (keys.empty()) return false;
  std::vector<RowStamps> rows;
  const Failure failure = reading_.driver().LoadStamps(keys, &rows);
  reading_.Note(failure, Now());
  if (!failure.ok()) {
    sessions_.sampler().OnFailure();
    return false;
  }
  access.Online();
  sessions_.sampler().OnRows(access, rows);
  access.Offline();
  return true;
}

void SessionThreads::Loops::Tick() {
  const int64_t beat_us =
      sessions_.settings().shared ? int64_t{sessions_.settings().stall_ms} * 1000 / 8 : kSleepMicrosMax;
  while (!stopping_.load()) {
    sessions_.verification().Beat();
    const int64_t due_us = std::min(
        {sessions_.read_through().Tick(), sessions_.journal_room().Tick(Now()), sessions_.strict_writes().Tick()});
    tick_alarm_.SleepUntil(std::min(due_us, Now() + beat_us), sessions_.clock());
  }
}

// -- Other servers --------------------------------------------------------------------------------

// False: not now. What a person must mend is not asked for at each turn.
bool SessionThreads::Loops::Join() {
  if (!polling_.Ready(Now())) return false;
  const Failure failure = join_(polling_.driver());
  polling_.Note(failure, Now());
  if (!failure.ok()) {
    polling_.Drop();  // another host may be the right one
    return false;
  }
  joined_.store(true);
  for (Alarm* alarm : {&read_alarm_, &write_alarm_}) alarm->Ring();
  return true;
}

void SessionThreads::Loops::Poll() {
  while (!joined_.load() && !stopping_.load()) {
    if (!Join()) poll_alarm_.SleepUntil(Now() + kJoinMicros, sessions_.clock());
  }
  store::Access access(sessions_.store());
  access.Offline();
  while (!stopping_.load()) {
    if (polling_.Ready(Now())) {
      Failure failure = sessions_.nodes().Renew(polling_.driver());
      if (failure.ok()) failure = sessions_.change_poll().Poll(polling_.driver(), access);
      polling_.Note(failure, Now());
    }
    const int64_t due_us = std::min(sessions_.nodes().NextDue(), sessions_.change_poll().NextDue());
    poll_alarm_.SleepUntil(std::max(due_us, polling_.reopen_at_us()), sessions_.clock());
  }
}

void SessionThreads::Loops::Ask() {
  ReadThrough& read_through = sessions_.read_through();
  while (!stopping_.load()) {
    const ReadThrough::Question question = read_through.NextQuestion(kQuestionKeys);
    if (question.keys.empty()) {
      ask_alarm_.SleepUntil(kNeverMicros, sessions_.clock());
      continue;
    }
    Nodes& nodes = sessions_.nodes();
    const bool yielded =
        peers_ != nullptr && nodes.Know(question.node, nodes.reads()) == Peer::kLive &&
        peers_->Yield(nodes.AddressOf(question.node), nodes.TokenOf(question.node), sessions_.stamp_clock().node(),
                      question.keys, sessions_.settings().peer_timeout_ms);
    read_through.OnAnswered(question, !yielded);
  }
}

// -- SessionThreads -------------------------------------------------------------------------------

SessionThreads::SessionThreads(Sessions& sessions, Database& database, const base::Log& log, Peers* peers)
    : loops_(std::make_unique<Loops>(sessions, database, log, peers)) {}
SessionThreads::~SessionThreads() = default;
base::Status SessionThreads::Start() { return loops_->Start(); }
void SessionThreads::JoinLater(std::function<Failure(Driver&)> join) { loops_->JoinLater(std::move(join)); }
base::Status SessionThreads::Open() { return loops_->Open(); }
uint64_t SessionThreads::Drain(uint32_t timeout_ms, const std::function<void(uint64_t)>& progress,
                               const std::function<bool()>& hurried) {
  return loops_->Drain(timeout_ms, progress, hurried);
}
void SessionThreads::SetPace(Pace pace) { loops_->SetPace(pace); }
bool SessionThreads::AwaitHeld(uint32_t timeout_ms) { return loops_->AwaitHeld(timeout_ms); }
void SessionThreads::Stop() { loops_->Stop(kForever); }
bool SessionThreads::StopWithin(uint32_t timeout_ms) { return loops_->Stop(std::chrono::milliseconds(timeout_ms)); }

}  // namespace holdfast::session
