// sim_node.h - one server of a simulated site: the real session module, store, verbs and journal, driven by events in
// place of threads.
//
// Threads: one.
// Owns:    the node's memory, which Kill throws away, and its journal's files, which stay.
//
// A request comes in by Submit and is answered by its callback, at once or later; when the node dies first, by a lost
// connection, `answered` false. Everything that runs inside the node runs under Guard, which turns a Crash into a Kill.

#ifndef HOLDFAST_T_SIM_SIM_NODE_H_
#define HOLDFAST_T_SIM_SIM_NODE_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "command/command.h"
#include "lib/no_control.h"
#include "session/file_journal.h"
#include "session/peer_talk.h"
#include "session/session.h"
#include "sim/sim_database.h"
#include "sim/world.h"

namespace holdfast::sim {

// A request on its way through a node. The strings are what the request points to.
struct Call {
  protocol::Request request;
  std::string key;
  std::string value;
  uint64_t connection = 0;
  int64_t sent_us = 0;
  bool in_memory = false;  // a get of what its node may serve as it is

  // The answer
  bool answered = false;  // false: the connection was lost or closed
  protocol::ReplyCode code = protocol::ReplyCode::kNone;
  uint32_t client_flags = 0;
  uint64_t cas = 0;
  bool provisional = false;   // stored, but the database may know better
  bool lost_at_once = false;  // what was stored so has lost already
  std::string read;
  std::function<void()> done;
};

// What a node is told of its site.
struct SiteRules {
  bool shared = false;  // several nodes share the database
  uint32_t strict = 0;  // a bit for each of php, web, dj: that rule is strict
};

struct NodeFaults {
  bool link_up = true;  // to the database
  // To the other nodes. kMute: it hears them, and they do not hear it.
  enum class Peers : uint8_t { kUp, kMute, kCut } peers = Peers::kUp;
  int64_t database_us_min = 200;  // how long a statement takes
  int64_t database_us_max = 5'000;
  uint32_t lose_reply_one_in = 0;  // 0: never
  uint32_t zombie_one_in = 0;
};

class SimNode {
 public:
  // neighbours: all nodes of the site, this one included.
  SimNode(World& world, SimDatabase& database, Bug bug, const std::string& directory, uint32_t number,
          const std::vector<std::unique_ptr<SimNode>>& neighbours, const SiteRules& rules);
  ~SimNode();
  SimNode(const SimNode&) = delete;
  SimNode& operator=(const SimNode&) = delete;

  // Until a statement finds that its link is cut.
  static constexpr int64_t kCutMicrosMax = 1'500'000;

  uint32_t number() const { return number_; }
  // Changes with each death: the node's connections do not outlive it. A hand-over they do.
  uint64_t life() const { return connections_life_; }
  bool up() const { return sessions_ != nullptr; }
  bool accepts() const { return up() && !stopping_; }

  // False: the journal could not be replayed, as the database is away; or it died on the way.
  bool Start();
  void Kill();
  // SIGSTOP and SIGCONT: until then nothing happens in the node.
  void Pause(int64_t until_us) { paused_until_us_ = std::max(paused_until_us_, until_us); }
  // When the latest pause ends, or has ended.
  int64_t paused_until_us() const { return paused_until_us_; }
  // SIGTERM: writes everything, then ends; stopped is called then.
  void Stop(std::function<void()> stopped);

  // A new process prepares to take over while this one serves, and does so after cut_in_us. Connections stay.
  enum class HandOverEnd : uint8_t {
    kWell,
    kNewDiesPreparing,  // the old process goes on
    kNewDiesInCut,      // and here too, from where it stood
    kOldDiesInCut,      // when it has given everything away: the new one serves
    kBothDieInCut,
  };
  void HandOver(HandOverEnd end, int64_t cut_in_us);
  bool hands_over() const { return successor_.has_value(); }
  // When the latest one that succeeded did; who waited then began to wait anew.
  int64_t handed_over_us() const { return handed_over_us_; }

  void Submit(std::shared_ptr<Call> call);
  // keys: those that there are, for a bug to know.
  void FlushAll(std::span<const std::string> keys);
  // As memory pressure does: what is clean may go at any time.
  void EvictClean(const std::string& key);
  // The next thing of this kind is the node's last.
  enum class CrashPoint : uint8_t { kNone, kBeforeAppend, kAfterAppend, kAfterCommit, kMidRotation, kMidReplay };
  void Arm(CrashPoint point) { crash_point_ = point; }

  uint64_t dirty_items() const { return sessions_->write_behind().dirty_items(); }
  void TellDirty();
  uint64_t quarantined() const { return sessions_->write_behind().quarantined(); }
  session::Sessions& sessions() { return *sessions_; }
  SimClock& clock() { return clock_; }
  NodeFaults faults;

