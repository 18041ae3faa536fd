#include "client/key_text.h"

#include <cstdio>
#include <cstring>

#include "protocol/request_writer.h"

namespace holdfast::client {
namespace {

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
  if (check && !protocol::IsTextKey(key)) {
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
