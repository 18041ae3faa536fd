// key_text.h - a key as it is sent: with its prefix, and found fit to be sent.
//
// Threads: values.
// Owns:    the bytes when there is a prefix; without one the caller's key is borrowed.
// Errors:  kInvalid, saying what is wrong with the key.

#ifndef HOLDFAST_CLIENT_KEY_TEXT_H_
#define HOLDFAST_CLIENT_KEY_TEXT_H_

#include <holdfast/status.h>

#include <string_view>

#include "protocol/request.h"

namespace holdfast::client {

// check: refuse what a line cannot hold; otherwise only emptiness and length are looked at.
bool KeyFits(std::string_view prefix, std::string_view key, bool check);
// The same, with words for what is wrong.
Status CheckKey(std::string_view prefix, std::string_view key, bool check);

class KeyText {
 public:
  KeyText() = default;
  KeyText(const KeyText&) = delete;
  KeyText& operator=(const KeyText&) = delete;

  Status Set(std::string_view prefix, std::string_view key, bool check);

  std::string_view text() const { return text_; }
  // It must travel in base64.
  bool base64() const { return base64_; }

 private:
  std::string_view text_;
  bool base64_ = false;
  char bytes_[protocol::kKeyBytesMax];
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_KEY_TEXT_H_
