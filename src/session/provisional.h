// provisional.h - writes of sessions that nobody could look up: made while the database was away, acknowledged,
// journalled and served here, and settled when it is back.
//
// A blind `set` of a key that is not in memory is stored provisionally when the database could not be asked within the
// rule's budget. When the row can be read again, the write
//
//   wins   over no row, and over an expired one
//   wins   over a live row that is not later, if the value is not empty and no reader of that key was refused meanwhile
//          (who is refused may take the session for gone, and write an empty or a new one over it)
//   loses  to a tombstone, and otherwise
//
// Over a value in memory that was acknowledged, is not written and cannot be verified, the same is decided at once, and
// a write that wins is no provisional one: memory has place for one value.
//
// This class knows which keys wait to be settled, and whose readers were refused; read_through settles.
//
// Threads: any.
// Limits:  one entry a provisional item (those are dirty and have their share of the memory); kRefusedMax refused keys:
//          beyond, every key counts as refused.

#ifndef HOLDFAST_SESSION_PROVISIONAL_H_
#define HOLDFAST_SESSION_PROVISIONAL_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "session/key_set.h"

namespace holdfast::session {

class Provisional {
 public:
  static constexpr size_t kRefusedMax = 100'000;

  // The item of this key is provisional, or no longer. Callable under its slot.
  void Note(std::string_view key);
  void Forget(std::string_view key);
  bool Holds(std::string_view key);
  uint64_t size() const { return size_.load(std::memory_order_acquire); }
  // At most count of them, others at the next call if there are more.
  std::vector<std::string> Some(size_t count);
  // At most count of them behind this one; those of all the time between the first call and the last are among them.
  std::vector<std::string> After(const std::string& key, size_t count);

  // A reader of this key has not been answered.
  void NoteRefused(std::string_view key, int64_t now_us);
  bool WasRefusedSince(std::string_view key, int64_t since_us);

 private:
  std::atomic<uint64_t> size_{0};
  std::mutex mutex_;  // guards all below
  KeySet keys_;
  std::string last_;                                  // where Some ended
  std::unordered_map<std::string, int64_t> refused_;  // when, steady
  int64_t all_refused_us_ = 0;                        // too many to remember: all of them, then
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_PROVISIONAL_H_
