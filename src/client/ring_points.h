// ring_points.h - the ketama rings: points on a circle of 2^32, each owned by a server; a key belongs to the first
// point that is not below its hash.
//
// Threads: const after the constructor.
// Owns:    its points and their index, 8 and up to 16 bytes a point.
// Limits:  as many points as fit in 32 bits; at least one.

#ifndef HOLDFAST_CLIENT_RING_POINTS_H_
#define HOLDFAST_CLIENT_RING_POINTS_H_

#include <cstdint>
#include <vector>

#include "client/ring_hash.h"
#include "client/ring_member.h"

namespace holdfast::client {

struct RingPoint {
  uint32_t value;
  uint32_t server;

  auto operator<=>(const RingPoint&) const = default;
};

// 100 points a server, whatever its weight.
std::vector<RingPoint> PlainPoints(KeyHash hash, const std::vector<RingMember>& members);

// About 160 points a server of average weight, always a multiple of 4, possibly none for one far below it.
std::vector<RingPoint> WeightedPoints(const std::vector<RingMember>& members);

class PointCircle {
 public:
  // In any order; equal values go to the lower server.
  explicit PointCircle(std::vector<RingPoint> points);

  uint32_t ServerOf(uint32_t hash) const {
    const RingPoint* point = &points_[first_[hash >> shift_]];
    while (point->value < hash) point++;
    return point->server;
  }

  // Sorted by value. Behind the last comes a copy of the first with the highest value: the circle closes there.
  const std::vector<RingPoint>& points() const { return points_; }

 private:
  std::vector<RingPoint> points_;
  std::vector<uint32_t> first_;  // by the top bits of a hash: the first point that can be its own
  int shift_;
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_RING_POINTS_H_
