// How it works: a seed chooses how many visitors and sessions there are, which faults are about and how often. At
// closing time everything is mended, the nodes have a minute to write what they owe, and then the checker looks at
// every session in every node and in the database. The last look is taken after a kill -9.

#include "sim/simulation.h"

#include <sys/prctl.h>

#include <algorithm>
#include <memory>

#include "sim/visitors.h"

namespace holdfast::sim {

namespace {

using Peers = NodeFaults::Peers;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kHealingMicros = 60 * kSecond;
constexpr uint32_t kAllRules = 7;
// When polls fail a strict copy is served for twice their interval and a second.
constexpr int64_t kStrictBoundMicros = 2 * kSecond + kSecond / 10;
constexpr int64_t kLagMicros = 4 * kSecond;  // two statements may be slow, and a pause lies between them

class Simulation {
 public:
  explicit Simulation(const SimulationSettings& settings)
      : settings_(settings),
        world_(settings.seed, settings.tells),
        handover_dice_(~settings.seed),
        strict_dice_(settings.seed ^ (uint64_t{1} << 63)),
        cut_dice_(settings.seed ^ (uint64_t{1} << 62)),
        database_(world_.time, settings.bug) {}

  SimulationResult Run();

 private:
  Dice& dice() { return world_.dice; }
  SimNode& AnyNode() { return *nodes_[dice().Below(static_cast<uint32_t>(nodes_.size()))]; }

  void Open();
  uint32_t ChooseStrict();
  uint32_t ChooseCuts();
  void ArrangeFault();
  void ArrangeHandOver();
  void ArrangeCut();
  void Cut(SimNode& node, uint32_t links);
  void DoFault();
  void TakeDatabaseAway();
  void Crash(SimNode& node);
  void Restart(SimNode& node);
  void BringBack(SimNode& node, int64_t in_us);
  void BringBackOnceGone(SimNode& node, uint64_t life);
  void LookForLag();
  bool AllIsWell() const;
  void Heal();
  void LookAtAll();
  bool IsPoisoned(uint32_t key) const;
  void JudgeAll();