 private:
  class Door;  // the journal, with its crash points

  template <class Inside>
  void Guard(Inside&& inside);
  template <class Inside>
  std::function<void()> Later(Inside inside);  // an event of this life of the node

  // The parts of a process that another may have beside it, until it takes its place.
  struct Process {
    std::unique_ptr<store::Store> store;
    std::unique_ptr<session::FileJournal> journal;
    std::unique_ptr<Door> door;
    std::unique_ptr<session::Sessions> sessions;
  };
  // predecessor: its journal is shared; null: there is none. False: the database or the journal cannot be had.
  bool Open(Process* process, const session::FileJournal* predecessor);
  bool OpenJournal(Process* process, const session::FileJournal* predecessor);
  void Serve(Process process);
  bool PrepareSuccessor(bool dies);
  bool CatchUpToEnd(const std::string& state, bool dies);
  void Cut(HandOverEnd end, int waits_left);
  void GiveUpHandOver();
  void DropJournalTail();
  bool MayServe(const Call& call);
  void Execute(const std::shared_ptr<Call>& call, command::Frame frame);
  void AwaitWake(const std::shared_ptr<Call>& call, const command::Frame& frame);
  void WakeWaiters();
  void Answer(Call& call, const protocol::Reply& reply);
  void ScheduleWriter(int64_t at_us);
  void ScheduleReader(int64_t at_us);
  void ScheduleTick();
  void ScheduleJournal(int64_t in_us);
  void WriterTurn();
  bool WriteStrict();
  void Send(std::span<const session::Change> batch, std::function<void(const session::Failure&)> failed,
            std::function<void(std::span<const session::ChangeOutcome>)> answered);
  int64_t StatementMicros();
  void TellChange(const session::Change& change, const std::string& outcome) const;
  void ReaderTurn();
  void JournalRound();
  void Reap();
  bool YieldTurn();
  void BeatTurn();
  void PollTurn();
  void AskTurn();
  void AskPeer(std::shared_ptr<session::ReadThrough::Question> question, std::vector<std::string> left,
               int64_t until_us);
  std::string Ask(SimNode* peer, const std::string& line) const;
  std::string AnswerPeer(const std::string& line);
  void AppendLate();
  void DropTombstones(std::span<const std::string> keys);
  void MakeTouchesCarryValues(std::vector<session::Change>* changes);
  void LookWhetherDrained();
  void Forget();

  World& world_;
  SimDatabase& database_;
  const Bug bug_;
  const std::string directory_;
  const uint32_t number_;
  const std::vector<std::unique_ptr<SimNode>>& neighbours_;
  const bool shared_;
  const uint32_t strict_;
  SimClock clock_;
  base::Log log_;
  SimDriver driver_;
  SimDriver sent_;     // of what was sent before the link was cut
  uint64_t life_ = 0;  // of the process
  uint64_t connections_life_ = 0;
  bool stopping_ = false;
  bool asking_ = false;
  int64_t paused_until_us_ = 0;
  int64_t handed_over_us_ = 0;
  std::function<void()> stopped_;
  CrashPoint crash_point_ = CrashPoint::kNone;

  std::unique_ptr<session::FileJournal> journal_;
  std::unique_ptr<Door> door_;
  std::unique_ptr<store::Store> store_;
  std::optional<store::Access> access_;
  std::optional<store::Access> journal_access_;
  std::optional<store::Access> poll_access_;
  std::unique_ptr<session::Sessions> sessions_;  // null while the node is down
  std::optional<Process> successor_;             // while it prepares
  std::unique_ptr<test::NoControl> control_;
  command::CommandCounters counters_;
  std::optional<command::Context> context_;

  std::unordered_map<uint64_t, std::shared_ptr<Call>> parked_;   // by connection
  std::unordered_map<uint64_t, std::shared_ptr<Call>> running_;  // all that came and is not answered
  std::unordered_map<uint64_t, command::Frame> frames_;          // of the parked
  // The replies of those that wait for a commit.
  std::unordered_map<uint64_t, std::unique_ptr<command::KeptReply>> kept_;
  std::vector<std::pair<session::Waiter, session::LoadOutcome>> woken_;
  std::vector<std::string> late_appends_;
  uint64_t requests_ = 0;
  bool writing_ = false, reading_ = false, wakes_scheduled_ = false;
  int64_t writer_at_us_ = session::kNeverMicros, reader_at_us_ = session::kNeverMicros;
  int64_t tick_at_us_ = session::kNeverMicros, journal_at_us_ = session::kNeverMicros;
};

}  // namespace holdfast::sim

#endif  // HOLDFAST_T_SIM_SIM_NODE_H_
