// socket_connection.h - the Connection of a worker's loop: a socket's events, its turn, and its end.
//
// Threads: one worker.
// Owns:    transport, handler, place under the connection limit, events, and buffers while bytes are in them.
//          The Loop owns the connection and deletes it some time after Close.
// Limits:  an idle connection holds this object (at most 320 bytes, held by t/unit/network_worker_test), its Transport
//          and its Handler, nothing else: with libevent's and the table's share 400 bytes besides the Handler.
// Invariants
// (1) The read event is on unless the peer has ended, the connection is closing, or the input block is full and the
//     handler may not run. So there is no system call for events as long as a client waits for its replies.
// (2) The write event is on exactly while the socket is full.
// (3) After a turn nothing lent is in the output.

#ifndef HOLDFAST_NETWORK_SOCKET_CONNECTION_H_
#define HOLDFAST_NETWORK_SOCKET_CONNECTION_H_

#include <event2/event_struct.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "network/arrival.h"
#include "network/connection.h"

namespace holdfast::network {

class Loop;

class SocketConnection final : public Connection {
 public:
  SocketConnection(Loop& loop, uint64_t id, Arrival arrival);
  ~SocketConnection() override;
  SocketConnection(const SocketConnection&) = delete;
  SocketConnection& operator=(const SocketConnection&) = delete;

  std::string_view input() const override { return {block_ + begin_, end_ - begin_}; }
  void Consume(size_t n) override;
  bool InputFull() const override { return end_ - begin_ == base::kBlockBytes; }
  base::Output& output() override;
  Worker& worker() override;
  uint64_t id() const override { return id_; }
  uint8_t label() const override { return label_; }
  int socket() const override { return closed() ? -1 : transport_->socket(); }
  const char* StateName() const override;
  uint32_t IdleSeconds() const override;
  std::string PeerName() const override;
  std::string LocalName() const override;

  // Registers with the event loop; false when the kernel refuses.
  bool Open();
  // Before Open: goes on where another process has left off. False: that cannot be.
  bool GoOn(const ConnectionState& before);
  // Between turns. False: it cannot move to another process.
  bool Export(Departure* departure) const;
  // A turn at once, whether or not something has come: with Loop::finishing a connection without work in hand ends.
  void TakeLastLook();
  void SetHandler(std::unique_ptr<Handler> handler) { handler_ = std::move(handler); }
  // Everything that can be done now, once: read, handle, send. The connection may be closed afterwards.
  void TakeTurn();
  // Worker::Resume. Ignored unless parked, or in its turn and about to park.
  void Resume();
  void CloseForMemory();
  void SendOnceAndClose();
  // Tells the handler and gives everything back but the object itself. Once.
  void Close();

  bool closed() const { return phase_ == Phase::kClosed; }
  bool parked() const { return phase_ == Phase::kParked; }
  bool queued() const { return queued_; }
  bool holds_input() const { return block_ != nullptr; }
  uint32_t last_turn_seconds() const { return last_turn_seconds_; }
  size_t unsent_bytes() const { return output_ == nullptr ? 0 : output_->size(); }

 private:
  friend class ConnectionTable;
  friend class ReadyQueue;

  enum class Phase : uint8_t {
    kWaiting,   // for input
    kRunnable,  // the handler is to be called as soon as the output is below high water
    kFull,      // for the socket to take output
    kParked,    // for Resume
    kClosing,   // for the socket to take the rest
    kClosed,
  };

  static void OnEvent(int socket, short what, void* self);
  bool ShakeHands();
  void Read();
  bool MakeRoom();
  bool MayRun() const { return phase_ == Phase::kRunnable && unsent_bytes() < kOutputHighWater; }
  void RunHandler();
  bool Send();
  void FinishTurn();
  void AwaitAbandonment();
  bool SetReading(bool on);  // both false when the kernel refuses
  bool SetWriting(bool on);
  void GiveBackInput();
  void GiveBackOutput();
  bool OutputOverflowed() const { return output_ != nullptr && output_->overflowed(); }
  bool Unoccupied() const;

  Loop& loop_;
  std::unique_ptr<Transport> transport_;  // null once closed
  std::unique_ptr<Handler> handler_;      // null once closed
  std::unique_ptr<event> write_event_;    // null while the socket takes everything
  event read_event_;
  std::unique_ptr<base::Output> output_;  // null while nothing is unsent, but for a turn
  const uint64_t id_;
  SocketConnection* next_in_bucket_ = nullptr;
  SocketConnection* next_ready_ = nullptr;
  char* block_ = nullptr;  // null while nothing is unread
  uint32_t begin_ = 0;     // unread bytes of block_
  uint32_t end_ = 0;
  uint32_t last_turn_seconds_;
  const uint8_t label_;
  uint8_t held_turns_ = 0;  // after which there was output, and it was kept for the next one
  Phase phase_ = Phase::kWaiting;
  bool queued_ : 1 = false;              // in the ready queue
  bool readable_ : 1 = false;            // the socket said so
  bool reading_ : 1 = false;             // the read event is on
  bool socket_full_ : 1 = false;         // it did not take everything and has not said that it would
  bool read_when_writable_ : 1 = false;  // the transport must write before it can read on
  bool handshaking_ : 1 = true;
  bool ended_ : 1 = false;          // the peer will send no more
  bool dry_ : 1 = false;            // the last read found nothing
  bool in_turn_ : 1 = false;        // inside Handler::OnTurn
  bool resumed_early_ : 1 = false;  // Resume came while in_turn_
  bool abandonment_awaited_ : 1 = false;
};

// Connections whose turn it is, first in, first out.
class ReadyQueue {
 public:
  bool empty() const { return first_ == nullptr; }
  // A connection that is in some queue stays where it is.
  void Push(SocketConnection& connection);
  SocketConnection* Pop();  // null when empty
  void Swap(ReadyQueue& other);

 private:
  SocketConnection* first_ = nullptr;
  SocketConnection* last_ = nullptr;
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_SOCKET_CONNECTION_H_
