// How it works: the part of ReadThrough that deals with rows which other servers own. Such a row may not be served as
// it is: its owner may have a later value that the database lacks. If the owner lives it is asked to let go; then, or
// if it is gone or silent, the row is claimed, by a change of its owner that holds only while it is still the one we
// saw. In either case the row is loaded again, and merged when it is ours.

#include <algorithm>
#include <utility>

#include "session/read_through.h"
#include "session/session.h"

namespace holdfast::session {

// A tombstone is served whoever wrote it: what comes after it is in the database at once.
bool ReadThrough::IsForeign(Pending& pending, const Row& row, Merged* merged) {
  if (!sessions_.settings().shared || row.state == RowState::kTombstone) return false;
  if (sessions_.IsSharedStrict(row.key)) return false;  // nobody has anything that the database lacks
  const bool has_expired = row.expires_us <= sessions_.clock().SteadyMicros();
  *merged = Merged::kForeign;
  switch (sessions_.nodes().Know(row.owner, pending.nodes_reads)) {
    case Peer::kSelf:
      *merged = Merged::kAgain;
      if (sessions_.yields().Holds(row.key)) return true;
      if (std::exchange(pending.silent, false)) sessions_.stats().maybe_stale.Add();
      return false;
    case Peer::kUnknown:
      *merged = Merged::kAgain;
      return true;
    case Peer::kGone:
      if (has_expired) return false;
      pending.asked = row.owner;
      break;
    case Peer::kSilent:
      pending.asked = row.owner;
      pending.silent = true;
      break;
    case Peer::kLive:
      break;
  }
  pending.owner = row.owner;
  return true;
}

// Under the lock.
void ReadThrough::SettleForeign(PendingMap::iterator entry, std::vector<Wake>* wakes) {
  Pending& pending = entry->second;
  if (!pending.wanted()) return Finish(entry, LoadOutcome::kLoaded, wakes);
  if (pending.asked == pending.owner) {
    pending.stage = Stage::kClaiming;
    to_claim_.push_back(entry->first);
  } else {
    pending.stage = Stage::kAsking;
    questions_[pending.owner].push_back(entry->first);
  }
}

ReadThrough::Question ReadThrough::NextQuestion(size_t keys_max) {
  const std::lock_guard lock(mutex_);
  Question question;
  if (questions_.empty()) return question;
  const auto first = questions_.begin();
  question.node = first->first;
  std::vector<std::string>& keys = first->second;
  const size_t count = std::min(keys_max, keys.size());
  question.keys.assign(keys.end() - static_cast<std::ptrdiff_t>(count), keys.end());
  keys.resize(keys.size() - count);
  if (keys.empty()) questions_.erase(first);
  return question;
}

void ReadThrough::OnAnswered(const Question& question, bool silent) {
  sessions_.stats().peer_questions.Add(question.keys.size());
  if (silent) {
    sessions_.stats().peer_silent.Add(question.keys.size());
    sessions_.nodes().NoteSilent(question.node);
  }
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& key : question.keys) {
      const auto entry = pending_.find(key);
      if (entry == pending_.end() || entry->second.stage != Stage::kAsking) continue;
      entry->second.asked = question.node;
      entry->second.silent = silent;
      if (entry->second.wanted()) {
        Enqueue(entry, queue_.begin());
      } else {
        pending_.erase(entry);
      }
    }
  }
  WakeReader();
}

std::span<const OwnerChange> ReadThrough::NextClaims() {
  const std::lock_guard lock(mutex_);
  if (!claims_.empty() || to_claim_.empty()) return {};
  claimed_keys_ = std::exchange(to_claim_, {});
  std::sort(claimed_keys_.begin(), claimed_keys_.end());  // the order in which all lock rows: nobody waits in a circle
  const uint32_t node = sessions_.stamp_clock().node();
  for (const std::string& key : claimed_keys_) claims_.push_back({key, pending_.find(key)->second.owner, node});
  return claims_;
}

void ReadThrough::OnClaimed(bool ok) {
  if (!ok) NoteAway();
  const std::lock_guard lock(mutex_);
  if (ok) sessions_.stats().claims.Add(claims_.size());
  for (const std::string& key : claimed_keys_) {
    const auto entry = pending_.find(key);
    entry->second.asked = 0;
    if (entry->second.wanted()) {
      Enqueue(entry, queue_.begin());
    } else {
      pending_.erase(entry);
    }
  }
  claims_.clear();
  claimed_keys_.clear();
}

}  // namespace holdfast::session
