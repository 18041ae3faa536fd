// connection_limit.h - how many client connections the process may have (-c), and who waits for a place.
//
// The listener takes a Place for each accepted socket; it travels with the connection and comes back when that is gone.
//
// Threads: Take and AwaitRelease from the listener's thread; SetMax and giving a Place back on any.
// Owns:    an eventfd. Must outlive every Place.
// Errors:  none; without an eventfd (EMFILE at start) a waiting listener sees the release at its next retry.

#ifndef HOLDFAST_NETWORK_CONNECTION_LIMIT_H_
#define HOLDFAST_NETWORK_CONNECTION_LIMIT_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace holdfast::network {

class ConnectionLimit {
 public:
  // Move-only. An empty Place counts nothing: connections that are under no limit have one.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : limit_(std::exchange(other.limit_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      if (this != &other) {
        GiveBack();
        limit_ = std::exchange(other.limit_, nullptr);
      }
      return *this;
    }
    ~Place() { GiveBack(); }
    explicit operator bool() const { return limit_ != nullptr; }
    void GiveBack() {
      if (limit_ != nullptr) std::exchange(limit_, nullptr)->Release();
    }

   private:
    friend class ConnectionLimit;
    explicit Place(ConnectionLimit* limit) : limit_(limit) {}
    ConnectionLimit* limit_ = nullptr;  // null when empty
  };

  explicit ConnectionLimit(uint32_t max);
  ~ConnectionLimit();
  ConnectionLimit(const ConnectionLimit&) = delete;
  ConnectionLimit& operator=(const ConnectionLimit&) = delete;

  // Empty when all places are taken.
  Place Take();
  uint32_t max() const { return max_.load(std::memory_order_relaxed); }
  // With fewer than are taken nobody is sent away; there is no place until enough have left.
  void SetMax(uint32_t max);
  uint32_t taken() const { return taken_.load(std::memory_order_relaxed); }

  // From now on the next release makes release_fd readable, once. Take again after this call and before waiting.
  void AwaitRelease();
  int release_fd() const { return release_fd_; }
  void ClearRelease();  // makes release_fd unreadable again

 private:
  void Release();
  void WakeWaiting();

  std::atomic<uint32_t> max_;
  int release_fd_;  // -1 when the process had no descriptor left
  std::atomic<uint32_t> taken_{0};
  std::atomic<bool> awaited_{false};
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_CONNECTION_LIMIT_H_
