// How it works: before the write the stamps of the rows in question are read. A row that is there and holds no delete
// of this session proves that no delete was committed before that moment, and one that comes later lives long enough
// for the ordinary guard. A delete that is there is obeyed at once, for the reaper might take it before the write.
//
// Ages are told by the stamps and the steady clock (StampClock::SteadyMicrosOf), so a step of the wall clock makes
// nothing look old. That a server's clock is behind the database's is made up for by the grace.

#include "session/forgotten_deletes.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>

#include "session/marks.h"
#include "session/session.h"

namespace holdfast::session {

namespace {
constexpr int64_t kSecondMicros = 1'000'000;

bool IsChecked(const Change& change) { return change.unseen_since_us != kNeverMicros; }
}  // namespace

ForgottenDeletes::ForgottenDeletes(Sessions& sessions)
    : sessions_(sessions), begun_us_(sessions.clock().SteadyMicros()), polled_us_(begun_us_) {}

int64_t ForgottenDeletes::LifeMicros() const { return int64_t{sessions_.settings().tombstone_life_s} * kSecondMicros; }

bool ForgottenDeletes::IsPolled(int64_t now_us) const {
  return now_us - polled_us_.load(std::memory_order_relaxed) <= LifeMicros();
}

void ForgottenDeletes::NotePoll(int64_t begun_us) {
  const int64_t pause_us = begun_us - polled_us_.exchange(begun_us, std::memory_order_relaxed);
  if (pause_us <= LifeMicros()) return;
  gap_end_us_.store(begun_us, std::memory_order_relaxed);
  // Of what was deleted meanwhile the polls need not have told: the clean copies go.
  sessions_.verification().DoubtAll(Doubt::kStoppedLong);
  sessions_.write_behind().WakeWriter();
}

int64_t ForgottenDeletes::UnseenSince(const store::SessionStamps& stamps) const {
  if (!sessions_.settings().shared) return kNeverMicros;
  const base::Clock& clock = sessions_.clock();
  const int64_t now_us = clock.SteadyMicros();
  const int64_t born_us = sessions_.stamp_clock().SteadyMicrosOf(stamps.born);
  if (Has(stamps, kMarkAfterOutage)) return born_us >= begun_us_ ? born_us - LifeMicros() : kUnknownSince;
  const bool was_synced = stamps.synced_at != 0;
  const int64_t known_us = std::max(born_us, was_synced ? clock.SteadyMicrosAt(stamps.synced_at) : born_us);
  if (now_us - known_us <= LifeMicros()) return kNeverMicros;
  // This process has had it since, and the polls would have told.
  const bool was_ours = was_synced || born_us >= begun_us_;
  const int64_t gap_end_us = gap_end_us_.load(std::memory_order_relaxed);
  if (was_ours && IsPolled(now_us) && known_us >= gap_end_us) return kNeverMicros;
  return was_ours ? known_us : kUnknownSince;
}

bool ForgottenDeletes::AfterOutage(uint64_t version) const {
  if (!sessions_.settings().shared) return false;
  const int64_t now_us = sessions_.clock().SteadyMicros();
  const int64_t set_us = sessions_.stamp_clock().SteadyMicrosOf(version);
  return !IsPolled(now_us) || set_us < gap_end_us_.load(std::memory_order_relaxed);
}

Failure ForgottenDeletes::Write(Driver& driver, std::span<const Change> changes,
                                std::vector<ChangeOutcome>* outcomes) const {
  std::vector<std::string_view> keys;
  for (const Change& change : changes) {
    if (IsChecked(change)) keys.emplace_back(change.row.key);
  }
  if (keys.empty()) return driver.Write(changes, outcomes);
  std::vector<RowStamps> rows;
  if (Failure failure = driver.LoadStamps(keys, &rows); !failure.ok()) return failure;
  std::unordered_map<std::string_view, const RowStamps*> by_key;
  for (const RowStamps& row : rows) by_key.emplace(row.key, &row);

  outcomes->assign(changes.size(), ChangeOutcome::kDone);
  for (size_t i = 0; i < changes.size(); ++i) {
    if (!IsChecked(changes[i])) continue;
    const auto row = by_key.find(changes[i].row.key);
    if (row == by_key.end()) {
      (*outcomes)[i] = ChangeOutcome::kNoRow;
    } else if (row->second->floor >= changes[i].row.born) {
      (*outcomes)[i] = ChangeOutcome::kOvertaken;
    }
  }
  if (Failure failure = AskForOthers(driver, changes, outcomes); !failure.ok()) return failure;

  std::vector<Change> sent;
  std::vector<size_t> places;
  for (size_t i = 0; i < changes.size(); ++i) {
    if ((*outcomes)[i] != ChangeOutcome::kDone) continue;
    sent.push_back(changes[i]);
    places.push_back(i);
  }
  if (sent.empty()) return {};
  std::vector<ChangeOutcome> answers;
  if (Failure failure = driver.Write(sent, &answers); !failure.ok()) return failure;
  for (size_t i = 0; i < answers.size(); ++i) (*outcomes)[places[i]] = answers[i];
  return {};
}

// A process before this one on the same address is no other.
bool ForgottenDeletes::IsSelf(const NodeLease& node) const {
  if (node.number == sessions_.stamp_clock().node()) return true;
  const std::string& address = sessions_.settings().node_address;
  return !address.empty() && node.address.substr(0, node.address.find('/')) == address;
}

// What has no row was not deleted if no other server has had a lease since it was seen.
Failure ForgottenDeletes::AskForOthers(Driver& driver, std::span<const Change> changes,
                                       std::vector<ChangeOutcome>* outcomes) const {
  if (std::find(outcomes->begin(), outcomes->end(), ChangeOutcome::kNoRow) == outcomes->end()) return {};
  std::vector<NodeLease> nodes;
  int64_t database_now_us = 0;
  if (Failure failure = driver.ReadNodes(&nodes, &database_now_us); !failure.ok()) return failure;
  const int64_t now_us = sessions_.clock().SteadyMicros();
  for (size_t i = 0; i < changes.size(); ++i) {
    if ((*outcomes)[i] != ChangeOutcome::kNoRow || changes[i].unseen_since_us == kUnknownSince) continue;
    const int64_t since_us = database_now_us - (now_us - changes[i].unseen_since_us);
    const bool was_other = std::any_of(nodes.begin(), nodes.end(), [&](const NodeLease& node) {
      return !IsSelf(node) && (node.until_us == 0 || node.until_us >= since_us);  // 0: given back, nobody knows when
    });
    if (!was_other) (*outcomes)[i] = ChangeOutcome::kDone;  // to be sent
  }
  return {};
}

}  // namespace holdfast::session
