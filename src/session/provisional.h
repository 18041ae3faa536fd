// provisional.h - writes of sessions that nobody could look up: made while the database was away, acknowledged,
// journalled and served here, and settled when it is back.
//
// A blind `set` of a key that is not in memory is stored provisionally when the database could not be asked within the
// rule's budget. When the row can be read again, the write
//
//   wins   over no row, and over an expired one
//   wins   over a live row that is not later, if the value is not empty and no reader of that key was refused since the
//          database last answered for it (who is refused may take the session for gone, and write an empty or a new one
//          over it)
//   loses  to a tombstone, and otherwise
//
// Over a value in memory that was acknowledged, is not written and cannot be verified, the same is decided at once, and
// a write that wins is no provisional one: memory has place for one value.
//
// This class knows which keys wait to be settled, and whose readers were refused; read_through settles.
//
// Threads: any.
// Limits:  one entry a provisional item (those are dirty and have their share of the memory); kRefusedMax refused keys
//          within an hour: beyond, every key counts as refused. A refusal counts for what is written in that hour or
//          the next.

#ifndef HOLDFAST_SESSION_PROVISIONAL_H_
#define HOLDFAST_SESSION_PROVISIONAL_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "session/key_set.h"

namespace holdfast::session {

class Provisional {
 public:
  static constexpr size_t kRefusedMax = 100'000;
  static constexpr int64_t kHourMicros = int64_t{3600} * 1'000'000;  // longer than a page takes

  // The item of this key is provisional, or no longer. Callable under its slot.
  void Note(std::string_view key);
  void Forget(std::string_view key);
  bool Holds(std::string_view key);
  uint64_t size() const { return size_.load(std::memory_order_acquire); }
  // At most count of them, others at the next call if there are more.
  std::vector<std::string> Some(size_t count);
  // At most count of them behind this one; those of all the time between the first call and the last are among them.
  std::vector<std::string> After(const std::string& key, size_t count);

  // A reader of this key has not been answered; the database has answered for it. Times are steady.
  void NoteRefused(std::string_view key, int64_t now_us);
  void NoteAnswered(std::string_view key);
  // May what was written then be by who was refused?
  bool WasRefused(std::string_view key, int64_t written_us);

 private:
  // Who was refused in one hour.
  struct Refused {
    int64_t since_us = 0;  // steady
    KeySet keys;
    bool all = false;  // too many to remember
    bool Has(std::string_view key, int64_t written_us) const {
      if (written_us - since_us > 2 * kHourMicros) return false;
      return keys.Has(key) || (all && written_us >= since_us);
    }
  };

  std::atomic<uint64_t> size_{0};
  std::mutex mutex_;  // guards all below
  KeySet keys_;
  std::string last_;  // where Some ended
  Refused refused_;
  Refused refused_before_;
  std::atomic<bool> any_refused_{false};  // keys of either are not empty
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_PROVISIONAL_H_
