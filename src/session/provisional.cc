// How it works: a set and a map under one lock; both are empty as long as the database answers. Some goes round by the
// set's order, so that a key which cannot be settled does not keep the others waiting.

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
  if (refused_.size() >= kRefusedMax) {
    refused_.clear();
    all_refused_us_ = now_us;
  }
  refused_[std::string(key)] = now_us;
}

bool Provisional::WasRefusedSince(std::string_view key, int64_t since_us) {
  const std::lock_guard lock(mutex_);
  if (all_refused_us_ != 0 && all_refused_us_ >= since_us) return true;
  const auto found = refused_.find(std::string(key));
  return found != refused_.end() && found->second >= since_us;
}

}  // namespace holdfast::session
