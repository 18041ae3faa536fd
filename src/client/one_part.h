// one_part.h - one request for one key in the meta syntax, and its answer: every verb but multiget.
//
// Threads: one at a time.
// Owns:    the answer. Borrows the request's key and value until the connection has finished with it.
// Errors:  in answer.status.

#ifndef HOLDFAST_CLIENT_ONE_PART_H_
#define HOLDFAST_CLIENT_ONE_PART_H_

#include <string>

#include "client/part.h"

namespace holdfast::client {

// All that any verb may bring back.
struct Answer {
  Status status;
  std::string value;
  uint32_t flags = 0;
  uint64_t cas = 0;
  uint64_t number = 0;
  bool skipped = false;  // nobody was asked: the server is down, and that counts as a miss
  bool won = false;
  bool stale = false;
  bool won_by_other = false;
};

class OnePart : public Part {
 public:
  // server is named by errors and must outlive the part.
  OnePart(protocol::Verb verb, std::string_view server) : Part(verb, protocol::Syntax::kMeta), server_(server) {}

  void set_server(std::string_view server) { server_ = server; }
  void set_key(std::string_view key, bool base64) {
    key_ = key;
    base64_ = base64;
  }
  void set_value(std::string_view value) { value_ = value; }
  void set_repeatable() { repeatable_ = true; }
  FlagWords& words() { return words_; }
  Answer& answer() { return answer_; }

  bool Repeatable() const override { return repeatable_; }
  uint32_t Tokens() const override { return 1; }
  void Write(uint32_t token, base::Output& output) override;
  Verdict Take(const protocol::ParsedReply& reply) override;
  void Fail(const Status& status) override { answer_.status = status; }

 private:
  std::string_view server_;
  std::string_view key_;
  std::string_view value_;
  bool base64_ = false;
  bool repeatable_ = false;
  uint32_t token_ = 0;
  FlagWords words_;
  Answer answer_;
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_ONE_PART_H_
