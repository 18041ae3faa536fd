// multiget_part.h - some keys of a multiget, all of one server: quiet gets and a fence (mn) behind them.
//
// Misses are silent, so the answers are the hits, each with its token, in the order of the keys, then the fence. A
// server's error line has no token: it may be about any key between the hits around it, so all of these count as
// failed, never as missing.
//
// Threads: one at a time.
// Owns:    nothing. Keys, order and found belong to the call; values are copied into its bytes.
// Invariants
// (1) When it is finished or failed, each of its keys has a status.

#ifndef HOLDFAST_CLIENT_MULTIGET_PART_H_
#define HOLDFAST_CLIENT_MULTIGET_PART_H_

#include <holdfast/client.h>

#include <span>

#include "client/part.h"
#include "client/value_bytes.h"

namespace holdfast::client {

// What all parts of one multiget share.
struct Multiget {
  std::span<const std::string_view> keys;  // with their prefix
  Found* found = nullptr;                  // by key
  ValueBytes* bytes = nullptr;
  bool with_cas = false;
  bool any_key = false;  // keys that a line cannot hold go in base64
};

class MultigetPart final : public Part {
 public:
  // order: which keys. server is named by errors. All must outlive the part.
  MultigetPart(const Multiget& multiget, std::span<const uint32_t> order, std::string_view server)
      : Part(protocol::Verb::kGet, protocol::Syntax::kMeta), multiget_(multiget), order_(order), server_(server) {}

  bool Repeatable() const override { return true; }
  uint32_t Tokens() const override { return static_cast<uint32_t>(order_.size()); }
  void Write(uint32_t token, base::Output& output) override;
  Verdict Take(const protocol::ParsedReply& reply) override;
  size_t TakeUsual(std::string_view input) override;
  void Fail(const Status& status) override { SetUpTo(order_.size(), status); }

 private:
  void WriteOddKey(std::string_view key, uint32_t token, base::Output& output);
  bool Hit(uint32_t token, std::string_view value, uint32_t flags, uint64_t cas);
  void SetUpTo(size_t end, const Status& status);

  const Multiget& multiget_;
  const std::span<const uint32_t> order_;
  const std::string_view server_;
  uint32_t token_ = 0;
  size_t next_ = 0;                       // the first of order_ without a status
  Status gap_ = Status(Code::kNotFound);  // what the keys that are passed over have: not found, or an error
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_MULTIGET_PART_H_
