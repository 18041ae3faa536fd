// What the listener must hold, on loopback and on unix sockets in a folder of the test's own.

#include "network/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

#include "network_harness.h"

namespace holdfast::network {
namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/holdfast-listener-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { [[maybe_unused]] int status = std::system(("rm -r " + path_).c_str()); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

Client ConnectTcp(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(0, ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address)) << std::strerror(errno);
  return Client(socket);
}

Client ConnectUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(0, ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address)) << std::strerror(errno);
  return Client(socket);
}

bool MachineHasIpv6() {
  const base::Result<std::vector<ListenSocket>> socket = ListenSocket::Tcp("::1", 0, 1);
  return socket.ok();
}

ListenerSettings OnLoopback() {
  ListenerSettings settings;
  settings.addresses = {"127.0.0.1"};
  settings.port = -1;
  return settings;
}

// Two workers behind one listener.
class Door {
 public:
  explicit Door(ListenerSettings settings, uint32_t connections_max = 1000)
      : limit(connections_max), second(size_t{64} << 20, Second()) {
    first.Start();
    second.Start();
    listener = std::make_unique<Listener>(std::move(settings), limit, std::vector{&first.worker, &second.worker});
  }
  ~Door() {
    listener.reset();
    first.Stop();
    second.Stop();
  }
  void Open() {
    const base::Status opened = listener->Open();
    ASSERT_TRUE(opened.ok()) << opened.message();
    const base::Status started = listener->Start();
    ASSERT_TRUE(started.ok()) << started.message();
  }
  int port() const { return listener->bound().front().port(); }

  ConnectionLimit limit;
  LineWorker first;
  LineWorker second;
  std::unique_ptr<Listener> listener;

 private:
  static WorkerSettings Second() {
    WorkerSettings settings;
    settings.index = 1;
    return settings;
  }
};

void ExpectEcho(Client& client) {
  ASSERT_TRUE(client.Send("hello\n"));
  ASSERT_EQ("hello\n", client.ReceiveLine());
}

TEST(ParseAddress, TakesEveryFormAndRefusesTheRest) {
  const struct {
    const char* text;
    const char* host;
    int port;
  } good[] = {
      {"127.0.0.1", "127.0.0.1", -1},
      {"127.0.0.1:0", "127.0.0.1", 0},
      {"example.net:65535", "example.net", 65535},
      {"*", "", -1},
      {"*:11311", "", 11311},
      {"::1", "::1", -1},
      {"[::1]", "::1", -1},
      {"[::1]:11311", "::1", 11311},
      {"fe80::1%lo", "fe80::1%lo", -1},
  };
  for (const auto& one : good) {
    const base::Result<HostAndPort> parsed = ParseAddress(one.text);
    ASSERT_TRUE(parsed.ok()) << one.text;
    EXPECT_EQ(one.host, parsed.value().host) << one.text;
    EXPECT_EQ(one.port, parsed.value().port) << one.text;
  }
  for (const char* text :
       {"", ":", ":11211", "host:", "host:x", "host:-1", "host:65536", "host:1x", "[::1", "[::1]x", "[::1]:", "[]:1"}) {
    const base::Result<HostAndPort> parsed = ParseAddress(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(base::ErrorKind::kUsage, parsed.status().kind()) << text;
  }
}

TEST(Listener, DealsConnectionsToTheWorkersInTurn) {
  Door door(OnLoopback());
  door.Open();
  EXPECT_GT(door.port(), 0);
  EXPECT_EQ("127.0.0.1:" + std::to_string(door.port()), door.listener->bound().front().name());
  std::vector<Client> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(ConnectTcp(door.port()));
    ExpectEcho(clients.back());
  }
  EXPECT_EQ(3, door.first.stage.opened);
  EXPECT_EQ(3, door.second.stage.opened);
  EXPECT_EQ(6u, door.listener->counters().accepted.value());
  EXPECT_EQ(6u, door.limit.taken());
  clients.clear();
  EXPECT_TRUE(Eventually([&] { return door.limit.taken() == 0; }));
}

