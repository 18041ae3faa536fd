// A Request is copied seldom (when it is parked or uploads), parsed often: so the views that point into the object
// itself are mended here instead of being offsets that every reader would have to add up.

#include "protocol/request.h"

#include <cstring>

namespace holdfast::protocol {

Request& Request::operator=(const Request& other) {
  if (this == &other) return *this;
  static_cast<RequestFields&>(*this) = other;
  piece = other.piece;
  if (other.value.data() == &other.piece) value = {&piece, 1};
  if (other.key.data() == other.key_storage) {
    std::memcpy(key_storage, other.key_storage, other.key.size());
    key = {key_storage, other.key.size()};
  }
  return *this;
}

void Request::KeepText(std::string* storage) {
  const size_t key_size = key.size(), arguments_size = arguments.size(), flags_size = meta_flags.size();
  std::string text;
  text.reserve(key_size + arguments_size + flags_size);
  text.append(key).append(arguments).append(meta_flags);
  *storage = std::move(text);
  const std::string_view kept = *storage;
  key = kept.substr(0, key_size);
  arguments = kept.substr(key_size, arguments_size);
  meta_flags = kept.substr(key_size + arguments_size, flags_size);
}

}  // namespace holdfast::protocol
