// How it works: a bounded queue under one mutex. The reader says when it goes to sleep, so that a busy one is not woken
// for every piece.

#include "command/feed.h"

#include <chrono>

namespace holdfast::command {

using protocol::ReplyCode;

bool Feed::Push(Piece piece) {
  bool wake = false;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool has_room = room_.wait_for(lock, std::chrono::seconds(kStallSeconds),
                                         [this] { return cancelled_ || bytes_ < limit_bytes_; });
    if (cancelled_) return false;
    if (has_room) {
      bytes_ += piece.name.size() + piece.text.size();
      pieces_.push_back(std::move(piece));
    } else {
      cut_ = cancelled_ = true;
    }
    wake = std::exchange(reader_waits_, false) || cut_;
    if (cut_) pieces_.clear();
  }
  if (wake) wake_();
  return !cancelled();
}

bool Feed::TryPushText(std::string_view text) {
  bool wake = false;
  {
    std::lock_guard<std::mutex> guard(mutex_);
    if (cancelled_ || bytes_ + text.size() > limit_bytes_) return false;
    bytes_ += text.size();
    pieces_.push_back({{}, std::string(text)});
    wake = std::exchange(reader_waits_, false);
  }
  if (wake) wake_();
  return true;
}

void Feed::End(ReplyCode last_words) {
  {
    std::lock_guard<std::mutex> guard(mutex_);
    ended_ = true;
    last_words_ = last_words;
    if (cancelled_) return;
  }
  wake_();
}

bool Feed::cancelled() const {
  std::lock_guard<std::mutex> guard(mutex_);
  return cancelled_;
}

Feed::Taken Feed::Take(Piece* piece) {
  std::lock_guard<std::mutex> guard(mutex_);
  if (cut_) return Taken::kCut;
  if (pieces_.empty()) {
    if (ended_) return Taken::kEnd;
    reader_waits_ = true;
    return Taken::kNothingYet;
  }
  *piece = std::move(pieces_.front());
  pieces_.pop_front();
  bytes_ -= piece->name.size() + piece->text.size();
  room_.notify_one();
  return Taken::kPiece;
}

ReplyCode Feed::last_words() const {
  std::lock_guard<std::mutex> guard(mutex_);
  return last_words_;
}

void Feed::Cancel() {
  {
    std::lock_guard<std::mutex> guard(mutex_);
    cancelled_ = true;
    pieces_.clear();
    bytes_ = 0;
  }
  room_.notify_one();
}

}  // namespace holdfast::command
