// listen_socket.h - one bound, listening socket: made from an address, from a path, or inherited.
//
// Threads: any, one at a time.
// Owns:    the descriptor, and the file of a unix socket that it made: both go with it.
// Errors:  a Status in one line with cause and remedy; kUsage when the text of the address is wrong.

#ifndef HOLDFAST_NETWORK_LISTEN_SOCKET_H_
#define HOLDFAST_NETWORK_LISTEN_SOCKET_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace holdfast::network {

class ListenSocket {
 public:
  // As a backlog: the address is taken, but nobody can connect before Listen.
  static constexpr int kBindOnly = 0;

  // Every address that `address` stands for: "127.0.0.1", "[::1]:11311", "::1", "example.net:11211", "*", "*:11211".
  // Without a port of its own it gets `port`; 0 and below is one that the kernel picks. One that `taken` has already
  // ("127.0.0.1:11211") is left out.
  static base::Result<std::vector<ListenSocket>> Tcp(const std::string& address, int port, int backlog,
                                                     const std::vector<std::string>& taken = {});
  // mode is the permission of the file. A socket file that nobody listens on is replaced.
  static base::Result<ListenSocket> Unix(const std::string& path, mode_t mode, int backlog);
  // A stream socket that listens already (systemd, the process before this one).
  static base::Result<ListenSocket> Inherited(int descriptor);

  ListenSocket(ListenSocket&& other) noexcept;
  ListenSocket& operator=(ListenSocket&&) = delete;
  ~ListenSocket();

  base::Status Listen(int backlog);
  // An inherited unix socket: its file is ours from now on. And: it is another's.
  void OwnFile();
  void DisownFile() { owns_file_ = false; }
  bool owns_file() const { return owns_file_; }

  int descriptor() const { return descriptor_; }
  const std::string& name() const { return name_; }  // "127.0.0.1:11211", "[::1]:11211", "/run/holdfast.sock"
  int port() const { return port_; }                 // 0 for a unix socket
  bool tcp6() const { return tcp6_; }
  // What its connections are labelled with.
  uint8_t label() const { return label_; }
  void set_label(uint8_t label) { label_ = label; }
  // Only this machine can connect: a unix socket, 127.0.0.0/8, ::1.
  bool local_only() const;

 private:
  explicit ListenSocket(int descriptor) : descriptor_(descriptor) {}
  void ReadName();

  int descriptor_;  // -1 when moved from
  std::string name_;
  int port_ = 0;
  bool tcp6_ = false;
  uint8_t label_ = 0;
  bool owns_file_ = false;  // name_ is a socket file of ours, with this identity
  dev_t file_device_ = 0;
  ino_t file_inode_ = 0;
};

// "host", "host:port", "[v6]:port", "v6", "*": split; port is -1 when there is none.
struct HostAndPort {
  std::string host;  // empty for "*"
  int port = -1;
};
base::Result<HostAndPort> ParseAddress(std::string_view address);

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_LISTEN_SOCKET_H_
