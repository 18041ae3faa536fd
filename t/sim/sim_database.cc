// How it works: the statements of driver_sqlite.cc, said in C++ over a map. sim_database_test.cc holds one against the
// other.

#include "sim/sim_database.h"

#include <algorithm>
#include <utility>

#include "store/item.h"

namespace holdfast::sim {

using session::Change;
using session::ChangeKind;
using session::ChangeOutcome;
using session::Failure;
using session::FailureClass;
using session::Row;
using session::RowState;

const Row* SimDatabase::Find(const std::string& key) const {
  const auto found = rows_.find(key);
  return found == rows_.end() ? nullptr : &found->second;
}

void SimDatabase::Load(std::span<const std::string_view> keys, std::vector<Row>* rows) const {
  for (const std::string_view key : keys) {
    if (const auto found = rows_.find(key); found != rows_.end()) rows->push_back(found->second);
  }
}

session::RowStamps SimDatabase::StampsOf(const Row& row) {
  return {row.key, row.version, row.born, row.floor, row.touched, row.expires_us, row.state, row.owner};
}

void SimDatabase::LoadStamps(std::span<const std::string_view> keys, std::vector<session::RowStamps>* rows) const {
  for (const std::string_view key : keys) {
    if (const auto found = rows_.find(key); found != rows_.end()) rows->push_back(StampsOf(found->second));
  }
}

void SimDatabase::ReadChanges(uint32_t node, const session::ChangeCursor& after, uint32_t limit,
                              std::vector<session::RowStamps>* rows, session::ChangeCursor* next) const {
  std::vector<const Row*> changed;
  for (const auto& [key, row] : rows_) {
    const int64_t at_us = ToDatabase(row.changed_us);
    const bool is_later = at_us > after.changed_us || (at_us == after.changed_us && key > after.key);
    if (row.owner != node && is_later) changed.push_back(&row);
  }
  std::sort(changed.begin(), changed.end(), [](const Row* a, const Row* b) {
    return a->changed_us != b->changed_us ? a->changed_us < b->changed_us : a->key < b->key;
  });
  if (changed.size() > limit) changed.resize(limit);
  session::ChangeCursor place = after;
  for (const Row* row : changed) {
    rows->push_back(StampsOf(*row));
    place = {ToDatabase(row->changed_us), row->key};
  }
  *next = std::move(place);
}

void SimDatabase::Claim(std::span<const session::OwnerChange> changes) {
  for (const session::OwnerChange& change : changes) {
    const auto found = rows_.find(change.key);
    if (found == rows_.end() || found->second.owner != change.from) continue;
    found->second.owner = change.to;
    found->second.changed_us = time_.steady_us;
  }
}

uint64_t SimDatabase::Sweep(int64_t grace_us, uint32_t limit) {
  std::vector<Rows::iterator> over;
  for (auto it = rows_.begin(); it != rows_.end(); ++it) {
    if (it->second.expires_us < time_.steady_us - grace_us) over.push_back(it);
  }
  std::sort(over.begin(), over.end(),
            [](const auto& a, const auto& b) { return a->second.expires_us < b->second.expires_us; });
  if (over.size() > limit) over.resize(limit);
  for (const auto& it : over) rows_.erase(it);
  return over.size();
}

void SimDatabase::ReadNodes(std::vector<session::NodeLease>* nodes) const {
  for (const auto& [number, lease] : nodes_) nodes->push_back(lease);
}

bool SimDatabase::PutNode(const session::NodeLease& lease, const session::NodeLease* expected) {
  const auto found = nodes_.find(lease.number);
  if (expected == nullptr) return nodes_.try_emplace(lease.number, lease).second;
  if (found == nodes_.end() || found->second.started_us != expected->started_us ||
      found->second.until_us != expected->until_us) {
    return false;
  }
  found->second = lease;
  return true;
}

bool SimDatabase::TakeLease(std::string_view name, uint32_t holder, int64_t life_us) {
  const auto [found, is_new] = leases_.try_emplace(std::string(name), Lease{holder, 0});
  if (!is_new && found->second.holder != holder && found->second.until_us >= now_us()) return false;
  found->second = {holder, now_us() + life_us};
  return true;
}

// -- Writing --------------------------------------------------------------------------------------

void SimDatabase::Write(std::span<const Change> changes, std::vector<ChangeOutcome>* outcomes) {
  outcomes->clear();
  for (const Change& change : changes) {
    if (poison_flags != 0 && change.row.client_flags == poison_flags && change.kind != ChangeKind::kDelete) {
      outcomes->push_back(ChangeOutcome::kBad);
      continue;
    }
    switch (change.kind) {
      case ChangeKind::kValue:
        outcomes->push_back(Upsert(change.row));
        break;
      case ChangeKind::kCompared:
        outcomes->push_back(Compare(change));
        break;
      case ChangeKind::kComparedDelete:
        outcomes->push_back(BuryCompared(change));
        break;
      case ChangeKind::kExpiry:
        outcomes->push_back(Extend(change));
        break;
      case ChangeKind::kDelete:
        outcomes->push_back(Bury(change.row));
        break;
    }
  }
}

// The table has a CHECK on its keys.
ChangeOutcome SimDatabase::Insert(Row row) {
  if (row.key.empty() || row.key.size() > store::kKeyBytesMax) return ChangeOutcome::kBad;
  const std::string key = row.key;
  rows_.emplace(key, std::move(row));
  return ChangeOutcome::kDone;
}

ChangeOutcome SimDatabase::InsertLive(Row row) {
  row.state = RowState::kLive;
  row.changed_us = time_.steady_us;
  return Insert(std::move(row));
}

ChangeOutcome SimDatabase::Upsert(const Row& row) {
  const auto found = rows_.find(row.key);
  if (found == rows_.end()) return InsertLive(row);
  Row& old = found->second;
  const bool passes =
      row.born > old.floor && (row.version > old.version || row.touched > old.touched || row.floor > old.floor);
  if (!passes) return old.version == row.version ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken;
  const bool dead = old.born <= row.floor;
  const bool new_expiry = row.touched > old.touched || dead;
  bool new_value = row.version > old.version || dead;
  if (new_value) old.version = row.version;
  if (bug_ == Bug::kVersionFirst) new_value = dead;  // what comes after sees the new version
  if (new_value) {
    old.data = row.data;
    old.client_flags = row.client_flags;
    old.born = row.born;
    old.state = RowState::kLive;
  }
  if (new_expiry) {
    old.expires_us = row.expires_us;
    old.touched = row.touched;
  }
  old.floor = std::max(old.floor, row.floor);
  old.owner = row.owner;
  old.changed_us = time_.steady_us;
  return old.version == row.version ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken;
}

ChangeOutcome SimDatabase::Compare(const Change& change) {
  const Row& row = change.row;
  const auto found = rows_.find(row.key);
  if (found == rows_.end()) {
    return change.base_version == 0 ? InsertLive(row) : ChangeOutcome::kOvertaken;
  }
  Row& old = found->second;
  const uint64_t present = old.state == RowState::kLive && old.expires_us > time_.steady_us ? old.version : 0;
  const bool is_other = present != change.base_version && bug_ != Bug::kUncompared;
  if (row.born <= old.floor || row.version <= old.version || is_other) {
    return old.version == row.version ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken;
  }
  const Row before = std::exchange(old, row);
  old.floor = std::max(before.floor, row.floor);
  if (present != 0 && before.touched >= row.touched) {
    old.touched = before.touched;
    old.expires_us = before.expires_us;
  }
  old.state = RowState::kLive;
  old.changed_us = time_.steady_us;
  return ChangeOutcome::kDone;
}

ChangeOutcome SimDatabase::BuryCompared(const Change& change) {
  const auto found = rows_.find(change.row.key);
  if (found == rows_.end()) return ChangeOutcome::kOvertaken;
  Row& old = found->second;
  const uint64_t floor = change.row.version;
  if (old.version == floor) return ChangeOutcome::kDone;
  const bool expected =
      old.state == RowState::kLive && old.expires_us > time_.steady_us && old.version == change.base_version;
  if (!expected || old.version >= floor || old.floor >= floor) return ChangeOutcome::kOvertaken;
  old = TombstoneOf(change.row, old.born);
  return ChangeOutcome::kDone;
}

// born is that of the row which it takes the place of: 0 if there is none.
Row SimDatabase::TombstoneOf(const Row& row, uint64_t born) const {
  Row tombstone;
  tombstone.key = row.key;
  tombstone.born = born;
  tombstone.version = tombstone.touched = tombstone.floor = row.version;
  tombstone.expires_us = row.expires_us;
  tombstone.state = RowState::kTombstone;
  tombstone.owner = row.owner;
  tombstone.changed_us = time_.steady_us;
  return tombstone;
}

ChangeOutcome SimDatabase::Extend(const Change& change) {
  const Row& row = change.row;
  const auto found = rows_.find(row.key);
  if (found == rows_.end()) return ChangeOutcome::kNeedsRow;
  Row& old = found->second;
  const bool same = old.version == change.base_version && old.state == RowState::kLive;
  if (same && row.touched > old.touched && row.born > old.floor) {
    old.touched = row.touched;
    old.expires_us = row.expires_us;
    old.owner = row.owner;
    old.changed_us = time_.steady_us;
    return ChangeOutcome::kDone;
  }
  return same && old.touched >= row.touched ? ChangeOutcome::kDone : ChangeOutcome::kNeedsRow;
}

ChangeOutcome SimDatabase::Bury(const Row& row) {
  const auto found = rows_.find(row.key);
  if (found == rows_.end()) return Insert(TombstoneOf(row, 0));
  Row& old = found->second;
  if (row.version > old.floor || bug_ == Bug::kUnguardedDelete) {
    if (old.born <= row.version || bug_ == Bug::kUnguardedDelete) old = TombstoneOf(row, old.born);
    old.floor = row.version;
    old.owner = row.owner;
    old.changed_us = time_.steady_us;
  }
  return old.state == RowState::kTombstone ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken;
}

// -- SimDriver ------------------------------------------------------------------------------------

Failure SimDriver::Check(bool opening) const {
  if (!link_up_) return {FailureClass::kNextNode, "the link is cut"};
  switch (database_.state) {
    case SimDatabase::State::kUp:
      return {};
    case SimDatabase::State::kAway:
      return {FailureClass::kNextNode, "the database is away"};
    case SimDatabase::State::kNonPrimary:
      if (opening) return {};
      return {FailureClass::kNextNode, "the node is not primary"};
  }
  return {};
}

}  // namespace holdfast::sim
