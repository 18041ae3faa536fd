// epoch.h - quiescent states: when is nobody able to look at freed memory any more?
//
// Every thread that reads the store registers. While online it announces now and then that it holds no view; memory
// that was unlinked in epoch e may be reused once every online thread has announced an epoch later than e. Source:
// quiescent-state-based reclamation, Hart, McKenney, Brown, Walpole, "Performance of memory reclamation for lockless
// synchronization" (2007).
//
// Threads: a Reader's functions on its own thread; Advance and SafeBefore from any.
// Limits:  kReadersMax registered at a time; one more is a CHECK failure (threads are counted at start).

#ifndef HOLDFAST_STORE_EPOCH_H_
#define HOLDFAST_STORE_EPOCH_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace holdfast::store {

class Epochs {
 public:
  static constexpr size_t kReadersMax = 256;

  struct alignas(64) Reader {
    std::atomic<uint64_t> seen{0};  // 0: offline
    std::atomic<bool> used{false};
  };

  Reader* Register();  // offline at first
  void Unregister(Reader* reader);

  void Online(Reader* reader) {
    for (;;) {
      const uint64_t epoch = current_.load(std::memory_order_seq_cst);
      reader->seen.exchange(epoch, std::memory_order_seq_cst);
      // Whoever advanced before our mark was visible has unlinked before that: looking again makes us see what it
      // unlinked.
      if (current_.load(std::memory_order_seq_cst) == epoch) return;
    }
  }
  void Quiesce(Reader* reader) {
    const uint64_t epoch = current_.load(std::memory_order_acquire);
    if (reader->seen.load(std::memory_order_relaxed) != epoch) reader->seen.store(epoch, std::memory_order_release);
  }
  void Offline(Reader* reader) { reader->seen.store(0, std::memory_order_release); }

  // Begins a new epoch and returns the one that ends: the tag of all that was unlinked until now.
  uint64_t Advance() { return current_.fetch_add(1, std::memory_order_seq_cst); }
  uint64_t current() const { return current_.load(std::memory_order_seq_cst); }
  // What carries a tag below this is out of everybody's sight.
  uint64_t SafeBefore() const;

 private:
  std::atomic<uint64_t> current_{1};
  std::array<Reader, kReadersMax> readers_;
  std::atomic<size_t> readers_high_{0};  // readers_ beyond this were never used
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_EPOCH_H_
