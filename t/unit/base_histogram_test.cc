#include "base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

namespace holdfast::base {
namespace {

TEST(Histogram, BucketsTileTheRange) {
  uint64_t next = 0;
  for (size_t i = 0; i < Histogram::kBuckets; ++i) {
    EXPECT_EQ(Histogram::IndexOf(next), i) << next;
    EXPECT_EQ(Histogram::IndexOf(Histogram::UpperEnd(i)), i) << i;
    next = Histogram::UpperEnd(i) + 1;
  }
  EXPECT_EQ(next, kHistogramMicrosMax + 1);
}

TEST(Histogram, EmptyHasNoPercentiles) {
  const Histogram empty;
  EXPECT_EQ(empty.count(), 0u);
  EXPECT_EQ(empty.PercentileMicros(99), 0u);
  EXPECT_EQ(empty.max_micros(), 0u);
}

TEST(Histogram, OneValueIsEveryPercentile) {
  Histogram one;
  one.Record(1000);
  for (double percent : {0.01, 50.0, 100.0}) EXPECT_EQ(one.PercentileMicros(percent), 1000u);
  EXPECT_EQ(one.sum_micros(), 1000u);
}

TEST(Histogram, VeryLargeValuesCountAsTheLargest) {
  Histogram histogram;
  histogram.Record(UINT64_MAX);
  EXPECT_EQ(histogram.max_micros(), kHistogramMicrosMax);
  EXPECT_EQ(histogram.PercentileMicros(50), kHistogramMicrosMax);
}

TEST(Histogram, PercentilesAreNeverTooSmallAndAtMostASixteenthTooLarge) {
  std::mt19937_64 random(3);
  Histogram histogram;
  std::vector<uint64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t value = random() >> (30 + random() % 34);
    values.push_back(std::min(value, kHistogramMicrosMax));
    histogram.Record(value);
  }
  std::sort(values.begin(), values.end());
  for (double percent : {1.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    const size_t rank = static_cast<size_t>(std::ceil(static_cast<double>(values.size()) * percent / 100)) - 1;
    const uint64_t exact = values[rank], told = histogram.PercentileMicros(percent);
    EXPECT_GE(told, exact) << percent;
    EXPECT_LE(told, exact + exact / 16) << percent;
  }
  EXPECT_EQ(histogram.CountUpTo(31),
            static_cast<uint64_t>(std::upper_bound(values.begin(), values.end(), 31u) - values.begin()));
  EXPECT_EQ(histogram.CountUpTo(kHistogramMicrosMax), values.size());
}

TEST(Histogram, MergesWhatAnotherThreadRecords) {
  Histogram worker;
  std::thread thread([&] {
    for (uint64_t i = 0; i < 100'000; ++i) worker.Record(i % 1000);
  });
  for (int i = 0; i < 20; ++i) {
    Histogram seen;
    seen.MergeFrom(worker);
    EXPECT_LE(seen.count(), 100'000u);
  }
  thread.join();
  Histogram all;
  all.MergeFrom(worker);
  all.MergeFrom(worker);
  EXPECT_EQ(all.count(), 200'000u);
  EXPECT_EQ(all.max_micros(), 999u);
  EXPECT_EQ(all.PercentileMicros(50), worker.PercentileMicros(50));
}

}  // namespace
}  // namespace holdfast::base
