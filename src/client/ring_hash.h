// ring_hash.h - the hashes that rings are made of and keys are looked up with.
//
// Threads: pure functions.
// Errors:  none; nothing is allocated.

#ifndef HOLDFAST_CLIENT_RING_HASH_H_
#define HOLDFAST_CLIENT_RING_HASH_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace holdfast::client {

enum class KeyHash { kOneAtATime, kMd5, kXxh3 };

// Jenkins' one-at-a-time hash over signed characters: a byte from 0x80 on is negative.
uint32_t OneAtATime(std::string_view text);

// The digest as its four words, each of four bytes, the first byte the lowest.
std::array<uint32_t, 4> Md5Words(std::string_view text);

// 32 bits for kOneAtATime and kMd5 (the first word of the digest), 64 for kXxh3.
uint64_t HashOf(KeyHash hash, std::string_view text);

// The same of many texts, several at a time where that is quicker. hashes has room for one each.
void HashesOf(KeyHash hash, std::span<const std::string_view> texts, uint64_t* hashes);

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_RING_HASH_H_
