// mailbox.h - what other threads have for a worker, and the descriptor that wakes it.
//
// Threads: Post, Resume, Adopt, Wake from any; Open before the worker's thread runs; OwnedByThisThread and Take on it.
// Owns:    an eventfd, and what has not been taken.
// Errors:  Open returns the Status of the eventfd.
// Blocks:  on its mutex, for the time of a push or a swap.

#ifndef HOLDFAST_NETWORK_MAILBOX_H_
#define HOLDFAST_NETWORK_MAILBOX_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/status.h"
#include "network/arrival.h"

namespace holdfast::network {

struct Mail {
  std::vector<std::function<void()>> tasks;  // in the order posted
  std::vector<uint64_t> resumed;             // connection ids
  std::vector<Arrival> arrivals;
};

class Mailbox {
 public:
  Mailbox() = default;
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  base::Status Open();
  // Readable (edge-triggered: nobody need read it) when another thread has put something in.
  int wake_fd() const { return wake_fd_; }
  void OwnedByThisThread() { owner_.store(std::this_thread::get_id()); }
  bool OnOwner() const { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  void Post(std::function<void()> task);
  void Resume(uint64_t connection_id);
  void Adopt(Arrival arrival);
  void Wake();
  // From now on what comes is destroyed: a socket that arrives is closed, a task is dropped.
  void Close();

  // The owner asks this before it waits: what it put in itself does not make wake_fd readable.
  bool HasMail() const { return has_mail_.load(std::memory_order_acquire); }
  // Swaps the contents with mail, which the caller has emptied.
  void Take(Mail& mail);

 private:
  int wake_fd_ = -1;  // -1 until Open
  std::atomic<std::thread::id> owner_{};
  std::atomic<bool> has_mail_{false};
  std::mutex mutex_;  // guards what follows
  Mail mail_;
  bool closed_ = false;
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_MAILBOX_H_
