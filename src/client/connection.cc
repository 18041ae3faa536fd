// Input lies in one buffer that grows to hold the largest reply so far. Replies are parsed from its front; what is left
// of one that has not come whole is moved to the beginning before the next read. A reply says how long it will be as
// soon as its line is there, so that it is parsed again only when all of it has come.

#include "client/connection.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <system_error>

namespace holdfast::client {
namespace {

constexpr size_t kInputBytes = 16 * 1024;
constexpr size_t kInputKeptBytes = 256 * 1024;  // a buffer grown beyond this for one large reply is given back
constexpr int kVectors = 16;
constexpr int kReadsAtOnce = 16;

std::string WordsOf(int error) { return std::generic_category().message(error); }

}  // namespace

Connection::Connection(std::vector<SocketAddress> addresses, std::string_view server, uint64_t reply_bytes_max,
                       std::atomic<uint32_t>& open_count)
    : addresses_(std::move(addresses)),
      server_(server),
      reply_bytes_max_(reply_bytes_max),
      open_count_(open_count),
      budget_(std::numeric_limits<size_t>::max()),
      pool_(budget_),
      output_(pool_) {}

Connection::~Connection() { open_count_.fetch_sub(1, std::memory_order_relaxed); }

Status Connection::Open() { return OpenNext(0); }

// error: why the one before would not have us; of several addresses the last one's is told.
Status Connection::OpenNext(int error) {
  while (address_ < addresses_.size()) {
    channel_ = OpenPlainChannel(addresses_[address_++], &error);
    if (channel_ == nullptr) continue;
    const IoResult result = channel_->Connect();
    connected_ = result.kind == IoResult::kDone;
    if (result.kind != IoResult::kError) return Status();
    error = result.error;
  }
  return Status(Code::kUnreachable, server_, "cannot connect: " + WordsOf(error));
}

Status Connection::Connect() {
  const IoResult result = channel_->Connect();
  connected_ = result.kind == IoResult::kDone;
  return result.kind == IoResult::kError ? OpenNext(result.error) : Status();
}

void Connection::Submit(Part* part) {
  part->Write(next_token_, output_);
  next_token_ += part->Tokens();
  pending_.push_back(part);
}

Status Connection::Progress(bool readable) {
  if (!connected_) {
    if (Status status = Connect(); !status.ok() || !connected_) return status;
  }
  if (!output_.empty()) {
    if (Status status = Flush(); !status.ok()) return status;
  }
  return readable ? Read() : Status();
}

Status Connection::Flush() {
  while (!output_.empty()) {
    iovec vectors[kVectors];
    const IoResult result = channel_->Write(vectors, output_.Gather(vectors, kVectors));
    if (result.kind == IoResult::kAgain) return Status();
    if (result.kind != IoResult::kDone) return Lost("sending", result.error);
    output_.Consume(result.bytes);
  }
  return Status();
}

// Not for ever from a server that never stops: deadlines are looked at in between.
Status Connection::Read() {
  for (int reads = 0; reads < kReadsAtOnce; reads++) {
    MakeRoom(std::max(input_wanted_, kInputBytes / 4));
    const size_t room = input_size_ - input_end_;
    const IoResult result = channel_->Read(input_.get() + input_end_, room);
    if (result.kind == IoResult::kAgain) return Status();
    if (result.kind == IoResult::kEnd)
      return Status(Code::kConnectionLost, server_, "the server closed the connection");
    if (result.kind == IoResult::kError) return Lost("receiving", result.error);
    received_ += result.bytes;
    input_end_ += result.bytes;
    if (Status status = Parse(); !status.ok()) return status;
    if (result.bytes < room) break;
  }
  return Status();
}

Status Connection::Parse() {
  bool more = true;
  while (more && input_begin_ < input_end_ && input_end_ - input_begin_ >= input_wanted_) {
    if (pending_.empty()) return Status(Code::kProtocol, server_, "the server said something that nobody asked for");
    if (Status status = GiveToPart(&more); !status.ok()) return status;
  }
  if (input_begin_ == input_end_) input_begin_ = input_end_ = 0;
  if (input_end_ == 0 && input_size_ > kInputKeptBytes) {
    input_.reset();
    input_size_ = 0;
  }
  return Status();
}

Status Connection::GiveToPart(bool* more) {
  Part* const part = pending_.front();
  const std::string_view input(input_.get() + input_begin_, input_end_ - input_begin_);
  input_wanted_ = 0;
  if (const size_t taken = part->TakeUsual(input); taken > 0) {
    input_begin_ += taken;
    return Status();
  }
  const protocol::ReplyResult result = protocol::ParseReply(part->syntax(), input, part->verb(), &reply_);
  if (result.outcome == protocol::ReplyOutcome::kBroken) {
    return Status(Code::kProtocol, server_, "the reply is malformed");
  }
  if (result.outcome == protocol::ReplyOutcome::kNeedMore) {
    *more = false;
    input_wanted_ = result.wanted;
    if (result.wanted <= reply_bytes_max_) return Status();
    return Status(Code::kProtocol, server_, "the reply is too long: " + std::to_string(result.wanted) + " bytes");
  }
  const Verdict verdict = part->Take(reply_);
  if (verdict == Verdict::kSurprise) return Status(Code::kProtocol, server_, "the reply is to another request");
  input_begin_ += result.consumed;
  if (verdict == Verdict::kMore) return Status();
  pending_.pop_front();
  part->Finished();
  if (verdict == Verdict::kDone) return Status();
  return Status(Code::kConnectionLost, server_, "the connection was given up after an error");
}

// Room for a reply of so many bytes, counted from the first unread one, but never for much more than has come already:
// a server that announces a large value does not make us spend memory before it sends one.
void Connection::MakeRoom(size_t bytes) {
  const size_t unread = input_end_ - input_begin_;
  const size_t needed = std::max(std::min(bytes, 2 * unread + kInputKeptBytes), unread + kInputBytes / 4);
  if (input_size_ - input_begin_ >= needed && input_size_ > 0) return;
  if (input_size_ >= needed) {
    std::memmove(input_.get(), input_.get() + input_begin_, unread);
  } else {
    const size_t size = std::max(kInputBytes, needed);
    auto grown = std::make_unique_for_overwrite<char[]>(size);
    if (unread > 0) std::memcpy(grown.get(), input_.get() + input_begin_, unread);
    input_ = std::move(grown);
    input_size_ = size;
  }
  input_begin_ = 0;
  input_end_ = unread;
}

bool Connection::UsesOneOf(const std::vector<SocketAddress>& addresses) const {
  if (address_ == 0) return false;
  return std::find(addresses.begin(), addresses.end(), addresses_[address_ - 1]) != addresses.end();
}

std::deque<Part*> Connection::TakePending() {
  std::deque<Part*> pending;
  pending.swap(pending_);
  return pending;
}

Status Connection::Lost(const char* what, int error) const {
  return Status(Code::kConnectionLost, server_,
                std::string("the connection broke while ") + what + ": " + WordsOf(error));
}

}  // namespace holdfast::client
