// bad_server.h - a server that misbehaves: it hands each connection to a function of the test's.
//
// Threads: one for accepting, one for each connection; the function runs on the latter.
// Owns:    its sockets. The destructor shuts them all and waits for the threads.

#ifndef HOLDFAST_T_LIB_BAD_SERVER_H_
#define HOLDFAST_T_LIB_BAD_SERVER_H_

#include <poll.h>

#include <atomic>
#include <functional>
#include <list>
#include <mutex>

#include "lib/cache_server.h"

namespace holdfast::test {

class BadServer {
 public:
  using Talk = std::function<void(int file)>;

  // port 0: a free one. host: of 127/8.
  explicit BadServer(Talk talk, uint16_t port = 0, in_addr_t host = INADDR_LOOPBACK)
      : talk_(std::move(talk)), port_(port), listen_(BindLoopback(&port_, 64, host)) {
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~BadServer() {
    shutdown(listen_, SHUT_RDWR);
    acceptor_.join();
    close(listen_);
    {
      std::lock_guard lock(mutex_);
      for (const int file : files_) shutdown(file, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    for (const int file : files_) close(file);
  }

  uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int accepted() const { return accepted_; }

  // What has come, waiting for the first byte of it; empty at the end.
  static std::string Hear(int file) {
    char bytes[65536];
    const ssize_t got = recv(file, bytes, sizeof(bytes), 0);
    return got > 0 ? std::string(bytes, static_cast<size_t>(got)) : std::string();
  }
  static void Say(int file, std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(file, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<size_t>(sent));
    }
  }

 private:
  void Accept() {
    while (true) {
      const int file = accept4(listen_, nullptr, nullptr, SOCK_CLOEXEC);
      if (file < 0) return;
      accepted_++;
      std::lock_guard lock(mutex_);
      files_.push_back(file);
      threads_.emplace_back([this, file] {
        talk_(file);
        shutdown(file, SHUT_RDWR);
      });
    }
  }

  const Talk talk_;
  uint16_t port_;
  const int listen_;
  std::atomic<int> accepted_{0};
  std::mutex mutex_;
  std::list<int> files_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

// Stands before a real server and passes everything on, each piece after a delay. A new delay holds for the pieces that
// are waiting too.
class SlowProxy {
 public:
  SlowProxy(uint16_t to, std::chrono::milliseconds delay)
      : delay_ms_(delay.count()), server_([this, to](int file) { Pass(file, to); }) {}

  ~SlowProxy() { set_delay(std::chrono::milliseconds(0)); }

  std::string address() const { return server_.address(); }
  void set_delay(std::chrono::milliseconds delay) { delay_ms_ = delay.count(); }

 private:
  void Pass(int file, uint16_t to) {
    const int behind = ConnectTo(to);
    if (behind < 0) return;
    pollfd files[2] = {{file, POLLIN, 0}, {behind, POLLIN, 0}};
    while (poll(files, 2, -1) > 0) {
      const auto begin = std::chrono::steady_clock::now();
      while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(delay_ms_)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      bool end = false;
      for (int i = 0; i < 2; i++) {
        if (files[i].revents == 0) continue;
        const std::string heard = BadServer::Hear(files[i].fd);
        if (heard.empty()) end = true;
        BadServer::Say(files[1 - i].fd, heard);
      }
      if (end) break;
    }
    close(behind);
  }

  std::atomic<int64_t> delay_ms_;
  BadServer server_;
};

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_BAD_SERVER_H_
