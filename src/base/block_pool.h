// block_pool.h - fixed blocks of memory for connection buffers, one pool a worker, under one cap for the process.
//
// A connection that has nothing unread and nothing unsent holds no block. Blocks come back last in, first out, so that
// a busy worker works in warm memory.
//
// Threads: a BlockPool belongs to one worker thread. BlockBudget is shared and atomic.
// Owns:    the blocks that are not lent. Borrows the budget.
// Errors:  Take returns null when the budget is spent or memory is out; the caller closes the connection with most
// unsent, or its own. Limits:  BlockBudget::limit_bytes for all pools together, idle blocks included; kKeepBlocks idle
// blocks a pool (none past half
//          the budget), the rest goes back to malloc.

#ifndef HOLDFAST_BASE_BLOCK_POOL_H_
#define HOLDFAST_BASE_BLOCK_POOL_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

namespace holdfast::base {

inline constexpr size_t kBlockBytes = 16 * 1024;

class BlockBudget {
 public:
  explicit BlockBudget(size_t limit_bytes) : limit_bytes_(limit_bytes) {}
  bool Charge(size_t bytes);  // false, and nothing charged, when it would pass the limit
  void Release(size_t bytes);
  size_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  size_t limit_bytes() const { return limit_bytes_.load(std::memory_order_relaxed); }
  // What one round of turns may need beyond what is charged.
  size_t reserve_bytes() const { return std::min(limit_bytes() / 8, size_t{1} << 20); }
  // Below what is in use nothing is taken away; nothing is given until enough has come back.
  void SetLimit(size_t bytes) { limit_bytes_.store(bytes, std::memory_order_relaxed); }

 private:
  std::atomic<size_t> limit_bytes_;
  std::atomic<size_t> used_bytes_{0};
};

class BlockPool {
 public:
  explicit BlockPool(BlockBudget& budget) : budget_(budget) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  char* Take();  // kBlockBytes bytes, or null when the budget is spent
  // The same for what may wait long, and so must leave reserve_bytes to the small replies of others.
  char* TakeForLong();
  void Give(char* block);

  // kBlockBytes bytes for what nobody will read, the same for every caller and outside the budget: an Output that has
  // overflowed lets its writer finish there.
  char* Sink();

  BlockBudget& budget() { return budget_; }
  // From any thread.
  size_t idle_blocks() const { return idle_count_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kKeepBlocks = 64;
  BlockBudget& budget_;
  std::vector<char*> idle_;
  std::atomic<size_t> idle_count_{0};  // idle_.size()
  size_t lent_count_ = 0;
  char* sink_ = nullptr;  // null until an Output overflows
};

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_BLOCK_POOL_H_
