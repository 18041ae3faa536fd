// server_part.h - questions to a server as such, in the classic text syntax: version, statistics, flush_all.
//
// Threads: one at a time.
// Owns:    what was answered.

#ifndef HOLDFAST_CLIENT_SERVER_PART_H_
#define HOLDFAST_CLIENT_SERVER_PART_H_

#include <holdfast/client.h>

#include <string>

#include "client/part.h"

namespace holdfast::client {

class ServerPart final : public Part {
 public:
  // arguments: of stats. delay_s: of flush_all.
  ServerPart(protocol::Verb verb, std::string_view server, std::string_view arguments, int64_t delay_s)
      : Part(verb, protocol::Syntax::kText), server_(server), arguments_(arguments), delay_s_(delay_s) {
    result_.server = server;
  }

  ServerResult& result() { return result_; }

  bool Repeatable() const override { return true; }
  uint32_t Tokens() const override { return 0; }
  void Write(uint32_t token, base::Output& output) override;
  Verdict Take(const protocol::ParsedReply& reply) override;
  void Fail(const Status& status) override { result_.status = status; }

 private:
  static constexpr size_t kRowsMax = 1'000'000;

  const std::string_view server_;
  const std::string_view arguments_;
  const int64_t delay_s_;
  ServerResult result_;
};

// Is the server there and in its senses? A fence, and nothing before it.
class ProbePart final : public Part {
 public:
  ProbePart() : Part(protocol::Verb::kNoop, protocol::Syntax::kMeta) {}

  bool Repeatable() const override { return true; }
  uint32_t Tokens() const override { return 0; }
  void Write(uint32_t token, base::Output& output) override;
  Verdict Take(const protocol::ParsedReply& reply) override;
  void Fail(const Status&) override {}
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_SERVER_PART_H_