  const SimulationSettings settings_;
  World world_;
  Dice handover_dice_;  // their own: a site without hand-overs is what it was before there were any
  Dice strict_dice_;    // as much
  Dice cut_dice_;       // as much
  SimDatabase database_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::unique_ptr<Visitors> visitors_;
  SimulationResult result_;
  int64_t closing_us_ = 0;
  int64_t fault_every_us_ = 0;
  int64_t well_since_us_ = 0;  // the database answers, all nodes run
  bool healing_ = false;
  bool clock_steps_ = false;
  bool hands_over_ = false;
  uint32_t cuts_ = 0;              // which links are cut now and then
  bool calm_ = false;              // of several nodes: nothing but cuts happens to any, nor to the database
  std::vector<test::Span> harms_;  // while a node is cut off
};

void Simulation::Open() {
  const uint32_t nodes = settings_.nodes != 0 ? settings_.nodes : dice().OneIn(3) ? 2 + dice().Below(2) : 1;
  calm_ = nodes > 1 && dice().OneIn(2);
  SiteRules rules;
  rules.shared = nodes > 1;
  rules.strict = ChooseStrict();
  for (uint32_t number = 1; number <= nodes; ++number) {
    const std::string directory = settings_.directory + "/node" + std::to_string(number);
    nodes_.push_back(std::make_unique<SimNode>(world_, database_, settings_.bug, directory, number, nodes_, rules));
  }
  for (const auto& node : nodes_) {
    if (!node->Start()) BringBack(*node, 0);
  }
  visitors_ = std::make_unique<Visitors>(world_, nodes_, 1 + static_cast<int>(dice().Below(3)), rules.strict);
  if (rules.strict != 0) visitors_->SetDatabase(&database_);
  closing_us_ = world_.now_us() + dice().Between(8, 24) * kSecond;
  visitors_->Invite(2 + static_cast<int>(dice().Below(3)), closing_us_);
  clock_steps_ = nodes == 1 && dice().OneIn(8);
  fault_every_us_ = dice().Between(300'000, 4 * kSecond);
  for (const auto& node : nodes_) {
    if (calm_) break;
    if (dice().OneIn(3)) node->faults.lose_reply_one_in = 1 + dice().Below(10);
    if (dice().OneIn(3)) node->faults.zombie_one_in = 2 + dice().Below(10);
    if (dice().OneIn(4)) node->faults.database_us_max = 1'500'000;
  }
  ArrangeFault();
  const bool may_hand_over = settings_.bug == Bug::kNone && !clock_steps_;
  hands_over_ = may_hand_over && handover_dice_.OneIn(3);
  if (hands_over_) ArrangeHandOver();
  cuts_ = ChooseCuts();
  if (cuts_ != 0) ArrangeCut();
}

// Which rules are strict; in one seed of five there is one, or all are.
uint32_t Simulation::ChooseStrict() {
  if (settings_.strict >= 0) return static_cast<uint32_t>(settings_.strict) & kAllRules;
  if (settings_.bug != Bug::kNone || !strict_dice_.OneIn(5)) return 0;
  return strict_dice_.OneIn(2) ? kAllRules : 1u << strict_dice_.Below(3);
}

// Of several nodes: in half of the sites one is cut off from the database, from the others, or from all.
uint32_t Simulation::ChooseCuts() {
  if (settings_.cuts >= 0) return static_cast<uint32_t>(settings_.cuts) & (kCutDatabase | kCutPeers);
  if (settings_.bug != Bug::kNone || nodes_.size() == 1 || !cut_dice_.OneIn(2)) return 0;
  return 1 + cut_dice_.Below(3);
}

// -- Faults ---------------------------------------------------------------------------------------

void Simulation::ArrangeFault() {
  world_.In(dice().Between(1, 2 * fault_every_us_), [this] {
    if (healing_ || world_.now_us() >= closing_us_) return;
    DoFault();
    ArrangeFault();
  });
}

void Simulation::ArrangeHandOver() {
  world_.In(handover_dice_.Between(500'000, 6 * kSecond), [this] {
    if (healing_ || world_.now_us() >= closing_us_) return;
    SimNode& node = *nodes_[handover_dice_.Below(static_cast<uint32_t>(nodes_.size()))];
    using End = SimNode::HandOverEnd;
    const End end = calm_ || handover_dice_.OneIn(2) ? End::kWell : static_cast<End>(handover_dice_.Below(5));
    if (node.up()) {
      ++result_.handovers;
      const uint64_t life = node.life();
      node.HandOver(end, handover_dice_.Skewed(1'000, 500'000));
      if (end == End::kBothDieInCut) BringBackOnceGone(node, life);
    }
    ArrangeHandOver();
  });
}

// For shorter and for longer than budgets and leases.
void Simulation::ArrangeCut() {
  world_.In(cut_dice_.Between(500'000, 6 * kSecond), [this] {
    if (healing_ || world_.now_us() >= closing_us_) return;
    SimNode& node = *nodes_[cut_dice_.Below(static_cast<uint32_t>(nodes_.size()))];
    const uint32_t links = cuts_ & (1 + cut_dice_.Below(3));
    if (links != 0 && node.faults.link_up && node.faults.peers == Peers::kUp) Cut(node, links);
    ArrangeCut();
  });
}

void Simulation::Cut(SimNode& node, uint32_t links) {
  ++result_.cuts;
  node.faults.link_up = (links & kCutDatabase) == 0;
  if ((links & kCutPeers) != 0) node.faults.peers = cut_dice_.OneIn(2) ? Peers::kMute : Peers::kCut;
  world_.Tell("node %u: is cut off from%s%s", node.number(), node.faults.link_up ? "" : " the database",
              node.faults.peers == Peers::kUp ? "" : " the others");
  const int64_t lasts_us =
      cut_dice_.OneIn(2) ? cut_dice_.Skewed(20'000, 3 * kSecond) : cut_dice_.Between(3 * kSecond, 12 * kSecond);
  // A statement that hangs does so for a while longer.
  const int64_t until_us = world_.now_us() + lasts_us + SimNode::kCutMicrosMax;
  if (harms_.empty() || harms_.back().ended_us < world_.now_us()) harms_.push_back({world_.now_us(), until_us});
  harms_.back().ended_us = std::max(harms_.back().ended_us, until_us);
  world_.In(lasts_us, [this, &node] {
    if (!node.faults.link_up) well_since_us_ = world_.now_us();
    node.faults.link_up = true;
    node.faults.peers = Peers::kUp;
    world_.Tell("node %u: is cut off no more", node.number());
  });
}

// It may give up the hand-over before. The cut may wait for a statement, and for a process that is stopped.
void Simulation::BringBackOnceGone(SimNode& node, uint64_t life) {
  world_.In(900'000, [this, &node, life] {
    if (node.life() == life && node.hands_over()) return BringBackOnceGone(node, life);
    if (node.life() == life || node.up()) return;
    ++result_.kills;
    BringBack(node, handover_dice_.Skewed(1'000, kSecond));
  });
}

void Simulation::DoFault() {
  SimNode& node = AnyNode();
  const uint32_t what = dice().Below(13);
  if (calm_ && (what < 4 || what >= 10)) return;
  switch (what) {
    case 0:
    case 1:
      return Crash(node);
    case 2:
      if (!clock_steps_ && dice().OneIn(3)) Restart(node);
      return;
    case 3:
      return TakeDatabaseAway();
    case 4:
      if (!node.up()) return;
      world_.Tell("flush_all");
      return node.FlushAll(visitors_->names());
    case 5:
    case 6:
    case 7:
    case 8:
      for (const std::string& key : visitors_->names()) {
        if (dice().OneIn(2)) node.EvictClean(key);
      }
      return;
    case 9:
      return LookForLag();
    case 10:
      if (dice().OneIn(4) && database_.poison_flags == 0) database_.poison_flags = visitors_->next_value();
      return;
    case 11:
      if (nodes_.size() == 1 || !node.up()) return;
      world_.Tell("node %u: is stopped for a while", node.number());
      return node.Pause(world_.now_us() + dice().Skewed(100'000, 8 * kSecond));
    default:
      // The wall clock of the machine steps. Rows have their expiries in wall time, so then nothing is killed.
      if (clock_steps_) {
        const int64_t step_us = dice().Between(-2, 2) * 1'800 * kSecond / 2;
        world_.Tell("node %u: the wall clock steps by %lld s", node.number(),
                    static_cast<long long>(step_us / kSecond));
        node.clock().StepWall(step_us);
      }
  }
}

void Simulation::TakeDatabaseAway() {
  if (database_.state != SimDatabase::State::kUp) return;
  database_.state = dice().OneIn(3) ? SimDatabase::State::kNonPrimary : SimDatabase::State::kAway;
  world_.Tell("the database goes away");
  world_.In(dice().Skewed(10'000, 12 * kSecond), [this] {
    world_.Tell("the database is back");
    database_.state = SimDatabase::State::kUp;
    well_since_us_ = world_.now_us();
  });
}

void Simulation::Crash(SimNode& node) {
  if (!node.up() || clock_steps_) return;
  ++result_.kills;
  using Point = SimNode::CrashPoint;
  const auto point = static_cast<Point>(dice().Below(6));
  if (point == Point::kNone || point == Point::kMidReplay) node.Kill();
  node.Arm(point);
  // It may have nothing to do that would bring it to that point.
  world_.In(dice().Between(1, kSecond), [this, &node, life = node.life()] {
    if (node.life() == life) node.Kill();
    BringBack(node, dice().Skewed(1'000, 2 * kSecond));
  });
}

void Simulation::Restart(SimNode& node) {
  if (!node.accepts()) return;
  node.Stop([this, &node] { BringBack(node, dice().Skewed(1'000, kSecond)); });
}

void Simulation::BringBack(SimNode& node, int64_t in_us) {
  world_.In(in_us, [this, &node] {
    if (!node.up() && !node.Start()) BringBack(node, 200'000);
    well_since_us_ = world_.now_us();
  });
}

// -- The end --------------------------------------------------------------------------------------

// Nobody is down or stopped, and no statement takes effect long after its time.
bool Simulation::AllIsWell() const {
  return database_.state == SimDatabase::State::kUp && std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
           return node->accepts() && node->faults.link_up && node->faults.zombie_one_in == 0;
         });
}

void Simulation::LookForLag() {
  if (database_.state != SimDatabase::State::kUp) return;
  int64_t since_us = well_since_us_;
  for (const auto& node : nodes_) since_us = std::max(since_us, node->paused_until_us());
  visitors_->LookInto(database_, false, AllIsWell() ? since_us : test::kForever);
}

void Simulation::Heal() {
  world_.Tell("closing time");
  healing_ = true;
  database_.state = SimDatabase::State::kUp;
  for (const auto& node : nodes_) {
    node->faults = NodeFaults();
    if (node->up()) node->Arm(SimNode::CrashPoint::kNone);
    if (!node->up()) BringBack(*node, 0);
  }
  world_.RunUntil(world_.now_us() + kHealingMicros);
  for (const auto& node : nodes_) {
    if (!node->up()) {
      result_.failures.push_back("a node did not come back");
    } else if (node->dirty_items() > node->quarantined()) {
      result_.failures.push_back("a node has not written " + std::to_string(node->dirty_items()) +
                                 " sessions a minute after everything was mended");
      node->TellDirty();
    }
  }
  if (!visitors_->all_gone()) result_.failures.push_back("a visitor waits for ever");
}

void Simulation::LookAtAll() {
  for (const auto& node : nodes_) {
    if (!node->up()) continue;
    visitors_->LookOnce(*node);
    world_.RunUntil(world_.now_us() + kSecond / 2);
  }
  visitors_->LookInto(database_, true, 0);
  if (clock_steps_ || dice().OneIn(2)) return;
  for (const auto& node : nodes_) {
    node->Kill();
    if (!node->Start()) {
      result_.failures.push_back("a node does not start");
      continue;
    }
    visitors_->LookOnce(*node);
    world_.RunUntil(world_.now_us() + kSecond / 2);
  }
}

// A session that was given a value that the database can never take may end in an older one.
bool Simulation::IsPoisoned(uint32_t key) const {
  const std::vector<test::Operation>& history = visitors_->history();
  return database_.poison_flags != 0 && std::any_of(history.begin(), history.end(), [&](const test::Operation& op) {
           return op.key == key && op.value == database_.poison_flags && op.based_on != op.value &&
                  op.act != test::Act::kGet;
         });
}

void Simulation::JudgeAll() {
  test::JudgeRules rules;
  rules.window_us = 5 * kSecond;
  rules.interval_us = 5 * kSecond;
  // Where nodes die or stand still, or the database does, others may have old copies for long; what stands in the end
  // counts. The poll looks twice a second.
  if (nodes_.size() > 1) rules.bound_us = calm_ ? 2 * kSecond : kHealingMicros;
  // What one is cut off from it may miss until that is in the database, and has been polled.
  if (calm_ && cuts_ != 0) rules.bound_us += rules.interval_us;
  rules.harms = harms_;
  if (nodes_.size() > 1) rules.skew_us = 1'000;
  if (nodes_.size() > 1) rules.strict_bound_us = kStrictBoundMicros;
  rules.lag_us = kLagMicros;
  const std::vector<test::Operation>& history = visitors_->history();
  for (const std::string& late : visitors_->left_waiting()) result_.failures.push_back(late);
  for (const test::Finding& finding : test::Judge(history, rules)) {
    const test::Operation& wrong = history[finding.operation];
    if (!wrong.strict && IsPoisoned(wrong.key)) continue;
    ++result_.faults[static_cast<size_t>(finding.fault)];
    result_.failures.push_back(Describe(finding, history));
  }
  result_.operations = history.size();
  result_.acknowledged = static_cast<size_t>(std::count_if(
      history.begin(), history.end(), [](const test::Operation& op) { return op.said != test::Said::kNothing; }));
}

SimulationResult Simulation::Run() {
  Open();
  world_.RunUntil(closing_us_);
  Heal();
  LookAtAll();
  JudgeAll();
  return result_;
}

}  // namespace

SimulationResult Simulate(const SimulationSettings& settings) {
  // A node's memory is small and short-lived: to clear huge pages for it would take a fifth of all time.
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  return Simulation(settings).Run();
}

}  // namespace holdfast::sim
