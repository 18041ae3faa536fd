// ring.h - which server has a key.
//
// A Ring is made from a scheme (client/ring_scheme.h) and a list of members, and never changes; when the list changes,
// make another. Servers are told by their index in that list. Names, not addresses, decide (client/ring_member.h).
//
// Threads: const after Make; any number of threads may ask. Copies are deep: share one by pointer.
// Owns:    up to 128 KiB for slots, about 24 bytes a point for ketama, next to nothing for modula.
// Blocks:  never. Make computes: for 64 servers some 20 ms for slots, 1 ms for ketama.
// Errors:  Make gives kUsage for an empty list, an empty, too long or repeated name, a weight of 0 or too high, or a
// weight other
//          than 1 where the scheme knows none.
// Limits:  kRingMembersMax, kRingNameBytesMax, kRingWeightMax.

#ifndef HOLDFAST_CLIENT_RING_H_
#define HOLDFAST_CLIENT_RING_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "client/ring_hash.h"
#include "client/ring_member.h"
#include "client/ring_points.h"
#include "client/ring_scheme.h"
#include "client/ring_slots.h"

namespace holdfast::client {

inline constexpr uint32_t kRingMembersMax = 4096;
inline constexpr uint32_t kRingNameBytesMax = 1024;
inline constexpr uint32_t kRingWeightMax = 1'000'000;

class Ring {
 public:
  static base::Result<Ring> Make(RingScheme scheme, std::vector<RingMember> members);

  // The server of a key, or of a master key. With a single server nothing is hashed.
  uint32_t ServerOf(std::string_view key) const { return members_.size() == 1 ? 0 : ServerOfHash(Hash(key)); }

  // Of each key; servers has room for them.
  void ServersOf(std::span<const std::string_view> keys, uint32_t* servers) const;

  // The two halves of it. A hash that was not made by Hash is placed as it is: low 32 bits count, or for slots the
  // top 16.
  uint64_t Hash(std::string_view key) const { return HashOf(row_->key_hash, key); }
  uint32_t ServerOfHash(uint64_t hash) const {
    if (slots_.has_value()) return slots_->ServerOf(hash);
    if (circle_.has_value()) return circle_->ServerOf(static_cast<uint32_t>(hash));
    if (!living_.empty()) return living_[static_cast<uint32_t>(hash) % living_.size()];
    return static_cast<uint32_t>(hash) % static_cast<uint32_t>(members_.size());
  }

  // A ring of the same members in which those that are marked, by index, get no key: theirs go to the next on the ring,
  // no other key moves (with modula, which knows no next, all do). At least one must not be marked.
  Ring Without(const std::vector<bool>& marked) const;

  RingScheme scheme() const { return row_->scheme; }
  const std::vector<RingMember>& members() const { return members_; }

  // The part of all hashes that each server has; their sum is 1.
  std::vector<double> Shares() const;

 private:
  Ring(const RingSchemeRow& row, std::vector<RingMember> members);

  const RingSchemeRow* row_;  // a constant
  std::vector<RingMember> members_;
  std::optional<SlotTable> slots_;     // set exactly for RingPlacement::kSlots
  std::optional<PointCircle> circle_;  // set exactly for kPoints and kWeightedPoints
  std::vector<uint32_t> living_;       // empty but for kModulo with members marked: who is not
};

// What a change of the list costs, told by keys made up for the purpose, the same every time.
struct RingMovement {
  uint64_t keys;
  uint64_t moved;   // have another server (by name) afterwards
  uint64_t needed;  // the least that could have moved between these two loads
};

RingMovement Moved(const Ring& before, const Ring& after, uint64_t keys = 100'000);

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_RING_H_
