// How it works: an overwrite frees a chunk of the class and queue that the next one wants, so a thread lives on what it
// frees itself, and what is used again was just looked at. A stack that is empty takes a batch from the pool, one that
// is full gives its older half back.
//
// A page is marked as draining before its chunks are looked for here, under this lock: what is put in later sees the
// mark. A chunk of a page that has come into the older half of its queue meanwhile is not used again but given back.

#include "store/chunk_cache.h"

#include <algorithm>
#include <array>

#include "base/prefetch.h"
#include "store/slab_pool.h"

namespace holdfast::store {

namespace {

constexpr size_t kAhead = 4;
constexpr uint32_t kLineBytes = 64;
constexpr uint32_t kAheadBytesMax = 2048;

}  // namespace

ChunkCache::ChunkCache(SlabPool& pool) : pool_(pool), stacks_(pool.classes().count() * kQueues) { pool_.Join(*this); }

ChunkCache::~ChunkCache() {
  GiveBackAll();
  pool_.Leave(*this);
}

uint32_t ChunkCache::AtMost(uint32_t size_class, uint32_t chunks, uint32_t share) const {
  return std::clamp<uint32_t>(pool_.page_bytes() / pool_.classes().chunk_bytes(size_class) / share, 1, chunks);
}

// What is written into a chunk waits in the processor until its lines are there, and the next locked instruction waits
// for that. So the lines are asked for some drafts before.
void ChunkCache::FetchAhead(const Stack& stack, uint32_t size_class) const {
  if (stack.size() < kAhead) return;
  const char* const chunk = pool_.At(stack[stack.size() - kAhead]);
  const uint32_t bytes = std::min(pool_.classes().chunk_bytes(size_class), kAheadBytesMax);
  for (uint32_t at = 0; at < bytes; at += kLineBytes) base::Prefetch(chunk + at, true);
}

uint64_t ChunkCache::Allocate(uint32_t size_class, Queue queue) {
  {
    std::lock_guard<base::SpinLock> guard(lock_);
    Stack& stack = StackOf(size_class, queue);
    while (!stack.empty()) {
      const uint64_t handle = stack.back();
      stack.pop_back();
      FetchAhead(stack, size_class);
      AddBytes(0 - uint64_t{pool_.classes().chunk_bytes(size_class)});
      if (pool_.IsWorthReuse(handle)) return handle;
      pool_.Free(handle);
    }
  }
  std::array<uint64_t, kBatch> batch;
  const std::span<uint64_t> wanted(batch.data(), AtMost(size_class, kBatch, kBatchShare));
  size_t count = pool_.Allocate(size_class, queue, SlabPool::Purpose::kDraft, wanted);
  if (count == 0) {
    pool_.GiveBackCached();  // the last there is may be in another's
    count = pool_.Allocate(size_class, queue, SlabPool::Purpose::kDraft, wanted.first(1));
  }
  if (count == 0) return 0;
  if (count > 1) {
    std::reverse(batch.begin() + 1, batch.begin() + count);  // in the order of addresses
    Free({batch.data() + 1, count - 1});
  }
  return batch[0];
}

void ChunkCache::Free(std::span<const uint64_t> handles) {
  while (!handles.empty()) {
    const size_t count = std::min<size_t>(handles.size(), kStackMax);  // others wait for the lock, now and then
    std::lock_guard<base::SpinLock> guard(lock_);
    for (const uint64_t handle : handles.first(count)) Put(handle);
    handles = handles.subspan(count);
  }
}

void ChunkCache::Put(uint64_t handle) {
  if (!pool_.IsQueued(handle) || !pool_.IsWorthReuse(handle)) {
    pool_.Free(handle);
    return;
  }
  const uint32_t size_class = pool_.ClassOf(handle);
  const uint32_t chunk_bytes = pool_.classes().chunk_bytes(size_class);
  if (bytes() + chunk_bytes > pool_.page_bytes()) Empty();
  Stack& stack = StackOf(size_class, pool_.QueueOf(handle));
  const uint32_t chunks_max = AtMost(size_class, kStackMax, kStackShare);
  if (stack.size() >= chunks_max) GiveBack(stack, (chunks_max + 1) / 2);
  if (stack.capacity() == 0) stack.reserve(chunks_max);
  stack.push_back(handle);
  AddBytes(chunk_bytes);
}

// The `count` that are longest in it.
void ChunkCache::GiveBack(Stack& stack, size_t count) {
  if (count == 0) return;
  AddBytes(0 - uint64_t{pool_.classes().chunk_bytes(pool_.ClassOf(stack.front()))} * count);
  pool_.Free(std::span(stack).first(count));
  stack.erase(stack.begin(), stack.begin() + static_cast<Stack::difference_type>(count));
}

void ChunkCache::Empty() {
  for (Stack& stack : stacks_) GiveBack(stack, stack.size());
}

void ChunkCache::GiveBackOf(uint32_t page) {
  const uint32_t size_class = pool_.ClassOfPage(page);
  std::lock_guard<base::SpinLock> guard(lock_);
  Stack& stack = StackOf(size_class, pool_.QueueOfPage(page));
  const auto others =
      std::partition(stack.begin(), stack.end(), [&](uint64_t handle) { return pool_.PageOf(handle) == page; });
  GiveBack(stack, static_cast<size_t>(others - stack.begin()));
}

void ChunkCache::GiveBackAll() {
  std::lock_guard<base::SpinLock> guard(lock_);
  Empty();
}

}  // namespace holdfast::store
