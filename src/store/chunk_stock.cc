// How it works: each pair of size class and queue has one shelf it may be on, first come, first served; whoever comes
// next clears it.

#include "store/chunk_stock.h"

#include <span>

namespace holdfast::store {

bool ChunkStock::Fill(Shelf& shelf, uint32_t size_class, Queue queue) {
  if (shelf.size_class != size_class || shelf.queue != queue) Clear(shelf);
  shelf.size_class = size_class;
  shelf.queue = queue;
  shelf.next = 0;
  shelf.end =
      pool_.Allocate(size_class, queue, SlabPool::Purpose::kDraft, std::span(shelf.handles).first(shelf.amount));
  if (shelf.amount < kChunksMax && shelf.amount * 16 * pool_.classes().chunk_bytes(size_class) <= pool_.page_bytes()) {
    shelf.amount *= 2;
  }
  return shelf.end != 0;
}

void ChunkStock::Clear(Shelf& shelf) {
  if (shelf.next != shelf.end) pool_.Free(std::span(shelf.handles).subspan(shelf.next, shelf.end - shelf.next));
  shelf.next = shelf.end = 0;
  shelf.amount = 1;
}

}  // namespace holdfast::store
