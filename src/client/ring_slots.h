// ring_slots.h - our own placement: 65,536 slots, each owned by a server; a key's slot is the top 16 bits of its XXH3
// hash.
//
// Invariants
// (1) Who owns a slot follows from the set of (name, weight) alone: not from their order, not from what was before.
// (2) Adding a server moves slots to it only, removing one moves its own only; a weight raised draws slots to that
// server
//     only, one lowered gives away its own only.
// (3) The expected number of slots is in proportion to the weight.
//
// Threads: const after the constructor.
// Owns:    its table, 128 KiB.
// Limits:  kServersMax servers, weights up to kRingWeightMax (client/ring.h).

#ifndef HOLDFAST_CLIENT_RING_SLOTS_H_
#define HOLDFAST_CLIENT_RING_SLOTS_H_

#include <cstdint>
#include <vector>

#include "client/ring_member.h"

namespace holdfast::client {

class SlotTable {
 public:
  static constexpr int kSlotBits = 16;
  static constexpr uint32_t kSlots = 1 << kSlotBits;
  static constexpr uint32_t kServersMax = 1 << 16;

  explicit SlotTable(const std::vector<RingMember>& members);
  // Owned by some of the members only: indices, at least one.
  SlotTable(const std::vector<RingMember>& members, const std::vector<uint32_t>& among);

  uint32_t ServerOf(uint64_t hash) const { return owners_[hash >> (64 - kSlotBits)]; }

  const std::vector<uint16_t>& owners() const { return owners_; }

 private:
  std::vector<uint16_t> owners_;  // by slot
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_RING_SLOTS_H_
