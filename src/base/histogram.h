// histogram.h - how long things took: counts of microseconds in buckets of at most 1/16 of their value.
//
// Values below 32 have a bucket each, above that every doubling is cut in 16. A percentile is the upper end of its
// bucket, so it is never told too small and at most 1/16 too large.
//
// Threads: Record from one thread only; everything const from any, while it records. MergeFrom into one that no other
// thread uses. Limits:  values from kHistogramMicrosMax (19 hours) on count as that. 4.3 KiB each.

#ifndef HOLDFAST_BASE_HISTOGRAM_H_
#define HOLDFAST_BASE_HISTOGRAM_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/counter.h"

namespace holdfast::base {

inline constexpr uint64_t kHistogramMicrosMax = (uint64_t{1} << 36) - 1;

class Histogram {
 public:
  static constexpr size_t kSteps = 16;  // a doubling
  static constexpr size_t kBuckets = 2 * kSteps + (36 - 5) * kSteps;

  void Record(uint64_t micros) {
    if (micros > kHistogramMicrosMax) micros = kHistogramMicrosMax;
    buckets_[IndexOf(micros)].Add();
    sum_micros_.Add(micros);
    if (micros > max_micros_.value()) max_micros_.Set(micros);
  }

  void MergeFrom(const Histogram& other);

  uint64_t count() const;
  uint64_t sum_micros() const { return sum_micros_.value(); }
  uint64_t max_micros() const { return max_micros_.value(); }
  // The value below or at which `percent` of all lie, 0 < percent <= 100; 0 when nothing was recorded.
  uint64_t PercentileMicros(double percent) const;
  // How many are at most this, which is exact at the upper end of a bucket: for /metrics.
  uint64_t CountUpTo(uint64_t micros) const;

  static constexpr size_t IndexOf(uint64_t micros) {
    if (micros < 2 * kSteps) return micros;
    const size_t shift = static_cast<size_t>(std::bit_width(micros)) - 5;
    return shift * kSteps + (micros >> shift);
  }
  // The largest value of a bucket.
  static constexpr uint64_t UpperEnd(size_t index) {
    if (index < 2 * kSteps) return index;
    const size_t shift = index / kSteps - 1;
    return ((index % kSteps + kSteps + 1) << shift) - 1;
  }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter sum_micros_;
  Counter max_micros_;
};

static_assert(Histogram::IndexOf(kHistogramMicrosMax) == Histogram::kBuckets - 1);
static_assert(Histogram::UpperEnd(Histogram::kBuckets - 1) == kHistogramMicrosMax);

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_HISTOGRAM_H_
