// Asks libmemcached itself where it would send random keys, over random lists of servers, and expects the same of our
// rings.

#include <gtest/gtest.h>
#include <libmemcached/memcached.h>

#include <memory>
#include <random>
#include <string>

#include "client/ring.h"

namespace holdfast::client {
namespace {

constexpr int kLists = 50;
constexpr int kKeysPerList = 2'000;  // 100,000 in all

struct Server {
  std::string host;  // a path if port is 0
  in_port_t port;
  uint32_t weight;
};

// What to set on a memcached_st, before and after the servers are added.
struct Behaviours {
  std::vector<std::pair<memcached_behavior_t, uint64_t>> before, after;
};

using Random = std::mt19937;

uint32_t Below(Random& random, uint32_t bound) { return std::uniform_int_distribution<uint32_t>(0, bound - 1)(random); }

std::vector<Server> RandomServers(Random& random, uint32_t weight_max) {
  std::vector<Server> servers;
  const uint32_t count = 1 + Below(random, 30);
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t weight = 1 + Below(random, weight_max);
    const std::string number = std::to_string(i) + "." + std::to_string(Below(random, 256));
    switch (Below(random, 4)) {
      case 0:
        servers.push_back({"10.1." + number, 11211, weight});
        break;
      case 1:
        servers.push_back({"10.1." + number, static_cast<in_port_t>(1 + Below(random, 65535)), weight});
        break;
      case 2:
        servers.push_back({"cache-" + number + ".example", 11211, weight});
        break;
      case 3:
        servers.push_back({"/run/cache-" + number + ".sock", 0, weight});
        break;
    }
  }
  return servers;
}

// Any bytes that a key may have, those from 0x80 on among them.
std::string RandomKey(Random& random) {
  std::string key(1 + Below(random, Below(random, 8) == 0 ? 250 : 60), '\0');
  for (char& c : key) c = static_cast<char>(0x21 + Below(random, 0xff - 0x21));
  return key;
}

using Memcached = std::unique_ptr<memcached_st, decltype(&memcached_free)>;

Memcached MakeMemcached(const Behaviours& behaviours, const std::vector<Server>& servers) {
  Memcached memcached(memcached_create(nullptr), memcached_free);
  for (auto [behaviour, value] : behaviours.before) memcached_behavior_set(memcached.get(), behaviour, value);
  for (const Server& server : servers) {
    const memcached_return_t result =
        server.port == 0
            ? memcached_server_add_unix_socket_with_weight(memcached.get(), server.host.c_str(), server.weight)
            : memcached_server_add_with_weight(memcached.get(), server.host.c_str(), server.port, server.weight);
    EXPECT_EQ(result, MEMCACHED_SUCCESS) << server.host;
  }
  for (auto [behaviour, value] : behaviours.after) memcached_behavior_set(memcached.get(), behaviour, value);
  return memcached;
}

Ring MakeRing(RingScheme scheme, const std::vector<Server>& servers) {
  std::vector<RingMember> members;
  for (const Server& server : servers) members.push_back({KetamaName(server.host, server.port), server.weight});
  base::Result<Ring> ring = Ring::Make(scheme, std::move(members));
  EXPECT_TRUE(ring.ok()) << (ring.ok() ? "" : ring.status().message());
  return std::move(ring.value());
}

void ExpectSamePlaces(RingScheme scheme, const Behaviours& behaviours, const std::vector<Server>& servers,
                      Random& random) {
  const Memcached memcached = MakeMemcached(behaviours, servers);
  const Ring ring = MakeRing(scheme, servers);
  int elsewhere = 0;
  for (int i = 0; i < kKeysPerList; i++) {
    const std::string key = RandomKey(random);
    elsewhere += ring.ServerOf(key) != memcached_generate_hash(memcached.get(), key.data(), key.size());
  }
  EXPECT_EQ(elsewhere, 0) << "of " << kKeysPerList << " keys, " << servers.size() << " servers";
}

void ExpectSamePlacesOnRandomLists(RingScheme scheme, const Behaviours& behaviours, uint32_t weight_max) {
  Random random(20 + static_cast<uint32_t>(scheme));
  for (int i = 0; i < kLists; i++) {
    std::vector<Server> servers = RandomServers(random, weight_max);
    // A list in which all weights are 1 does not switch the weights on.
    if (scheme == RingScheme::kKetamaWeightedWithoutMd5) servers.back().weight++;
    ExpectSamePlaces(scheme, behaviours, servers, random);
  }
}

constexpr std::pair<memcached_behavior_t, uint64_t> kMd5 = {MEMCACHED_BEHAVIOR_HASH, MEMCACHED_HASH_MD5};
constexpr std::pair<memcached_behavior_t, uint64_t> kKetama = {MEMCACHED_BEHAVIOR_KETAMA, 1};
constexpr std::pair<memcached_behavior_t, uint64_t> kKetamaWeighted = {MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1};

TEST(RingAndLibmemcached, AgreeOnModula) { ExpectSamePlacesOnRandomLists(RingScheme::kModula, {}, 1); }

TEST(RingAndLibmemcached, AgreeOnModulaWithMd5) {
  ExpectSamePlacesOnRandomLists(RingScheme::kModulaMd5, {{kMd5}, {}}, 1);
}

TEST(RingAndLibmemcached, AgreeOnKetama) { ExpectSamePlacesOnRandomLists(RingScheme::kKetama, {{kKetama}, {}}, 1); }

TEST(RingAndLibmemcached, AgreeOnKetamaWithMd5) {
  ExpectSamePlacesOnRandomLists(RingScheme::kKetamaMd5, {{kMd5, kKetama}, {}}, 1);
}

TEST(RingAndLibmemcached, AgreeOnKetamaWithMd5SetTooLate) {
  ExpectSamePlacesOnRandomLists(RingScheme::kKetamaLateMd5, {{kKetama}, {kMd5}}, 1);
}

TEST(RingAndLibmemcached, AgreeOnKetamaWeighted) {
  ExpectSamePlacesOnRandomLists(RingScheme::kKetamaWeighted, {{kKetamaWeighted}, {}}, 10);
}

TEST(RingAndLibmemcached, AgreeOnKetamaWeightedWithWeightsFarApart) {
  ExpectSamePlacesOnRandomLists(RingScheme::kKetamaWeighted, {{kKetamaWeighted}, {}}, kRingWeightMax);
}

TEST(RingAndLibmemcached, AgreeOnKetamaWeightedWhereFloatRoundsDown) {
  Random random(7);
  for (uint32_t count : {24, 25, 47, 50, 55, 61, 64, 100}) {
    std::vector<Server> servers;
    for (uint32_t i = 0; i < count; i++) servers.push_back({"10.0.0." + std::to_string(i), 11211, 1});
    ExpectSamePlaces(RingScheme::kKetamaWeighted, {{kKetamaWeighted}, {}}, servers, random);
  }
}

TEST(RingAndLibmemcached, AgreeOnKetamaGivenWeights) {
  ExpectSamePlacesOnRandomLists(RingScheme::kKetamaWeightedWithoutMd5, {{kKetama}, {}}, 10);
}

}  // namespace
}  // namespace holdfast::client
