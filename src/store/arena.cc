// How it works: one anonymous mapping without reserve, a multiple of the huge page size long and aligned to it.

#include "store/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>

namespace holdfast::store {

namespace {
constexpr size_t kHugePageBytes = 2u << 20;
constexpr size_t kSystemPageBytes = 4096;
size_t RoundUp(size_t bytes) { return (bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes; }
}  // namespace

base::Result<std::unique_ptr<Arena>> Arena::Create(size_t bytes, const char* what, Pages pages) {
  const size_t rounded = RoundUp(bytes);
  const size_t with_slack = rounded + kHugePageBytes;
  void* mapped = mmap(nullptr, with_slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    return base::SystemError("cannot reserve " + std::to_string(rounded >> 20) + " MB of address space for " + what +
                                 " (choose a smaller -m, or raise ulimit -v)",
                             errno);
  }
  char* const raw = static_cast<char*>(mapped);
  char* const begin = reinterpret_cast<char*>(RoundUp(reinterpret_cast<uintptr_t>(raw)));
  if (begin > raw) munmap(raw, static_cast<size_t>(begin - raw));
  const size_t behind = static_cast<size_t>(raw + with_slack - (begin + rounded));
  if (behind > 0) munmap(begin + rounded, behind);
  const bool huge_pages = pages == Pages::kHuge && madvise(begin, rounded, MADV_HUGEPAGE) == 0;
  if (pages == Pages::kSmall) madvise(begin, rounded, MADV_NOHUGEPAGE);
  return std::unique_ptr<Arena>(new Arena(begin, rounded, huge_pages));
}

Arena::~Arena() { munmap(begin_, bytes_); }

void Arena::AvoidHugePages() { madvise(begin_, bytes_, MADV_NOHUGEPAGE); }

// The kernel can do it at once since 5.14; before, each page is touched.
void Arena::Fill(size_t bytes) {
  constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, which the C library's headers may lack
  bytes = std::min(bytes, bytes_);
  if (madvise(begin_, bytes, kPopulateWrite) == 0) return;
  const auto step = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (size_t at = 0; at < bytes; at += step) *static_cast<volatile char*>(begin_ + at) = 0;
}

// Only the system's pages that lie wholly inside: the rest of one may be somebody's.
void Arena::Release(size_t offset, size_t bytes) {
  const size_t begin = (offset + kSystemPageBytes - 1) / kSystemPageBytes * kSystemPageBytes;
  const size_t end = (offset + bytes) / kSystemPageBytes * kSystemPageBytes;
  if (begin < end) madvise(begin_ + begin, end - begin, MADV_DONTNEED);
}

}  // namespace holdfast::store
