// How it works: the text is cut at ';' and newlines into rules and at blanks into words. A preset fills a Draft of a
// rule, name=value words change it, then Finish derives the lock rule. BuildIndex sorts all rules, longest first, and
// keeps for each first byte of a key the rules that could fit; Match tries those in order. A rule without prefix is in
// every list whose byte its id may begin with.

#include "session/rule.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "session/session_settings.h"

namespace holdfast::session {
namespace {

using base::ErrorKind;
using base::Result;
using base::Status;

std::bitset<256> BytesOf(std::string_view bytes) {
  std::bitset<256> set;
  for (const char byte : bytes) set.set(static_cast<unsigned char>(byte));
  return set;
}

std::bitset<256> RangeOf(char first, char last) {
  std::bitset<256> set;
  for (int byte = first; byte <= last; ++byte) set.set(static_cast<size_t>(byte));
  return set;
}

std::optional<std::bitset<256>> AlphabetNamed(std::string_view name) {
  const std::bitset<256> digits = RangeOf('0', '9');
  const std::bitset<256> letters = RangeOf('a', 'z') | RangeOf('A', 'Z');
  if (name == "any") return std::bitset<256>().set();
  if (name == "hex") return digits | RangeOf('a', 'f') | RangeOf('A', 'F');
  if (name == "lower") return digits | RangeOf('a', 'z');
  if (name == "alnum") return digits | letters;
  if (name == "base64url") return digits | letters | BytesOf("-_");
  if (name == "php") return digits | letters | BytesOf(",-");
  return std::nullopt;
}

std::optional<Policy> PolicyNamed(std::string_view name) {
  if (name == "session") return Policy::kSession;
  if (name == "strict") return Policy::kStrict;
  if (name == "cache") return Policy::kCache;
  return std::nullopt;
}

// How a handler's lock keys are made from its session keys.
enum class LockForm : uint8_t { kNone, kPrefix, kSuffix };

struct Preset {
  const char* name;
  const char* prefix;
  uint16_t id_length_min, id_length_max;
  const char* alphabet;
  Action action;
  uint32_t budget_ms;
  bool connection_per_request;
  bool fresh_ids;
  bool lenient_ttl;
  LockForm lock_form;
  const char* lock;  // after the prefix, or at the end
};

// What each handler does, measured with the handlers themselves: php-memcached treats any reply but a value as "no
// session" and gives up after 5 s of silence; pecl memcache after 1 s; dalli after 1 s, memjs after 0.5 s, both live
// with an error; connect-memcached's pool gives a server up for 30 s after an error; Django deletes the cookie on any
// answer but the session, and has no time limit. express-session, Rack and Rails make a new id wherever they find no
// session; and Rails reads the old one behind its own delete, on the connection that all its threads share.
constexpr Preset kPresets[] = {
    {"php", "memc.sess.key.", 0, 250, "any", Action::kClose, 4000, true, false, false, LockForm::kPrefix, "lock."},
    {"pecl", "", 22, 245, "php", Action::kClose, 800, true, false, false, LockForm::kSuffix, ".lock"},
    {"express", "", 32, 32, "base64url", Action::kError, 4000, false, true, true, LockForm::kNone, ""},
    {"memjs", "", 32, 32, "base64url", Action::kError, 400, false, true, true, LockForm::kNone, ""},
    {"django", ":1:django.contrib.sessions.cache", 32, 32, "lower", Action::kClose, 30000, true, false, false,
     LockForm::kNone, ""},
    {"rack", "rack:session:", 0, 250, "any", Action::kError, 800, false, true, false, LockForm::kNone, ""},
    {"rails", "_session_id:", 0, 250, "any", Action::kError, 800, false, true, false, LockForm::kNone, ""},
};

constexpr uint32_t kWaitBudgetMillis = 30'000;

// A rule while it is being read.
struct RuleDraft {
  Rule rule;
  bool locks = true;
  LockForm lock_form = LockForm::kNone;
  std::string lock;
};

Status Refuse(std::string_view word, std::string_view why) {
  return Status(ErrorKind::kUsage, "'" + std::string(word) + "': " + std::string(why));
}

bool ParseNumber(std::string_view text, uint64_t limit, uint64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && *number <= limit;
}

// 800ms, 4s, 2m, 1h, or plain seconds.
bool ParseMillis(std::string_view text, uint32_t* millis) {
  struct Unit {
    std::string_view name;
    uint64_t millis;
  };
  static constexpr Unit kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"", 1000}};
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.name)) continue;
    uint64_t number;
    if (!ParseNumber(text.substr(0, text.size() - unit.name.size()), 86'400'000 / unit.millis, &number)) return false;
    *millis = static_cast<uint32_t>(number * unit.millis);
    return true;
  }
  return false;
}

bool ParseSeconds(std::string_view text, uint32_t* seconds) {
  uint32_t millis;
  if (!ParseMillis(text, &millis) || millis % 1000 != 0) return false;
  *seconds = millis / 1000;
  return true;
}

