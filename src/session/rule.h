// rule.h - which keys are sessions, and what each kind of session wants.
//
// A rule names a set of keys (prefix, optional suffix, length and alphabet of the id between them), a policy and that
// handler's habits. Of all rules that fit a key the longest wins (prefix and suffix together; then the one that names
// an id; then the first given). A key that no rule fits is an ordinary cache key. Lock keys of a handler have rules of
// their own with the policy `cache`.
//
// Text form, for the command line and the configuration file: rules separated by ';' or newlines, a rule is words
// separated by blanks. The first word may be a preset (php pecl express memjs django rack rails); the others are
// name=value and override it:
//
//   php                                        the preset as it is
//   php prefix=PHPSESS.                        with another prefix; the lock rule follows it
//   prefix=sess: action=close budget=4s        a rule of one's own
//   prefix=s: id=32 alphabet=hex sync=60s      ids of exactly 32 hexadecimal digits
//   prefix=s:tmp: policy=cache                 an exception
//
//   prefix, suffix  bytes; %xx for a blank, ';', '%' or anything unprintable
//   id              length of what stands between, as 32 or 22-256
//   alphabet        any hex lower alnum base64url php (a-z A-Z 0-9 , -)
//   policy          session (default here); strict: acknowledged and visible after the database's commit; or cache
//   action          close, error or wait: what a request gets when the database could not be asked within the budget;
//                   wait is budget=30s and close
//   budget          how long a request waits for the database, as 800ms or 4s
//   sync            N, the longest that a changed session stays unsynced (0: the server's --sync-interval)
//   window          the writer window: how long a request may take between its read and its write
//   connections     request (the handler opens one for each page) or pooled
//   ids             fresh (the handler never gives a deleted id to anybody again) or reused
//   lenient-ttl     on: a `set` with a relative expiry above 30 days means what it says
//   locks           on: the preset's lock keys stay in memory (default); off: no lock rule is made
//
// Threads: a Rules is immutable once parsed; Match from any thread.
// Owns:    its rules; a const Rule* lives as long as the Rules.
// Errors:  Parse says kUsage with the word it stumbled over.
// Limits:  kRulesMax rules.

#ifndef HOLDFAST_SESSION_RULE_H_
#define HOLDFAST_SESSION_RULE_H_

#include <array>
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace holdfast::session {

inline constexpr size_t kRulesMax = 200;  // an item's stamps keep the number in a byte

enum class Policy : uint8_t {
  kCache,    // memory only
  kSession,  // acknowledged in memory and journal, written behind
  kStrict,   // acknowledged when the database has committed it (strict_writes.h)
};

// What keeps the client's session alive when its state cannot be known.
enum class Action : uint8_t {
  kClose,  // close the connection without a word (PHP overwrites the session after any reply)
  kError,  // an error reply (dalli, memjs)
};

struct Rule {
  uint8_t number = 0;  // its place in Rules
  std::string name;    // the preset, or the prefix
  std::string prefix;
  std::string suffix;
  uint16_t id_length_min = 0;
  uint16_t id_length_max = 250;
  std::bitset<256> alphabet = std::bitset<256>().set();  // of the id

  Policy policy = Policy::kSession;
  Action action = Action::kClose;
  uint32_t budget_ms = 800;
  uint32_t sync_interval_s = 0;  // 0: the module's
  uint32_t writer_window_s = 30;
  bool connection_per_request = false;
  bool fresh_ids = false;  // what is set under a deleted id is never a new login
  bool lenient_ttl = false;

  bool is_strict() const { return policy == Policy::kStrict; }
  bool Fits(std::string_view key) const;
};

class Rules {
 public:
  Rules() = default;  // no rule: every key is a cache key
  static base::Result<Rules> Parse(std::string_view text);
  // All of them; the handlers' defaults (kDefaultRules) when there is none.
  static base::Result<Rules> Parse(const std::vector<std::string>& texts);

  // The session rule of this key; null exactly when it is a cache key.
  const Rule* Match(std::string_view key) const {
    if (key.empty()) return nullptr;
    const Candidates candidates = by_first_byte_[static_cast<unsigned char>(key[0])];
    return candidates.count == 0 ? nullptr : MatchAmong(candidates, key);
  }

  const Rule& rule(uint8_t number) const { return rules_[number]; }
  size_t size() const { return rules_.size(); }
  bool empty() const { return rules_.empty(); }

 private:
  struct Candidates {
    uint16_t first = 0;  // in candidates_
    uint16_t count = 0;
  };

  const Rule* MatchAmong(Candidates candidates, std::string_view key) const;
  void BuildIndex();

  std::vector<Rule> rules_;
  std::vector<uint8_t> candidates_;  // rule numbers, for each first byte a run, longest rule first
  std::array<Candidates, 256> by_first_byte_{};
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_RULE_H_
