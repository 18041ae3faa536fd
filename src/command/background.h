// background.h - the threads that make long replies: one for each, few at a time.
//
// Threads: Start from any worker; Stop from the main thread, before the workers are gone.
// Owns:    the threads, until the next Start or Stop finds them done. Feeds are shared with the connections.
// Blocks:  Stop, until the works have noticed that nobody reads any more.
// Limits:  kDumpsMax walks over the keys and kQueriesMax others at a time; one more is refused.

#ifndef HOLDFAST_COMMAND_BACKGROUND_H_
#define HOLDFAST_COMMAND_BACKGROUND_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "command/feed.h"

namespace holdfast::command {

class Background {
 public:
  static constexpr uint32_t kDumpsMax = 1;
  static constexpr uint32_t kQueriesMax = 4;

  enum class Kind : uint8_t { kDump, kQuery };
  // Fills the feed and returns what is to be said last; soon after the feed is cancelled, if not before.
  using Work = std::function<protocol::ReplyCode(Feed&)>;

  Background() = default;
  ~Background() { Stop(); }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Null when too many are at work, or it is stopped.
  std::shared_ptr<Feed> Start(Kind kind, std::function<void()> wake, Work work);
  void Stop();

  uint64_t dumps_running() const { return dumps_running_.load(std::memory_order_relaxed); }
  uint64_t dumps_started() const { return dumps_started_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kFeedBytes = 256 << 10;

  struct Job {
    Kind kind;
    std::shared_ptr<Feed> feed;
    std::atomic<bool> done{false};
    std::thread thread;
  };
  void Run(Job& job, const Work& work);
  void ForgetDone();

  std::mutex mutex_;  // guards jobs_, stopped_. Held while threads that are done are joined, which takes no time
  std::list<Job> jobs_;
  bool stopped_ = false;
  std::atomic<uint64_t> dumps_running_{0};
  std::atomic<uint64_t> dumps_started_{0};
};

}  // namespace holdfast::command

#endif  // HOLDFAST_COMMAND_BACKGROUND_H_
