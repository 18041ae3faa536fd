// How it works: where the server has threads, the node has turns: events that do once what the thread's loop does, and
// arrange the next. A statement to the database is two events: it takes effect, and its reply comes. What was sent is
// copied, so that it can take effect after the node has given up or died.
//
// Events belong to a life of the node: those arranged before it died do nothing.

#include "sim/sim_node.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/check.h"
#include "session/journal_format.h"
#include "session/marks.h"

namespace holdfast::sim {

using session::Change;
using session::ChangeKind;
using session::ChangeOutcome;
using session::Failure;
using session::FailureClass;
using session::kNeverMicros;
using session::LoadOutcome;
using session::Row;
using store::ItemKind;
using store::Key;

namespace {

constexpr const char* kRules[] = {"php prefix=php: window=5s budget=2s connections=request",
                                  "prefix=web: action=error window=5s budget=1s connections=pooled",
                                  "prefix=dj: window=5s budget=8s connections=request"};

std::string RulesWith(uint32_t strict) {
  std::string rules;
  for (const char* rule : kRules) {
    rules += std::string(rule) + ((strict & 1) != 0 ? " policy=strict;" : ";");
    strict >>= 1;
  }
  rules.pop_back();
  return rules;
}

constexpr int64_t kJournalRoundMicros = 10'000;
constexpr int64_t kReconnectMicros = 200'000;

constexpr int64_t kHeldLookMicros = 1'000;
constexpr int kCutWaits = 250;  // looks whether a statement has come back
constexpr bool kLinkUp = true;
constexpr int64_t kBeatMicros = 125'000;  // an eighth of the stall

session::SessionSettings Settings(uint32_t number, bool shared) {
  session::SessionSettings settings;
  settings.node = number;
  settings.sync_interval_s = 5;
  settings.immediate_writes = 2;
  settings.batch_rows_max = 3;
  settings.load_keys_max = 2;
  settings.reaper_interval_s = 10;
  settings.shared = shared;
  settings.node_name = "node" + std::to_string(number);
  settings.node_address = settings.node_name + ":11211";
  settings.node_token = "token-of-" + settings.node_name;
  settings.node_lease_s = 4;
  settings.ends_max = 64;
  return settings;
}

}  // namespace

class SimNode::Door final : public session::Journal {
 public:
  explicit Door(SimNode& node) : node_(node) {}

  bool Append(const session::JournalRecord& record) override {
    if (node_.crash_point_ == CrashPoint::kBeforeAppend) throw Crash();
    node_.ScheduleJournal(node_.world_.dice.Between(0, kJournalRoundMicros));
    if (node_.bug_ == Bug::kAckBeforeJournal) {
      node_.late_appends_.emplace_back(record.key);
      return true;
    }
    const bool appended = node_.journal_->Append(record);
    if (node_.crash_point_ == CrashPoint::kAfterAppend) throw Crash();
    return appended;
  }
  size_t record_bytes_max() const override { return node_.journal_->record_bytes_max(); }

