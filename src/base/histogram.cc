#include "base/histogram.h"

#include <algorithm>
#include <cmath>

namespace holdfast::base {

void Histogram::MergeFrom(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i].Add(other.buckets_[i].value());
  sum_micros_.Add(other.sum_micros());
  max_micros_.Set(std::max(max_micros(), other.max_micros()));
}

uint64_t Histogram::count() const {
  uint64_t count = 0;
  for (const Counter& bucket : buckets_) count += bucket.value();
  return count;
}

uint64_t Histogram::PercentileMicros(double percent) const {
  const uint64_t all = count();
  if (all == 0) return 0;
  const uint64_t wanted =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(static_cast<double>(all) * percent / 100)));
  uint64_t passed = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    passed += buckets_[i].value();
    if (passed >= wanted) return std::min(UpperEnd(i), max_micros());
  }
  return max_micros();
}

uint64_t Histogram::CountUpTo(uint64_t micros) const {
  uint64_t count = 0;
  for (size_t i = 0; i < kBuckets && UpperEnd(i) <= micros; ++i) count += buckets_[i].value();
  return count;
}

}  // namespace holdfast::base
