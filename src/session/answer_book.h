// answer_book.h - for sessions deleted a moment ago: which connections have been told since.
//
// A page that read the session before the logout and writes it after must not undo the logout; a page that came after
// it may log in again under the same id. Both send a plain `set`. What tells them apart is what their connection was
// last answered: the writer of a new login has seen the miss (or the new session), the late one has not.
//
// Threads: any. Recent is a load and a compare; the rest takes a lock and is for recently deleted keys only.
// Limits:  kEntriesMax keys and kConnectionsMax connections a key; what is forgotten reads as kUnknown.

#ifndef HOLDFAST_SESSION_ANSWER_BOOK_H_
#define HOLDFAST_SESSION_ANSWER_BOOK_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/packing.h"
#include "store/store.h"

namespace holdfast::session {

enum class Answered : uint8_t {
  kUnknown,  // nothing is known of a recent delete of this key
  kYes,      // this connection was answered after it
  kNo,       // it was not, and the writer window is still open
};

// A tombstone or a session.
struct AnsweredFrom {
  uint64_t version;  // older than the delete: it is no answer after it
  uint64_t born;     // the session; the version of what tells that there is none; 0: of a session that is not known
};

class AnswerBook {
 public:
  // May this key have been deleted within its writer window, or somebody told of it lately? False is certain.
  bool Recent(const store::Key& key, base::Seconds now) const {
    return now < until_[key.hash % kUntilSlots].load(std::memory_order_relaxed);
  }

  // The key was deleted (or a delete became known) with this floor; until then its writer window is open. Who was told
  // of a session born after it stays told: it may have been heard of late.
  void NoteDelete(const store::Key& key, uint64_t floor, base::Seconds now, base::Seconds until);
  // The connection was answered from this. keep_until: who was told is remembered until then at least, for nothing else
  // may be left that tells of it.
  void NoteAnswer(const store::Key& key, const AnsweredFrom& from, uint64_t connection, base::Seconds keep_until = 0);
  // Of the latest delete that the book has of this key; 0: of none.
  uint64_t FloorOf(const store::Key& key);
  Answered Ask(const store::Key& key, uint64_t connection, base::Seconds now);

  // For a process that takes over the connections with their ids. Nobody may note anything meanwhile.
  void Save(const base::Clock& clock, base::Packer* to);
  void Restore(const base::Clock& clock, base::Unpacker* from);

 private:
  static constexpr size_t kUntilSlots = 4096;
  static constexpr size_t kShards = 16;
  static constexpr size_t kEntriesMax = 64 * 1024;
  static constexpr size_t kConnectionsMax = 64;

  struct Told {
    uint64_t connection;
    uint64_t born;  // the latest session that it was told of
  };
  struct Entry {
    uint64_t floor = 0;
    base::Seconds window_until = 0;
    base::Seconds until = 0;        // the entry may go
    std::vector<Told> connections;  // answered since; the oldest goes first
  };
  struct Shard {
    std::mutex mutex;  // guards the others
    std::unordered_map<std::string, Entry> entries;
    std::deque<std::string> order;  // keys as they were entered; may name a key twice or one that is gone
  };

  static std::vector<Told>::iterator Find(Entry& entry, uint64_t connection);
  Shard& ShardOf(const store::Key& key) { return shards_[key.hash / kUntilSlots % kShards]; }
  // What has had its time, and the oldest beyond the limit, makes room.
  static void DropOld(Shard& shard, base::Seconds now);
  // Raises what the filter says of this key.
  void Extend(const store::Key& key, base::Seconds until);

  std::array<std::atomic<base::Seconds>, kUntilSlots> until_{};
  std::array<Shard, kShards> shards_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_ANSWER_BOOK_H_
