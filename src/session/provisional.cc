// How it works: two sets under one lock; both are empty as long as the database answers. Some goes round by the set's
// order, so that a key which cannot be settled does not keep the others waiting.
//
// When a refusal was does not count, only whether an answer came after it: an outage has no clear beginning, for a
// budget ends before the call that hangs, and the database may answer for other keys in between.

#include "session/provisional.h"

#include <algorithm>

namespace holdfast::session {

void Provisional::Note(std::string_view key) {
  const std::lock_guard lock(mutex_);
  keys_.Insert(key);
  size_.store(keys_.size(), std::memory_order_release);
}

void Provisional::Forget(std::string_view key) {
  if (size() == 0) return;
  const std::lock_guard lock(mutex_);
  keys_.Erase(key);
  size_.store(keys_.size(), std::memory_order_release);
}

bool Provisional::Holds(std::string_view key) {
  if (size() == 0) return false;
  const std::lock_guard lock(mutex_);
  return keys_.Has(key);
}

std::vector<std::string> Provisional::Some(size_t count) {
  std::vector<std::string> some;
  if (size() == 0) return some;
  const std::lock_guard lock(mutex_);
  some = keys_.After(last_, count);
  const std::vector<std::string> from_the_first = keys_.After("", std::min(count, keys_.size()) - some.size());
  some.insert(some.end(), from_the_first.begin(), from_the_first.end());
  if (!some.empty()) last_ = some.back();
  return some;
}

std::vector<std::string> Provisional::After(const std::string& key, size_t count) {
  if (size() == 0) return {};
  const std::lock_guard lock(mutex_);
  return keys_.After(key, count);
}

void Provisional::NoteRefused(std::string_view key, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (refused_.size() >= kRefusedMax && !refused_.Has(key)) {
    refused_ = KeySet();
    all_refused_until_ = now_us + kAllRefusedMicros;
  }
  refused_.Insert(key);
  any_refused_.store(true, std::memory_order_release);
}

void Provisional::NoteAnswered(std::string_view key) {
  if (!any_refused_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(mutex_);
  refused_.Erase(key);
  any_refused_.store(refused_.size() > 0, std::memory_order_release);
}

bool Provisional::WasRefused(std::string_view key, int64_t written_us) {
  const std::lock_guard lock(mutex_);
  return refused_.Has(key) || (all_refused_until_.has_value() && written_us <= *all_refused_until_);
}

}  // namespace holdfast::session
