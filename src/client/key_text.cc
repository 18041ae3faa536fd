#include "client/key_text.h"

#include <cstdio>
#include <cstring>

#include "protocol/request_writer.h"

namespace holdfast::client {
namespace {

constexpr uint64_t Each(uint8_t byte) { return byte * uint64_t{0x0101010101010101}; }

// Any byte that a line cannot hold among eight: up to a space, or 127.
bool BreaksALine(uint64_t bytes) {
  const uint64_t low = (bytes - Each(' ' + 1)) & ~bytes;
  const uint64_t from_delete = bytes ^ Each(0x7f);
  const uint64_t is_delete = (from_delete - Each(1)) & ~from_delete;
  return ((low | is_delete) & Each(0x80)) != 0;
}

// As protocol::IsTextKey, eight bytes at a time: a multiget asks it of every key.
bool FitsALine(std::string_view key) {
  const char* place = key.data();
  size_t left = key.size();
  uint64_t bytes;
  for (; left >= sizeof(bytes); left -= sizeof(bytes), place += sizeof(bytes)) {
    std::memcpy(&bytes, place, sizeof(bytes));
    if (BreaksALine(bytes)) return false;
  }
  bytes = Each('x');
  std::memcpy(&bytes, place, left);
  return !BreaksALine(bytes);
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

Status CheckKey(std::string_view prefix, std::string_view key, bool check) {
  if (key.empty()) return Status(Code::kInvalid, "", "the key is empty");
  if (prefix.size() + key.size() > protocol::kKeyBytesMax) {
    return Status(Code::kInvalid, "",
                  "the key " + Shown(key) + " has " + std::to_string(prefix.size() + key.size()) +
                      " bytes with its prefix: the most is " + std::to_string(protocol::kKeyBytesMax));
  }
  if (check && !FitsALine(key)) {
    return Status(Code::kInvalid, "", "the key " + Shown(key) + " has a space or a control character");
  }
  return Status();
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
