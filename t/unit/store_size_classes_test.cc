// The ladder of chunk sizes: fine steps, no gaps, memcached's factor when asked for.

#include "store/size_classes.h"

#include <gtest/gtest.h>

namespace holdfast::store {
namespace {

TEST(SizeClasses, every_size_fits_its_class_and_not_the_one_below) {
  for (const uint32_t page_bytes : {4096u, 8192u, 16384u, 65536u, 131072u}) {
    const SizeClasses classes(page_bytes, 0, 0);
    for (uint32_t bytes = 1; bytes <= classes.largest_bytes(); ++bytes) {
      const uint32_t size_class = classes.ClassOf(bytes);
      ASSERT_GE(classes.chunk_bytes(size_class), bytes);
      if (size_class > 0) {
        ASSERT_LT(classes.chunk_bytes(size_class - 1), bytes);
      }
    }
    EXPECT_EQ(classes.largest_bytes(), page_bytes / 8);
  }
}

TEST(SizeClasses, steps_are_eight_bytes_or_a_sixteenth_up_to_a_kibibyte) {
  const SizeClasses classes(65536, 0, 0);
  for (uint32_t i = 1; classes.chunk_bytes(i) <= 1024; ++i) {
    const uint32_t below = classes.chunk_bytes(i - 1);
    EXPECT_LE(classes.chunk_bytes(i) - below, std::max(8u, below / 16));
    EXPECT_EQ(classes.chunk_bytes(i) % 8, 0u);
  }
}

TEST(SizeClasses, a_given_factor_and_least_size_act) {
  const SizeClasses classes(65536, 2.0, 96);
  EXPECT_EQ(classes.chunk_bytes(0), 96u);
  EXPECT_EQ(classes.chunk_bytes(1), 192u);
  EXPECT_EQ(classes.chunk_bytes(2), 384u);
  EXPECT_EQ(classes.largest_bytes(), 8192u);
}

TEST(SizeClasses, a_tiny_factor_stays_within_the_number_of_classes) {
  const SizeClasses classes(65536, 1.001, 32);
  EXPECT_LE(classes.count(), SizeClasses::kClassesMax);
  EXPECT_EQ(classes.largest_bytes(), 8192u);
}

}  // namespace
}  // namespace holdfast::store
