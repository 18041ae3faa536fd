// How it works: sets under one lock, empty until the database could not be asked. Some goes round by the set's order,
// so that a key which cannot be settled does not keep the others waiting.
//
// A refusal counts until the database has answered for the key, or for longer than any page takes, whichever is sooner,
// and not for as long as an outage: that has no clear beginning, for a budget ends before the call that hangs, and the
// database may answer for other keys in between. Who was refused is kept by the hour, so that what is old goes at once.

#include "session/provisional.h"

#include <algorithm>
#include <utility>

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
  KeySet dropped;  // destroyed when the lock is given back
  const std::lock_guard lock(mutex_);
  if (now_us - refused_.since_us >= kHourMicros) {
    dropped = std::exchange(refused_before_, std::exchange(refused_, Refused())).keys;
  }
  if (refused_.keys.size() == 0 && !refused_.all) refused_.since_us = now_us;
  if (refused_.keys.size() >= kRefusedMax && !refused_.keys.Has(key)) {
    refused_.all = true;
    dropped = std::exchange(refused_.keys, KeySet());
  }
  refused_.keys.Insert(key);
  any_refused_.store(true, std::memory_order_release);
}

void Provisional::NoteAnswered(std::string_view key) {
  if (!any_refused_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(mutex_);
  refused_.keys.Erase(key);
  refused_before_.keys.Erase(key);
  any_refused_.store(refused_.keys.size() + refused_before_.keys.size() > 0, std::memory_order_release);
}

bool Provisional::WasRefused(std::string_view key, int64_t written_us) {
  const std::lock_guard lock(mutex_);
  return refused_.Has(key, written_us) || refused_before_.Has(key, written_us);
}

}  // namespace holdfast::session
