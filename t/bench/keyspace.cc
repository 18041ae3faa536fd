// How it works: a key is "prefix" + 16 hexadecimal digits mixed from its number + ":" + the number in 8 digits. The
// mixed part spreads keys as user names or session ids are spread; the number makes a wrong reply readable. A value
// begins with (the end of) its key and goes on with a fixed alphabet.
//
// Zipf draws (theta 0.99) are made once by inverting the cumulated weights, over ranks shuffled so that the popular
// keys are not neighbours in the slabs.
#include "bench/keyspace.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lib/crc_collisions.h"

namespace holdfast::bench {
namespace {

constexpr size_t kPrefixBytes = 5;
constexpr size_t kMixedDigits = 16;
constexpr size_t kNumberDigits = 8;
static_assert(kPrefixBytes + kMixedDigits + 1 + kNumberDigits == kKeyBytes);

constexpr double kZipfTheta = 0.99;
constexpr size_t kZipfDraws = 1 << 20;

uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t NextRandom(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  return Mix(state);
}

uint32_t Below(uint64_t random, uint32_t bound) { return static_cast<uint32_t>(((random >> 32) * bound) >> 32); }

// Keys whose last four bytes make the CRC what it is to be. Those that a text protocol would not take are left out.
std::vector<std::string> MakeOneCrcKeys() {
  constexpr size_t kHeadBytes = kKeyBytes - 4;
  const test::OneCrc one_crc;
  std::vector<std::string> keys;
  for (uint64_t number = 0; keys.size() < kOneCrcKeysMax; ++number) {
    std::string key = "attack:" + std::to_string(Mix(number)) + ":";
    key.resize(kHeadBytes, '0' + static_cast<char>(number % 10));
    one_crc.Complete(&key);
    const auto is_taken = [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '\x7f'; };
    if (std::all_of(key.begin(), key.end(), is_taken)) keys.push_back(std::move(key));
  }
  return keys;
}

std::string MakeFiller() {
  std::string filler;
  for (int i = 0; i < 4096; ++i) filler += static_cast<char>('a' + i % 26);
  return filler;
}

}  // namespace

void Keyspace::AppendKey(std::string& out, uint32_t id) const {
  if (one_crc) {
    static const std::vector<std::string> keys = MakeOneCrcKeys();
    out += keys[id];
    return;
  }
  char key[kKeyBytes];
  std::copy_n(prefix.data(), kPrefixBytes, key);
  uint64_t mixed = Mix(id);
  for (size_t i = 0; i < kMixedDigits; ++i, mixed >>= 4) key[kPrefixBytes + i] = "0123456789abcdef"[mixed & 15];
  key[kPrefixBytes + kMixedDigits] = ':';
  uint32_t number = id;
  for (size_t i = 1; i <= kNumberDigits; ++i, number /= 10) key[kKeyBytes - i] = static_cast<char>('0' + number % 10);
  out.append(key, kKeyBytes);
}

void Keyspace::AppendValue(std::string& out, uint32_t id) const {
  if (counters) {
    out += std::to_string(kCounterStart);
    return;
  }
  static const std::string filler = MakeFiller();
  const size_t start = out.size();
  AppendKey(out, id);
  if (value_bytes < kKeyBytes) {
    out.erase(start, kKeyBytes - value_bytes);
  } else {
    out.append(filler, 0, value_bytes - kKeyBytes);
  }
}

KeyChooser::KeyChooser(Draw draw, uint32_t keys, uint64_t seed) : draw_(draw), keys_(keys), state_(Mix(seed)) {
  if (draw_ == Draw::kZipf) DrawZipf();
}

uint32_t KeyChooser::Next() {
  switch (draw_) {
    case Draw::kUniform:
      return Below(NextRandom(state_), keys_);
    case Draw::kZipf:
      cursor_ = (cursor_ + 1) % kZipfDraws;
      return drawn_[cursor_];
    case Draw::kSequential:
      break;
  }
  const uint32_t id = cursor_;
  cursor_ = cursor_ + 1 == keys_ ? 0 : cursor_ + 1;
  return id;
}

void KeyChooser::DrawZipf() {
  std::vector<double> cumulated(keys_);
  double sum = 0;
  for (uint32_t rank = 0; rank < keys_; ++rank) cumulated[rank] = sum += 1.0 / std::pow(rank + 1.0, kZipfTheta);
  std::vector<uint32_t> key_of_rank(keys_);
  std::iota(key_of_rank.begin(), key_of_rank.end(), 0u);
  for (uint32_t i = keys_ - 1; i > 0; --i) std::swap(key_of_rank[i], key_of_rank[Below(NextRandom(state_), i + 1)]);
  drawn_.resize(kZipfDraws);
  for (uint32_t& drawn : drawn_) {
    const double point = sum * static_cast<double>(NextRandom(state_) >> 11) * 0x1.0p-53;
    const auto found = std::upper_bound(cumulated.begin(), cumulated.end(), point);
    drawn = key_of_rank[std::min<size_t>(static_cast<size_t>(found - cumulated.begin()), keys_ - 1)];
  }
}

}  // namespace holdfast::bench