bool ParseSwitch(std::string_view text, bool* on) {
  *on = text == "on" || text == "yes" || text == "1";
  return *on || text == "off" || text == "no" || text == "0";
}

// %xx for bytes that cannot be written.
bool ParseBytes(std::string_view text, std::string* bytes) {
  bytes->clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes->push_back(text[i]);
      continue;
    }
    unsigned value;
    if (text.size() - i < 3) return false;
    const char* digits = text.data() + i + 1;
    const auto [end, error] = std::from_chars(digits, digits + 2, value, 16);
    if (error != std::errc() || end != digits + 2) return false;
    bytes->push_back(static_cast<char>(value));
    i += 2;
  }
  return bytes->size() <= 250;
}

bool ParseLengths(std::string_view text, Rule* rule) {
  const size_t dash = text.find('-');
  uint64_t low;
  uint64_t high;
  if (!ParseNumber(text.substr(0, dash), 250, &low)) return false;
  if (dash == std::string_view::npos) {
    high = low;
  } else if (!ParseNumber(text.substr(dash + 1), 250, &high)) {
    return false;
  }
  rule->id_length_min = static_cast<uint16_t>(low);
  rule->id_length_max = static_cast<uint16_t>(high);
  return low <= high;
}

void ApplyPreset(const Preset& preset, RuleDraft* draft) {
  Rule& rule = draft->rule;
  rule.name = preset.name;
  rule.prefix = preset.prefix;
  rule.id_length_min = preset.id_length_min;
  rule.id_length_max = preset.id_length_max;
  rule.alphabet = *AlphabetNamed(preset.alphabet);
  rule.action = preset.action;
  rule.budget_ms = preset.budget_ms;
  rule.connection_per_request = preset.connection_per_request;
  rule.fresh_ids = preset.fresh_ids;
  rule.lenient_ttl = preset.lenient_ttl;
  draft->lock_form = preset.lock_form;
  draft->lock = preset.lock;
}

Status ApplyPolicy(std::string_view value, std::string_view word, Rule* rule) {
  const std::optional<Policy> policy = PolicyNamed(value);
  if (!policy) return Refuse(word, "policy is session, strict or cache");
  rule->policy = *policy;
  return {};
}

Status ApplyAction(std::string_view value, std::string_view word, Rule* rule) {
  if (value != "close" && value != "error" && value != "wait") return Refuse(word, "action is close, error or wait");
  rule->action = value == "error" ? Action::kError : Action::kClose;
  if (value == "wait") rule->budget_ms = kWaitBudgetMillis;
  return {};
}

Status ApplySetting(std::string_view word, RuleDraft* draft) {
  Rule& rule = draft->rule;
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos) {
    return Refuse(word, "neither a preset (php pecl express memjs django rack rails) nor name=value");
  }
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = word.substr(equals + 1);

  if (name == "policy") return ApplyPolicy(value, word, &rule);
  if (name == "action") return ApplyAction(value, word, &rule);
  if (name == "prefix") return ParseBytes(value, &rule.prefix) ? Status() : Refuse(word, "at most 250 bytes, %xx");
  if (name == "suffix") return ParseBytes(value, &rule.suffix) ? Status() : Refuse(word, "at most 250 bytes, %xx");
  if (name == "id") return ParseLengths(value, &rule) ? Status() : Refuse(word, "a length as 32 or 22-128, up to 250");
  if (name == "alphabet") {
    const auto alphabet = AlphabetNamed(value);
    if (!alphabet) return Refuse(word, "alphabet is any, hex, lower, alnum, base64url or php");
    rule.alphabet = *alphabet;
    return {};
  }
  if (name == "budget") {
    return ParseMillis(value, &rule.budget_ms) ? Status() : Refuse(word, "a time as 800ms or 4s, up to a day");
  }
  if (name == "sync") {
    return ParseSeconds(value, &rule.sync_interval_s) ? Status() : Refuse(word, "whole seconds as 120s or 2m");
  }
  if (name == "window") {
    return ParseSeconds(value, &rule.writer_window_s) ? Status() : Refuse(word, "whole seconds as 30s");
  }
  if (name == "connections") {
    rule.connection_per_request = value == "request";
    return value == "request" || value == "pooled" ? Status() : Refuse(word, "connections is request or pooled");
  }
  if (name == "ids") {
    rule.fresh_ids = value == "fresh";
    return value == "fresh" || value == "reused" ? Status() : Refuse(word, "ids is fresh or reused");
  }
  if (name == "lenient-ttl") return ParseSwitch(value, &rule.lenient_ttl) ? Status() : Refuse(word, "on or off");
  if (name == "locks") return ParseSwitch(value, &draft->locks) ? Status() : Refuse(word, "on or off");
  return Refuse(word, "no such setting");
}

// The next word of *text, which it is taken from; empty at the end.
std::string_view NextWord(std::string_view* text) {
  static constexpr std::string_view kBlanks = " \t\r";
  const size_t begin = text->find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return *text = {};
  text->remove_prefix(begin);
  const std::string_view word = text->substr(0, text->find_first_of(kBlanks));
  text->remove_prefix(word.size());
  return word;
}

