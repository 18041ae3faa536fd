// status.h - the world's failures: Status, and Result<T> for calls that also bring something back.
//
// A Status is ok or carries a kind (what the caller may do about it) and one line of text for a person: cause, then
// remedy. The client's mistakes are Replies, not Statuses; our own bugs are CHECKs (base/check.h).
//
// Threads: a value; copy freely.
// Errors:  none of its own. Both types are [[nodiscard]]: handle them, or pass them up with context (Status::In).

#ifndef HOLDFAST_BASE_STATUS_H_
#define HOLDFAST_BASE_STATUS_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace holdfast::base {

enum class ErrorKind {
  kUsage,        // the operator's mistake: bad flag, bad value
  kConfig,       // the same in a file or the environment
  kSystem,       // a system call failed: port in use, permission, disk full
  kCorrupt,      // stored bytes are not what we wrote; left as found
  kUnavailable,  // may work later: database away
  kRefused,      // will not work until somebody changes something: wrong password, missing table
};

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(ErrorKind kind, std::string message) : error_(std::make_shared<Error>(Error{kind, std::move(message)})) {}

  bool ok() const { return error_ == nullptr; }
  // kind and message may be asked only of a Status that is not ok.
  ErrorKind kind() const { return error_->kind; }
  const std::string& message() const { return error_->message; }

  // The same error with "context: " before its message; ok stays ok.
  Status In(std::string_view context) const {
    if (ok()) return {};
    return Status(kind(), std::string(context) + ": " + message());
  }

 private:
  struct Error {
    ErrorKind kind;
    std::string message;
  };
  std::shared_ptr<const Error> error_;  // null exactly when ok
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::move(value)) {}         // NOLINT: implicit on purpose, `return value;`
  Result(Status status) : held_(std::move(status)) {}  // NOLINT: implicit on purpose, `return status;`

  bool ok() const { return std::holds_alternative<T>(held_); }
  // value may be asked only of a Result that is ok; status of one that is not.
  T& value() { return std::get<T>(held_); }
  const T& value() const { return std::get<T>(held_); }
  const Status& status() const { return std::get<Status>(held_); }

 private:
  std::variant<T, Status> held_;
};

// Status of a failed system call: "what: strerror(error); remedy".
Status SystemError(std::string_view what, int error, std::string_view remedy = {});

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_STATUS_H_
