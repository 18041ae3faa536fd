#include "client/part.h"

#include "base/check.h"
#include "protocol/decimal.h"

namespace holdfast::client {
namespace {

constexpr size_t kWordBytesMax = 2 + protocol::kDecimalBytesMax;

}  // namespace

void FlagWords::Begin(char letter) {
  CHECK(size_ + kWordBytesMax <= kBytes);
  if (size_ > 0) bytes_[size_++] = ' ';
  bytes_[size_++] = letter;
}

FlagWords& FlagWords::Add(char letter) {
  Begin(letter);
  return *this;
}

FlagWords& FlagWords::Add(char letter, uint64_t number) {
  Begin(letter);
  size_ = static_cast<size_t>(protocol::WriteDecimal(bytes_ + size_, number) - bytes_);
  return *this;
}

FlagWords& FlagWords::AddSigned(char letter, int64_t number) {
  Begin(letter);
  size_ = static_cast<size_t>(protocol::WriteSignedDecimal(bytes_ + size_, number) - bytes_);
  return *this;
}

FlagWords& FlagWords::AddWord(char letter, char word) {
  Begin(letter);
  bytes_[size_++] = word;
  return *this;
}

bool ParseToken(std::string_view text, uint32_t* token) {
  return !text.empty() && text[0] != '+' && protocol::ParseDecimal(text, token);
}

bool ErrorStatus(const protocol::ParsedReply& reply, std::string_view server, Status* status) {
  using protocol::ReplyCode;
  switch (reply.code) {
    case ReplyCode::kNonNumeric:
      *status = Status(Code::kNotNumber);
      return true;
    case ReplyCode::kTooLarge:
      *status = Status(Code::kTooLarge, server, "object too large for cache");
      return true;
    case ReplyCode::kNoMemory:
      *status = Status(Code::kNoMemory, server, reply.text);
      return true;
    case ReplyCode::kServerError:
      *status = Status(Code::kServerError, server, reply.text);
      return true;
    case ReplyCode::kAuthError:
    case ReplyCode::kClientError:
      *status = Status(Code::kRejected, server, reply.text);
      return true;
    case ReplyCode::kInvalid:
      *status = Status(Code::kRejected, server, "the server calls the request malformed");
      return true;
    case ReplyCode::kUnknownCommand:
      *status = Status(Code::kRejected, server, "the server does not know the command: is it memcached before 1.6?");
      return true;
    default:
      return false;
  }
}

}  // namespace holdfast::client
