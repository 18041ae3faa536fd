// How MD5 is called here: its compression function directly, on a block that we pad ourselves. A key is nearly always
// one block, and MD5 is most of what a look-up in ketama_weighted costs, so the context that EVP_Digest allocates and
// looks up each time would more than double it. It is also why MD5 works here where a policy forbids it to EVP: this is
// a placement that was agreed long ago, nothing is protected by it.
//
// One-at-a-time is a chain in which each character waits for the one before, so a processor that could do four things
// at a time does one. The keys of a multiget are hashed eight at a time therefore, each in a lane of a vector, as far
// as all eight reach; the rest of the longer ones is done one by one.

#define OPENSSL_SUPPRESS_DEPRECATED  // MD5_Init, MD5_Transform
#include "client/ring_hash.h"

#include <openssl/md5.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
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

// The hash so far, carried on over the rest of the text.
uint32_t CarryOn(uint32_t hash, std::string_view text) {
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

// Two vectors, for one would wait for itself too. Wider ones would go through memory where the processor has none.
constexpr size_t kLanes = 4;
constexpr size_t kTexts = 2 * kLanes;
using Lanes = uint32_t __attribute__((vector_size(kLanes * sizeof(uint32_t))));
using SignedLanes = int32_t __attribute__((vector_size(kLanes * sizeof(uint32_t))));

uint32_t WordAt(std::string_view text, size_t place) {
  uint32_t word;
  std::memcpy(&word, text.data() + place, sizeof(word));
  return word;
}

Lanes WordsAt(const std::string_view* texts, size_t place) {
  return Lanes{WordAt(texts[0], place), WordAt(texts[1], place), WordAt(texts[2], place), WordAt(texts[3], place)};
}

// number: which character of the words, the first in memory is 0.
template <int kNumber>
void Mix(Lanes words, Lanes* hash) {
  constexpr int kToTop = std::endian::native == std::endian::little ? 24 - 8 * kNumber : 8 * kNumber;
  const Lanes c = reinterpret_cast<Lanes>(reinterpret_cast<SignedLanes>(words << kToTop) >> 24);
  *hash = (*hash + c + (c << 10)) + (*hash << 10);
  *hash ^= *hash >> 6;
}

void MixAll(Lanes words, Lanes* hash) {
  Mix<0>(words, hash);
  Mix<1>(words, hash);
  Mix<2>(words, hash);
  Mix<3>(words, hash);
}

// kTexts texts side by side, four characters of each at a time.
void OneAtATimeOfLanes(const std::string_view* texts, uint64_t* hashes) {
  size_t common = texts[0].size();
  for (size_t i = 1; i < kTexts; i++) common = std::min(common, texts[i].size());
  Lanes low = {}, high = {};
  size_t done = 0;
  for (; done + sizeof(uint32_t) <= common; done += sizeof(uint32_t)) {
    MixAll(WordsAt(texts, done), &low);
    MixAll(WordsAt(texts + kLanes, done), &high);
  }
  for (size_t lane = 0; lane < kLanes; lane++) {
    hashes[lane] = CarryOn(low[lane], texts[lane].substr(done));
    hashes[kLanes + lane] = CarryOn(high[lane], texts[kLanes + lane].substr(done));
  }
}

}  // namespace

uint32_t OneAtATime(std::string_view text) { return CarryOn(0, text); }

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

void HashesOf(KeyHash hash, std::span<const std::string_view> texts, uint64_t* hashes) {
  size_t done = 0;
  if (hash == KeyHash::kOneAtATime) {
    for (; done + kTexts <= texts.size(); done += kTexts) OneAtATimeOfLanes(&texts[done], hashes + done);
  }
  for (; done < texts.size(); done++) hashes[done] = HashOf(hash, texts[done]);
}

}  // namespace holdfast::client
