// How it works: the ladder is built once, then a table with an entry for each multiple of 8 up to the largest chunk
// answers ClassOf.

#include "store/size_classes.h"

#include <algorithm>

#include "base/check.h"

namespace holdfast::store {

namespace {

constexpr uint32_t kFineStepsUpTo = 1024;

uint32_t DownTo8(uint32_t bytes) { return bytes & ~7u; }

std::vector<uint32_t> OwnLadder(uint32_t page_bytes, uint32_t largest, uint32_t chunks_per_page_min) {
  std::vector<uint32_t> sizes;
  uint32_t bytes = SizeClasses::kChunkBytesMin;
  for (; bytes <= std::min(kFineStepsUpTo, largest); bytes += std::max(8u, DownTo8(bytes / 16))) sizes.push_back(bytes);
  for (uint32_t n = page_bytes / bytes; n >= chunks_per_page_min; --n) {
    const uint32_t size = DownTo8(page_bytes / n);
    if (size > sizes.back()) sizes.push_back(size);
  }
  return sizes;
}

std::vector<uint32_t> FactorLadder(uint32_t largest, double factor, uint32_t least) {
  std::vector<uint32_t> sizes;
  double bytes = std::max(least, SizeClasses::kChunkBytesMin);
  while (bytes < largest && sizes.size() + 1 < SizeClasses::kClassesMax) {
    const uint32_t size = DownTo8(static_cast<uint32_t>(bytes) + 7);
    if (sizes.empty() || size > sizes.back()) sizes.push_back(size);
    bytes = std::max(bytes * factor, bytes + 8);
  }
  return sizes;
}

}  // namespace

SizeClasses::SizeClasses(uint32_t page_bytes, double growth_factor, uint32_t chunk_bytes_min,
                         uint32_t chunks_per_page_min) {
  const uint32_t largest = DownTo8(page_bytes / chunks_per_page_min);
  CHECK(largest >= kChunkBytesMin);
  constexpr double kFactorWhenOnlyLeastIsGiven = 1.25;
  if (growth_factor == 0 && chunk_bytes_min == 0) {
    chunk_bytes_ = OwnLadder(page_bytes, largest, chunks_per_page_min);
  } else {
    chunk_bytes_ =
        FactorLadder(largest, growth_factor == 0 ? kFactorWhenOnlyLeastIsGiven : growth_factor, chunk_bytes_min);
  }
  if (chunk_bytes_.empty() || chunk_bytes_.back() < largest) chunk_bytes_.push_back(largest);
  CHECK(chunk_bytes_.size() <= kClassesMax);
  class_of_.resize(largest / 8 + 1);
  uint32_t size_class = 0;
  for (uint32_t eighths = 0; eighths < class_of_.size(); ++eighths) {
    while (chunk_bytes_[size_class] < eighths * 8) ++size_class;
    class_of_[eighths] = static_cast<uint8_t>(size_class);
  }
}

}  // namespace holdfast::store
