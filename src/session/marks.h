// marks.h - what the session module keeps in an item's stamps beyond the stamps themselves.
//
// marks:   the bits below.
// seen_by: of a live item, the time on the dirty list in steady microseconds, 0 when it is not on it;
//          of a tombstone, when the session was deleted, in steady microseconds (signed: it may be before our start).
// synced_touched: of a live item that has kMarkNoRow, the expiry that it had before it was over.
//
// Threads: written under the slot's lock.

#ifndef HOLDFAST_SESSION_MARKS_H_
#define HOLDFAST_SESSION_MARKS_H_

#include <cstdint>

#include "store/item.h"

namespace holdfast::session {

inline constexpr uint8_t kMarkReservation = 1;   // an empty value over no session: in memory only (its floor is not)
inline constexpr uint8_t kMarkMissAnswered = 2;  // a tombstone: somebody has been told
inline constexpr uint8_t kMarkNeedsRow = 4;      // the database lacks the row: expiry alone will not do
inline constexpr uint8_t kMarkQuarantined = 8;   // can never be written as it is

inline constexpr uint8_t kMarkSent = 16;  // has gone to the database; it may be there although no reply said so

inline constexpr uint8_t kMarkProvisional = 32;  // written while nobody could know what the database has

// Was provisional, and found no row when a delete from before may have been forgotten (forgotten_deletes.h).
inline constexpr uint8_t kMarkAfterOutage = 64;
inline constexpr uint8_t kMarkNoRow = 128;  // in quarantine because it has no row and may not make one

// SessionStamps::origin: where the copy in memory comes from.
inline constexpr uint8_t kOriginClient = 0;
inline constexpr uint8_t kOriginDatabase = 1;
inline constexpr uint8_t kOriginJournal = 2;

inline bool Has(const store::SessionStamps& stamps, uint8_t mark) { return (stamps.marks & mark) != 0; }

// All zero when there is no session.
inline store::SessionStamps StampsIn(const store::ItemRef& item) {
  return item && item.is_session() ? item.stamps() : store::SessionStamps{};
}

// Does the database lack the value, or at most the expiry? Of a dirty item.
inline bool LacksValue(const store::SessionStamps& stamps) {
  return stamps.synced_version != stamps.version || Has(stamps, kMarkNeedsRow);
}

inline bool IsReservation(const store::ItemRef& item) {
  return item && item.is_session() && item.kind() == store::ItemKind::kValue && Has(item.stamps(), kMarkReservation);
}

inline bool IsProvisional(const store::ItemRef& item) {
  return item && item.is_session() && item.is_dirty() && item.kind() == store::ItemKind::kValue &&
         Has(item.stamps(), kMarkProvisional);
}

// When the session was to expire, whether the item is over or not.
inline base::Seconds ExpiryOf(const store::ItemRef& item, const store::SessionStamps& stamps) {
  return Has(stamps, kMarkNoRow) ? static_cast<base::Seconds>(stamps.synced_touched) : item.expiry();
}

// What an item counts for in the share of dirty memory: its bytes and what the dirty list keeps for it.
inline int64_t DirtyBytesOf(const store::ItemRef& item) {
  constexpr int64_t kOverhead = 100;
  if (!item || !item.is_dirty()) return 0;
  return static_cast<int64_t>(item.value_size() + item.key().size()) + kOverhead;
}

// The highest version that this item is known to have had, anywhere.
inline uint64_t SeenOf(const store::SessionStamps& stamps) {
  uint64_t seen = stamps.version;
  for (const uint64_t other : {stamps.touched, stamps.born, stamps.floor, stamps.synced_version}) {
    if (other > seen) seen = other;
  }
  return seen;
}

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_MARKS_H_
