// session_site.h - one node of the session module under a virtual clock, without threads: a store, an SQLite file, and
// clients that send commands to it as command/ would. Several may stand on the same Ground: they share clock and file,
// have numbers, look for each other's changes (Pass) and ask each other for sessions.
//
// The database is the real one behind a driver that can be told to fail: before it does anything, or after it has done
// it (the reply is lost).
//
// Threads: one.

#ifndef HOLDFAST_T_LIB_SESSION_SITE_H_
#define HOLDFAST_T_LIB_SESSION_SITE_H_

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "lib/passing_driver.h"
#include "lib/virtual_clock.h"
#include "session/driver.h"
#include "session/peer_talk.h"
#include "session/session.h"

namespace holdfast::test {

using base::Seconds;
using session::ChangeOutcome;
using session::LoadOutcome;
using session::Verdict;
using session::WriteKind;
using session::WriteOutcome;
using store::Key;

// Passes on to the real driver, unless told otherwise.
class FaultyDriver final : public PassingDriver {
 public:
  enum class Fault { kNone, kRefuse, kLoseReply };

  using PassingDriver::PassingDriver;

  session::Failure Load(std::span<const std::string_view> keys, std::vector<session::Row>* rows) override {
    ++loads;
    keys_loaded += keys.size();
    return PassingDriver::Load(keys, rows);
  }
  session::Failure Write(std::span<const session::Change> changes, std::vector<ChangeOutcome>* outcomes) override {
    ++writes;
    if (fault != Fault::kRefuse) written.insert(written.end(), changes.begin(), changes.end());
    session::Failure failure = PassingDriver::Write(changes, outcomes);
    for (size_t i = 0; i < outcomes->size(); ++i) {
      if (changes[i].row.key == bad_key) (*outcomes)[i] = ChangeOutcome::kBad;
    }
    return failure;
  }

  Fault fault = Fault::kNone;
  std::string bad_key;  // its rows count as never writable
  size_t loads = 0;
  size_t keys_loaded = 0;
  size_t writes = 0;
  std::vector<session::Change> written;

 private:
  session::Failure Pass(const std::function<session::Failure()>& call) override {
    if (fault == Fault::kRefuse) return Away();
    session::Failure failure = call();
    return fault == Fault::kLoseReply ? Away() : failure;
  }
  static session::Failure Away() { return {session::FailureClass::kRetry, "the database is away"}; }
};

// A journal that can be full.
class ShortJournal final : public session::Journal {
 public:
  bool Append(const session::JournalRecord& record) override {
    if (full) return false;
    kinds.push_back(record.kind);
    return true;
  }
  bool full = false;
  std::vector<session::RecordKind> kinds;
};

enum class Answer { kHit, kMiss, kStored, kNotStored, kRefused, kDeleted, kNotFound, kTouched, kUnavailable, kParked };

class SessionSite;

// What nodes stand on.
struct Ground {
  Ground() : directory(MakeDirectory()) {}
  ~Ground() { std::filesystem::remove_all(directory); }
  static std::string MakeDirectory() {
    const char* root = getenv("TMPDIR");
    std::string name = std::string(root != nullptr ? root : "/tmp") + "/holdfast-site-XXXXXX";
    CHECK(mkdtemp(name.data()) != nullptr);
    return name;
  }
  VirtualClock clock;
  const std::string directory;
  std::weak_ptr<session::Database> database;
  std::vector<SessionSite*> sites;
};

class SessionSite {
 public:
  static constexpr const char* kRules =
      "php prefix=php: ; prefix=web: connections=pooled budget=1s; prefix=fresh: ids=fresh; "
      "prefix=strict: policy=strict action=error budget=1s";

  explicit SessionSite(const session::SessionSettings& settings = {}, const store::StoreSettings& store_settings = {},
                       std::shared_ptr<Ground> ground = std::make_shared<Ground>())
      : ground_(std::move(ground)), settings_(settings), store_settings_(store_settings), clock(ground_->clock) {
    ground_->sites.push_back(this);
    Start();
  }
  // A node of several.
  SessionSite(std::shared_ptr<Ground> ground, const std::string& name, session::SessionSettings settings = {})
      : SessionSite(Shared(std::move(settings), name), {}, std::move(ground)) {}
  ~SessionSite() {
    Kill();
    std::erase(ground_->sites, this);
  }