 private:
  SimNode& node_;
};

SimNode::SimNode(World& world, SimDatabase& database, Bug bug, const std::string& directory, uint32_t number,
                 const std::vector<std::unique_ptr<SimNode>>& neighbours, const SiteRules& rules)
    : world_(world),
      database_(database),
      bug_(bug),
      directory_(directory),
      number_(number),
      neighbours_(neighbours),
      shared_(rules.shared),
      strict_(rules.strict),
      clock_(world.time),
      log_(base::LogLevel::kError, base::LogFormat::kTimed, clock_, -1),
      driver_(database, faults.link_up),
      sent_(database, kLinkUp) {}

SimNode::~SimNode() {
  clock_.CrashAfter(0);
  successor_.reset();
  if (journal_ != nullptr) journal_->Stop(true);
  Forget();
}

void SimNode::Forget() {
  ++life_;
  ++connections_life_;
  successor_.reset();
  parked_.clear();
  frames_.clear();
  kept_.clear();
  woken_.clear();
  late_appends_.clear();
  context_.reset();
  control_.reset();
  access_.reset();
  journal_access_.reset();
  poll_access_.reset();
  sessions_.reset();
  door_.reset();
  journal_.reset();
  store_.reset();
  writing_ = reading_ = wakes_scheduled_ = stopping_ = asking_ = false;
  paused_until_us_ = std::min(paused_until_us_, world_.now_us());
  writer_at_us_ = reader_at_us_ = tick_at_us_ = journal_at_us_ = kNeverMicros;
  crash_point_ = CrashPoint::kNone;
  clock_.CrashAfter(0);
}

// -- Life and death -------------------------------------------------------------------------------

template <class Inside>
void SimNode::Guard(Inside&& inside) {
  try {
    inside();
    if (access_) access_->Quiesce();
  } catch (const Crash&) {
    Kill();
  }
}

template <class Inside>
std::function<void()> SimNode::Later(Inside inside) {
  return [this, life = life_, inside = std::move(inside)] {
    if (life != life_) return;
    if (world_.now_us() < paused_until_us_) return world_.At(paused_until_us_, Later(inside));
    Guard(inside);
  };
}

bool SimNode::OpenJournal(Process* process, const session::FileJournal* predecessor) {
  session::FileJournalSettings settings;
  settings.directory = directory_;
  settings.ring_path = directory_ + "/ring";
  settings.ring_bytes = 32 << 10;
  settings.segment_bytes = 4 << 10;
  settings.bytes_max = 16 << 10;
  settings.keep_s = 8;
  const std::string& uuid = database_.identity().uuid;
  const auto open = [&] {
    if (predecessor == nullptr) return session::FileJournal::Open(settings, uuid, clock_, log_);
    const auto passed = [](int descriptor) { return fcntl(descriptor, F_DUPFD_CLOEXEC, 0); };
    const session::FileJournal::Locks locks = predecessor->locks();
    return session::FileJournal::Inherit(settings, {passed(locks.directory), passed(locks.ring)}, uuid, clock_, log_);
  };
  auto journal = open();
  if (!journal.ok()) return false;
  process->journal = std::move(journal.value());
  return true;
}

bool SimNode::Open(Process* process, const session::FileJournal* predecessor) {
  if (!OpenJournal(process, predecessor)) return false;
  process->door = std::make_unique<Door>(*this);
  store::StoreSettings store_settings;
  store_settings.memory_limit_bytes = 1 << 20;
  store_settings.item_bytes_max = 64 << 10;
  store_settings.threads = 1;
  auto store = store::Store::Create(store_settings, clock_);
  CHECK(store.ok());
  process->store = std::move(store.value());
  auto rules = session::Rules::Parse(RulesWith(strict_));
  CHECK(rules.ok());
  process->sessions = std::make_unique<session::Sessions>(
      Settings(number_, shared_), std::move(rules.value()),
      session::Sessions::Doors{clock_, *process->store, *process->door,
                               [this](const session::Waiter& waiter, LoadOutcome outcome) {
                                 woken_.emplace_back(waiter, outcome);
                                 ScheduleTick();
                               }});
  return driver_.Open().ok() && (!shared_ || process->sessions->nodes().Join(driver_).ok());
}

bool SimNode::Start() {
  CHECK(!up());
  Process process;
  if (crash_point_ == CrashPoint::kMidReplay) clock_.CrashAfter(1 + world_.dice.Below(60));
  try {
    // As the server does it: nothing is served before the journal has been replayed.
    if (!Open(&process, nullptr)) return Forget(), false;
    if (!process.journal->Replay(*process.sessions, &driver_).ok()) return Forget(), false;
  } catch (const Crash&) {
    world_.Tell("node %u: dies in the replay", number_);
    Forget();
    return false;
  }
  clock_.CrashAfter(0);
  Serve(std::move(process));
  return true;
}

void SimNode::Serve(Process process) {
  journal_ = std::move(process.journal);
  door_ = std::move(process.door);
  store_ = std::move(process.store);
  sessions_ = std::move(process.sessions);
  access_.emplace(*store_);
  journal_access_.emplace(*store_);
  journal_access_->Offline();
  poll_access_.emplace(*store_);
  poll_access_->Offline();
  control_ = std::make_unique<test::NoControl>();
  context_.emplace(command::Context{*access_, sessions_.get(), clock_, *control_, counters_});
  sessions_->write_behind().SetWake([this] { ScheduleWriter(world_.now_us()); });
  sessions_->read_through().SetWakes([this] { ScheduleReader(world_.now_us()); }, [this] { ScheduleTick(); });
  sessions_->journal_room().SetWakeTicker([this] { ScheduleTick(); });
  sessions_->strict_writes().SetWakeTicker([this] { ScheduleTick(); });
  BeatTurn();
  if (shared_) {
    sessions_->read_through().SetWakeAsker([this] {
      if (!std::exchange(asking_, true)) world_.In(20, Later([this] { AskTurn(); }));
    });
    PollTurn();
  }
  ScheduleWriter(world_.now_us());
  ScheduleReader(world_.now_us());
  ScheduleJournal(kJournalRoundMicros);
  world_.Tell("node %u: serves", number_);
}

// -- Hand-over ------------------------------------------------------------------------------------

void SimNode::HandOver(HandOverEnd end, int64_t cut_in_us) {
  if (!accepts() || successor_.has_value() || world_.now_us() < paused_until_us_) return;
  world_.Tell("node %u: a new process prepares to take over", number_);
  journal_->Hold(true);
  if (!PrepareSuccessor(end == HandOverEnd::kNewDiesPreparing)) return GiveUpHandOver();
  world_.In(cut_in_us, Later([this, end] { Cut(end, kCutWaits); }));
}

bool SimNode::PrepareSuccessor(bool dies) {
  successor_.emplace();
  session::FileJournal::Progress progress;
  if (dies) clock_.CrashAfter(1 + world_.dice.Below(60));
  bool prepared = false;
  try {
    prepared = Open(&*successor_, journal_.get()) &&
               successor_->journal->CatchUp(*successor_->sessions, driver_, &progress).ok();
  } catch (const Crash&) {
  }
  clock_.CrashAfter(0);
  return prepared;
}

void SimNode::GiveUpHandOver() {
  world_.Tell("node %u: the hand-over is given up", number_);
  successor_.reset();
  sessions_->strict_writes().Hold(false);
  journal_->Hold(false);
}

void SimNode::Cut(HandOverEnd end, int waits_left) {
  if (!successor_.has_value()) return;
  if (stopping_) return GiveUpHandOver();
  // Whoever waits for a commit is answered by this process, or begins anew in the next.
  if (sessions_->strict_writes().Hold(true) && waits_left > 0) {
    return world_.In(kHeldLookMicros, Later([this, end, waits_left] { Cut(end, waits_left - 1); }));
  }
  AppendLate();
  journal_->Seal();
  const std::string state = sessions_->SaveState();
  if (end == HandOverEnd::kBothDieInCut) throw Crash();
  if (!CatchUpToEnd(state, end == HandOverEnd::kNewDiesInCut)) return GiveUpHandOver();
  if (end != HandOverEnd::kOldDiesInCut) {
    if (shared_) sessions_->nodes().Leave(driver_);
    journal_->Leave();
  }
  world_.Tell("node %u: hands over, %llu dirty", number_, static_cast<unsigned long long>(dirty_items()));
  Process successor = std::move(*successor_);
  auto running = std::move(running_);
  running_.clear();
  // Nobody can begin anew whose change may be with the database: in time their connections end.
  std::vector<std::shared_ptr<Call>> in_doubt;
  for (const auto& [connection, kept] : kept_) {
    const session::Waiter waiter{0, connection, frames_.at(connection).request};
    const auto call = running.find(connection);
    if (sessions_->strict_writes().IsUnsent(call->second->key, waiter)) continue;
    in_doubt.push_back(call->second);
    running.erase(call);
  }
  const uint64_t connections_life = connections_life_;
  Forget();
  connections_life_ = connections_life;
  handed_over_us_ = world_.now_us();
  Serve(std::move(successor));
  for (const auto& call : in_doubt) world_.In(0, [call] { call->done(); });
  // Connections go along, and who waited waits anew.
  for (const auto& [connection, call] : running) Submit(call);
}

bool SimNode::CatchUpToEnd(const std::string& state, bool dies) {
  if (dies) clock_.CrashAfter(1 + world_.dice.Below(40));
  bool caught_up = false;
  try {
    caught_up = successor_->journal->CatchUpToEnd(*successor_->sessions, driver_).ok();
    if (caught_up) successor_->sessions->RestoreState(state);
  } catch (const Crash&) {
    caught_up = false;
  }
  clock_.CrashAfter(0);
  return caught_up && !dies;
}

void SimNode::Kill() {
  if (!up()) return;
  world_.Tell("node %u: killed, %llu dirty", number_, static_cast<unsigned long long>(dirty_items()));
  const auto running = std::move(running_);
  running_.clear();
  Forget();
  if (bug_ == Bug::kJournalTailDropped) DropJournalTail();
  // Whoever waits for an answer sees the connection end.
  for (const auto& [connection, call] : running)
    world_.In(world_.dice.Between(0, 1000), [call = call] { call->done(); });
}

void SimNode::Stop(std::function<void()> stopped) {
  world_.Tell("node %u: drains", number_);
  stopping_ = true;
  stopped_ = std::move(stopped);
  const auto running = std::move(running_);
  running_.clear();
  parked_.clear();
  frames_.clear();
  kept_.clear();
  for (const auto& [connection, call] : running)
    world_.In(world_.dice.Between(0, 1000), [call = call] { call->done(); });
  Guard([this] { sessions_->write_behind().SetDraining(true); });
  LookWhetherDrained();
}

void SimNode::LookWhetherDrained() {
  if (dirty_items() > quarantined()) return world_.In(10'000, Later([this] { LookWhetherDrained(); }));
  const bool empty = dirty_items() == 0;
  if (shared_) sessions_->nodes().Leave(driver_);
  journal_->Stop(empty);
  world_.Tell("node %u: stopped", number_);
  const std::function<void()> stopped = std::move(stopped_);
  Forget();
  stopped();
}

void SimNode::TellDirty() {
  world_.Tell("node %u: %llu dirty, of them %llu in quarantine, %llu provisional; next at %lld, writer at %lld, %s",
              number_, static_cast<unsigned long long>(dirty_items()), static_cast<unsigned long long>(quarantined()),
              static_cast<unsigned long long>(sessions_->provisional().size()),
              static_cast<long long>(sessions_->write_behind().NextDue()), static_cast<long long>(writer_at_us_),
              writing_ ? "writing" : "idle");
}

// -- Requests -------------------------------------------------------------------------------------

void SimNode::Submit(std::shared_ptr<Call> call) {
  if (!accepts()) return call->done();
  if (world_.now_us() < paused_until_us_) {
    return world_.At(paused_until_us_, [this, life = connections_life_, call] {
      if (life == connections_life_) return Submit(call);
      call->done();
    });
  }
  running_[call->connection] = call;
  command::Frame frame;
  frame.connection = call->connection;
  frame.request = ++requests_;
  Guard([&] {
    call->in_memory = MayServe(*call);
    Execute(call, frame);
  });
}

// Whatever it is cut off from, such a get waits for nothing.
bool SimNode::MayServe(const Call& call) {
  if (call.request.verb != protocol::Verb::kGet || !access_->Find(Key::Of(call.key), clock_.Now()).live()) return false;
  const session::Rule* const rule = sessions_->Match(call.key);
  return rule != nullptr && !rule->is_strict() && !sessions_->verification().Doubts(call.key);
}

void SimNode::Execute(const std::shared_ptr<Call>& call, command::Frame frame) {
  context_->now = clock_.Now();
  protocol::Reply reply;
  frame.key = Key::Of(call->key);
  const uint64_t lost_before = sessions_->losses().value(session::Loss::kProvisional);
  const auto kept = kept_.extract(call->connection);
  const command::Progress progress = kept.empty()
                                         ? command::Execute(*context_, call->request, frame, &reply)
                                         : command::Conclude(*context_, call->request, frame, *kept.mapped(), &reply);
  switch (progress) {
    case command::Progress::kDone:
    case command::Progress::kFeeds:
      call->lost_at_once = sessions_->losses().value(session::Loss::kProvisional) != lost_before;
      return Answer(*call, reply);
    case command::Progress::kParked:
      return AwaitWake(call, frame);
    case command::Progress::kCommits:
      if (bug_ == Bug::kAckBeforeCommit) return Answer(*call, reply);
      kept_[call->connection] = std::make_unique<command::KeptReply>(reply);
      return AwaitWake(call, frame);
    case command::Progress::kRetry:
      world_.In(100, Later([this, call, frame] { Execute(call, frame); }));
      return;
  }
}

void SimNode::AwaitWake(const std::shared_ptr<Call>& call, const command::Frame& frame) {
  parked_[call->connection] = call;
  frames_[call->connection] = frame;
}

void SimNode::Answer(Call& call, const protocol::Reply& reply) {
  call.answered = !reply.close;
  call.code = reply.code;
  call.client_flags = reply.client_flags;
  call.cas = reply.cas;
  if (reply.code == protocol::ReplyCode::kStored || reply.code == protocol::ReplyCode::kTouched) {
    const store::Found found = access_->Find(Key::Of(call.key), clock_.Now());
    call.provisional = session::IsProvisional(found.item) || call.lost_at_once;
  }
  call.read.clear();
  if (reply.code == protocol::ReplyCode::kHit) {
    for (const std::string_view piece : reply.value) call.read += piece;
  }
  const auto found = running_.find(call.connection);
  if (found == running_.end()) return;
  const std::shared_ptr<Call> keep = found->second;
  running_.erase(found);
  // The reply is on its way, whatever becomes of the node.
  world_.In(world_.dice.Skewed(20, 2'000), [keep] { keep->done(); });
}

void SimNode::FlushAll(std::span<const std::string> keys) {
  Guard([&] {
    context_->now = clock_.Now();
    protocol::Request request;
    request.verb = protocol::Verb::kFlushAll;
    command::Frame frame;
    protocol::Reply reply;
    command::Execute(*context_, request, frame, &reply);
    if (bug_ == Bug::kFlushDropsTombstones) DropTombstones(keys);
  });
}

void SimNode::DropTombstones(std::span<const std::string> keys) {
  for (const std::string& key : keys) {
    store::Slot slot = access_->Lock(Key::Of(key), clock_.Now());
    if (!slot.item() || slot.item().kind() != ItemKind::kTombstone) continue;
    sessions_->write_behind().AddDirtyBytes(-session::DirtyBytesOf(slot.item()));
    slot.SetDirty(false);
    slot.Remove();
  }
}

void SimNode::EvictClean(const std::string& key) {
  if (!up()) return;
  Guard([&] {
    store::Slot slot = access_->Lock(Key::Of(key), clock_.Now());
    if (!slot.item() || slot.item().is_dirty()) return;
    world_.Tell("node %u: %s leaves memory", number_, key.c_str());
    slot.Remove();
  });
}

// -- Turns ----------------------------------------------------------------------------------------

void SimNode::ScheduleWriter(int64_t at_us) {
  if (writing_ || at_us >= writer_at_us_ || at_us == kNeverMicros) return;
  writer_at_us_ = std::max(at_us, world_.now_us()) + world_.dice.Skewed(10, 2'000);
  const int64_t arranged_us = writer_at_us_;
  world_.At(arranged_us, Later([this, arranged_us] {
              if (writer_at_us_ != arranged_us || writing_) return;
              writer_at_us_ = kNeverMicros;
              WriterTurn();
            }));
}

void SimNode::WriterTurn() {
  if (sessions_->reaper().NextDue() <= world_.now_us()) Reap();
  const bool walks = sessions_->doubt_walk().Step(*access_);
  if (WriteStrict()) return;
  const std::span<const Change> batch = sessions_->write_behind().NextBatch(*access_);
  if (batch.empty()) {
    if (YieldTurn() || walks) return ScheduleWriter(world_.now_us());
    return ScheduleWriter(std::min({sessions_->write_behind().NextDue(), sessions_->strict_writes().NextDue(),
                                    sessions_->reaper().NextDue(), sessions_->yields().NextDue()}));
  }
  Send(
      batch, [this](const Failure& failure) { sessions_->write_behind().OnFailure(failure); },
      [this](std::span<const ChangeOutcome> outcomes) { sessions_->write_behind().OnOutcomes(*access_, outcomes); });
}

// Changes whose requests wait for the commit. False: there are none.
bool SimNode::WriteStrict() {
  const std::span<const Change> batch = sessions_->strict_writes().NextBatch(*access_);
  if (batch.empty()) return false;
  const auto answered = [this](std::span<const ChangeOutcome> outcomes) {
    sessions_->strict_writes().OnOutcomes(*access_, outcomes);
  };
  const auto failed = [this, answered, size = batch.size()](const Failure&) {
    if (bug_ == Bug::kAckInDoubt) return answered(std::vector<ChangeOutcome>(size, ChangeOutcome::kDone));
    sessions_->strict_writes().OnFailure();
  };
  Send(batch, failed, answered);
  return true;
}

void SimNode::Send(std::span<const Change> batch, std::function<void(const Failure&)> failed,
                   std::function<void(std::span<const ChangeOutcome>)> answered) {
  writing_ = true;
  auto changes = std::make_shared<std::vector<Change>>(batch.begin(), batch.end());
  if (bug_ == Bug::kTouchCarriesValue) MakeTouchesCarryValues(changes.get());
  auto outcomes = std::make_shared<std::vector<ChangeOutcome>>();
  auto failure = std::make_shared<Failure>();
  const bool zombie = faults.zombie_one_in != 0 && world_.dice.OneIn(faults.zombie_one_in);
  const bool lost = faults.lose_reply_one_in != 0 && world_.dice.OneIn(faults.lose_reply_one_in);
  const bool is_cut = !faults.link_up;
  const int64_t takes_us = StatementMicros();
  const int64_t commits_us = zombie ? world_.dice.Skewed(takes_us, 10'000'000) : takes_us;
  // The statement is with the database: it takes effect even if the node is gone by then.
  world_.In(commits_us, [this, changes, outcomes, failure, is_cut] {
    *failure = is_cut ? Failure{FailureClass::kNextNode, "the link is cut"} : sent_.Write(*changes, outcomes.get());
    if (!world_.tells()) return;
    for (size_t i = 0; i < changes->size(); ++i) {
      TellChange((*changes)[i], !failure->ok()                           ? failure->detail
                                : (*outcomes)[i] == ChangeOutcome::kDone ? "done"
                                                                         : "not done");
    }
  });
  world_.In(takes_us + world_.dice.Skewed(10, 1'000), Later([=, this] {
              writing_ = false;
              if (crash_point_ == CrashPoint::kAfterCommit) throw Crash();
              const bool unheard = zombie || lost || !faults.link_up;
              if (unheard || !failure->ok()) {
                failed(unheard ? Failure{FailureClass::kNextNode, "lost"} : *failure);
                return ScheduleWriter(world_.now_us() + (zombie || lost ? 0 : kReconnectMicros));
              }
              answered(*outcomes);
              ScheduleWriter(world_.now_us());
            }));
}

int64_t SimNode::StatementMicros() {
  const int64_t most_us = faults.link_up ? faults.database_us_max : kCutMicrosMax;
  return world_.dice.Skewed(faults.database_us_min, most_us);
}

void SimNode::TellChange(const Change& change, const std::string& outcome) const {
  static constexpr const char* kKinds[] = {"value", "expiry", "delete", "compared value", "compared delete"};
  const Row& row = change.row;
  world_.Tell("node %u: database has %s of %s (%u), version %llu floor %llu: %s", number_,
              kKinds[static_cast<int>(change.kind)], row.key.c_str(), row.client_flags,
              static_cast<unsigned long long>(row.version), static_cast<unsigned long long>(row.floor),
              outcome.c_str());
}

// -- Other nodes ----------------------------------------------------------------------------------

bool SimNode::YieldTurn() {
  if (sessions_->yields().size() == 0) return false;
  sessions_->yields().Step(*access_);
  const std::span<const session::OwnerChange> claims = sessions_->yields().NextClaims();
  if (claims.empty()) return false;
  const Failure failure = driver_.Claim(claims);
  for (const session::OwnerChange& claim : claims) {
    world_.Tell("node %u: gives %s away%s", number_, std::string(claim.key).c_str(), failure.ok() ? "" : ", in vain");
  }
  sessions_->yields().OnClaimed(failure.ok());
  return failure.ok();
}

void SimNode::BeatTurn() {
  sessions_->verification().Beat();
  if (shared_) world_.In(kBeatMicros, Later([this] { BeatTurn(); }));
}

void SimNode::PollTurn() {
  Failure failure = sessions_->nodes().Renew(driver_);
  if (failure.ok()) failure = sessions_->change_poll().Poll(driver_, *poll_access_);
  if (!failure.ok()) world_.Tell("node %u: the poll failed: %s", number_, failure.detail.c_str());
  const int64_t due_us = std::min(sessions_->nodes().NextDue(), sessions_->change_poll().NextDue());
  const int64_t at_us = failure.ok() ? due_us : std::max(due_us, world_.now_us() + kReconnectMicros);
  world_.At(at_us + world_.dice.Skewed(10, 20'000), Later([this] { PollTurn(); }));
}

void SimNode::AskTurn() {
  asking_ = false;
  auto question = std::make_shared<session::ReadThrough::Question>(sessions_->read_through().NextQuestion(100));
  if (question->keys.empty()) return;
  asking_ = true;
  AskPeer(question, question->keys, world_.now_us() + int64_t{sessions_->settings().peer_timeout_ms} * 1000);
}

// Until the other has let go of all, refuses, or is silent for too long.
void SimNode::AskPeer(std::shared_ptr<session::ReadThrough::Question> question, std::vector<std::string> left,
                      int64_t until_us) {
  world_.In(world_.dice.Skewed(50, 5'000), Later([this, question, left, until_us] {
              SimNode* peer = nullptr;
              for (const auto& node : neighbours_) {
                if (node->up() && node->sessions_->stamp_clock().node() == question->node) peer = node.get();
              }
              const std::string token = sessions_->nodes().TokenOf(question->node);
              const std::string line = session::YieldLine(token, sessions_->stamp_clock().node(), left);
              const auto answers = session::ReadYieldReply(Ask(peer, line), left.size());
              std::vector<std::string> waiting;
              bool answered = !answers.empty();
              for (size_t i = 0; i < answers.size(); ++i) {
                if (answers[i] == session::YieldAnswer::kWait) waiting.push_back(left[i]);
                if (answers[i] == session::YieldAnswer::kRefused) answered = false;
              }
              if (answered && !waiting.empty() && world_.now_us() < until_us)
                return AskPeer(question, waiting, until_us);
              world_.Tell("node %u: asked node %u for %zu sessions: %s", number_, question->node, question->keys.size(),
                          answered && waiting.empty() ? "it let go" : "silent");
              sessions_->read_through().OnAnswered(*question, !answered || !waiting.empty());
              ScheduleReader(world_.now_us());
              AskTurn();
            }));
}

// Empty: no answer came. peer: null when it is not there.
std::string SimNode::Ask(SimNode* peer, const std::string& line) const {
  using Peers = NodeFaults::Peers;
  const bool is_heard = peer != nullptr && world_.now_us() >= peer->paused_until_us_ && faults.peers == Peers::kUp &&
                        peer->faults.peers != Peers::kCut;
  if (!is_heard) return "";
  const std::string answer = peer->AnswerPeer(line);
  return peer->faults.peers == Peers::kUp ? answer : "";
}

std::string SimNode::AnswerPeer(const std::string& line) {
  std::string reply;
  Guard([&] { reply = session::AnswerPeer(*sessions_, line); });
  return reply;
}

void SimNode::Reap() {
  const Failure failure = sessions_->reaper().Sweep(driver_);
  if (!failure.ok()) world_.Tell("node %u: the reaper failed", number_);
}

// A touch that was on its way goes as a whole row, with the time of the touch as its version.
void SimNode::MakeTouchesCarryValues(std::vector<Change>* changes) {
  for (Change& change : *changes) {
    if (change.kind != ChangeKind::kExpiry) continue;
    const store::Found found = access_->Find(Key::Of(change.row.key), clock_.Now());
    if (!found.live()) continue;
    found.item.ForEachPiece([&change](std::string_view piece) { change.row.data += piece; });
    change.kind = ChangeKind::kValue;
    change.row.version = change.row.touched;
  }
}

void SimNode::ScheduleReader(int64_t at_us) {
  if (reading_ || at_us >= reader_at_us_ || at_us == kNeverMicros) return;
  reader_at_us_ = std::max(at_us, world_.now_us()) + world_.dice.Skewed(10, 1'000);
  const int64_t arranged_us = reader_at_us_;
  world_.At(arranged_us, Later([this, arranged_us] {
              if (reader_at_us_ != arranged_us || reading_) return;
              reader_at_us_ = kNeverMicros;
              ReaderTurn();
            }));
}

void SimNode::ReaderTurn() {
  if (sessions_->nodes().wants_refresh()) (void)sessions_->nodes().Refresh(driver_);
  if (const auto claims = sessions_->read_through().NextClaims(); !claims.empty()) {
    for (const session::OwnerChange& claim : claims) {
      world_.Tell("node %u: claims %s of number %u", number_, std::string(claim.key).c_str(), claim.from);
    }
    sessions_->read_through().OnClaimed(driver_.Claim(claims).ok());
    return ScheduleReader(world_.now_us());
  }
  const std::span<const std::string_view> keys = sessions_->read_through().NextBatch();
  if (keys.empty()) return ScheduleReader(sessions_->read_through().NextDue());
  reading_ = true;
  auto rows = std::make_shared<std::vector<Row>>();
  auto failure = std::make_shared<Failure>();
  const int64_t takes_us = StatementMicros();
  world_.In(world_.dice.Between(0, takes_us), Later([this, keys, rows, failure] {
              *failure = driver_.Load(keys, rows.get());
              for (const Row& row : *rows) {
                world_.Tell("node %u: reads %s (%u) of number %u%s", number_, row.key.c_str(), row.client_flags,
                            row.owner, row.state == session::RowState::kLive ? "" : ", deleted");
              }
            }));
  world_.In(takes_us + 1, Later([this, rows, failure] {
              reading_ = false;
              const bool is_answered = failure->ok() && faults.link_up;
              if (!is_answered) {
                sessions_->read_through().OnFailure();
              } else {
                sessions_->read_through().OnRows(*access_, std::move(*rows));
              }
              ScheduleReader(is_answered ? world_.now_us() : sessions_->read_through().NextDue());
            }));
}

// Wakes whose time has come, and requests that were woken.
void SimNode::ScheduleTick() {
  if (wakes_scheduled_) return;
  wakes_scheduled_ = true;
  world_.In(world_.dice.Skewed(0, 500), Later([this] {
              wakes_scheduled_ = false;
              const int64_t room_us = sessions_->journal_room().Tick(clock_.SteadyMicros());
              const int64_t strict_us = sessions_->strict_writes().Tick();
              const int64_t next_us = std::min({sessions_->read_through().Tick(), room_us, strict_us});
              WakeWaiters();
              if (next_us == kNeverMicros || next_us >= tick_at_us_) return;
              tick_at_us_ = next_us;
              world_.At(next_us, Later([this] {
                          tick_at_us_ = kNeverMicros;
                          ScheduleTick();
                        }));
            }));
}

void SimNode::WakeWaiters() {
  auto woken = std::move(woken_);
  woken_.clear();
  for (const auto& [waiter, outcome] : woken) {
    const auto found = frames_.find(waiter.connection);
    if (found == frames_.end() || found->second.request != waiter.request) continue;
    command::Frame frame = found->second;
    const std::shared_ptr<Call> call = parked_.at(waiter.connection);
    frames_.erase(found);
    parked_.erase(waiter.connection);
    frame.in_hand = outcome;
    Execute(call, frame);
  }
}

// -- The journal ----------------------------------------------------------------------------------

void SimNode::ScheduleJournal(int64_t in_us) {
  const int64_t at_us = world_.now_us() + in_us;
  if (at_us >= journal_at_us_) return;
  journal_at_us_ = at_us;
  world_.At(at_us, Later([this, at_us] {
              if (journal_at_us_ != at_us) return;
              journal_at_us_ = kNeverMicros;
              JournalRound();
            }));
}

void SimNode::JournalRound() {
  AppendLate();
  if (crash_point_ == CrashPoint::kMidRotation) clock_.CrashAfter(1 + world_.dice.Below(20));
  journal_->Round(*sessions_, *journal_access_);
  clock_.CrashAfter(0);
  ScheduleJournal(1'000'000);
}

void SimNode::AppendLate() {
  for (const std::string& key : std::exchange(late_appends_, {})) {
    const store::Slot slot = access_->Lock(Key::Of(key), clock_.Now());
    if (!slot.item() || !slot.item().is_session()) continue;
    session::JournalRecord record;
    const bool is_delete = slot.item().kind() == ItemKind::kTombstone;
    record.kind = is_delete ? session::RecordKind::kDelete : session::RecordKind::kValue;
    record.key = key;
    record.stamps = slot.item().stamps();
    record.expiry = is_delete ? base::kNever : slot.item().expiry();
    if (!is_delete) record.item = slot.item();
    CHECK(journal_->Append(record));
  }
}

// Makes the last record in the ring, of a node that is down, a torn one; when the ring is empty, cuts the last segment.
void SimNode::DropJournalTail() {
  constexpr size_t kHeadBytes = 4096, kHeadAt = 80, kTailAt = 88;
  std::fstream ring(directory_ + "/ring", std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(ring)), std::istreambuf_iterator<char>());
  if (bytes.size() <= kHeadBytes) return;
  uint64_t head, tail;
  std::memcpy(&head, bytes.data() + kHeadAt, sizeof head);
  std::memcpy(&tail, bytes.data() + kTailAt, sizeof tail);
  const uint64_t size = bytes.size() - kHeadBytes;
  size_t last = 0;
  for (uint64_t position = tail; position < head;) {
    const size_t claimed = session::ClaimedBytes(std::string_view(bytes).substr(kHeadBytes + position % size));
    if (claimed == 0) break;
    last = kHeadBytes + position % size;
    position += claimed;
  }
  if (last == 0) return;
  ring.clear();
  ring.seekp(static_cast<std::streamoff>(last));
  ring.write("\0\0\0\0\0\0\0\0", 8);
}

}  // namespace holdfast::sim
