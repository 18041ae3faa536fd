// item.h - what lies in a chunk: an 8-byte head, the optional fields that this item needs, its key, its value.
//
//   offset  bytes  what
//   0       4      value length (24 bits; a chained value's real length stands in its ChainHead) and key length (8
//   bits) 4       4      state word (struct State below), atomic 8       4      expiry, base::Seconds, atomic if
//   has_expiry
//           4      client flags                           if has_flags
//           8      cas                                    if the store keeps cas (no -C) and this is no session
//           64     SessionStamps                          if session
//           n      key, then the value; or, if chained, padding to 8 and a ChainHead
//
// Fields stand in that order without gaps; those of 8 bytes may lie at an offset of 4, so they are read by memcpy.
// A published value never changes. Only the expiry and the state word change in place, atomically, and the stamps under
// the bucket's lock; whoever changes a value publishes a new chunk.
//
// Threads: see store.h. An ItemRef is valid until its reader's next quiescent state, no longer.

#ifndef HOLDFAST_STORE_ITEM_H_
#define HOLDFAST_STORE_ITEM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/clock.h"

namespace holdfast::store {

using base::Seconds;

inline constexpr size_t kKeyBytesMax = 250;
inline constexpr size_t kItemHeadBytes = 8;
inline constexpr size_t kStateWordOffset = 4;
inline constexpr uint32_t kValueLengthMax = (1u << 24) - 1;  // of an item in one chunk

enum class ItemKind : uint8_t { kValue = 0, kTombstone = 1 };

// What the session module keeps with a session. Times of the hybrid logical clock (SESSIONS rules, section "Stamps"):
// microseconds << 10 | node. Written and read under the bucket's lock, but for `version`, which is fixed when the item
// is published.
struct SessionStamps {
  uint64_t version = 0;         // orders values; it is the session's cas
  uint64_t touched = 0;         // orders expiry alone
  uint64_t born = 0;            // version of the write that created this incarnation
  uint64_t floor = 0;           // version of the latest delete known; 0 none
  uint64_t synced_version = 0;  // what the database is known to have of `version`; 0 nothing
  uint64_t synced_touched = 0;
  Seconds synced_at = 0;  // when a value or expiry last went to the database
  uint8_t rule = 0;       // which rule's session this is
  uint8_t allowance = 0;  // immediate writes left
  uint8_t marks = 0;      // bits of the session module
  uint8_t origin = 0;     // where the session module has this copy from
  uint64_t seen_by = 0;   // reserved for the session module
};
static_assert(sizeof(SessionStamps) == 64);

// The state word, unpacked. Hits write it only when it changes.
struct State {
  static constexpr uint32_t kFrequencyMask = 3u;  // hits since insertion or promotion, saturating
  static constexpr uint32_t kFetched = 1u << 2;
  static constexpr uint32_t kStale = 1u << 3;  // meta: invalidated
  static constexpr uint32_t kWon = 1u << 4;    // meta: somebody recaches it
  static constexpr uint32_t kKindShift = 5, kKindMask = 1u << 5;
  static constexpr uint32_t kLive = 1u << 6;  // slab_pool.h; a piece has it at the same place
  static constexpr uint32_t kDirty = 1u << 7;
  static constexpr uint32_t kGenerationShift = 8, kGenerationMask = 15u << 8;  // of flush_all
  static constexpr uint32_t kHasExpiry = 1u << 12;
  static constexpr uint32_t kHasFlags = 1u << 13;
  static constexpr uint32_t kSession = 1u << 14;
  static constexpr uint32_t kChained = 1u << 15;
  static constexpr uint32_t kAccessShift = 16;  // last access / 8 s, 16 bits
};

// The head of a value in several pieces, at the end of the first chunk.
struct ChainHead {
  std::atomic<uint64_t> first_piece;  // handle
  uint64_t value_size;
};
static_assert(sizeof(ChainHead) == 16);

// Begins every piece's chunk. The bytes follow. Where an item has its key length a piece has zero: so a walker tells
// them apart.
struct PieceHead {
  uint32_t bytes;                  // of the value in this piece, below 2^24
  std::atomic<uint32_t> state;     // State::kLive or nothing
  std::atomic<uint64_t> next;      // handle, 0 at the end
  std::atomic<uint64_t> previous;  // handle, 0 in the first piece
  std::atomic<uint64_t> owner;     // handle of the item's first chunk

  // Field by field: walkers may look at the state of a chunk that is no piece yet.
  void Init(uint32_t piece_bytes, uint64_t previous_piece, uint64_t owner_chunk) {
    bytes = piece_bytes;
    state.store(0, std::memory_order_relaxed);
    next.store(0, std::memory_order_relaxed);
    previous.store(previous_piece, std::memory_order_relaxed);
    owner.store(owner_chunk, std::memory_order_relaxed);
  }
};
static_assert(sizeof(PieceHead) == 32 && offsetof(PieceHead, state) == kStateWordOffset);

// A look at one item. A pointer and where its pieces are; copy freely. Null when default made.
class ItemRef {
 public:
  ItemRef() = default;
  ItemRef(char* chunk, const char* arena, bool store_has_cas)
      : chunk_(chunk), arena_(arena), store_has_cas_(store_has_cas) {}