  // kill -9: memory is gone. Start makes a new process of it.
  void Kill() {
    access_.reset();
    sessions_.reset();
    store_.reset();
    driver_.reset();
    database_.reset();
  }
  // known: its lease, from a start while the database cannot be asked; RenewNow follows once it can.
  void Start(const session::NodeLease* known = nullptr) {
    database_ = ground_->database.lock();
    if (database_ == nullptr) {
      auto database = session::Database::Open("sqlite:" + path(), clock);
      CHECK(database.ok());
      database_ = std::move(database.value());
      ground_->database = database_;
    }
    driver_ = std::make_unique<FaultyDriver>(database_->NewDriver());
    CHECK(driver_->Open().ok());
    auto store = store::Store::Create(store_settings_, clock);
    CHECK(store.ok());
    store_ = std::move(store.value());
    access_.emplace(*store_);
    auto rules = session::Rules::Parse(kRules);
    CHECK(rules.ok());
    sessions_ = std::make_unique<session::Sessions>(
        settings_, std::move(rules.value()),
        session::Sessions::Doors{clock, *store_, journal, [this](const session::Waiter& waiter, LoadOutcome outcome) {
                                   woken.emplace_back(waiter, outcome);
                                 }});
    if (known != nullptr) {
      sessions_->nodes().Resume(database_->identity(), *known);
      Beat();
    } else if (settings_.shared) {
      const session::Failure failure = sessions_->nodes().Join(*driver_);
      CHECK(failure.ok());
      Beat();
      PollNow();
    }
  }
  void Restart() {
    Kill();
    Start();
  }

  session::Sessions& sessions() { return *sessions_; }
  store::Store& store() { return *store_; }
  store::Access& access() { return *access_; }
  FaultyDriver& driver() { return *driver_; }
  session::Database& database() { return *database_; }
  std::string path() const { return ground_->directory + "/sessions.db"; }
  Seconds Now() const { return clock.Now(); }

  // -- The module's threads, one step each ---------------------------------------------------------

  // The rows written, or nothing when the database failed.
  std::optional<size_t> WriteOnce() {
    const std::span<const session::Change> batch = sessions_->write_behind().NextBatch(*access_);
    if (batch.empty()) return 0;
    const size_t rows = batch.size();
    std::vector<ChangeOutcome> outcomes;
    const session::Failure failure = sessions_->forgotten_deletes().Write(*driver_, batch, &outcomes);
    if (!failure.ok()) {
      sessions_->write_behind().OnFailure(failure);
      return std::nullopt;
    }
    sessions_->write_behind().OnOutcomes(*access_, outcomes);
    return rows;
  }
  // All that is due now.
  size_t WriteDue() {
    size_t rows = 0;
    while (const auto written = WriteOnce()) {
      if (*written == 0) break;
      rows += *written;
    }
    return rows;
  }
  // The same for changes of strict sessions; false: there were none, or the database failed.
  bool WriteStrictOnce() {
    const std::span<const session::Change> batch = sessions_->strict_writes().NextBatch(*access_);
    if (batch.empty()) return false;
    std::vector<ChangeOutcome> outcomes;
    const bool ok = driver_->Write(batch, &outcomes).ok();
    if (ok) {
      sessions_->strict_writes().OnOutcomes(*access_, outcomes);
    } else {
      sessions_->strict_writes().OnFailure();
    }
    return ok;
  }
  bool ReadOnce() {
    if (sessions_->nodes().wants_refresh()) (void)sessions_->nodes().Refresh(*driver_);
    if (const auto claims = sessions_->read_through().NextClaims(); !claims.empty()) {
      sessions_->read_through().OnClaimed(driver_->Claim(claims).ok());
      return true;
    }
    if (AskOnce()) return true;
    const std::span<const std::string_view> keys = sessions_->read_through().NextBatch();
    if (keys.empty()) return false;
    std::vector<session::Row> rows;
    if (driver_->Load(keys, &rows).ok()) {
      sessions_->read_through().OnRows(*access_, std::move(rows));
    } else {
      sessions_->read_through().OnFailure();
    }
    return true;
  }

  // -- Several nodes -------------------------------------------------------------------------------

