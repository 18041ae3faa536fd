// key.h - a key and its hash, computed once a request.
//
// The hash is CRC-32C, spread by a multiplicative mix so that the bucket (its top bits) and the tag (its low bits) are
// independent. CRC is linear, so anybody can make many keys of one hash; that is why the index has a second place
// chosen by a keyed hash.
//
// Threads: a value. Owns nothing: bytes is a view.

#ifndef HOLDFAST_STORE_KEY_H_
#define HOLDFAST_STORE_KEY_H_

#include <cstdint>
#include <string_view>

#include "base/crc32c.h"

namespace holdfast::store {

struct Key {
  std::string_view bytes;
  uint32_t hash = 0;

  static Key Of(std::string_view bytes) { return Key{bytes, Mix(base::Crc32c(bytes))}; }

 private:
  static uint32_t Mix(uint32_t crc) {
    crc ^= crc >> 16;
    crc *= 0x7feb352du;
    crc ^= crc >> 15;
    crc *= 0x846ca68bu;
    return crc ^ (crc >> 16);
  }
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_KEY_H_
