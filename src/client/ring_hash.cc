// How MD5 is called here: its compression function directly, on a block that we pad ourselves. A key is nearly always
// one block, and MD5 is most of what a look-up in ketama_weighted costs, so the context that EVP_Digest allocates and
// looks up each time would more than double it. It is also why MD5 works here where a policy forbids it to EVP: this is
// a placement that was agreed long ago, nothing is protected by it.

#define OPENSSL_SUPPRESS_DEPRECATED  // MD5_Init, MD5_Transform
#include "client/ring_hash.h"

#include <openssl/md5.h>
#include <xxhash.h>

#include <cstring>

namespace holdfast::client {
namespace {

constexpr size_t kBlockBytes = MD5_CBLOCK;
constexpr size_t kLengthBytes = 8;  // the end of the last block: the length of the text in bits, low byte first
constexpr unsigned char kEndOfText = 0x80;

void PutLength(unsigned char* block, uint64_t bits) {
  unsigned char* length = block + kBlockBytes - kLengthBytes;
  for (size_t i = 0; i < kLengthBytes; i++) length[i] = static_cast<unsigned char>(bits >> 8 * i);
}

}  // namespace

uint32_t OneAtATime(std::string_view text) {
  uint32_t hash = 0;
  for (char c : text) {
    // (hash + c) * 1025, written so that only two additions wait for the character before.
    const uint32_t spread = static_cast<uint32_t>(static_cast<signed char>(c)) * 1025;
    hash = (hash + spread) + (hash << 10);
    hash ^= hash >> 6;
  }
  hash += hash << 3;
  hash ^= hash >> 11;
  hash += hash << 15;
  return hash;
}

std::array<uint32_t, 4> Md5Words(std::string_view text) {
  MD5_CTX context;
  MD5_Init(&context);
  const uint64_t bits = uint64_t{text.size()} * 8;
  for (; text.size() >= kBlockBytes; text.remove_prefix(kBlockBytes)) {
    MD5_Transform(&context, reinterpret_cast<const unsigned char*>(text.data()));
  }
  unsigned char block[kBlockBytes] = {};
  if (!text.empty()) std::memcpy(block, text.data(), text.size());
  block[text.size()] = kEndOfText;
  if (text.size() + 1 > kBlockBytes - kLengthBytes) {
    MD5_Transform(&context, block);
    std::memset(block, 0, sizeof(block));
  }
  PutLength(block, bits);
  MD5_Transform(&context, block);
  return {context.A, context.B, context.C, context.D};
}

uint64_t HashOf(KeyHash hash, std::string_view text) {
  switch (hash) {
    case KeyHash::kOneAtATime:
      return OneAtATime(text);
    case KeyHash::kMd5:
      return Md5Words(text)[0];
    case KeyHash::kXxh3:
      break;
  }
  return XXH3_64bits(text.data(), text.size());
}

}  // namespace holdfast::client