  uint32_t number() { return sessions_->stamp_clock().node(); }
  bool running() const { return sessions_ != nullptr && !stopped; }
  void Beat() { sessions_->verification().Beat(); }
  // The poller's thread.
  session::Failure PollOnce() {
    session::Failure failure = sessions_->nodes().Renew(*driver_);
    if (failure.ok()) failure = sessions_->change_poll().Poll(*driver_, *access_);
    access_->Online();
    return failure;
  }
  void PollNow() {
    clock.AdvanceMicros(std::max<int64_t>(0, sessions_->change_poll().NextDue() - clock.SteadyMicros()));
    Beat();
    (void)PollOnce();
  }
  // What the writer does for other servers.
  void YieldOnce() {
    sessions_->yields().Step(*access_);
    const auto claims = sessions_->yields().NextClaims();
    if (!claims.empty()) sessions_->yields().OnClaimed(driver_->Claim(claims).ok());
    while (sessions_->doubt_walk().Step(*access_)) {
    }
  }
  // Time passes for all nodes: they beat, look for changes, write what is due, and let go of what they were asked for.
  void Pass(int64_t millis) {
    for (; millis > 0; millis -= 100) {
      clock.AdvanceMillis(std::min<int64_t>(millis, 100));
      for (SessionSite* site : ground_->sites) {
        if (!site->running()) continue;
        site->Beat();
        if (!site->settings_.shared) continue;
        (void)site->PollOnce();
        site->WriteDue();
        site->YieldOnce();
      }
    }
  }
  // Asks one other node for what is wanted of it; true: there was something.
  bool AskOnce() {
    const session::ReadThrough::Question question = sessions_->read_through().NextQuestion(100);
    if (question.keys.empty()) return false;
    SessionSite* peer = nullptr;
    for (SessionSite* site : ground_->sites) {
      if (site->running() && !site->unreachable && site->number() == question.node) peer = site;
    }
    const std::string token = sessions_->nodes().TokenOf(question.node);
    const int64_t end_us = clock.SteadyMicros() + int64_t{settings_.peer_timeout_ms} * 1000;
    bool yielded = false;
    std::vector<std::string> left = question.keys;
    while (peer != nullptr && !yielded && clock.SteadyMicros() < end_us) {
      const std::string reply = session::AnswerPeer(peer->sessions(), session::YieldLine(token, number(), left));
      const auto answers = session::ReadYieldReply(reply, left.size());
      std::vector<std::string> waiting;
      for (size_t i = 0; i < answers.size(); ++i) {
        if (answers[i] == session::YieldAnswer::kWait) waiting.push_back(left[i]);
      }
      if (answers.empty()) break;
      left = waiting;
      yielded = left.empty();
      if (yielded) break;
      Pass(10);
    }
    sessions_->read_through().OnAnswered(question, !yielded);
    return true;
  }

  // -- Clients. A request that is parked waits until it is woken; time goes on as it must. -----------

  Answer Get(const std::string& name, uint64_t connection, std::string* value = nullptr) {
    const Key key = Key::Of(name);
    const session::Rule& rule = *sessions_->Match(name);
    return Resolve(name, connection, [&](LoadOutcome in_hand, Verdict* verdict) {
      const store::Found found = access_->Find(key, Now());
      *verdict = sessions_->Judge(rule, key, found.state, in_hand, Now());
      if (*verdict == Verdict::kLive) {
        if (value != nullptr) *value = ValueOf(found.item);
        sessions_->NoteHit(*access_, rule, key, found.item, connection, Now());
        return Answer::kHit;
      }
      if (*verdict == Verdict::kDeleted) sessions_->NoteMiss(*access_, rule, key, connection, Now());
      return Answer::kMiss;
    });
  }
  std::string Value(const std::string& name, uint64_t connection = 1) {
    std::string value;
    const Answer answer = Get(name, connection, &value);
    return answer == Answer::kHit ? value : "(" + std::to_string(static_cast<int>(answer)) + ")";
  }

  // Parks a request that has not waited before.
  bool Park(const std::string& name, const session::Waiter& waiter) {
    session::Waits waits;
    return sessions_->Load(*sessions_->Match(name), Key::Of(name), waiter, &waits);
  }

  Answer Set(const std::string& name, std::string_view value, uint64_t connection = 1, int ttl = 1000) {
    return Store(WriteKind::kSet, name, value, connection, ttl);
  }
  Answer Add(const std::string& name, std::string_view value, uint64_t connection = 1, int ttl = 1000) {
    return Store(WriteKind::kAdd, name, value, connection, ttl);
  }
  // Compared with what is there now.
  Answer Cas(const std::string& name, std::string_view value, uint64_t connection = 1, int ttl = 1000) {
    return Store(WriteKind::kCompared, name, value, connection, ttl);
  }
  Answer Append(const std::string& name, std::string_view tail, uint64_t connection = 1) {
    return Store(WriteKind::kRewrite, name, tail, connection, 0);
  }

