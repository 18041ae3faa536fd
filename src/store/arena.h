// arena.h - one reserved stretch of address space for items; memory comes as it is touched and goes back when told.
//
// Threads: all functions but Create may be called from any thread; the caller sees to it that nobody uses what is
// released. Owns:    the mapping. Errors:  Create: the mmap failed (address space or RLIMIT_AS).

#ifndef HOLDFAST_STORE_ARENA_H_
#define HOLDFAST_STORE_ARENA_H_

#include <cstddef>
#include <memory>

#include "base/status.h"

namespace holdfast::store {

class Arena {
 public:
  enum class Pages { kHuge, kSmall };
  // kHuge: asked for; huge_pages() says whether the kernel agreed to try. kSmall: memory that is touched here and
  // there.
  static base::Result<std::unique_ptr<Arena>> Create(size_t bytes, const char* what, Pages pages = Pages::kHuge);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  char* begin() const { return begin_; }
  size_t bytes() const { return bytes_; }
  bool huge_pages() const { return huge_pages_; }
  // No huge pages from now on; those that are there stay until part of them is released.
  void AvoidHugePages();
  // Takes the memory of the first `bytes` now instead of when they are touched.
  void Fill(size_t bytes);
  // Gives the memory of [offset, offset + bytes) back to the system; it reads as zero afterwards.
  void Release(size_t offset, size_t bytes);

 private:
  Arena(char* begin, size_t bytes, bool huge_pages) : begin_(begin), bytes_(bytes), huge_pages_(huge_pages) {}
  char* const begin_;
  const size_t bytes_;
  const bool huge_pages_;
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_ARENA_H_
