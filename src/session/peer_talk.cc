// How it works: words separated by single blanks; a line that is not understood is answered ERROR, one with a wrong
// token DENIED, and nothing is done.

#include "session/peer_talk.h"

#include <charconv>

#include "session/session.h"

namespace holdfast::session {

namespace {

constexpr size_t kHeadMax = 100;  // command, token, number

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char byte : bytes) {
    hex += kDigits[static_cast<unsigned char>(byte) >> 4];
    hex += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return hex;
}

bool FromHex(std::string_view hex, std::string* bytes) {
  bytes->clear();
  if (hex.empty() || hex.size() % 2 != 0 || hex.size() > 2 * store::kKeyBytesMax) return false;
  for (size_t i = 0; i < hex.size(); i += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
    if (error != std::errc() || end != hex.data() + i + 2) return false;
    *bytes += static_cast<char>(value);
  }
  return true;
}

std::string_view NextWord(std::string_view* line) {
  const size_t blank = line->find(' ');
  const std::string_view word = line->substr(0, blank);
  line->remove_prefix(blank == std::string_view::npos ? line->size() : blank + 1);
  return word;
}

// In a time that does not depend on where they differ.
bool SameToken(std::string_view a, std::string_view b) {
  if (a.size() != b.size() || a.empty()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace

size_t KeysOfALine(std::span<const std::string> keys) {
  size_t bytes = kHeadMax;
  size_t count = 0;
  while (count < keys.size() && bytes + 2 * keys[count].size() + 1 <= kPeerLineMax) {
    bytes += 2 * keys[count++].size() + 1;
  }
  return count;
}

std::string YieldLine(std::string_view token, uint32_t asker, std::span<const std::string> keys) {
  std::string line(kYieldCommand);
  line.append(" ").append(token).append(" ").append(std::to_string(asker));
  for (const std::string& key : keys) line.append(" ").append(Hex(key));
  return line;
}

std::vector<YieldAnswer> ReadYieldReply(std::string_view line, size_t keys) {
  if (NextWord(&line) != "YIELD" || line.size() != keys) return {};
  std::vector<YieldAnswer> answers;
  for (const char letter : line) {
    if (letter != 'd' && letter != 'w' && letter != 'r') return {};
    answers.push_back(letter == 'd' ? YieldAnswer::kDone : letter == 'w' ? YieldAnswer::kWait : YieldAnswer::kRefused);
  }
  return answers;
}

std::string AnswerPeer(Sessions& sessions, std::string_view line) {
  if (NextWord(&line) != kYieldCommand) return "ERROR";
  if (!SameToken(NextWord(&line), sessions.settings().node_token)) return "DENIED";
  const std::string_view number = NextWord(&line);
  uint32_t asker = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), asker);
  if (error != std::errc() || end != number.data() + number.size() || asker == 0 || asker >= kNodesMax) return "ERROR";
  std::string answer = "YIELD ";
  while (!line.empty()) {
    std::string key;
    if (!FromHex(NextWord(&line), &key)) return "ERROR";
    const YieldAnswer yielded = sessions.yields().Ask(key, asker);
    answer += yielded == YieldAnswer::kDone ? 'd' : yielded == YieldAnswer::kWait ? 'w' : 'r';
  }
  return answer;
}

}  // namespace holdfast::session
