// The queue is a list of segments, each a piece of a block or a lent piece. Only the last can grow, and only while it
// is a piece of a block; tail_ and end_ are its room. Lending seals it (its end becomes known), queues the lent bytes,
// and goes on behind them in the rest of the same block, which then belongs to the new last segment:
//
//     [block piece, owner moved on] [lent] [rest of the block, growing]
//
// so every block has one owner, the last segment that lies in it. A connection that answers small replies has one
// segment.
//
// After an overflow the room is the pool's sink, the segments stay as they were, and nothing is queued any more.

#include "base/output.h"

#include <algorithm>

#include "base/check.h"

namespace holdfast::base {

Output::~Output() { Clear(); }

char* Output::ReserveSlow(size_t n) {
  DCHECK(n <= kReserveMax);
  if (overflowed_) {
    tail_ = pool_.Sink();
    end_ = tail_ + kBlockBytes;
  } else {
    OpenBlock();
  }
  return tail_;
}

void Output::AppendSlow(std::string_view bytes) {
  while (!bytes.empty()) {
    if (overflowed_) return;
    const size_t room = static_cast<size_t>(end_ - tail_);
    if (room == 0) {
      OpenBlock();
      continue;
    }
    const size_t n = std::min(room, bytes.size());
    std::memcpy(tail_, bytes.data(), n);
    Commit(n);
    bytes.remove_prefix(n);
  }
}

// Starts a segment in a new block; on failure the output has overflowed and tail_ is in the sink.
bool Output::OpenBlock() {
  SealTail();
  char* block = pool_.Take();
  if (block == nullptr) {
    Overflow();
    return false;
  }
  DropSent();
  segments_.push_back({block, block, block, false});
  tail_ = block;
  end_ = block + kBlockBytes;
  return true;
}

void Output::SealTail() {
  if (tail_ == nullptr || overflowed_) return;
  segments_.back().end = tail_;
  tail_ = end_ = nullptr;
}

void Output::Overflow() {
  SealTail();
  overflowed_ = true;
  tail_ = pool_.Sink();
  end_ = tail_ + kBlockBytes;
}

// Keeps the list short on a connection that is never quite empty.
void Output::DropSent() {
  if (first_ < 16 || first_ * 2 < segments_.size()) return;
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(first_));
  first_ = 0;
}

void Output::Lend(std::string_view bytes) {
  if (bytes.empty() || overflowed_) return;
  DropSent();
  const Segment lent{nullptr, bytes.data(), bytes.data() + bytes.size(), true};
  size_ += bytes.size();
  if (tail_ == nullptr) {
    segments_.push_back(lent);
    return;
  }
  Segment& last = segments_.back();
  Segment rest{last.block, tail_, tail_, false};
  if (last.begin == tail_) {  // nothing in it since the last loan: it would stay empty
    segments_.pop_back();
  } else {
    last.block = nullptr;
    last.end = tail_;
  }
  segments_.push_back(lent);
  segments_.push_back(rest);
}

// Everything from the first loan on is appended anew, so that many loans share blocks; and with it the block piece
// before, whose block belongs to a segment behind the loan.
void Output::Settle() {
  size_t keep = first_;
  while (keep < segments_.size() && !segments_[keep].lent) ++keep;
  if (keep == segments_.size()) return;
  if (keep > first_ && segments_[keep - 1].block == nullptr) --keep;

  const bool was_overflowed = overflowed_;
  SealTail();
  const std::vector<Segment> moved(segments_.begin() + static_cast<ptrdiff_t>(keep), segments_.end());
  segments_.resize(keep);
  // Blocks go back when all is copied: a piece without one lies in the block of a segment that comes later.
  overflowed_ = false;
  tail_ = end_ = nullptr;
  for (const Segment& segment : moved) {
    const std::string_view bytes(segment.begin, static_cast<size_t>(segment.end - segment.begin));
    size_ -= bytes.size();
    Append(bytes);
  }
  for (const Segment& segment : moved) {
    if (segment.block != nullptr) pool_.Give(segment.block);
  }
  if (was_overflowed && !overflowed_) Overflow();
}

int Output::Gather(iovec* vectors, int count) const {
  int filled = 0;
  for (size_t i = first_; i < segments_.size() && filled < count; ++i) {
    const Segment& segment = segments_[i];
    const bool grows = i + 1 == segments_.size() && tail_ != nullptr && !overflowed_;
    const char* end = grows ? tail_ : segment.end;
    if (end == segment.begin) continue;
    vectors[filled].iov_base = const_cast<char*>(segment.begin);
    vectors[filled].iov_len = static_cast<size_t>(end - segment.begin);
    ++filled;
  }
  return filled;
}

void Output::CopyUnsent(std::string* to) const {
  std::vector<iovec> vectors(segments_.size());
  const int count = Gather(vectors.data(), static_cast<int>(vectors.size()));
  for (int i = 0; i < count; ++i) to->append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
}

void Output::Consume(size_t n) {
  DCHECK(n <= size_);
  size_ -= n;
  if (size_ == 0) {
    Clear();
    return;
  }
  while (n > 0) {
    CHECK(first_ < segments_.size());
    Segment& segment = segments_[first_];
    const bool grows = first_ + 1 == segments_.size() && tail_ != nullptr && !overflowed_;
    const size_t held = static_cast<size_t>((grows ? tail_ : segment.end) - segment.begin);
    if (n < held || grows) {
      segment.begin += n;
      return;
    }
    n -= held;
    if (segment.block != nullptr) pool_.Give(segment.block);
    ++first_;
  }
}

void Output::Clear() {
  for (size_t i = first_; i < segments_.size(); ++i) {
    if (segments_[i].block != nullptr) pool_.Give(segments_[i].block);
  }
  std::vector<Segment>().swap(segments_);
  first_ = 0;
  tail_ = end_ = nullptr;
  size_ = 0;
  overflowed_ = false;
}

}  // namespace holdfast::base
