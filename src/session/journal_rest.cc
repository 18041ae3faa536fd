// How it works: nothing is added any more once others than the replay look at it, so what Write has sent is still what
// stands here when the answer comes.

#include "session/journal_rest.h"

#include <algorithm>
#include <utility>

namespace holdfast::session {

namespace {
constexpr size_t kBatch = 200;
constexpr size_t kRecordBytesAbout = 128;  // beside the value
}  // namespace

void JournalRest::Keep(Change change) {
  const std::lock_guard lock(mutex_);
  const Row& row = change.row;
  Change& known = changes_[row.key];
  if (known.row.version > row.version || known.row.touched > row.touched) return;
  const bool is_certain = known.row.touched != 0 && known.kind != ChangeKind::kCompared;
  if (is_certain && change.kind == ChangeKind::kCompared) return;
  // A touch of a value that goes this way too belongs to it.
  if (change.kind == ChangeKind::kExpiry && known.kind == ChangeKind::kValue && known.row.version == row.version &&
      known.row.version != 0) {
    known.row.touched = row.touched;
    known.row.expires_us = row.expires_us;
    return;
  }
  value_bytes_ += row.data.size() - known.row.data.size();
  known = std::move(change);
}

void JournalRest::Forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  Erase(key);
}

// Under the lock.
void JournalRest::Erase(const std::string& key) {
  const auto found = changes_.find(key);
  if (found == changes_.end()) return;
  value_bytes_ -= found->second.row.data.size();
  changes_.erase(found);
}

uint64_t JournalRest::VersionOf(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = changes_.find(key);
  return found == changes_.end() ? 0 : found->second.row.version;
}

size_t JournalRest::size() const {
  const std::lock_guard lock(mutex_);
  return changes_.size();
}

size_t JournalRest::bytes() const {
  const std::lock_guard lock(mutex_);
  return value_bytes_ + changes_.size() * kRecordBytesAbout;
}

std::vector<Change> JournalRest::Some() const {
  std::vector<Change> batch;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, change] : changes_) {
    if (batch.size() == kBatch) break;
    batch.push_back(change);
  }
  return batch;
}

Failure JournalRest::Write(const Send& send, Written* written) {
  for (std::vector<Change> batch = Some(); !batch.empty(); batch = Some()) {
    std::sort(batch.begin(), batch.end(), [](const Change& a, const Change& b) { return a.row.key < b.row.key; });
    std::vector<ChangeOutcome> outcomes;
    if (Failure failure = send(batch, &outcomes); !failure.ok()) return failure;
    for (const ChangeOutcome outcome : outcomes) {
      written->unwritable += outcome == ChangeOutcome::kBad ? 1 : 0;
      written->without_row += outcome == ChangeOutcome::kNoRow ? 1 : 0;
    }
    const std::lock_guard lock(mutex_);
    for (const Change& change : batch) Erase(change.row.key);
  }
  return {};
}

bool JournalRest::ForEach(const std::function<bool(const Change&)>& visit) const {
  std::vector<std::string> keys;
  {
    const std::lock_guard lock(mutex_);
    keys.reserve(changes_.size());
    for (const auto& [key, change] : changes_) keys.push_back(key);
  }
  for (const std::string& key : keys) {
    std::optional<Change> change;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = changes_.find(key); found != changes_.end()) change = found->second;
    }
    if (change.has_value() && !visit(*change)) return false;
  }
  return true;
}

}  // namespace holdfast::session
