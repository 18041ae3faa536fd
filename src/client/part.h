// part.h - the least that is sent to a server and answered as a whole: one request, a multiget with its fence, a page
// of statistics.
//
// A Part writes its requests when a Connection takes it, then is given the replies one after the other, in the order in
// which the Parts were taken. It judges whether a reply can be its own.
//
// Threads: one at a time: that which drives the connection.
// Owns:    what its callers see of the answer. Borrows key and value; they must outlive the connection's interest.
// Invariants
// (1) After Write come Takes until one returns other than kMore; then Finished, and nothing more. Or Fail, once.
// (2) Rewind and Write again only if no reply was taken.

#ifndef HOLDFAST_CLIENT_PART_H_
#define HOLDFAST_CLIENT_PART_H_

#include <holdfast/status.h>

#include <cstdint>

#include "base/output.h"
#include "protocol/reply_parser.h"
#include "protocol/request.h"

namespace holdfast::client {

enum class Verdict {
  kMore,          // mine, and more are to come
  kDone,          // mine, the last
  kDoneAndClose,  // mine, the last; but where the next reply begins is not sure
  kSurprise,      // not mine, or nonsense
};

class Part {
 public:
  Part(protocol::Verb verb, protocol::Syntax syntax) : verb_(verb), syntax_(syntax) {}
  virtual ~Part() = default;

  // Asking twice does no harm: may be repeated where nobody knows how it went.
  virtual bool Repeatable() const = 0;
  // How many opaque tokens it needs; the first of them is given to Write.
  virtual uint32_t Tokens() const = 0;
  virtual void Write(uint32_t token, base::Output& output) = 0;
  virtual Verdict Take(const protocol::ParsedReply& reply) = 0;
  // Takes what it can off the front of the input without the general parser: whole replies of its own in their usual
  // form, and says how many bytes they had. For Parts of many replies, where it pays.
  virtual size_t TakeUsual(std::string_view) { return 0; }
  // What has not been answered will not be.
  virtual void Fail(const Status& status) = 0;
  virtual void Finished() {}

  protocol::Verb verb() const { return verb_; }
  protocol::Syntax syntax() const { return syntax_; }

 protected:
  const protocol::Verb verb_;
  const protocol::Syntax syntax_;
};

// The words of a meta request's flags, collected in a buffer of fixed size.
class FlagWords {
 public:
  FlagWords& Add(char letter);
  FlagWords& Add(char letter, uint64_t number);
  FlagWords& AddSigned(char letter, int64_t number);
  FlagWords& AddWord(char letter, char word);
  std::string_view text() const { return {bytes_, size_}; }
  void Truncate(size_t size) { size_ = size; }
  size_t size() const { return size_; }

 private:
  static constexpr size_t kBytes = 192;  // more than all flags together; Add checks it
  void Begin(char letter);
  char bytes_[kBytes];
  size_t size_ = 0;
};

// The number in a token of O; false if it is none.
bool ParseToken(std::string_view text, uint32_t* token);

// An error reply as a Status of the server; nothing for a reply that is no error.
bool ErrorStatus(const protocol::ParsedReply& reply, std::string_view server, Status* status);

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_PART_H_
