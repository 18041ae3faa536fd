// status.h - what became of an operation: done, a plain answer of the cache (not found, exists), or a failure.
//
// A failure names the server it happened at and has one line for a person. Only the code is meant for programs.
//
// Threads: a value; copy freely.
// Owns:    its text, shared between copies. Nothing is allocated for kOk and the answers.
// Errors:  none of its own; nothing here throws but for want of memory.

#ifndef HOLDFAST_STATUS_H_
#define HOLDFAST_STATUS_H_

#include <holdfast/export.h>

#include <memory>
#include <string>
#include <string_view>

namespace holdfast {

// The numbers are part of the C interface (holdfast.h) and do not change.
enum class Code : int {
  kOk = 0,

  // Answers of a working server.
  kNotFound = 1,   // no such item: get, cas, replace by kCas, incr, touch, remove
  kNotStored = 2,  // add of a present key; replace, append, prepend of an absent one
  kExists = 3,     // the item was changed since its cas value was read
  kNotNumber = 4,  // incr or decr of a value that is no number

  // Refused; trying again will not help.
  kInvalid = 10,   // the call itself is wrong: key, value or option. Nothing was sent.
  kTooLarge = 11,  // the server takes no value of this size
  kRejected = 12,  // the server refused the request: CLIENT_ERROR or ERROR

  // The server cannot now; the item is as before.
  kNoMemory = 20,
  kServerError = 21,  // SERVER_ERROR with other words
  kServerDown = 22,   // the server is known to be down (ejected); nothing was sent
  kUnreachable = 23,  // its name does not resolve, or it cannot be connected to; nothing was sent
  kClosed = 24,       // the client is closing, or the server was taken from the list; nothing was sent
  kBusy = 25,         // all connections that are allowed are in use; nothing was sent

  // Nobody knows whether the server has done it. A read has simply failed.
  kTimeout = 30,         // no answer within the deadline
  kConnectionLost = 31,  // the connection broke before the answer
  kProtocol = 32,        // the answer was malformed, too long, or of another request

  // get_or_compute alone
  kComputeFailed = 40,  // the caller's function threw, or said that it has nothing
};

// "not found", "timed out", ... for people.
HOLDFAST_API const char* CodeName(Code code) noexcept;

class HOLDFAST_API Status {
 public:
  Status() noexcept = default;  // kOk
  explicit Status(Code code) noexcept : code_(code) {}
  // server may be empty when no server is to blame.
  Status(Code code, std::string_view server, std::string_view text);

  bool ok() const noexcept { return code_ == Code::kOk; }
  explicit operator bool() const noexcept { return ok(); }
  Code code() const noexcept { return code_; }
  // A working server answered, be it with "not found". False: see the groups of Code.
  bool answered() const noexcept { return static_cast<int>(code_) < static_cast<int>(Code::kInvalid); }
  // The operation may or may not have taken effect.
  bool unknown() const noexcept {
    return code_ == Code::kTimeout || code_ == Code::kConnectionLost || code_ == Code::kProtocol;
  }

  // The address of the server that failed, as it was given; empty when there is none.
  const std::string& server() const noexcept;
  // "10.0.0.1:11211: timed out: no answer for 1000 ms"
  std::string message() const;

 private:
  struct Detail {
    std::string server;
    std::string text;
  };
  Code code_ = Code::kOk;
  std::shared_ptr<const Detail> detail_;  // null for kOk and the answers
};

}  // namespace holdfast

#endif  // HOLDFAST_STATUS_H_