TEST(Listener, AcceptedSocketsHaveNoDelayAndKeepAliveAndNames) {
  Door door(OnLoopback());
  door.Open();
  Client client = ConnectTcp(door.port());
  ExpectEcho(client);
  std::string peer;
  std::string local;
  door.first.Do([&] {
    door.first.worker.ForEachConnection([&](Connection& connection) {
      peer = connection.PeerName();
      local = connection.LocalName();
      EXPECT_LE(connection.IdleSeconds(), 1u);
    });
  });
  EXPECT_EQ("tcp:127.0.0.1:" + std::to_string(door.port()), local);
  EXPECT_TRUE(peer.starts_with("tcp:127.0.0.1:")) << peer;

  base::Result<std::vector<ListenSocket>> sockets = ListenSocket::Tcp("127.0.0.1", 0, 1);
  ASSERT_TRUE(sockets.ok());
  Client other = ConnectTcp(sockets.value()[0].port());
  int accepted = -1;
  ASSERT_TRUE(Eventually([&] {
    accepted = ::accept(sockets.value()[0].descriptor(), nullptr, nullptr);
    return accepted >= 0;
  }));
  int on = 0;
  socklen_t size = sizeof on;
  ::getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, &size);
  EXPECT_NE(0, on);
  on = 0;
  ::getsockopt(accepted, SOL_SOCKET, SO_KEEPALIVE, &on, &size);
  EXPECT_NE(0, on);
  ::close(accepted);
}

TEST(Listener, SaysWhoIsInTheWay) {
  base::Result<std::vector<ListenSocket>> first = ListenSocket::Tcp("127.0.0.1", 0, 1);
  ASSERT_TRUE(first.ok());
  const std::string name = first.value()[0].name();
  ListenerSettings settings = OnLoopback();
  settings.port = first.value()[0].port();
  Door door(settings);
  const base::Status status = door.listener->Open();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(name + " is in use (another memcached or Holdfast?): stop it, or choose another port with -p",
            status.message());
  EXPECT_TRUE(door.listener->bound().empty());
}

TEST(Listener, RefusesAddressesThatAreNotHere) {
  const base::Result<std::vector<ListenSocket>> elsewhere = ListenSocket::Tcp("192.0.2.1", 0, 1);
  ASSERT_FALSE(elsewhere.ok());
  EXPECT_EQ("192.0.2.1:0: this machine has no such address: correct -l", elsewhere.status().message());
  const base::Result<std::vector<ListenSocket>> nowhere = ListenSocket::Tcp("no-such-host.invalid", 0, 1);
  ASSERT_FALSE(nowhere.ok());
  EXPECT_TRUE(nowhere.status().message().starts_with("cannot resolve no-such-host.invalid ("))
      << nowhere.status().message();
}

TEST(Listener, TakesEveryAddressOnceAndAllOnThePickedPort) {
  ListenerSettings settings = OnLoopback();
  settings.addresses = {"127.0.0.1", "127.0.0.2", "127.0.0.1"};
  if (MachineHasIpv6()) settings.addresses.push_back("::1");
  Door door(settings);
  door.Open();
  const std::vector<ListenSocket>& bound = door.listener->bound();
  ASSERT_EQ(MachineHasIpv6() ? 3u : 2u, bound.size());
  for (const ListenSocket& socket : bound) EXPECT_EQ(door.port(), socket.port());
  EXPECT_EQ("127.0.0.2:" + std::to_string(door.port()), bound[1].name());
  if (MachineHasIpv6()) {
    EXPECT_TRUE(bound[2].tcp6());
    EXPECT_EQ("[::1]:" + std::to_string(door.port()), bound[2].name());
  }
}

TEST(Listener, AStarIsEveryAddress) {
  ListenerSettings settings = OnLoopback();
  settings.addresses = {"*"};
  Door door(settings);
  door.Open();
  EXPECT_EQ(MachineHasIpv6() ? 2u : 1u, door.listener->bound().size());
  Client client = ConnectTcp(door.port());
  ExpectEcho(client);
}

// -- Unix sockets -------------------------------------------------------------------------------------------------

