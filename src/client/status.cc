#include <holdfast/status.h>

namespace holdfast {

const char* CodeName(Code code) noexcept {
  switch (code) {
    case Code::kOk:
      return "ok";
    case Code::kNotFound:
      return "not found";
    case Code::kNotStored:
      return "not stored";
    case Code::kExists:
      return "changed by another";
    case Code::kNotNumber:
      return "not a number";
    case Code::kInvalid:
      return "invalid";
    case Code::kTooLarge:
      return "too large";
    case Code::kRejected:
      return "rejected";
    case Code::kNoMemory:
      return "out of memory";
    case Code::kServerError:
      return "server error";
    case Code::kServerDown:
      return "server down";
    case Code::kUnreachable:
      return "unreachable";
    case Code::kClosed:
      return "closed";
    case Code::kBusy:
      return "busy";
    case Code::kTimeout:
      return "timed out";
    case Code::kConnectionLost:
      return "connection lost";
    case Code::kProtocol:
      return "protocol error";
    case Code::kComputeFailed:
      return "compute failed";
  }
  return "unknown code";
}

Status::Status(Code code, std::string_view server, std::string_view text)
    : code_(code), detail_(std::make_shared<const Detail>(Detail{std::string(server), std::string(text)})) {}

const std::string& Status::server() const noexcept {
  static const std::string none;
  return detail_ == nullptr ? none : detail_->server;
}

std::string Status::message() const {
  std::string message;
  if (detail_ != nullptr && !detail_->server.empty()) message = detail_->server + ": ";
  message += CodeName(code_);
  if (detail_ != nullptr && !detail_->text.empty()) message += ": " + detail_->text;
  return message;
}

}  // namespace holdfast
