// ring_vectors.h - where other clients put twenty keys, asked from the clients themselves: libmemcached 1.1.4,
// php-memcached 3.2, pylibmc 1.6, node memcached 2.2, node hashring 3.2 and spymemcached 2.12.

#ifndef HOLDFAST_T_LIB_RING_VECTORS_H_
#define HOLDFAST_T_LIB_RING_VECTORS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/ring.h"

namespace holdfast::client {

// Servers before + "1" + behind, before + "2" + behind, ...
inline std::vector<RingMember> Numbered(uint32_t count, std::string before = "10.0.0.", std::string behind = "") {
  std::vector<RingMember> members;
  for (uint32_t i = 1; i <= count; i++) members.push_back({before + std::to_string(i) + behind});
  return members;
}

inline std::vector<RingMember> Weighted(std::vector<RingMember> members, const std::vector<uint32_t>& weights) {
  for (size_t i = 0; i < members.size(); i++) members[i].weight = weights.at(i);
  return members;
}

struct RingVectorKey {
  std::string_view key;
  uint32_t one_at_a_time;
  uint32_t md5;
};

inline constexpr RingVectorKey kRingVectorKeys[] = {
    {"a", 0xca2e9442, 0xb975c10c},
    {"b", 0x00db819b, 0xfe5feb92},
    {"foo", 0x238678dd, 0xdb18bdac},
    {"bar", 0x80409109, 0x191db537},
    {"key1", 0xbef4dc2c, 0x94d6adc2},
    {"key2", 0xad3438ab, 0xaa25f878},
    {"key3", 0xdb829547, 0x85573136},
    {"user:1000", 0xb563b74f, 0x2e986207},
    {"user:1001", 0xa3ac13e0, 0xe4d46b12},
    {"session:abcdef", 0x0f5ba165, 0x7706b6d8},
    {"memc.sess.key.5d41402abc4b2a76b9719d911017c592", 0x5fe2bb8a, 0xf92a5270},
    {"5d41402abc4b2a76b9719d911017c592", 0x8646a615, 0x5229a369},
    {"/index.html", 0x8153d651, 0x736d54d1},
    {"The quick brown fox", 0x43cf4eff, 0x374f00a2},
    {"0", 0x6e3c5c6b, 0x8420cdcf},
    {"12345678901234567890", 0x2d1003e9, 0x2de685fd},
    {"caf\xc3\xa9", 0xd99c709e, 0xe47f1107},
    {"VDEAAAAA", 0x14b8ce1b, 0xfffcd1b5},
    {"x", 0x9303a5e5, 0x61e4d49d},
    {"some-long-key-0123456789-0123456789-0123456789-0123456789-0123456789", 0x7a57c832, 0xf0bf6533},
};

struct RingVector {
  std::string_view client;
  RingScheme scheme;
  std::vector<RingMember> members;
  std::string_view servers;  // of each key, in order; 'a' is the first member
};

inline std::vector<RingVector> RingVectors() {
  return {
      {"modula", RingScheme::kModula, Numbered(3), "acabccccccbbabaabcba"},
      {"php_default_modula", RingScheme::kModula, Numbered(3), "acabccccccbbabaabcba"},
      {"pylibmc_default", RingScheme::kModula, Numbered(3), "acabccccccbbabaabcba"},
      {"modula_md5", RingScheme::kModulaMd5, Numbered(3), "abbcaccabbcbbcabbabb"},
      {"ketama", RingScheme::kKetama, Numbered(3), "abcaabcbbcccacccccbb"},
      {"php_distribution_consistent", RingScheme::kKetama, Numbered(3), "abcaabcbbcccacccccbb"},
      {"pylibmc_ketama", RingScheme::kKetama, Numbered(3), "abcaabcbbcccacccccbb"},
      {"ketama_25x1", RingScheme::kKetama, Numbered(25), "ftvehhcitjfxdcycspeh"},
      {"ketama_md5", RingScheme::kKetamaMd5, Numbered(3), "bbbcabcbabbbcbcbacbc"},
      {"pylibmc_hash_md5_ketama", RingScheme::kKetamaMd5, Numbered(3), "bbbcabcbabbbcbcbacbc"},
      {"pylibmc_ketama_then_hash_md5", RingScheme::kKetamaMd5, Numbered(3), "bbbcabcbabbbcbcbacbc"},
      {"ketama_weighted_1_1_1", RingScheme::kKetamaWeighted, Numbered(3), "bbbbacccbcabcaabbcaa"},
      {"php_libketama_compatible_1_1_1", RingScheme::kKetamaWeighted, Numbered(3), "bbbbacccbcabcaabbcaa"},
      {"pylibmc_ketama_weighted", RingScheme::kKetamaWeighted, Numbered(3), "bbbbacccbcabcaabbcaa"},
      {"node_memcached_default", RingScheme::kKetamaWeighted, Numbered(3), "bbbbacccbcabcaabbcaa"},
      {"node_memcached_compat_ketama", RingScheme::kKetamaWeighted, Numbered(3), "bbbbacccbcabcaabbcaa"},
      {"node_hashring_default_port_11211", RingScheme::kKetamaWeighted, Numbered(3), "bbbbacccbcabcaabbcaa"},
      {"spymemcached_ketama_libmemcached", RingScheme::kKetamaWeighted, Numbered(3), "bbbbacccbcabcaabbcaa"},
      {"ketama_weighted_1_2_4", RingScheme::kKetamaWeighted, Weighted(Numbered(3), {1, 2, 4}), "bbbbccccbcabccccbcba"},
      {"php_libketama_compatible_1_2_4", RingScheme::kKetamaWeighted, Weighted(Numbered(3), {1, 2, 4}),
       "bbbbccccbcabccccbcba"},
      {"node_memcached_compat_ketama_1_2_4", RingScheme::kKetamaWeighted, Weighted(Numbered(3), {1, 2, 4}),
       "bbbbccccbcabccccbcba"},
      {"spymemcached_ketama_libmemcached_1_2_4", RingScheme::kKetamaWeighted, Weighted(Numbered(3), {1, 2, 4}),
       "bbbbccccbcabccccbcba"},
      {"ketama_weighted_1_1_1_port11212", RingScheme::kKetamaWeighted, Numbered(3, "10.0.0.", ":11212"),
       "bbabaabcaabcccccaaca"},
      {"ketama_weighted_1_1_1_names",
       RingScheme::kKetamaWeighted,
       {{"cache-a.example"}, {"cache-b.example:11212"}, {"cache-c.example:11213"}},
       "ccabbccbbccbabbcbcaa"},
      {"ketama_weighted_8_classic", RingScheme::kKetamaWeighted,
       Weighted(Numbered(8, "10.0.1."), {600, 300, 200, 350, 1000, 800, 950, 100}), "feheabfbeeggdgefgcdg"},
      {"ketama_weighted_7x1", RingScheme::kKetamaWeighted, Numbered(7), "dfbbedcdegeecdefecga"},
      {"ketama_weighted_25x1", RingScheme::kKetamaWeighted, Numbered(25), "dpshelcvimveyhefmqqv"},
      {"ketama_spy_1_1_1", RingScheme::kKetamaWeighted, Numbered(3, "/10.0.0.", ":11211"), "abccacabccaaacbbcacb"},
      {"ketama_spy_1_2_4", RingScheme::kKetamaWeighted, Weighted(Numbered(3, "/10.0.0.", ":11211"), {1, 2, 4}),
       "abccccccccbbacbbcacc"},
      {"spymemcached_ketama_spymemcached", RingScheme::kKetamaWeighted, Numbered(3, "10.0.0.", ":11211"),
       "cccaacabcaaaccaabbaa"},
      {"spymemcached_ketama_spymemcached_1_2_4", RingScheme::kKetamaWeighted,
       Weighted(Numbered(3, "10.0.0.", ":11211"), {1, 2, 4}), "cccacccbcacccccabbaa"},
      {"node_hashring_default", RingScheme::kKetamaWeighted, Numbered(3, "10.0.0.", ":11211"), "cccaacabcaaaccaabbaa"},
      {"ketama_w124_without_md5", RingScheme::kKetamaWeightedWithoutMd5, Weighted(Numbered(3), {1, 2, 4}),
       "cbccaccccbcbccccbbaa"},
  };
}

}  // namespace holdfast::client

#endif  // HOLDFAST_T_LIB_RING_VECTORS_H_
