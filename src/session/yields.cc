// How it works: an entry goes from kWriting to kDropped when memory holds no copy any more, to kDone when the database
// is told that the row is nobody's, and away when the asker has been told, or its time is over. Then the key's turn is
// noted: a load that began before found the row ours, and must not bring it back.
//
// The row is not given to the asker itself. It may have become tired of asking and have taken the row as it was, and
// looks for changes of rows that it does not own only: it would not see that we wrote something later meanwhile.

#include "session/yields.h"

#include <algorithm>

#include "session/marks.h"
#include "session/session.h"

namespace holdfast::session {

YieldAnswer Yields::Ask(std::string_view key, uint32_t asker) {
  YieldAnswer answer = YieldAnswer::kWait;
  bool is_new = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(std::string(key));
    if (found != entries_.end()) {
      // Another server is before it. When that has been told, we ask ourselves again, and say that we have nothing.
      if (found->second.asker != asker) return YieldAnswer::kWait;
      if (found->second.stage == Stage::kDone) {
        entries_.erase(found);
        answer = YieldAnswer::kDone;
      }
    } else if (entries_.size() >= kEntriesMax) {
      return YieldAnswer::kRefused;
    } else {
      is_new = true;
      entries_.emplace(key, Entry{asker, Stage::kWriting, sessions_.clock().SteadyMicros() + kLifeMicros});
    }
    size_.store(entries_.size(), std::memory_order_relaxed);
  }
  if (is_new) sessions_.write_behind().WakeWriter();
  return answer;
}

bool Yields::Holds(std::string_view key) {
  if (size() == 0) return false;
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(std::string(key));
  return found != entries_.end() && found->second.stage == Stage::kDropped;
}

// Whether memory holds no copy any more.
bool Yields::Drop(store::Access& access, std::string_view bytes) {
  const store::Key key = store::Key::Of(bytes);
  store::Slot slot = access.Lock(key, sessions_.clock().Now());
  const store::ItemRef item = slot.item();
  if (!item || !item.is_session()) return true;
  if (item.is_dirty()) {
    if (!Has(item.stamps(), kMarkQuarantined)) sessions_.write_behind().Hasten(slot, key);
    return false;
  }
  slot.Remove();
  return true;
}

void Yields::Step(store::Access& access) {
  if (size() == 0) return;
  const int64_t now_us = sessions_.clock().SteadyMicros();
  std::vector<std::string> writing;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = entries_.begin(); it != entries_.end();) {
      if (it->second.until_us <= now_us && claims_.empty()) {
        it = entries_.erase(it);
        continue;
      }
      if (it->second.stage == Stage::kWriting) writing.push_back(it->first);
      ++it;
    }
    size_.store(entries_.size(), std::memory_order_relaxed);
  }
  for (const std::string& key : writing) {
    {
      // First held, then dropped: between the two a load would bring it back.
      const std::lock_guard lock(mutex_);
      if (const auto found = entries_.find(key); found != entries_.end()) found->second.stage = Stage::kDropped;
    }
    if (Drop(access, key)) continue;
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(key); found != entries_.end()) found->second.stage = Stage::kWriting;
  }
  access.Quiesce();
}

std::span<const OwnerChange> Yields::NextClaims() {
  if (size() == 0 || !claims_.empty()) return {};
  const std::lock_guard lock(mutex_);
  claimed_keys_.clear();
  for (const auto& [key, entry] : entries_) {
    if (entry.stage != Stage::kDropped) continue;
    claimed_keys_.push_back(key);
    if (claimed_keys_.size() == sessions_.settings().batch_rows_max) break;
  }
  std::sort(claimed_keys_.begin(), claimed_keys_.end());  // the order in which all lock rows: nobody waits in a circle
  const uint32_t node = sessions_.stamp_clock().node();
  for (const std::string& key : claimed_keys_) claims_.push_back({key, node, 0});
  return claims_;
}

void Yields::OnClaimed(bool ok) {
  if (ok) {
    for (const std::string& key : claimed_keys_) {
      sessions_.read_through().NoteTurn(store::Key::Of(key));
      sessions_.stats().yields.Add();
      const std::lock_guard lock(mutex_);
      if (const auto found = entries_.find(key); found != entries_.end()) found->second.stage = Stage::kDone;
    }
  }
  claims_.clear();
  claimed_keys_.clear();
}

int64_t Yields::NextDue() { return size() == 0 ? kNeverMicros : sessions_.clock().SteadyMicros() + kLookMicros; }

}  // namespace holdfast::session
