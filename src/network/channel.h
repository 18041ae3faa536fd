// channel.h - messages with descriptors between two processes of one user on this machine, over a unix stream socket.
//
// Threads: one at a time.
// Owns:    the socket, and the descriptors of a Message that was received.
// Blocks:  Send until the peer has read enough, at most kSendMillis at a time; Receive as long as it is told to.
// Errors:  Statuses; after one the channel is of no use any more.
// Limits:  kBodyBytesMax a message, kDescriptorsMax descriptors.

#ifndef HOLDFAST_NETWORK_CHANNEL_H_
#define HOLDFAST_NETWORK_CHANNEL_H_

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace holdfast::network {

// Closes what it holds.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }
  int Release() { return std::exchange(number_, -1); }

 private:
  int number_ = -1;  // -1: none
};

struct Message {
  uint32_t kind = 0;
  std::string body;
  std::vector<Descriptor> descriptors;
};

class Channel {
 public:
  static constexpr int kSendMillis = 2000;
  static constexpr size_t kBodyBytesMax = 64u << 20;
  static constexpr size_t kDescriptorsMax = 8;

  // Takes over a connected socket.
  explicit Channel(int socket);
  // kUnavailable when nobody listens at path.
  static base::Result<std::unique_ptr<Channel>> Connect(const std::string& path);

  // The process at the other end, and whether it is of this process's user or root's.
  pid_t peer() const { return peer_; }
  bool PeerIsTrusted() const { return trusted_; }

  [[nodiscard]] base::Status Send(uint32_t kind, std::string_view body, std::span<const int> descriptors = {});
  // timeout_ms < 0: for ever. wake: a descriptor that ends the waiting when it is readable; -1: none. kUnavailable when
  // the time is over or it was woken; kSystem when the peer has gone.
  [[nodiscard]] base::Result<Message> Receive(int timeout_ms, int wake = -1);
  // What the peer sends from now on fails there; what it has sent can still be received.
  void EndReceiving();

 private:
  base::Status AwaitInput(int64_t until_ms, int wake) const;

  Descriptor socket_;
  pid_t peer_ = 0;
  bool trusted_ = false;
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_CHANNEL_H_
