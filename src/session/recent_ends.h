// recent_ends.h - what became of sessions lately, for the operator who asks why a visitor was logged out.
//
// A table of fixed size, made at the start. It keeps a hash of the key, not the key: who reads it cannot take a session
// over. Of a key the latest event is kept; when its place in the table is full the oldest goes.
//
// Threads: any; Note and Find hold a spin lock for some dozens of instructions.
// Owns:    kEntryBytes for each of `entries`, rounded up to a power of two.
// Limits:  entries; 0: nothing is remembered.

#ifndef HOLDFAST_SESSION_RECENT_ENDS_H_
#define HOLDFAST_SESSION_RECENT_ENDS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/spin_lock.h"
#include "session/client_address.h"

namespace holdfast::session {

enum class End : uint8_t {
  kNone,
  kDeleted,             // by a client's delete
  kExpiredByClient,     // by a client's set or touch with an expiry in the past
  kExpired,             // found expired when a client asked for it
  kProvisionalDropped,  // stored while the database could not be asked, and lost to what that had
  kRefused,             // none: a request was answered that the database cannot be asked. Never displaces another key's
};

struct RecentEnd {
  int64_t at_us = 0;  // wall clock
  ClientAddress client;
  End how = End::kNone;
};

class RecentEnds {
 public:
  static constexpr size_t kEntryBytes = 40;

  explicit RecentEnds(uint32_t entries);
  RecentEnds(const RecentEnds&) = delete;
  RecentEnds& operator=(const RecentEnds&) = delete;

  void Note(std::string_view key, const RecentEnd& end);
  std::optional<RecentEnd> Find(std::string_view key);

 private:
  static constexpr size_t kWays = 8;  // places that a key may take
  static constexpr size_t kLocks = 64;

  struct Entry {
    uint64_t hash = 0;
    RecentEnd end;
  };
  static_assert(sizeof(Entry) == kEntryBytes);

  Entry* SetOf(uint64_t hash) { return &entries_[(hash & set_mask_) * kWays]; }
  base::SpinLock& LockOf(uint64_t hash) { return locks_[hash & set_mask_ & (kLocks - 1)]; }

  size_t set_mask_ = 0;
  std::array<base::SpinLock, kLocks> locks_;  // by the set; each guards the entries of its sets
  std::vector<Entry> entries_;                // empty when nothing is remembered
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_RECENT_ENDS_H_
