// listener.h - the sockets that clients connect to, and the thread that accepts and deals connections to the workers.
//
// It has a thread of its own, so that a storm of connections, or the wait for a free descriptor, delays no request, and
// the main thread is left to wait for signals. Workers get connections in turn.
//
// Threads: Open, Start, Stop, Join from the main thread; counters, accepting and bound from any after Open.
// Owns:    its sockets, closed by the destructor, and its thread. Borrows the limit and the workers.
// Errors:  Open returns a Status that names the address, the cause and the remedy; nothing is left bound then.
// Limits:  ConnectionLimit. Above it a client is either told so and closed, or left waiting in the backlog until
// another
//          connection closes. Without a free descriptor it always waits.

#ifndef HOLDFAST_NETWORK_LISTENER_H_
#define HOLDFAST_NETWORK_LISTENER_H_

#include <poll.h>
#include <sys/types.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/counter.h"
#include "base/status.h"
#include "network/connection_limit.h"
#include "network/listen_socket.h"
#include "network/worker.h"

namespace holdfast::network {

struct ListenerSettings {
  std::vector<std::string> addresses;  // -l: as ListenSocket::Tcp takes them; empty: no TCP
  std::vector<uint8_t> labels;         // of these, handed on with each connection; missing ones are 0
  int port = 11211;                    // -p: for addresses without one; 0 and below: one that the kernel picks for all
  std::string unix_path;               // -s: empty: none
  mode_t unix_mode = 0700;             // -a
  std::vector<int> inherited;          // listening descriptors, taken over
  std::vector<int> inherited_files;    // those among them whose socket file goes with them
  int backlog = 1024;                  // -b
  bool reject_when_full = true;        // maxconns_fast; else stop accepting
  uint32_t mark = 0;                   // SO_MARK, for firewalls; 0: none
};

struct ListenerCounters {
  base::Counter accepted;         // total_connections
  base::Counter rejected;         // rejected_connections
  base::Counter listen_disabled;  // listen_disabled_num: how often accepting stopped
  base::Counter disabled_us;      // time_in_listen_disabled_us
};

class Listener {
 public:
  Listener(ListenerSettings settings, ConnectionLimit& limit, std::vector<Worker*> workers);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Takes all addresses; before privileges are dropped. Nobody can connect before Start.
  base::Status Open();
  // Also after Stop and Join: it accepts again.
  base::Status Start();
  // Accepts no more; the sockets stay bound until the destructor or Start.
  void Stop();
  void Join();
  // After Stop and Join: who connects now is refused. The end of it.
  void Close() { sockets_.clear(); }
  // Another process has the sockets now: their files are not removed with them.
  void GiveUpFiles();
  // The socket files named in inherited_files are this process's.
  void OwnFiles();

  const std::vector<ListenSocket>& bound() const { return sockets_; }
  const ListenerCounters& counters() const { return counters_; }
  // Changes maxconns_fast. From any thread.
  void RejectWhenFull(bool reject) { reject_when_full_.store(reject, std::memory_order_relaxed); }
  bool accepting() const { return accepting_.load(std::memory_order_relaxed); }

 private:
  base::Status BindAll();
  base::Status BindTcp();
  base::Status MarkAll();
  void Run();
  void WaitForEvents();
  void AcceptSome(const ListenSocket& listening);
  bool AcceptOne(const ListenSocket& listening, bool first);
  void Deal(int socket, ConnectionLimit::Place place, uint8_t label);
  void Reject(int socket);
  void Pause(int retry_ms);
  void Continue();

  const ListenerSettings settings_;
  ConnectionLimit& limit_;
  const std::vector<Worker*> workers_;
  std::vector<ListenSocket> sockets_;
  ListenerCounters counters_;
  std::atomic<bool> reject_when_full_;
  std::atomic<bool> accepting_{true};
  std::atomic<bool> stop_requested_{false};
  int wake_fd_ = -1;  // -1 until Open
  std::thread thread_;

  // The thread's own.
  std::vector<pollfd> polled_;
  size_t next_worker_ = 0;
  int64_t paused_since_us_ = 0;
  int retry_ms_ = -1;      // while paused: when to try again; -1: only when a place is given back
  bool retrying_ = false;  // nobody was accepted since the last pause
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_LISTENER_H_
