// connection.h - one connection to a server: sends Parts, hands them their replies, in order.
//
// It neither waits nor keeps time. Who drives it waits for its file until it is readable, or writable too while
// wants_write, and calls Progress. Once Progress has failed the connection is good for nothing but its pending Parts,
// which the driver fails or takes elsewhere.
//
// Threads: one at a time.
// Owns:    socket, input and output. Borrows the Parts until they are finished or handed back.
// Blocks:  never.
// Errors:  kUnreachable before it is connected; kConnectionLost, kProtocol after that.
// Limits:  a reply of reply_bytes_max.
// Invariants
// (1) A reply is given to the first pending Part and to no other; bytes that no Part waits for are an error.
// (2) After an error nothing is read from it or written to it again.

#ifndef HOLDFAST_CLIENT_CONNECTION_H_
#define HOLDFAST_CLIENT_CONNECTION_H_

#include <holdfast/status.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/block_pool.h"
#include "base/output.h"
#include "client/channel.h"
#include "client/deadline.h"
#include "client/part.h"

namespace holdfast::client {

class Connection {
 public:
  // addresses: tried in turn. server and open_count must outlive it; open_count has counted this one already and is
  // told when it goes.
  Connection(std::vector<SocketAddress> addresses, std::string_view server, uint64_t reply_bytes_max,
             std::atomic<uint32_t>& open_count);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins to connect.
  Status Open();
  void Submit(Part* part);
  // All that can be done now. Writing is tried when there is something to write; reading only if readable.
  Status Progress(bool readable);

  bool connected() const { return connected_; }
  bool wants_write() const { return !connected_ || !output_.empty(); }
  bool idle() const { return connected_ && pending_.empty() && output_.empty() && input_end_ == 0; }
  int file() const { return channel_->file(); }
  size_t pending() const { return pending_.size(); }
  // Bytes of replies since it was opened.
  uint64_t received() const { return received_; }
  // Nothing has come and nobody has closed while it lay idle.
  bool Quiet() { return channel_->Quiet(); }
  // Set by who keeps it idle.
  SteadyTime idle_since() const { return idle_since_; }
  void set_idle_since(SteadyTime now) { idle_since_ = now; }
  bool UsesOneOf(const std::vector<SocketAddress>& addresses) const;
  // Takes the Parts off it that have no whole reply.
  std::deque<Part*> TakePending();

 private:
  Status Connect();
  Status OpenNext(int error);
  Status Flush();
  Status Read();
  Status Parse();
  Status GiveToPart(bool* more);
  void MakeRoom(size_t bytes);
  Status Lost(const char* what, int error) const;

  const std::vector<SocketAddress> addresses_;
  size_t address_ = 0;  // the next to try
  const std::string_view server_;
  const uint64_t reply_bytes_max_;
  std::atomic<uint32_t>& open_count_;

  std::unique_ptr<Channel> channel_;  // null before Open
  bool connected_ = false;
  std::deque<Part*> pending_;
  uint32_t next_token_ = 1;
  uint64_t received_ = 0;
  SteadyTime idle_since_;

  base::BlockBudget budget_;
  base::BlockPool pool_;
  base::Output output_;

  std::unique_ptr<char[]> input_;  // null until the first read
  size_t input_size_ = 0;
  size_t input_begin_ = 0;  // unread bytes; both 0 when there are none
  size_t input_end_ = 0;
  size_t input_wanted_ = 0;  // a reply is whole only with so many unread bytes
  protocol::ParsedReply reply_;
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_CONNECTION_H_