  explicit operator bool() const { return chunk_ != nullptr; }
  bool operator==(const ItemRef& other) const { return chunk_ == other.chunk_; }

  uint32_t state() const { return StateWord().load(std::memory_order_relaxed); }
  ItemKind kind() const { return static_cast<ItemKind>((state() & State::kKindMask) >> State::kKindShift); }
  bool is_session() const { return (state() & State::kSession) != 0; }
  bool is_dirty() const { return (state() & State::kDirty) != 0; }
  bool is_chained() const { return (state() & State::kChained) != 0; }
  bool is_stale() const { return (state() & State::kStale) != 0; }
  bool is_won() const { return (state() & State::kWon) != 0; }
  bool was_fetched() const { return (state() & State::kFetched) != 0; }

  std::string_view key() const { return {chunk_ + KeyOffset(), KeyLength()}; }
  uint64_t value_size() const { return is_chained() ? Chain().value_size : ValueLength(); }
  Seconds expiry() const {
    return (state() & State::kHasExpiry) != 0 ? Expiry().load(std::memory_order_relaxed) : base::kNever;
  }
  uint32_t client_flags() const;
  uint64_t cas() const;  // a session's version; 0 when the store keeps none
  // Seconds between the last access and now, with the grain of 8 s.
  uint32_t SecondsSinceAccess(Seconds now) const;

  // The whole value when it is in one piece; asked only when not chained.
  std::string_view value() const { return {chunk_ + KeyOffset() + KeyLength(), ValueLength()}; }
  // Calls visit(std::string_view) for each piece in order; once, perhaps with an empty view, when not chained.
  template <class F>
  void ForEachPiece(F&& visit) const;

  // Asked only of sessions, under the bucket's lock.
  SessionStamps stamps() const;

  // For the store's own files.
  char* chunk() const { return chunk_; }
  size_t KeyLength() const { return Lengths() >> 24; }
  uint32_t ValueLength() const { return Lengths() & kValueLengthMax; }
  std::atomic<uint32_t>& StateWord() const {
    return *reinterpret_cast<std::atomic<uint32_t>*>(chunk_ + kStateWordOffset);
  }
  std::atomic<Seconds>& Expiry() const { return *reinterpret_cast<std::atomic<Seconds>*>(chunk_ + kItemHeadBytes); }
  size_t KeyOffset() const { return KeyOffset(state()); }
  size_t KeyOffset(uint32_t state) const;
  size_t StampsOffset() const;
  ChainHead& Chain() const { return *reinterpret_cast<ChainHead*>(chunk_ + ChainOffset()); }
  size_t ChainOffset() const { return (KeyOffset() + KeyLength() + 7) & ~size_t{7}; }

 private:
  uint32_t Lengths() const {
    uint32_t lengths;
    std::memcpy(&lengths, chunk_, sizeof lengths);
    return lengths;
  }

  char* chunk_ = nullptr;
  const char* arena_ = nullptr;
  bool store_has_cas_ = false;
};

inline size_t ItemRef::KeyOffset(uint32_t state) const {
  size_t offset = kItemHeadBytes;
  if ((state & State::kHasExpiry) != 0) offset += 4;
  if ((state & State::kHasFlags) != 0) offset += 4;
  if ((state & State::kSession) != 0) return offset + sizeof(SessionStamps);
  return store_has_cas_ ? offset + 8 : offset;
}

inline size_t ItemRef::StampsOffset() const {
  const uint32_t state_word = state();
  return kItemHeadBytes + ((state_word & State::kHasExpiry) != 0 ? 4 : 0) +
         ((state_word & State::kHasFlags) != 0 ? 4 : 0);
}

inline uint32_t ItemRef::client_flags() const {
  const uint32_t state_word = state();
  if ((state_word & State::kHasFlags) == 0) return 0;
  uint32_t flags;
  std::memcpy(&flags, chunk_ + kItemHeadBytes + ((state_word & State::kHasExpiry) != 0 ? 4 : 0), sizeof flags);
  return flags;
}

inline uint64_t ItemRef::cas() const {
  if (!store_has_cas_ && !is_session()) return 0;
  uint64_t cas;  // SessionStamps begins with its version, so one place serves both
  std::memcpy(&cas, chunk_ + StampsOffset(), sizeof cas);
  return cas;
}

inline SessionStamps ItemRef::stamps() const {
  SessionStamps stamps;
  std::memcpy(&stamps, chunk_ + StampsOffset(), sizeof stamps);
  return stamps;
}

inline uint32_t ItemRef::SecondsSinceAccess(Seconds now) const {
  const uint16_t then = static_cast<uint16_t>(state() >> State::kAccessShift);
  return static_cast<uint16_t>(static_cast<uint16_t>(now / 8) - then) * 8u;
}

template <class F>
void ItemRef::ForEachPiece(F&& visit) const {
  if (!is_chained()) {
    visit(value());
    return;
  }
  for (uint64_t handle = Chain().first_piece.load(std::memory_order_acquire); handle != 0;) {
    const auto* piece = reinterpret_cast<const PieceHead*>(arena_ + handle * 8);
    visit(std::string_view(reinterpret_cast<const char*>(piece + 1), piece->bytes));
    handle = piece->next.load(std::memory_order_acquire);
  }
}

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_ITEM_H_
