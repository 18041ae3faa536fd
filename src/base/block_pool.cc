// A block is charged to the budget when it comes from malloc and released when it goes back, so that a worker in its
// stride takes and gives without touching the shared counter. Idle blocks therefore stay charged; past half the budget
// none is kept, so that no pool starves another.

#include "base/block_pool.h"

#include <cstdlib>

#include "base/check.h"

namespace holdfast::base {

bool BlockBudget::Charge(size_t bytes) {
  size_t used = used_bytes_.load(std::memory_order_relaxed);
  do {
    const size_t limit = limit_bytes();
    if (bytes > limit || used > limit - bytes) return false;
  } while (!used_bytes_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return true;
}

void BlockBudget::Release(size_t bytes) {
  [[maybe_unused]] size_t before = used_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  DCHECK(before >= bytes);
}

BlockPool::~BlockPool() {
  DCHECK(lent_count_ == 0);
  for (char* block : idle_) {
    std::free(block);
    budget_.Release(kBlockBytes);
  }
  std::free(sink_);
}

char* BlockPool::Take() {
  char* block = nullptr;
  if (!idle_.empty()) {
    block = idle_.back();
    idle_.pop_back();
    idle_count_.store(idle_.size(), std::memory_order_relaxed);
  } else {
    if (!budget_.Charge(kBlockBytes)) return nullptr;
    block = static_cast<char*>(std::malloc(kBlockBytes));
    if (block == nullptr) {
      budget_.Release(kBlockBytes);
      return nullptr;
    }
  }
  ++lent_count_;
  return block;
}

char* BlockPool::TakeForLong() {
  const bool scarce = budget_.used_bytes() + kBlockBytes + budget_.reserve_bytes() > budget_.limit_bytes();
  return scarce && idle_.size() * kBlockBytes < budget_.reserve_bytes() ? nullptr : Take();
}

void BlockPool::Give(char* block) {
  DCHECK(block != nullptr && lent_count_ > 0);
  --lent_count_;
  if (idle_.size() < kKeepBlocks && budget_.used_bytes() <= budget_.limit_bytes() / 2) {
    idle_.push_back(block);
    idle_count_.store(idle_.size(), std::memory_order_relaxed);
    return;
  }
  std::free(block);
  budget_.Release(kBlockBytes);
}

char* BlockPool::Sink() {
  if (sink_ == nullptr) {
    sink_ = static_cast<char*>(std::malloc(kBlockBytes));
    CHECK(sink_ != nullptr);
  }
  return sink_;
}

}  // namespace holdfast::base
