#include "client/key_text.h"

#include <cstdio>
#include <cstring>

#include "protocol/request_writer.h"

namespace holdfast::client {
namespace {

constexpr uint64_t Each(uint8_t byte) { return byte * uint64_t{0x0101010101010101}; }

// Not 0 when any of eight bytes is one that a line cannot hold: up to a space, or 127.
uint64_t BreaksALine(uint64_t bytes) {
  const uint64_t low = (bytes - Each(' ' + 1)) & ~bytes;
  const uint64_t from_delete = bytes ^ Each(0x7f);
  const uint64_t is_delete = (from_delete - Each(1)) & ~from_delete;
  return (low | is_delete) & Each(0x80);
}

// As protocol::IsTextKey, eight bytes at a time: a multiget asks it of every key.
bool FitsALine(std::string_view key) {
  uint64_t bytes = Each('x');
  if (key.size() < sizeof(bytes)) {
    std::memcpy(&bytes, key.data(), key.size());
    return BreaksALine(bytes) == 0;
  }
  const size_t last = key.size() - sizeof(bytes);  // the last eight are looked at together, some of them twice
  std::memcpy(&bytes, key.data() + last, sizeof(bytes));
  uint64_t broken = BreaksALine(bytes);
  for (size_t place = 0; place < last; place += sizeof(bytes)) {
    std::memcpy(&bytes, key.data() + place, sizeof(bytes));
    broken |= BreaksALine(bytes);
  }
  return broken == 0;
}

std::string Shown(std::string_view key) {
  constexpr size_t kBytes = 40;
  std::string shown;
  for (char c : key.substr(0, kBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    char escaped[8];
    std::snprintf(escaped, sizeof(escaped), byte < ' ' || byte >= 0x7f ? "\\x%02x" : "%c", byte);
    shown += escaped;
  }
  return '"' + shown + (key.size() > kBytes ? "\"..." : "\"");
}

}  // namespace

bool KeyFits(std::string_view prefix, std::string_view key, bool check) {
  return !key.empty() && prefix.size() + key.size() <= protocol::kKeyBytesMax && (!check || FitsALine(key));
}

Status CheckKey(std::string_view prefix, std::string_view key, bool check) {
  if (KeyFits(prefix, key, check)) return Status();
  if (key.empty()) return Status(Code::kInvalid, "", "the key is empty");
  if (prefix.size() + key.size() > protocol::kKeyBytesMax) {
    return Status(Code::kInvalid, "",
                  "the key " + Shown(key) + " has " + std::to_string(prefix.size() + key.size()) +
                      " bytes with its prefix: the most is " + std::to_string(protocol::kKeyBytesMax));
  }
  return Status(Code::kInvalid, "", "the key " + Shown(key) + " has a space or a control character");
}

Status KeyText::Set(std::string_view prefix, std::string_view key, bool check) {
  if (Status status = CheckKey(prefix, key, check); !status.ok()) return status;
  text_ = key;
  if (!prefix.empty()) {
    std::memcpy(bytes_, prefix.data(), prefix.size());
    std::memcpy(bytes_ + prefix.size(), key.data(), key.size());
    text_ = {bytes_, prefix.size() + key.size()};
  }
  base64_ = !check && !protocol::IsTextKey(text_);
  return Status();
}

}  // namespace holdfast::client
