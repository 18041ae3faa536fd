// size_classes.h - the ladder of chunk sizes.
//
// Ours: steps of 8 bytes, then of a sixteenth up to 1 KiB, then a page cut in n for n down to 8. What is larger is a
// chain of pieces. With a growth factor or a least size given (-f, -n) the ladder is memcached's: each class that
// factor larger than the one before.
//
// Threads: immutable once made.
// Limits:  kClassesMax classes; every size is a multiple of 8.

#ifndef HOLDFAST_STORE_SIZE_CLASSES_H_
#define HOLDFAST_STORE_SIZE_CLASSES_H_

#include <cstdint>
#include <vector>

namespace holdfast::store {

class SizeClasses {
 public:
  static constexpr uint32_t kClassesMax = 255;
  static constexpr uint32_t kChunkBytesMin = 32;
  static constexpr uint32_t kChunksPerPageMin = 8;

  // growth_factor 0 and chunk_bytes_min 0: our own ladder.
  SizeClasses(uint32_t page_bytes, double growth_factor, uint32_t chunk_bytes_min,
              uint32_t chunks_per_page_min = kChunksPerPageMin);

  uint32_t count() const { return static_cast<uint32_t>(chunk_bytes_.size()); }
  uint32_t chunk_bytes(uint32_t size_class) const { return chunk_bytes_[size_class]; }
  uint32_t largest_bytes() const { return chunk_bytes_.back(); }
  // The smallest class that holds bytes; bytes <= largest_bytes().
  uint32_t ClassOf(uint32_t bytes) const { return class_of_[(bytes + 7) / 8]; }

 private:
  std::vector<uint32_t> chunk_bytes_;
  std::vector<uint8_t> class_of_;  // by eighths of the size
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_SIZE_CLASSES_H_
