#include "command/key_text.h"

#include <algorithm>

namespace holdfast::command {

namespace {
bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}
}  // namespace

void AppendEncoded(std::string_view key, std::string* text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : key) {
    if (IsUnreserved(c)) {
      text->push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    text->push_back('%');
    text->push_back(kDigits[byte >> 4]);
    text->push_back(kDigits[byte & 15]);
  }
}

bool IsPlainKey(std::string_view key) {
  return std::none_of(key.begin(), key.end(),
                      [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; });
}

}  // namespace holdfast::command
