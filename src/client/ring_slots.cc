// How a slot finds its owner: every server draws a number for it, a hash of the server's name and the slot, and the one
// with the lowest cost has it. The cost of a draw u of 64 bits is -log2(u / 2^64) / weight: exponentially distributed,
// so the lowest of them falls to each server with a probability in proportion to its weight. Nothing in the draw of one
// server depends on the others, which is why nothing moves between two servers that were not touched.
//
// Clients on different machines must agree, so there is no floating point: the logarithm is an integer function of
// ours, and costs are compared by multiplying crosswise. Among servers of one weight the highest draw has the lowest
// cost, so only the best of each weight needs its logarithm.
//
// The whole rule, for other implementations: h = XXH3_64bits(name); u = XXH3_64bits_withSeed(h as 8 bytes, low byte
// first; seed = slot); the lowest Cost(u) / weight wins, then the highest u, then the name that sorts first.

#include "client/ring_slots.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <numeric>

namespace holdfast::client {
namespace {

constexpr int kFractionBits = 32;

struct Candidate {
  uint64_t name_hash;  // as if read from 8 bytes, the low one first
  uint32_t weight;
  uint32_t rank;  // among the names in order
  uint16_t server;
};

struct Draw {
  uint64_t number;
  const Candidate* candidate;
};

std::vector<uint32_t> All(size_t count) {
  std::vector<uint32_t> all(count);
  std::iota(all.begin(), all.end(), uint32_t{0});
  return all;
}

uint64_t LittleEndian(uint64_t value) {
  if constexpr (std::endian::native == std::endian::big) return __builtin_bswap64(value);
  return value;
}

// By weight, then by name.
std::vector<Candidate> CandidatesOf(const std::vector<RingMember>& members, const std::vector<uint32_t>& among) {
  std::vector<uint16_t> by_name(among.begin(), among.end());
  std::sort(by_name.begin(), by_name.end(), [&](auto a, auto b) { return members[a].name < members[b].name; });
  std::vector<Candidate> candidates;
  for (uint32_t rank = 0; rank < by_name.size(); rank++) {
    const RingMember& member = members[by_name[rank]];
    const uint64_t hash = XXH3_64bits(member.name.data(), member.name.size());
    candidates.push_back({LittleEndian(hash), member.weight, rank, by_name[rank]});
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](auto& a, auto& b) { return a.weight < b.weight; });
  return candidates;
}

// 64 - log2(number) in 32.32 fixed point, rounded up, at least 1; of 0 as of 1. Falls, never rises, as number grows.
// Each step squares a number in [1, 2), held with 63 bits behind the point: the digit before the point is the next bit
// of the logarithm.
uint64_t Cost(uint64_t number) {
  number |= number == 0;
  const int whole = 63 - std::countl_zero(number);
  uint64_t mantissa = number << (63 - whole);
  uint64_t log = static_cast<uint64_t>(whole);
  for (int i = 0; i < kFractionBits; i++) {
    const auto square = static_cast<unsigned __int128>(mantissa) * mantissa;
    const auto bit = static_cast<uint64_t>(square >> 127);
    mantissa = static_cast<uint64_t>(square >> (63 + bit));
    log = log << 1 | bit;
  }
  return (uint64_t{64} << kFractionBits) - log;
}

// No less than this is Cost(number): 1 - x <= -log2(x) for x up to 1.
uint64_t CostAtLeast(uint64_t number) { return ~number >> (64 - kFractionBits); }

// The best draw of candidates of one weight, [from, to).
Draw HighestDraw(const Candidate* from, const Candidate* to, uint64_t slot) {
  Draw best = {0, nullptr};
  for (const Candidate* candidate = from; candidate != to; candidate++) {
    const uint64_t number = XXH3_64bits_withSeed(&candidate->name_hash, sizeof(candidate->name_hash), slot);
    if (best.candidate == nullptr || number > best.number) best = {number, candidate};
  }
  return best;
}

class Contest {
 public:
  void Enter(const Draw& draw) {
    if (best_.candidate == nullptr) return Lead(draw, Cost(draw.number));
    const uint64_t to_beat = best_cost_ * draw.candidate->weight;
    if (CostAtLeast(draw.number) * best_.candidate->weight > to_beat) return;
    const uint64_t cost = Cost(draw.number);
    const uint64_t offer = cost * best_.candidate->weight;
    if (offer < to_beat || (offer == to_beat && WinsTie(draw))) Lead(draw, cost);
  }

  uint16_t winner() const { return best_.candidate->server; }

 private:
  void Lead(const Draw& draw, uint64_t cost) {
    best_ = draw;
    best_cost_ = cost;
  }

  bool WinsTie(const Draw& draw) const {
    if (draw.number != best_.number) return draw.number > best_.number;
    return draw.candidate->rank < best_.candidate->rank;
  }

  Draw best_ = {0, nullptr};  // no candidate until the first Enter
  uint64_t best_cost_ = 0;
};

}  // namespace

SlotTable::SlotTable(const std::vector<RingMember>& members) : SlotTable(members, All(members.size())) {}

SlotTable::SlotTable(const std::vector<RingMember>& members, const std::vector<uint32_t>& among) {
  const std::vector<Candidate> candidates = CandidatesOf(members, among);
  const Candidate* const end = candidates.data() + candidates.size();
  std::vector<const Candidate*> weights;  // where each weight begins, and the end
  for (const Candidate& candidate : candidates) {
    if (weights.empty() || candidate.weight != weights.back()->weight) weights.push_back(&candidate);
  }
  weights.push_back(end);
  owners_.reserve(kSlots);
  for (uint64_t slot = 0; slot < kSlots; slot++) {
    Contest contest;
    for (size_t i = 0; i + 1 < weights.size(); i++) contest.Enter(HighestDraw(weights[i], weights[i + 1], slot));
    owners_.push_back(contest.winner());
  }
}

}  // namespace holdfast::client