TEST(Listener, AUnixSocketHasTheModeAskedForAndGoesWithTheListener) {
  Folder folder;
  ListenerSettings settings;
  settings.unix_path = folder / "socket";
  settings.unix_mode = 0770;
  struct stat found;
  {
    Door door(settings);
    door.Open();
    ASSERT_EQ(0, ::lstat(settings.unix_path.c_str(), &found));
    EXPECT_EQ(mode_t{0770}, found.st_mode & 0777);
    Client client = ConnectUnix(settings.unix_path);
    ExpectEcho(client);
    std::string peer;
    std::string local;
    door.first.Do([&] {
      door.first.worker.ForEachConnection([&](Connection& connection) {
        peer = connection.PeerName();
        local = connection.LocalName();
      });
    });
    EXPECT_EQ("unix:", peer);
    EXPECT_EQ("unix:" + settings.unix_path, local);
  }
  EXPECT_NE(0, ::lstat(settings.unix_path.c_str(), &found));
}

TEST(Listener, AStaleSocketFileIsReplacedAndALiveOneOrAnythingElseIsNot) {
  Folder folder;
  const std::string path = folder / "socket";
  // Stale: bound, and its process gone without removing it.
  {
    const int stale = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(0, ::bind(stale, reinterpret_cast<sockaddr*>(&address), sizeof address));
    ::close(stale);
  }
  base::Result<ListenSocket> live = ListenSocket::Unix(path, 0700, 16);
  ASSERT_TRUE(live.ok()) << live.status().message();

  const base::Result<ListenSocket> second = ListenSocket::Unix(path, 0700, 16);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(path + " is in use (another memcached or Holdfast?): stop it, or choose another path with -s",
            second.status().message());
  Client client = ConnectUnix(path);

  const std::string file = folder / "file";
  std::ofstream(file) << "precious";
  const base::Result<ListenSocket> over = ListenSocket::Unix(file, 0700, 16);
  ASSERT_FALSE(over.ok());
  EXPECT_EQ(file + " exists and is not a socket: remove it, or choose another path with -s", over.status().message());
  struct stat found;
  EXPECT_EQ(0, ::stat(file.c_str(), &found));
  EXPECT_EQ(8, found.st_size);
}

TEST(Listener, ASocketFileThatIsAnothersByNowIsLeft) {
  Folder folder;
  const std::string path = folder / "socket";
  auto first = std::make_unique<base::Result<ListenSocket>>(ListenSocket::Unix(path, 0700, 16));
  ASSERT_TRUE(first->ok());
  // Moved away first, so that the inode is not used again.
  ASSERT_EQ(0, ::rename(path.c_str(), (folder / "old").c_str()));
  base::Result<ListenSocket> second = ListenSocket::Unix(path, 0700, 16);
  ASSERT_TRUE(second.ok());
  first.reset();
  struct stat found;
  EXPECT_EQ(0, ::lstat(path.c_str(), &found));
}

TEST(Listener, RefusesAPathThatIsTooLongOrEmptyOrNowhere) {
  for (const std::string& path : {std::string(), std::string(200, 'x')}) {
    const base::Result<ListenSocket> socket = ListenSocket::Unix(path, 0700, 16);
    ASSERT_FALSE(socket.ok());
    EXPECT_EQ(base::ErrorKind::kUsage, socket.status().kind());
  }
  EXPECT_FALSE(ListenSocket::Unix("/no/such/folder/socket", 0700, 16).ok());
}

// -- Inherited ----------------------------------------------------------------------------------------------------

TEST(Listener, TakesOverAListeningDescriptorAndNothingElse) {
  const int inherited = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(0, ::bind(inherited, reinterpret_cast<sockaddr*>(&address), sizeof address));
  EXPECT_FALSE(ListenSocket::Inherited(inherited).ok());
  ASSERT_EQ(0, ::listen(inherited, 16));
  ListenerSettings settings;
  settings.inherited = {inherited};
  Door door(settings);
  door.Open();
  EXPECT_NE(0, ::fcntl(inherited, F_GETFD) & FD_CLOEXEC);
  Client client = ConnectTcp(door.port());
  ExpectEcho(client);
  EXPECT_FALSE(ListenSocket::Inherited(0).ok());
  EXPECT_FALSE(ListenSocket::Inherited(12345).ok());
}

