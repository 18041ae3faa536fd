// prefetch.h - asks the processor for a line of memory before it is needed.
//
// A line that is to be written is asked for as such where that can be said: two threads that change the same lines in
// turn then take each from the other once and not twice.

#ifndef HOLDFAST_BASE_PREFETCH_H_
#define HOLDFAST_BASE_PREFETCH_H_

namespace holdfast::base {

// Inlined always: g++ takes a function that only fetches for one without effect, and drops calls of it.
[[gnu::always_inline]] inline void Prefetch(const void* address, bool to_write = false) {
#if defined(__x86_64__)
  // g++ fetches for reading unless it compiles for one processor; older ones take this for no operation.
  if (to_write) {
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
    return;
  }
#else
  if (to_write) return __builtin_prefetch(address, 1);
#endif
  __builtin_prefetch(address);
}

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_PREFETCH_H_