  Answer Touch(const std::string& name, int ttl, uint64_t connection = 1) {
    const Key key = Key::Of(name);
    const session::Rule& rule = *sessions_->Match(name);
    return Resolve(name, connection, [&](LoadOutcome in_hand, Verdict* verdict) {
      store::Slot slot = access_->Lock(key, Now());
      *verdict = sessions_->Judge(rule, key, slot.state(), in_hand, Now());
      if (*verdict != Verdict::kLive) return Answer::kNotFound;
      const WriteOutcome outcome = sessions_->Touch(slot, rule, key, ExpiryOf(ttl), Now());
      return outcome == WriteOutcome::kStored ? Answer::kTouched : Answer::kRefused;
    });
  }

  Answer Delete(const std::string& name, uint64_t connection = 1) {
    const Key key = Key::Of(name);
    const session::Rule& rule = *sessions_->Match(name);
    return Resolve(name, connection, [&](LoadOutcome in_hand, Verdict* verdict) {
      store::Draft tombstone;
      CHECK(access_->NewDraft(session::Sessions::TombstoneShape(key), &tombstone) == store::Reserve::kOk);
      store::Slot slot = access_->Lock(key, Now());
      *verdict = sessions_->Judge(rule, key, slot.state(), in_hand, Now());
      if (*verdict != Verdict::kLive && *verdict != Verdict::kUnavailable) return Answer::kNotFound;
      *verdict = Verdict::kLive;
      const WriteOutcome outcome = sessions_->Delete(slot, std::move(tombstone), rule, key, Now());
      return outcome == WriteOutcome::kStored ? Answer::kDeleted : Answer::kRefused;
    });
  }

  // What the database has; nothing when it has no row.
  std::optional<session::Row> InDatabase(const std::string& name) {
    const std::unique_ptr<session::Driver> driver = database_->NewDriver();
    CHECK(driver->Open().ok());
    const std::string_view key = name;
    std::vector<session::Row> rows;
    CHECK(driver->Load({&key, 1}, &rows).ok());
    if (rows.empty()) return std::nullopt;
    return rows[0];
  }
  std::string RowValue(const std::string& name) {
    const std::optional<session::Row> row = InDatabase(name);
    if (!row) return "(none)";
    return row->state == session::RowState::kLive ? row->data : "(deleted)";
  }

  // As another server would, seconds later than what the row has.
  void OverwriteRow(const std::string& name, std::string_view data) {
    session::Change change;
    change.row = *InDatabase(name);
    change.row.version += uint64_t{5'000'000} << session::kNodeBits;
    change.row.data = data;
    const std::unique_ptr<session::Driver> driver = database_->NewDriver();
    CHECK(driver->Open().ok());
    std::vector<session::ChangeOutcome> outcomes;
    CHECK(driver->Write({&change, 1}, &outcomes).ok());
  }

  // How long the row has to live.
  int64_t RowTtl(const std::string& name) { return InDatabase(name)->expires_us - clock.SteadyMicros(); }

  // Evicts a clean item, as the store may at any time.
  void Evict(const std::string& name) {
    store::Slot slot = access_->Lock(Key::Of(name), Now());
    CHECK(slot.item() && !slot.item().is_dirty());
    slot.Remove();
  }
  bool IsDirty(const std::string& name) {
    const store::Slot slot = access_->Lock(Key::Of(name), Now());
    return slot.item() && slot.item().is_dirty();
  }
  bool InMemory(const std::string& name) { return access_->Find(Key::Of(name), Now()).item ? true : false; }

  static std::string ValueOf(const store::ItemRef& item) {
    std::string value;
    item.ForEachPiece([&value](std::string_view piece) { value += piece; });
    return value;
  }
  Seconds ExpiryOf(int ttl) const { return ttl == 0 ? base::kNever : Now() + static_cast<Seconds>(ttl); }

  bool blind_sets = true;  // are stored provisionally while the database is away; else refused like everything
  // -- Owned, or shared with neighbours ------------------------------------------------------------

 private:
  static session::SessionSettings Shared(session::SessionSettings settings, const std::string& name) {
    settings.shared = true;
    settings.node_name = name;
    settings.node_address = name + ":11211";
    settings.node_token = "token-of-" + name;
    return settings;
  }
  const std::shared_ptr<Ground> ground_;
  const session::SessionSettings settings_;
  const store::StoreSettings store_settings_;