// -- Limits -------------------------------------------------------------------------------------------------------

TEST(Listener, AboveTheLimitAClientIsToldAndClosed) {
  Door door(OnLoopback(), 2);
  door.Open();
  Client first = ConnectTcp(door.port());
  Client second = ConnectTcp(door.port());
  ExpectEcho(first);
  ExpectEcho(second);
  for (int i = 0; i < 3; ++i) {
    Client third = ConnectTcp(door.port());
    EXPECT_EQ("ERROR Too many open connections\r\n", third.ReceiveLine());
    EXPECT_TRUE(third.AtEnd());
  }
  EXPECT_EQ(3u, door.listener->counters().rejected.value());
  EXPECT_EQ(2u, door.listener->counters().accepted.value());
  second.Close();
  ASSERT_TRUE(Eventually([&] { return door.limit.taken() == 1; }));
  Client fourth = ConnectTcp(door.port());
  ExpectEcho(fourth);
  ExpectEcho(first);
}

TEST(Listener, OrWaitsUntilAConnectionCloses) {
  ListenerSettings settings = OnLoopback();
  settings.reject_when_full = false;
  Door door(settings, 2);
  door.Open();
  Client first = ConnectTcp(door.port());
  Client second = ConnectTcp(door.port());
  ExpectEcho(first);
  ExpectEcho(second);
  EXPECT_TRUE(door.listener->accepting());
  Client third = ConnectTcp(door.port());
  ASSERT_TRUE(third.Send("hello\n"));
  ASSERT_TRUE(Eventually([&] { return !door.listener->accepting(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(1u, door.listener->counters().listen_disabled.value());
  second.Close();
  EXPECT_EQ("hello\n", third.ReceiveLine());
  EXPECT_TRUE(door.listener->accepting());
  EXPECT_GE(door.listener->counters().disabled_us.value(), 40'000u);
  EXPECT_EQ(0u, door.listener->counters().rejected.value());
}

TEST(Listener, EveryWaitingClientIsServedInTheEnd) {
  ListenerSettings settings = OnLoopback();
  settings.reject_when_full = false;
  Door door(settings, 3);
  door.Open();
  std::vector<std::thread> threads;
  std::atomic<int> served{0};
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        Client client = ConnectTcp(door.port());
        if (client.Send("hello\n") && client.ReceiveLine() == "hello\n") ++served;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(300, served);
}

TEST(Listener, WithoutAFreeDescriptorClientsWait) {
  Door door(OnLoopback());
  door.Open();
  Client first = ConnectTcp(door.port());
  ExpectEcho(first);
  const int waiting_socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  rlimit before;
  ASSERT_EQ(0, ::getrlimit(RLIMIT_NOFILE, &before));
  rlimit none_left = before;
  none_left.rlim_cur = 3;  // open ones stay open; no new one can be had
  ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &none_left));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(door.port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(0, ::connect(waiting_socket, reinterpret_cast<sockaddr*>(&address), sizeof address));
  Client client(waiting_socket);
  EXPECT_TRUE(client.Send("hello\n"));
  EXPECT_TRUE(Eventually([&] { return door.listener->counters().listen_disabled.value() == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ExpectEcho(first);  // those inside are served meanwhile
  EXPECT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &before));
  EXPECT_EQ("hello\n", client.ReceiveLine());
  EXPECT_EQ(1u, door.listener->counters().listen_disabled.value());
}

TEST(Listener, StopsWhileClientsKeepComing) {
  Door door(OnLoopback());
  door.Open();
  std::atomic<bool> over{false};
  const int port = door.port();
  std::thread clients([&] {
    while (!over) {
      const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<uint16_t>(port));
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address);
      ::close(socket);
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  door.listener->Stop();
  door.listener->Join();
  over = true;
  clients.join();
  EXPECT_TRUE(Eventually([&] { return door.limit.taken() == 0; }));
}

}  // namespace
}  // namespace holdfast::network
