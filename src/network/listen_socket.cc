// A name may stand for several addresses, and a machine may lack one of their families: an address that this machine
// does not have is left out as long as another of the same name can be had. One that is in use never is.
//
// Options that an accepted socket inherits (no delay, keep alive) are set here once, not by each accept.
//
// The mode of a unix socket is set on the descriptor before bind, which the umask can only narrow, and then on the
// file: so at no moment can more users connect than the mode says, and the umask of the process is left alone.

#include "network/listen_socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

#include "network/socket_name.h"

namespace holdfast::network {
namespace {

using base::ErrorKind;
using base::Status;

constexpr int kPortMax = 65535;

void SwitchOn(int socket, int level, int option) {
  const int on = 1;
  ::setsockopt(socket, level, option, &on, sizeof on);
}

void SetInheritedOptions(int socket) {
  SwitchOn(socket, SOL_SOCKET, SO_KEEPALIVE);
  SwitchOn(socket, IPPROTO_TCP, TCP_NODELAY);  // fails on a unix socket, which has no delay
}

Status BindError(const std::string& name, int error) {
  switch (error) {
    case EADDRINUSE:
      return Status(ErrorKind::kSystem, name +
                                            " is in use (another memcached or Holdfast?): stop it, or choose another " +
                                            (name[0] == '/' ? "path with -s" : "port with -p"));
    case EACCES:
    case EPERM:
      return Status(ErrorKind::kSystem, name + ": permission denied: " +
                                            (name[0] == '/' ? "choose a folder that may be written with -s"
                                                            : "start as root, or choose a port above 1023 with -p"));
    case EADDRNOTAVAIL:
      return Status(ErrorKind::kSystem, name + ": this machine has no such address: correct -l");
    case EAFNOSUPPORT:
      return Status(ErrorKind::kSystem, name + ": this machine does not speak that protocol: correct -l");
    default:
      return base::SystemError("cannot listen on " + name, error);
  }
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, FreeAddresses>;

base::Result<AddressList> Resolve(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (error != 0) {
    const char* const cause = error == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(error);
    return Status(ErrorKind::kSystem, "cannot resolve " + host + " (" + cause + "): correct -l");
  }
  return AddressList(list);
}

// 0, or the errno of what failed.
int Bind(int socket, const addrinfo& address) {
  SwitchOn(socket, SOL_SOCKET, SO_REUSEADDR);
  if (address.ai_family == AF_INET6) SwitchOn(socket, IPPROTO_IPV6, IPV6_V6ONLY);
  SetInheritedOptions(socket);
  return ::bind(socket, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
}

// Ok when path is free, having removed a socket file that nobody listens on.
Status ClearPath(const std::string& path, const sockaddr_un& address) {
  struct stat found;
  if (::lstat(path.c_str(), &found) != 0) return {};
  if (!S_ISSOCK(found.st_mode)) {
    return Status(ErrorKind::kSystem, path + " exists and is not a socket: remove it, or choose another path with -s");
  }
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe < 0) return base::SystemError("socket", errno);
  const bool answered = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int error = errno;
  ::close(probe);
  if (answered || error != ECONNREFUSED) return BindError(path, answered || error == EAGAIN ? EADDRINUSE : error);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return base::SystemError("cannot remove stale " + path, errno);
  return {};
}

}  // namespace

base::Result<HostAndPort> ParseAddress(std::string_view address) {
  const Status malformed(ErrorKind::kUsage,
                         "-l " + std::string(address) + ": not an address: write host, host:port, [v6]:port or *");
  HostAndPort parsed;
  std::string_view port;
  bool has_port = false;
  if (address.starts_with('[')) {
    const size_t end = address.find(']');
    if (end == std::string_view::npos) return malformed;
    parsed.host = address.substr(1, end - 1);
    std::string_view rest = address.substr(end + 1);
    has_port = !rest.empty();
    if (has_port && rest[0] != ':') return malformed;
    if (has_port) port = rest.substr(1);
  } else if (std::count(address.begin(), address.end(), ':') == 1) {
    const size_t colon = address.find(':');
    parsed.host = address.substr(0, colon);
    port = address.substr(colon + 1);
    has_port = true;
  } else {
    parsed.host = address;
  }
  if (parsed.host.empty()) return malformed;
  if (parsed.host == "*") parsed.host.clear();
  if (!has_port) return parsed;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  if (error != std::errc() || end != port.data() + port.size() || parsed.port < 0 || parsed.port > kPortMax) {
    return Status(ErrorKind::kUsage, "-l " + std::string(address) + ": the port must be a number from 0 to 65535");
  }
  return parsed;
}

base::Result<std::vector<ListenSocket>> ListenSocket::Tcp(const std::string& address, int port, int backlog,
                                                          const std::vector<std::string>& taken) {
  base::Result<HostAndPort> parsed = ParseAddress(address);
  if (!parsed.ok()) return parsed.status();
  port = std::max(0, parsed.value().port >= 0 ? parsed.value().port : port);
  base::Result<AddressList> addresses = Resolve(parsed.value().host, port);
  if (!addresses.ok()) return addresses.status();

  std::vector<ListenSocket> sockets;
  std::vector<std::string> seen = taken;
  Status absent;  // why the last address that was left out was
  for (addrinfo* at = addresses.value().get(); at != nullptr; at = at->ai_next) {
    const std::string name = AddressText(at->ai_addr, at->ai_addrlen);
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
    seen.push_back(name);
    ListenSocket socket(::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int error = socket.descriptor_ < 0 ? errno : Bind(socket.descriptor_, *at);
    if (error == EAFNOSUPPORT || error == EADDRNOTAVAIL) {
      absent = BindError(name, error);
    } else if (error != 0) {
      return BindError(name, error);
    } else {
      socket.ReadName();
      // The others of this name get the port that the kernel has picked for the first.
      for (addrinfo* rest = at->ai_next; port == 0 && rest != nullptr; rest = rest->ai_next) {
        SetPort(rest->ai_addr, static_cast<uint16_t>(socket.port_));
      }
      if (Status status = socket.Listen(backlog); !status.ok()) return status;
      sockets.push_back(std::move(socket));
    }
  }
  if (sockets.empty() && !absent.ok()) return absent;
  return sockets;
}

base::Result<ListenSocket> ListenSocket::Unix(const std::string& path, mode_t mode, int backlog) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Status(ErrorKind::kUsage, "-s " + path + ": the path of a unix socket has 1 to " +
                                         std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (Status status = ClearPath(path, address); !status.ok()) return status;

  ListenSocket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.descriptor_ < 0) return base::SystemError("socket", errno);
  socket.name_ = path;
  ::fchmod(socket.descriptor_, mode);
  if (::bind(socket.descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return BindError(path, errno);
  }
  socket.OwnFile();
  if (::chmod(path.c_str(), mode) != 0) return base::SystemError("cannot set the mode of " + path, errno);
  if (Status status = socket.Listen(backlog); !status.ok()) return status;
  return socket;
}

void ListenSocket::OwnFile() {
  struct stat made;
  if (port_ != 0) return;
  if (::lstat(name_.c_str(), &made) != 0 || !S_ISSOCK(made.st_mode)) return;
  owns_file_ = true;
  file_device_ = made.st_dev;
  file_inode_ = made.st_ino;
}

Status ListenSocket::Listen(int backlog) {
  if (backlog == kBindOnly || ::listen(descriptor_, backlog) == 0) return {};
  return BindError(name_, errno);
}

base::Result<ListenSocket> ListenSocket::Inherited(int descriptor) {
  int listens = 0;
  socklen_t size = sizeof listens;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) {
    return Status(ErrorKind::kSystem, "inherited descriptor " + std::to_string(descriptor) +
                                          " is not a listening socket: pass stream sockets only");
  }
  ListenSocket socket(descriptor);
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  SetInheritedOptions(descriptor);
  socket.ReadName();
  return socket;
}

bool ListenSocket::local_only() const { return port_ == 0 || name_.starts_with("127.") || name_.starts_with("[::1]:"); }

void ListenSocket::ReadName() {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(descriptor_, address, &size) != 0) return;
  name_ = AddressText(address, size);
  port_ = PortOf(address);
  tcp6_ = address->sa_family == AF_INET6;
}

ListenSocket::ListenSocket(ListenSocket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      name_(std::move(other.name_)),
      port_(other.port_),
      tcp6_(other.tcp6_),
      label_(other.label_),
      owns_file_(std::exchange(other.owns_file_, false)),
      file_device_(other.file_device_),
      file_inode_(other.file_inode_) {}

// The file may be another's by now: somebody removed ours and started anew at the same path.
ListenSocket::~ListenSocket() {
  struct stat found;
  if (owns_file_ && ::lstat(name_.c_str(), &found) == 0 && found.st_dev == file_device_ &&
      found.st_ino == file_inode_) {
    ::unlink(name_.c_str());
  }
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace holdfast::network