Status ParseRule(std::string_view text, RuleDraft* draft) {
  bool first = true;
  for (std::string_view word = NextWord(&text); !word.empty(); word = NextWord(&text)) {
    const auto preset = std::find_if(std::begin(kPresets), std::end(kPresets),
                                     [word](const Preset& candidate) { return word == candidate.name; });
    if (first && preset != std::end(kPresets)) {
      ApplyPreset(*preset, draft);
    } else if (Status status = ApplySetting(word, draft); !status.ok()) {
      return status;
    }
    first = false;
  }
  return {};
}

// Adds the draft's rule and what follows from it.
Status Finish(RuleDraft draft, std::vector<Rule>* rules) {
  Rule& rule = draft.rule;
  const bool any_id = rule.id_length_min == 0 && rule.alphabet.all();
  if (rule.prefix.empty() && rule.suffix.empty() && any_id && rule.policy != Policy::kCache) {
    return Status(ErrorKind::kUsage,
                  "a rule would fit every key; give it a prefix, a suffix, or the shape of the id (id=, "
                  "alphabet=)");
  }
  if (rule.is_strict() && rule.budget_ms == 0) {
    return Status(ErrorKind::kUsage, "a rule with policy=strict needs a budget= to wait for the database");
  }
  if (rule.name.empty()) rule.name = rule.prefix.empty() ? "*" + rule.suffix : rule.prefix;
  if (rules->size() + 2 > kRulesMax) return Status(ErrorKind::kUsage, "too many rules, at most 200");
  if (draft.lock_form != LockForm::kNone && draft.locks && rule.policy != Policy::kCache) {
    Rule lock = rule;
    lock.name += " locks";
    lock.policy = Policy::kCache;
    (draft.lock_form == LockForm::kPrefix ? lock.prefix : lock.suffix) += draft.lock;
    lock.alphabet.set();
    rules->push_back(std::move(lock));
  }
  rules->push_back(std::move(rule));
  return {};
}

}  // namespace

bool Rule::Fits(std::string_view key) const {
  if (key.size() < prefix.size() + suffix.size()) return false;
  if (!key.starts_with(prefix) || !key.ends_with(suffix)) return false;
  const std::string_view id = key.substr(prefix.size(), key.size() - prefix.size() - suffix.size());
  if (id.size() < id_length_min || id.size() > id_length_max) return false;
  if (alphabet.all()) return true;
  return std::all_of(id.begin(), id.end(), [this](char byte) { return alphabet[static_cast<unsigned char>(byte)]; });
}

Result<Rules> Rules::Parse(std::string_view text) {
  Rules rules;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find_first_of(";\n"));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    RuleDraft draft;
    if (Status status = ParseRule(line, &draft); !status.ok()) return status;
    if (Status status = Finish(std::move(draft), &rules.rules_); !status.ok()) return status;
  }
  rules.BuildIndex();
  return rules;
}

Result<Rules> Rules::Parse(const std::vector<std::string>& texts) {
  if (texts.empty()) return Parse(kDefaultRules);
  std::string all;
  for (const std::string& text : texts) all += text + "\n";
  return Parse(all);
}

void Rules::BuildIndex() {
  std::vector<uint8_t> order;
  for (size_t i = 0; i < rules_.size(); ++i) {
    rules_[i].number = static_cast<uint8_t>(i);
    order.push_back(static_cast<uint8_t>(i));
  }
  // How narrow a rule is: the bytes it fixes, then whether it says anything of the id.
  const auto width = [this](uint8_t number) {
    const Rule& rule = rules_[number];
    return (rule.prefix.size() + rule.suffix.size()) * 2 + (rule.alphabet.all() && rule.id_length_min == 0 ? 0 : 1);
  };
  std::stable_sort(order.begin(), order.end(), [&](uint8_t a, uint8_t b) { return width(a) > width(b); });

  for (size_t byte = 0; byte < 256; ++byte) {
    Candidates& candidates = by_first_byte_[byte];
    candidates.first = static_cast<uint16_t>(candidates_.size());
    for (const uint8_t number : order) {
      const Rule& rule = rules_[number];
      const bool possible = !rule.prefix.empty() ? static_cast<unsigned char>(rule.prefix[0]) == byte
                                                 : rule.alphabet[byte] || rule.id_length_min == 0;
      if (possible) candidates_.push_back(number);
    }
    candidates.count = static_cast<uint16_t>(candidates_.size() - candidates.first);
  }
}

const Rule* Rules::MatchAmong(Candidates candidates, std::string_view key) const {
  for (uint16_t i = 0; i < candidates.count; ++i) {
    const Rule& rule = rules_[candidates_[candidates.first + i]];
    if (rule.Fits(key)) return rule.policy == Policy::kCache ? nullptr : &rule;
  }
  return nullptr;
}

}  // namespace holdfast::session
