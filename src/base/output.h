// output.h - the bytes that one connection still has to send: small replies copied into blocks, large values lent by
// the store.
//
// A writer asks for room, fills it, commits it; or appends; or lends bytes that live elsewhere. What is lent must stay
// valid until Settle, which the connection calls at the end of its turn and which copies what the socket did not take.
//
// Threads: one worker. Owns: its blocks (from the worker's pool). Borrows what was lent, until Settle.
// Errors:  when the pool has no block left, `overflowed` becomes true, further bytes are dropped, and the connection
// must be closed;
//          size() then counts dropped bytes too, what Gather returns may still be sent.
// Limits:  an empty Output owns no block and no heap memory.

#ifndef HOLDFAST_BASE_OUTPUT_H_
#define HOLDFAST_BASE_OUTPUT_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/block_pool.h"

namespace holdfast::base {

class Output {
 public:
  // Room that Reserve can promise in one piece. A reply's head (everything but the value) fits.
  static constexpr size_t kReserveMax = 4096;

  explicit Output(BlockPool& pool) : pool_(pool) {}
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // n <= kReserveMax writable bytes in one piece (also when overflowed: they go nowhere); Commit says how many were
  // written.
  char* Reserve(size_t n) {
    if (static_cast<size_t>(end_ - tail_) >= n) return tail_;
    return ReserveSlow(n);
  }
  void Commit(size_t n) {
    tail_ += n;
    size_ += n;
  }

  void Append(std::string_view bytes) {
    if (static_cast<size_t>(end_ - tail_) > bytes.size()) {
      bytes.copy(tail_, bytes.size());  // not memcpy, which an empty view without data must not reach
      Commit(bytes.size());
    } else {
      AppendSlow(bytes);
    }
  }

  // Lends bytes to the queue: they must stay valid and unchanged until Settle.
  void Lend(std::string_view bytes);
  // Copies what is lent and unsent.
  void Settle();

  size_t size() const { return size_; }  // unsent bytes
  bool empty() const { return size_ == 0; }
  bool overflowed() const { return overflowed_; }

  // Fills at most count vectors with the first unsent bytes; returns how many were filled.
  int Gather(iovec* vectors, int count) const;
  // Appends a copy of all unsent bytes.
  void CopyUnsent(std::string* to) const;
  // The first n unsent bytes are sent. Gives blocks back; empty holds none.
  void Consume(size_t n);
  void Clear();

 private:
  struct Segment {
    char*
        block;  // to give back when this segment is sent; null when lent, or when a later segment goes on in the block
    const char* begin;  // first unsent byte
    const char* end;    // not yet known for the last segment while tail_ is in it: tail_ is its end
    bool lent;
  };

  char* ReserveSlow(size_t n);
  void AppendSlow(std::string_view bytes);
  bool OpenBlock();
  void SealTail();
  void Overflow();
  void DropSent();

  BlockPool& pool_;
  std::vector<Segment> segments_;  // from first_ on; freed when empty
  size_t first_ = 0;
  char* tail_ = nullptr;  // write position in the last segment's block; null when there is none; in the pool's sink
                          // after overflow
  char* end_ = nullptr;
  size_t size_ = 0;
  bool overflowed_ = false;
};

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_OUTPUT_H_
