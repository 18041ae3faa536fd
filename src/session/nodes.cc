// How it works: all changes of the table are compare-and-set on one row, so two servers that want the same number are
// told apart by the database. An address is stored with a token behind a slash: who can read the table may ask.

#include "session/nodes.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "session/session.h"

namespace holdfast::session {

namespace {

int64_t LifeMicros(const SessionSettings& settings) { return int64_t{settings.node_lease_s} * 1'000'000; }

// Numbers in the order in which they had better be taken: given back, never used, then the one that rests longest.
std::vector<uint32_t> Free(const std::vector<NodeLease>& nodes, int64_t now_us) {
  std::vector<std::pair<int64_t, uint32_t>> rest;
  std::vector<uint32_t> free;
  uint32_t next = 1;
  for (const NodeLease& node : nodes) {
    next = std::max(next, node.number + 1);
    if (node.number == 0) continue;
    if (node.until_us == 0) {
      free.push_back(node.number);
    } else if (node.until_us < now_us) {
      rest.emplace_back(node.until_us, node.number);
    }
  }
  for (; next < kNodesMax; ++next) free.push_back(next);
  std::sort(rest.begin(), rest.end());
  for (const auto& [until_us, number] : rest) free.push_back(number);
  return free;
}

}  // namespace

std::string Nodes::OwnAddress() const {
  return sessions_.settings().node_address + "/" + sessions_.settings().node_token;
}

Failure Nodes::Read(Driver& driver, std::vector<NodeLease>* nodes, int64_t* database_now_us) {
  nodes->clear();
  if (Failure failure = driver.ReadNodes(nodes, database_now_us); !failure.ok()) return failure;
  const int64_t now_us = sessions_.clock().SteadyMicros();
  const std::lock_guard lock(mutex_);
  std::map<uint32_t, Known> known;
  for (const NodeLease& node : *nodes) {
    if (node.until_us <= *database_now_us) continue;
    // Under our address: the process that was here before us.
    if (node.number != sessions_.stamp_clock().node() && !sessions_.settings().node_address.empty() &&
        node.address.substr(0, node.address.find('/')) == sessions_.settings().node_address) {
      continue;
    }
    Known& entry = known[node.number];
    const size_t slash = node.address.find('/');
    entry.address = node.address.substr(0, slash);
    if (slash != std::string::npos) entry.token = node.address.substr(slash + 1);
    entry.until_us = now_us + (node.until_us - *database_now_us);
    if (const auto before = known_.find(node.number); before != known_.end()) {
      entry.silent_until_us = before->second.silent_until_us;
    }
  }
  known_ = std::move(known);
  reads_.fetch_add(1, std::memory_order_relaxed);
  wants_refresh_.store(false, std::memory_order_relaxed);
  return {};
}

Failure Nodes::Take(Driver& driver, const std::vector<NodeLease>& nodes, int64_t database_now_us, bool* done) {
  const std::vector<uint32_t> free = Free(nodes, database_now_us);
  if (free.empty()) {
    return {FailureClass::kConfiguration, "all " + std::to_string(kNodesMax - 1) +
                                              " node numbers of the database are in use: delete rows of its table "
                                              "nodes whose servers are gone"};
  }
  NodeLease lease;
  lease.number = free.front();
  lease.name = sessions_.settings().node_name;
  lease.address = OwnAddress();
  lease.started_us = database_now_us;
  lease.until_us = database_now_us + LifeMicros(sessions_.settings());
  const auto before =
      std::find_if(nodes.begin(), nodes.end(), [&](const NodeLease& node) { return node.number == lease.number; });
  *done = false;
  if (Failure failure = driver.PutNode(lease, before == nodes.end() ? nullptr : &*before, done); !failure.ok()) {
    return failure;
  }
  if (*done) lease_ = lease;
  return {};
}

Failure Nodes::Join(Driver& driver) {
  if (Failure failure = CheckIdentity(driver); !failure.ok()) return failure;
  for (int tries = 0; tries < kTries; ++tries) {
    std::vector<NodeLease> nodes;
    int64_t database_now_us = 0;
    const int64_t wall_us = sessions_.clock().WallMicros();
    if (Failure failure = Read(driver, &nodes, &database_now_us); !failure.ok()) return failure;
    if (wall_us - database_now_us > kClockAheadMax) {
      return {FailureClass::kConfiguration,
              "the clock of this machine is " + std::to_string((wall_us - database_now_us) / 1000) +
                  " ms ahead of the database's, and its writes would win over later ones of others: set the clock "
                  "(chrony or ntpd), then start again"};
    }
    bool done = false;
    if (Failure failure = Take(driver, nodes, database_now_us, &done); !failure.ok()) return failure;
    if (!done) continue;
    sessions_.stamp_clock().SetNode(lease_.number);
    next_due_us_.store(sessions_.clock().SteadyMicros() + LifeMicros(sessions_.settings()) / 3);
    return {};
  }
  return {FailureClass::kRetry, "others took every node number that was tried; try again"};
}

// The lease has been prolonged since that was written down; how often is not known.
void Nodes::Resume(const DatabaseIdentity& identity, const NodeLease& lease) {
  identity_ = identity;
  knows_identity_ = true;
  lease_ = lease;
  lease_.until_us = 0;
  is_resumed_ = true;
  const base::Moment now = sessions_.clock().ReadBoth();
  resumed_offset_us_ = now.wall_us - now.steady_us;
  sessions_.stamp_clock().SetNode(lease.number);
}

Failure Nodes::Renew(Driver& driver) {
  return sessions_.clock().SteadyMicros() < NextDue() ? Failure() : RenewNow(driver);
}

Failure Nodes::RenewNow(Driver& driver) {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  next_due_us_.store(now_us + LifeMicros(sessions_.settings()) / 10);  // if it fails
  if (Failure failure = CheckIdentity(driver); !failure.ok()) return failure;
  std::vector<NodeLease> nodes;
  int64_t database_now_us = 0;
  if (Failure failure = Read(driver, &nodes, &database_now_us); !failure.ok()) return failure;
  const auto ours =
      std::find_if(nodes.begin(), nodes.end(), [&](const NodeLease& node) { return node.number == lease_.number; });
  const bool is_ours = ours != nodes.end() && ours->started_us == lease_.started_us;
  if (is_resumed_) {
    if (Failure failure = CheckStamps(database_now_us); !failure.ok()) return failure;
    // Who has it still is the process before us, or the one that ours was copied from.
    if (!is_ours || ours->until_us > database_now_us) {
      is_resumed_ = false;
      sessions_.OnStopped(LifeMicros(sessions_.settings()));
      return Join(driver);
    }
  }
  if (!is_ours || ours->until_us < lease_.until_us) {
    // Older than we left it, or gone: the database is another one now. Another's: we were away too long.
    if (is_ours || ours == nodes.end() || ours->started_us < lease_.started_us) {
      sessions_.OnDatabaseReplaced("its table of nodes is older than this server left it");
    } else {
      sessions_.OnStopped(LifeMicros(sessions_.settings()));
    }
    return Join(driver);
  }
  NodeLease longer = lease_;
  longer.address = OwnAddress();
  if (is_resumed_) {
    // Another copy of us finds another start.
    longer.started_us = database_now_us;
    longer.name = sessions_.settings().node_name;
  }
  longer.until_us = std::max(database_now_us + LifeMicros(sessions_.settings()), ours->until_us);
  bool done = false;
  if (Failure failure = driver.PutNode(longer, &*ours, &done); !failure.ok()) return failure;
  if (!done) return {FailureClass::kRetry, "this server's row in the table nodes changed under it"};
  lease_ = longer;
  is_resumed_ = false;
  next_due_us_.store(now_us + LifeMicros(sessions_.settings()) / 3);
  return {};
}

// A clock that was ahead when this process began has been set meanwhile, perhaps. What was stamped by it would win over
// later writes of others.
Failure Nodes::CheckStamps(int64_t database_now_us) const {
  const int64_t database_offset_us = database_now_us - sessions_.clock().SteadyMicros();
  if (resumed_offset_us_ - database_offset_us <= kClockAheadMax) return {};
  const int64_t ahead_us = static_cast<int64_t>(sessions_.stamp_clock().Mark()) - database_now_us;
  if (ahead_us <= kClockAheadMax) return {};
  return {FailureClass::kConfiguration,
          "the clock of this machine was ahead of the database's when sessions were stamped without it, and they would "
          "win over later ones of others: they are kept and written in " +
              std::to_string(ahead_us / 1'000'000 + 1) + " s, when the database's clock has come there"};
}

void Nodes::Leave(Driver& driver) {
  if (lease_.number == 0) return;
  NodeLease back = lease_;
  back.until_us = 0;
  bool done = false;
  // If it fails the lease runs out.
  if (driver.PutNode(back, &lease_, &done).ok() && done) lease_ = NodeLease();
}

Failure Nodes::Refresh(Driver& driver) {
  if (!wants_refresh()) return {};
  std::vector<NodeLease> nodes;
  int64_t database_now_us = 0;
  return Read(driver, &nodes, &database_now_us);
}

Failure Nodes::CheckIdentity(Driver& driver) {
  DatabaseIdentity identity;
  if (Failure failure = driver.ReadIdentity(&identity); !failure.ok()) return failure;
  if (knows_identity_ && !(identity == identity_)) {
    sessions_.OnDatabaseReplaced("its uuid or generation is another than before");
  }
  identity_ = identity;
  knows_identity_ = true;
  return {};
}

Peer Nodes::Know(uint32_t number, uint64_t since) {
  if (number == sessions_.stamp_clock().node()) return Peer::kSelf;
  if (number == 0) return Peer::kGone;
  const int64_t now_us = sessions_.clock().SteadyMicros();
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(number);
  if (found != known_.end() && now_us < found->second.until_us) {
    return now_us < found->second.silent_until_us ? Peer::kSilent : Peer::kLive;
  }
  // It may have come, or its lease been prolonged, after we read the table.
  if (reads() > since) return Peer::kGone;
  wants_refresh_.store(true, std::memory_order_relaxed);
  return Peer::kUnknown;
}

std::string Nodes::AddressOf(uint32_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(number);
  return found == known_.end() ? std::string() : found->second.address;
}

std::string Nodes::TokenOf(uint32_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(number);
  return found == known_.end() ? std::string() : found->second.token;
}

void Nodes::NoteSilent(uint32_t number) {
  const std::lock_guard lock(mutex_);
  if (const auto found = known_.find(number); found != known_.end()) {
    found->second.silent_until_us = sessions_.clock().SteadyMicros() + kSilenceMicros;
  }
}

uint64_t Nodes::live() {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  const std::lock_guard lock(mutex_);
  return static_cast<uint64_t>(
      std::count_if(known_.begin(), known_.end(), [&](const auto& entry) { return now_us < entry.second.until_us; }));
}

}  // namespace holdfast::session
