// words.h - splits a command line at its spaces, as memcached does: tabs and control bytes are letters like any other.
//
// Threads: values. Owns: nothing, views into the line.

#ifndef HOLDFAST_PROTOCOL_WORDS_H_
#define HOLDFAST_PROTOCOL_WORDS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace holdfast::protocol {

// The first space in [begin, end), or end. Eight bytes at a time: words are too short for a call of memchr to pay.
inline const char* FindSpace(const char* begin, const char* end) {
  if constexpr (std::endian::native == std::endian::little) {
    constexpr uint64_t kOnes = 0x0101010101010101, kSpaces = kOnes * ' ', kHigh = kOnes * 0x80;
    for (; end - begin >= 8; begin += 8) {
      uint64_t bytes;
      std::memcpy(&bytes, begin, 8);
      bytes ^= kSpaces;
      const uint64_t zeros = (bytes - kOnes) & ~bytes & kHigh;  // the lowest bit set is exact, those above may lie
      if (zeros != 0) return begin + std::countr_zero(zeros) / 8;
    }
  }
  while (begin != end && *begin != ' ') ++begin;
  return begin;
}

inline const char* SkipSpaces(const char* begin, const char* end) {
  while (begin != end && *begin == ' ') ++begin;
  return begin;
}

class Words {
 public:
  explicit Words(std::string_view line) : at_(line.data()), end_(line.data() + line.size()) {}

  // The next word; empty when there is none.
  std::string_view Next() {
    const char* const begin = SkipSpaces(at_, end_);
    at_ = FindSpace(begin, end_);
    return {begin, static_cast<size_t>(at_ - begin)};
  }
  // What is left, without the spaces around it.
  std::string_view Rest() const {
    const char* const begin = SkipSpaces(at_, end_);
    const char* last = end_;
    while (last != begin && last[-1] == ' ') --last;
    return {begin, static_cast<size_t>(last - begin)};
  }
  const char* position() const { return at_; }

 private:
  const char* at_;
  const char* end_;
};

// The line between its first byte and its line end, without the carriage return.
inline std::string_view WithoutReturn(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

inline std::string_view LastWord(std::string_view line) {
  while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
  return line.substr(line.find_last_of(' ') + 1);  // npos + 1 is 0
}

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_WORDS_H_
