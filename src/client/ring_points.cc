// How a look-up is short: the circle is cut into at least twice as many equal buckets as it has points, so the point
// sought is nearly always the first of its bucket, or the one behind it. A closing point at the end makes a bounds
// check needless.
//
// Why the point counts are computed in float: libmemcached's are, and with 25 servers of equal weight, for instance,
// 1/25 * 160 / 4 * 25 rounds to just below 40, so a server has 156 points instead of 160. Exact arithmetic would place
// 2 % of the keys elsewhere.

#include "client/ring_points.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <string>

namespace holdfast::client {
namespace {

constexpr uint32_t kPlainPoints = 100;
constexpr float kWeightedPoints = 160;
constexpr float kPointsPerDigest = 4;

static_assert(FLT_EVAL_METHOD == 0, "float arithmetic must round to float (on x86: -msse2 -mfpmath=sse)");

std::string PointText(const RingMember& member, uint32_t number) { return member.name + '-' + std::to_string(number); }

uint64_t WeightOf(const std::vector<RingMember>& members) {
  uint64_t sum = 0;
  for (const RingMember& member : members) sum += member.weight;
  return sum;
}

// Only products and quotients, each rounded by itself: there is no sum that a compiler could fuse with one of them.
uint32_t DigestsOf(uint32_t weight, uint64_t weight_sum, size_t servers) {
  const float share = static_cast<float>(weight) / static_cast<float>(weight_sum);
  const float digests = share * kWeightedPoints / kPointsPerDigest * static_cast<float>(servers);
  return static_cast<uint32_t>(std::floor(digests));
}

}  // namespace

std::vector<RingPoint> PlainPoints(KeyHash hash, const std::vector<RingMember>& members) {
  std::vector<RingPoint> points;
  points.reserve(members.size() * kPlainPoints);
  for (uint32_t server = 0; server < members.size(); server++) {
    for (uint32_t i = 0; i < kPlainPoints; i++) {
      points.push_back({static_cast<uint32_t>(HashOf(hash, PointText(members[server], i))), server});
    }
  }
  return points;
}

std::vector<RingPoint> WeightedPoints(const std::vector<RingMember>& members) {
  const uint64_t weight_sum = WeightOf(members);
  std::vector<RingPoint> points;
  for (uint32_t server = 0; server < members.size(); server++) {
    const uint32_t digests = DigestsOf(members[server].weight, weight_sum, members.size());
    for (uint32_t i = 0; i < digests; i++) {
      for (uint32_t word : Md5Words(PointText(members[server], i))) points.push_back({word, server});
    }
  }
  return points;
}

PointCircle::PointCircle(std::vector<RingPoint> points) : points_(std::move(points)) {
  std::sort(points_.begin(), points_.end());
  points_.push_back({std::numeric_limits<uint32_t>::max(), points_.front().server});
  const size_t buckets = std::bit_ceil(2 * points_.size());
  shift_ = 32 - std::countr_zero(buckets);
  first_.reserve(buckets);
  uint32_t point = 0;
  for (uint64_t bucket = 0; bucket < buckets; bucket++) {
    while (points_[point].value < bucket << shift_) point++;
    first_.push_back(point);
  }
}

}  // namespace holdfast::client
