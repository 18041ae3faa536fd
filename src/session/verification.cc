// How it works: a beat puts alive_until ahead of the steady clock, which goes on while the process is stopped. Whoever
// first finds it passed, a worker or the beat itself, begins a new epoch in which everything is doubted. What is
// verified names the epoch in which it began to look, so that a look from before a stop proves nothing after it.

#include "session/verification.h"

namespace holdfast::session {

void Verification::Beat() {
  const int64_t now_us = clock_.SteadyMicros();
  if (stall_us_ != 0 && now_us > alive_until_us_.load(std::memory_order_relaxed)) NoteStop();
  alive_until_us_.store(now_us + stall_us_, std::memory_order_relaxed);
}

void Verification::NoteStop() {
  const std::lock_guard lock(mutex_);
  const int64_t now_us = clock_.SteadyMicros();
  const int64_t until_us = alive_until_us_.load(std::memory_order_relaxed);
  if (now_us <= until_us) return;  // another thread was quicker
  alive_until_us_.store(now_us + stall_us_, std::memory_order_relaxed);
  stops_.fetch_add(1, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  verified_.clear();
  const Doubt reason = now_us - until_us > long_us_ ? Doubt::kStoppedLong : Doubt::kStopped;
  if (reason > reason_.load()) reason_.store(reason);
  Update();
}

void Verification::DoubtAll(Doubt reason) {
  const std::lock_guard lock(mutex_);
  epoch_.fetch_add(1, std::memory_order_release);
  verified_.clear();
  if (reason > reason_.load()) reason_.store(reason);
  Update();
}

void Verification::DoubtKey(std::string_view key) {
  const std::lock_guard lock(mutex_);
  replayed_.emplace(key);
  Update();
}

bool Verification::DoubtsKey(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const std::string whole(key);
  if (reason_.load() != Doubt::kNone) return !verified_.contains(whole);
  return replayed_.contains(whole);
}

void Verification::NoteVerified(std::string_view key, uint64_t epoch) {
  if (!doubts_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_.load()) return;
  replayed_.erase(std::string(key));
  if (reason_.load() != Doubt::kNone) {
    if (verified_.size() >= kVerifiedMax) verified_.clear();
    verified_.emplace(key);
  }
  Update();
}

bool Verification::NoteWritten(std::string_view key) {
  if (!doubts_.load(std::memory_order_acquire)) return false;
  const std::lock_guard lock(mutex_);
  const bool was_replayed = replayed_.erase(std::string(key)) != 0;
  Update();
  return was_replayed;
}

void Verification::NoteAllVerified(uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_.load()) return;
  reason_.store(Doubt::kNone);
  verified_.clear();
  Update();
}

// Under the lock.
void Verification::Update() {
  doubts_.store(reason_.load() != Doubt::kNone || !replayed_.empty(), std::memory_order_release);
}

}  // namespace holdfast::session
