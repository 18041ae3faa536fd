// Four letters are three bytes. Padding may only end the text; bits that padding leaves over are not looked at, as
// memcached does not.

#include "protocol/base64.h"

#include <array>
#include <cstdint>

namespace holdfast::protocol {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNoLetter = 0xff;

consteval std::array<uint8_t, 256> NumberLetters() {
  std::array<uint8_t, 256> numbers = {};
  numbers.fill(kNoLetter);
  for (size_t i = 0; i < kLetters.size(); ++i)
    numbers[static_cast<unsigned char>(kLetters[i])] = static_cast<uint8_t>(i);
  return numbers;
}

constexpr std::array<uint8_t, 256> kNumbers = NumberLetters();

}  // namespace

char* EncodeBase64(std::string_view bytes, char* out) {
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = bytes.size() - i < 3 ? bytes.size() - i : 3;
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    *out++ = kLetters[group >> 18];
    *out++ = kLetters[group >> 12 & 63];
    *out++ = count > 1 ? kLetters[group >> 6 & 63] : '=';
    *out++ = count > 2 ? kLetters[group & 63] : '=';
  }
  return out;
}

std::optional<size_t> DecodeBase64(std::string_view text, char* out) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const char* const begin = out;
  for (size_t i = 0; i < text.size(); i += 4) {
    const size_t letters = i + 4 == text.size() ? 4 - padding : 4;
    uint32_t group = 0;
    for (size_t j = 0; j < 4; ++j) {
      const uint8_t number = j < letters ? kNumbers[static_cast<unsigned char>(text[i + j])] : uint8_t{0};
      if (number == kNoLetter) return std::nullopt;
      group = group << 6 | number;
    }
    for (size_t j = 0; j + 1 < letters; ++j) *out++ = static_cast<char>(group >> (16 - 8 * j) & 0xff);
  }
  return static_cast<size_t>(out - begin);
}

}  // namespace holdfast::protocol
