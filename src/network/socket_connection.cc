// A turn is: shake hands if that is still to do, read once, let the handler run, send once, settle. The events only set
// flags and put the connection into the ready queue.
//
// Reading goes on while the handler is parked or full, until the input block is: that bounds memory, costs no system
// call, and is how the close of a peer that gave up is noticed (unless it left more than a block behind). Such a peer
// may only have closed its sending side and still wait for the reply, so a parked request is given kAbandonedMs more
// before it is dropped.
//
// Sending is tried once a turn and stops at the first short write: the socket is full then, and a second event, which
// lives on the heap because few connections ever need it, says when it is not.

#include "network/socket_connection.h"

#include <event2/event.h>

#include <cstring>
#include <utility>

#include "base/check.h"
#include "network/loop.h"
#include "network/socket_name.h"
#include "network/worker.h"

namespace holdfast::network {
namespace {

constexpr int kVectorsMax = 64;
// A full connection runs again when the socket has taken this much; far enough below high water that it is worth a
// turn.
constexpr size_t kOutputLowWater = kOutputHighWater / 2;
constexpr uint8_t kHeldTurnsMax = 4;
// How long a request stays parked after its peer has ended its side.
constexpr uint32_t kAbandonedMs = 1000;
// With so much unread a turn does not read more first.
constexpr size_t kUnreadIsPlenty = base::kBlockBytes / 2;

// A connection that is behind by more does not move to another process.
constexpr size_t kUnsentBytesThatMove = 8u << 20;

static_assert(kOutputHighWater >= 2 * base::kBlockBytes);

}  // namespace

SocketConnection::SocketConnection(Loop& loop, uint64_t id, Arrival arrival)
    : loop_(loop),
      transport_(std::move(arrival.transport)),
      id_(id),
      last_turn_seconds_(loop.now_seconds()),
      label_(arrival.label) {
  transport_->Keep(std::move(arrival.place));
  event_assign(&read_event_, loop_.base(), transport_->socket(), EV_READ | EV_PERSIST, OnEvent, this);
}

SocketConnection::~SocketConnection() = default;

bool SocketConnection::Open() {
  if (phase_ == Phase::kClosing || transport_->HasUnreadBytes() || unsent_bytes() > 0) {
    readable_ = phase_ != Phase::kClosing;
    loop_.Enqueue(*this);
  }
  return phase_ == Phase::kClosing || SetReading(true);
}

bool SocketConnection::GoOn(const ConnectionState& before) {
  if (!handler_->Import(before.handler)) return false;
  if (before.closing) phase_ = Phase::kClosing;
  if (before.unsent.empty()) return true;
  output().Append(before.unsent);
  return !output_->overflowed();
}

bool SocketConnection::Export(Departure* departure) const {
  if (closed() || !transport_->MayMove()) return false;
  ConnectionState& state = departure->state;
  if (!handler_->Export(&state.handler, &state.unread)) return false;
  if (unsent_bytes() > kUnsentBytesThatMove) return false;
  departure->socket = transport_->socket();
  state.id = id_;
  state.closing = phase_ == Phase::kClosing;
  state.unread.append(input());
  state.unread.append(transport_->unread());
  if (output_ != nullptr) output_->CopyUnsent(&state.unsent);
  return true;
}

void SocketConnection::TakeLastLook() {
  if (closed()) return;
  readable_ = !ended_;
  loop_.Enqueue(*this);
}

// Nothing of this connection is in hand: no part of a request, no reply on its way.
bool SocketConnection::Unoccupied() const {
  return phase_ == Phase::kWaiting && !readable_ && begin_ == end_ && unsent_bytes() == 0 && !handler_->Busy() &&
         !transport_->HasUnreadBytes();
}

Worker& SocketConnection::worker() { return loop_.worker(); }

uint32_t SocketConnection::IdleSeconds() const { return loop_.now_seconds() - last_turn_seconds_; }

const char* SocketConnection::StateName() const {
  switch (phase_) {
    case Phase::kWaiting:
      return holds_input() ? "conn_nread" : "conn_read";
    case Phase::kRunnable:
      return "conn_parse_cmd";
    case Phase::kFull:
      return "conn_mwrite";
    case Phase::kParked:
      return "conn_io_queue";
    case Phase::kClosing:
      return "conn_closing";
    case Phase::kClosed:
      break;
  }
  return "conn_closed";
}

std::string SocketConnection::PeerName() const { return closed() ? "" : PeerNameOf(transport_->socket()); }

std::string SocketConnection::LocalName() const { return closed() ? "" : LocalNameOf(transport_->socket()); }

void SocketConnection::Consume(size_t n) {
  DCHECK(n <= end_ - begin_);
  begin_ += static_cast<uint32_t>(n);
}

void SocketConnection::OnEvent(int /*socket*/, short what, void* self) {
  auto& connection = *static_cast<SocketConnection*>(self);
  if (what & EV_READ) connection.readable_ = true;
  if (what & EV_WRITE) {
    connection.socket_full_ = false;
    if (connection.read_when_writable_) connection.readable_ = true;
  }
  connection.loop_.Enqueue(connection);
}

void SocketConnection::TakeTurn() {
  if (closed()) return;
  last_turn_seconds_ = loop_.now_seconds();
  if (handshaking_ && !ShakeHands()) return;
  if (readable_) Read();
  if (closed()) return;
  if (MayRun()) {
    RunHandler();
    if (closed()) return;
  }
  FinishTurn();
}

bool SocketConnection::ShakeHands() {
  readable_ = false;
  switch (transport_->Handshake()) {
    case Io::kDone:
      handshaking_ = false;
      readable_ = true;  // its last flight may have brought the first request along
      SetWriting(false);
      return true;
    case Io::kWantRead:
      SetWriting(false);
      return false;
    case Io::kWantWrite:
      socket_full_ = true;
      SetWriting(true);
      return false;
    case Io::kEnd:
    case Io::kFailed:
      break;
  }
  Close();
  return false;
}

void SocketConnection::Read() {
  if (ended_ || phase_ == Phase::kClosing) return;
  if (MayRun() && end_ - begin_ >= kUnreadIsPlenty) return;
  readable_ = false;
  if (!MakeRoom()) {
    if (!closed() && !MayRun()) SetReading(false);
    return;
  }
  const IoResult result = transport_->Read(block_ + end_, base::kBlockBytes - end_);
  switch (result.io) {
    case Io::kDone:
      dry_ = false;
      end_ += static_cast<uint32_t>(result.bytes);
      loop_.counters().bytes_read.Add(result.bytes);
      if (phase_ == Phase::kWaiting) phase_ = Phase::kRunnable;
      break;
    case Io::kWantRead:
      dry_ = true;
      break;
    case Io::kWantWrite:
      read_when_writable_ = true;
      socket_full_ = true;
      break;
    case Io::kEnd:
      ended_ = true;
      SetReading(false);
      break;
    case Io::kFailed:
      Close();
      break;
  }
}

// Room behind the unread bytes, which move to the front when more than half of the block is behind or before them.
bool SocketConnection::MakeRoom() {
  if (block_ == nullptr) {
    block_ = loop_.TakeBlock(*this);
    begin_ = end_ = 0;
    return block_ != nullptr;
  }
  if (begin_ > 0 && end_ > base::kBlockBytes / 2) {
    std::memmove(block_, block_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return end_ < base::kBlockBytes;
}

void SocketConnection::RunHandler() {
  in_turn_ = true;
  resumed_early_ = false;
  const Turn turn = handler_->OnTurn(*this);
  in_turn_ = false;
  if (OutputOverflowed()) return CloseForMemory();
  switch (turn) {
    case Turn::kNeedInput:
      // With a full block it would wait for ever: a handler that cannot go on has to say so to its client and close.
      phase_ = InputFull() ? Phase::kClosing : Phase::kWaiting;
      break;
    case Turn::kYield:
      loop_.counters().yields.Add();
      break;
    case Turn::kFull:
      phase_ = Phase::kFull;
      break;
    case Turn::kParked:
      phase_ = resumed_early_ ? Phase::kRunnable : Phase::kParked;
      break;
    case Turn::kClose:
      phase_ = Phase::kClosing;
      break;
    case Turn::kAbort:
      Close();
      break;
  }
}

// False when the connection is beyond use.
bool SocketConnection::Send() {
  iovec vectors[kVectorsMax];
  while (!socket_full_ && unsent_bytes() > 0) {
    const int count = output_->Gather(vectors, kVectorsMax);
    size_t offered = 0;
    for (int i = 0; i < count; ++i) offered += vectors[i].iov_len;
    const IoResult result = transport_->Write(vectors, count);
    if (result.io == Io::kDone) {
      output_->Consume(result.bytes);
      loop_.counters().bytes_written.Add(result.bytes);
      socket_full_ = result.bytes < offered;
    } else if (result.io == Io::kWantWrite) {
      socket_full_ = true;
    } else if (result.io == Io::kWantRead) {
      return true;  // the next read event brings the turn that tries again
    } else {
      return false;
    }
  }
  return true;
}

// What is left to do when handler and socket have had their say. A connection that yielded keeps small output for its
// next turns, so that many small requests still share a system call; but not for long, for its client waits.
void SocketConnection::FinishTurn() {
  if (begin_ == end_) GiveBackInput();
  if (phase_ == Phase::kRunnable && unsent_bytes() < kOutputLowWater && held_turns_ < kHeldTurnsMax) {
    if (unsent_bytes() > 0) ++held_turns_;
  } else {
    held_turns_ = 0;
    if (!Send()) return Close();
  }
  if (output_ != nullptr) output_->Settle();
  if (OutputOverflowed()) return CloseForMemory();
  GiveBackOutput();

  if (phase_ == Phase::kFull && unsent_bytes() <= kOutputLowWater) phase_ = Phase::kRunnable;
  if (phase_ == Phase::kWaiting && ended_) phase_ = Phase::kClosing;
  if (loop_.finishing() && Unoccupied()) {
    // Only a read that finds nothing shows that nothing has come meanwhile.
    if (dry_) {
      phase_ = Phase::kClosing;
    } else {
      readable_ = true;
      loop_.Enqueue(*this);
    }
  }
  if (phase_ == Phase::kClosing && unsent_bytes() == 0) return Close();
  if (phase_ == Phase::kParked && ended_) AwaitAbandonment();

  bool registered = true;
  bool again = MayRun();
  if (ended_ || phase_ == Phase::kClosing) {
    SetReading(false);
  } else if (!InputFull()) {
    registered = SetReading(true);
    if (transport_->HasUnreadBytes()) again = readable_ = true;
  }
  if (!SetWriting(socket_full_) || !registered) return Close();
  if (again) loop_.Enqueue(*this);
}

void SocketConnection::AwaitAbandonment() {
  if (abandonment_awaited_) return;
  abandonment_awaited_ = true;
  loop_.StartTimer(kAbandonedMs, [&loop = loop_, id = id_] {
    SocketConnection* const connection = loop.Find(id);
    if (connection == nullptr) return;
    connection->abandonment_awaited_ = false;
    if (connection->parked()) connection->Close();
  });
}

void SocketConnection::Resume() {
  if (in_turn_) {
    resumed_early_ = true;
  } else if (phase_ == Phase::kParked) {
    phase_ = Phase::kRunnable;
    loop_.Enqueue(*this);
  }
}

void SocketConnection::SendOnceAndClose() {
  if (!handshaking_) static_cast<void>(Send());
  Close();
}

bool SocketConnection::SetReading(bool on) {
  if (on == reading_) return true;
  reading_ = on;
  return (on ? event_add(&read_event_, nullptr) : event_del(&read_event_)) == 0;
}

bool SocketConnection::SetWriting(bool on) {
  if (on == (write_event_ != nullptr)) return true;
  loop_.NoteUnsent(*this, on);
  if (on) {
    write_event_ = std::make_unique<event>();
    event_assign(write_event_.get(), loop_.base(), transport_->socket(), EV_WRITE | EV_PERSIST, OnEvent, this);
    return event_add(write_event_.get(), nullptr) == 0;
  }
  event_del(write_event_.get());
  write_event_.reset();
  return true;
}

void SocketConnection::CloseForMemory() {
  loop_.counters().closed_for_memory.Add();
  Close();
}

void SocketConnection::GiveBackInput() {
  if (block_ != nullptr) loop_.pool().Give(block_);
  block_ = nullptr;
  begin_ = end_ = 0;
}

base::Output& SocketConnection::output() {
  if (output_ == nullptr) output_ = loop_.TakeOutput();
  return *output_;
}

void SocketConnection::GiveBackOutput() {
  if (output_ != nullptr && output_->empty()) loop_.GiveOutput(std::move(output_));
}

void SocketConnection::Close() {
  if (closed()) return;
  if (handler_ != nullptr) handler_->OnClose(*this);
  SetReading(false);
  SetWriting(false);
  phase_ = Phase::kClosed;
  handler_.reset();
  transport_.reset();
  if (output_ != nullptr) output_->Clear();
  GiveBackOutput();
  GiveBackInput();
  loop_.Forget(*this);
}

void ReadyQueue::Push(SocketConnection& connection) {
  if (connection.queued_) return;
  connection.queued_ = true;
  connection.next_ready_ = nullptr;
  if (last_ != nullptr) {
    last_->next_ready_ = &connection;
  } else {
    first_ = &connection;
  }
  last_ = &connection;
}

SocketConnection* ReadyQueue::Pop() {
  SocketConnection* const connection = first_;
  if (connection == nullptr) return nullptr;
  first_ = connection->next_ready_;
  if (first_ == nullptr) last_ = nullptr;
  connection->queued_ = false;
  return connection;
}

void ReadyQueue::Swap(ReadyQueue& other) {
  std::swap(first_, other.first_);
  std::swap(last_, other.last_);
}

}  // namespace holdfast::network
