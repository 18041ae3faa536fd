// feed.h - a reply that one thread makes while a connection's worker sends it: rows of statistics, or text as it is.
//
// A verb that cannot answer in its turn (a walk over all items, `watch`) leaves a Feed behind. Somebody else pushes
// pieces; the worker takes them as the socket takes them. When nothing is there the connection is parked, and woken by
// the next piece.
//
// Threads: Push, TryPush and End from the one thread that makes the reply; Take and Cancel from the worker.
// Owns:    the pieces on their way, and the function that wakes.
// Blocks:  Push, while the reader is behind, for at most kStallSeconds at a time. Nothing else.
// Errors:  a Push that is not taken returns false: the reader has gone, or has not read for so long that it is cut off.
// Limits:  limit_bytes on their way; one piece may pass it.

#ifndef HOLDFAST_COMMAND_FEED_H_
#define HOLDFAST_COMMAND_FEED_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "protocol/reply.h"

namespace holdfast::command {

class Feed {
 public:
  static constexpr int kStallSeconds = 60;

  // A row of statistics; without a name, text to be sent as it is.
  struct Piece {
    std::string name;
    std::string text;
  };
  enum class Taken : uint8_t { kPiece, kNothingYet, kEnd, kCut };

  // wake is called with no lock held, from the producer's thread, when there is something to take again.
  Feed(size_t limit_bytes, std::function<void()> wake) : limit_bytes_(limit_bytes), wake_(std::move(wake)) {}

  [[nodiscard]] bool Push(Piece piece);
  [[nodiscard]] bool PushText(std::string text) { return Push({{}, std::move(text)}); }
  // False: no room, or nobody reads any more.
  [[nodiscard]] bool TryPushText(std::string_view text);
  // The reply is whole but for its last words.
  void End(protocol::ReplyCode last_words = protocol::ReplyCode::kNone);
  // Nobody wants the rest.
  bool cancelled() const;

  Taken Take(Piece* piece);
  // What is to be said after kEnd.
  protocol::ReplyCode last_words() const;
  void Cancel();

 private:
  const size_t limit_bytes_;
  const std::function<void()> wake_;
  mutable std::mutex mutex_;      // guards all below
  std::condition_variable room_;  // for the producer
  std::deque<Piece> pieces_;
  size_t bytes_ = 0;
  bool reader_waits_ = false;  // it has found nothing: wake it
  bool ended_ = false;
  bool cancelled_ = false;
  bool cut_ = false;
  protocol::ReplyCode last_words_ = protocol::ReplyCode::kNone;
};

}  // namespace holdfast::command

#endif  // HOLDFAST_COMMAND_FEED_H_