 public:
  VirtualClock& clock;
  bool stopped = false;      // by a signal: it does nothing, but keeps its memory
  bool unreachable = false;  // for its peers
  ShortJournal journal;
  std::vector<std::pair<session::Waiter, LoadOutcome>> woken;

 private:
  Answer Store(WriteKind kind, const std::string& name, std::string_view value, uint64_t connection, int ttl) {
    const Key key = Key::Of(name);
    const session::Rule& rule = *sessions_->Match(name);
    return Resolve(name, connection, [&](LoadOutcome in_hand, Verdict* verdict) {
      std::string whole(value);
      Seconds expiry = ExpiryOf(ttl);
      if (const store::Found found = access_->Find(key, Now()); kind == WriteKind::kRewrite && found.live()) {
        whole = ValueOf(found.item) + whole;
        expiry = found.item.expiry();
      }
      store::DraftShape shape;
      shape.key = key;
      shape.value_size = whole.size();
      shape.expiry = expiry;
      shape.session = true;
      store::Draft draft;
      store::Reserve reserve;
      while ((reserve = access_->NewDraft(shape, &draft)) == store::Reserve::kRetry) access_->Quiesce();
      if (reserve != store::Reserve::kOk) return Answer::kRefused;
      draft.Append(whole);
      store::Slot slot = access_->Lock(key, Now());
      *verdict = sessions_->Judge(rule, key, slot.state(), in_hand, Now());
      const bool unknown = *verdict == Verdict::kAsk || *verdict == Verdict::kUnavailable;
      const bool provisional =
          blind_sets && unknown && kind == WriteKind::kSet && sessions_->MayWriteUnknown(rule, *verdict);
      if (unknown && !provisional) return Answer::kParked;
      if (provisional) *verdict = Verdict::kMiss;
      const bool live = *verdict == Verdict::kLive;
      if (kind == WriteKind::kAdd && live) return Answer::kNotStored;
      if ((kind == WriteKind::kRewrite || kind == WriteKind::kCompared) && !live) return Answer::kNotStored;
      const WriteOutcome outcome =
          sessions_->Write(slot, std::move(draft), {rule, key, kind, connection, Now(), {}, provisional});
      const bool stored = outcome == WriteOutcome::kStored || outcome == WriteOutcome::kDropped;
      return stored ? Answer::kStored : Answer::kRefused;
    });
  }

  // Executes a request until it has an answer: parks it, lets the reader and the deadlines run, and tries again with
  // what it was woken with.
  template <class Attempt>
  Answer Resolve(const std::string& name, uint64_t connection, Attempt&& attempt) {
    LoadOutcome in_hand = LoadOutcome::kNone;
    session::Waits waits;
    for (int tries = 0; tries < 10; ++tries) {
      Verdict verdict = Verdict::kMiss;
      const Answer answer = attempt(in_hand, &verdict);
      access_->Quiesce();
      if (verdict == Verdict::kUnavailable) {
        sessions_->NoteRefused(Key::Of(name));
        return Answer::kUnavailable;
      }
      if (verdict != Verdict::kAsk) return answer;
      const session::Waiter waiter{0, connection, ++requests_};
      if (!sessions_->Load(*sessions_->Match(name), Key::Of(name), waiter, &waits)) return Answer::kUnavailable;
      in_hand = Await(waiter);
    }
    return Answer::kParked;
  }
  LoadOutcome Await(const session::Waiter& waiter) {
    for (int steps = 0; steps < 100'000; ++steps) {
      if (ReadOnce() && woken.empty()) continue;
      const int64_t next_us = std::min(sessions_->read_through().Tick(), sessions_->read_through().NextDue());
      for (auto it = woken.begin(); it != woken.end(); ++it) {
        if (!(it->first == waiter)) continue;
        const LoadOutcome outcome = it->second;
        woken.erase(it);
        return outcome;
      }
      if (next_us > clock.SteadyMicros() && next_us != session::kNeverMicros) {
        if (settings_.shared) {
          Pass((next_us - clock.SteadyMicros() + 999) / 1000);
        } else {
          clock.AdvanceMicros(next_us - clock.SteadyMicros());
        }
      }
    }
    CHECK(false);
  }

  std::shared_ptr<session::Database> database_;
  std::unique_ptr<FaultyDriver> driver_;
  std::unique_ptr<store::Store> store_;
  std::optional<store::Access> access_;
  std::unique_ptr<session::Sessions> sessions_;
  uint64_t requests_ = 0;
};

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_SESSION_SITE_H_
