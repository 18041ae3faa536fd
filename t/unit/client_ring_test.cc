#include "client/ring.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <string>

#include "lib/ring_vectors.h"

namespace holdfast::client {
namespace {

Ring MakeRing(RingScheme scheme, std::vector<RingMember> members) {
  base::Result<Ring> ring = Ring::Make(scheme, std::move(members));
  EXPECT_TRUE(ring.ok()) << (ring.ok() ? "" : ring.status().message());
  return std::move(ring.value());
}

std::vector<RingMember> Without(std::vector<RingMember> members, size_t index) {
  members.erase(members.begin() + static_cast<ptrdiff_t>(index));
  return members;
}

const std::string& OwnerOfSlot(const Ring& ring, uint64_t slot) {
  return ring.members()[ring.ServerOfHash(slot << 48)].name;
}

// Standard deviation of the shares in parts of the mean.
double Deviation(const Ring& ring) {
  const std::vector<double> shares = ring.Shares();
  const double mean = 1.0 / static_cast<double>(shares.size());
  double squares = 0;
  for (double share : shares) squares += (share - mean) * (share - mean);
  return std::sqrt(squares / static_cast<double>(shares.size())) / mean;
}

void ExpectRefused(RingScheme scheme, std::vector<RingMember> members, std::string_view cause) {
  const base::Result<Ring> ring = Ring::Make(scheme, std::move(members));
  ASSERT_FALSE(ring.ok()) << cause;
  EXPECT_EQ(ring.status().kind(), base::ErrorKind::kUsage);
  EXPECT_NE(ring.status().message().find(cause), std::string::npos) << ring.status().message();
}

// -- Compatibility
// ------------------------------------------------------------------------------------------------------

TEST(Ring, PlacesTheKeysOfEveryVectorAsThatClientDoes) {
  for (const RingVector& vector : RingVectors()) {
    const Ring ring = MakeRing(vector.scheme, vector.members);
    std::string servers;
    for (const RingVectorKey& key : kRingVectorKeys) servers += static_cast<char>('a' + ring.ServerOf(key.key));
    EXPECT_EQ(servers, vector.servers) << vector.client;
  }
}

TEST(Ring, HashesTheKeysOfEveryVectorAsThatClientDoes) {
  for (const RingVectorKey& key : kRingVectorKeys) {
    EXPECT_EQ(HashOf(KeyHash::kOneAtATime, key.key), key.one_at_a_time) << key.key;
    EXPECT_EQ(HashOf(KeyHash::kMd5, key.key), key.md5) << key.key;
  }
}

// As one by one, whatever their number, their lengths and their bytes.
TEST(Ring, ManyKeysAreHashedAndPlacedTogetherAsOneByOne) {
  std::mt19937 random(7);
  for (const RingScheme scheme : {RingScheme::kKetama, RingScheme::kKetamaWeighted, RingScheme::kSlots}) {
    for (size_t servers : {1u, 3u}) {
      const Ring ring = Ring::Make(scheme, Numbered(servers)).value();
      for (size_t count = 0; count < 150; count++) {
        const size_t size_max = count % 3 == 0 ? 3 : 40;
        std::vector<std::string> texts(count);
        for (std::string& text : texts) {
          text.resize(random() % (size_max + 1));
          for (char& c : text) c = static_cast<char>(random());
        }
        const std::vector<std::string_view> keys(texts.begin(), texts.end());
        std::vector<uint64_t> hashes(count);
        std::vector<uint32_t> owners(count);
        HashesOf(RowOf(scheme).key_hash, keys, hashes.data());
        ring.ServersOf(keys, owners.data());
        for (size_t i = 0; i < count; i++) {
          EXPECT_EQ(hashes[i], HashOf(RowOf(scheme).key_hash, keys[i])) << count << ' ' << i;
          EXPECT_EQ(owners[i], ring.ServerOf(keys[i])) << count << ' ' << i;
        }
      }
    }
  }
}

TEST(Ring, Md5IsMd5AtEveryLengthAroundABlock) {
  for (size_t bytes = 0; bytes <= 260; bytes++) {
    std::string text;
    for (size_t i = 0; i < bytes; i++) text += static_cast<char>(i * 37 + bytes);
    unsigned char expected[EVP_MAX_MD_SIZE];
    if (EVP_Digest(text.data(), text.size(), expected, nullptr, EVP_md5(), nullptr) != 1)
      GTEST_SKIP() << "no MD5 in EVP";
    const std::array<uint32_t, 4> words = Md5Words(text);
    for (size_t i = 0; i < 16; i++) ASSERT_EQ(words[i / 4] >> 8 * (i % 4) & 0xff, expected[i]) << bytes << " bytes";
  }
}

TEST(Ring, WeightedPointsAreThoseOfLibmemcached) {
  EXPECT_EQ(Md5Words("10.0.0.1-0"), (std::array<uint32_t, 4>{0x2194783c, 0x36d6a85b, 0xf1edf592, 0x40a9b8cf}));
  const std::vector<RingPoint> points = PointCircle(WeightedPoints(Numbered(3))).points();
  ASSERT_EQ(points.size(), 480u + 1);
  const std::vector<RingPoint> first = {
      {0x0046bb7c, 2}, {0x00a8cd3a, 2}, {0x0116d1ed, 1}, {0x015c8f08, 2}, {0x0232d38d, 1}};
  const std::vector<RingPoint> last = {{0xff116fda, 1}, {0xff5b0304, 2}, {0xff980fef, 2}};
  EXPECT_TRUE(std::equal(first.begin(), first.end(), points.begin()));
  EXPECT_TRUE(std::equal(last.begin(), last.end(), points.end() - 4));
}

TEST(Ring, WeightedPointCountsHaveTheRoundingOfFloat) {
  std::vector<size_t> counts(3, 0);
  for (const RingPoint& point : WeightedPoints(Weighted(Numbered(3), {1, 2, 4}))) counts[point.server]++;
  EXPECT_EQ(counts, (std::vector<size_t>{68, 136, 272}));
  std::set<uint32_t> short_of_points;
  for (uint32_t servers = 1; servers <= 200; servers++) {
    const size_t points = WeightedPoints(Numbered(servers)).size();
    if (points == servers * 156)
      short_of_points.insert(servers);
    else
      EXPECT_EQ(points, servers * 160) << servers;
  }
  EXPECT_EQ(short_of_points, (std::set<uint32_t>{25, 47, 50, 55, 61, 71, 94, 100, 107, 109, 110, 115, 122, 142, 159,
                                                 163, 188, 193, 200}));
}

TEST(Ring, WithKetamaAServerHasAHundredPoints) {
  EXPECT_EQ(PlainPoints(KeyHash::kOneAtATime, Numbered(64)).size(), 6400u);
}

TEST(Ring, NamesAServerAsLibmemcachedDoes) {
  EXPECT_EQ(KetamaName("10.0.0.1", 11211), "10.0.0.1");
  EXPECT_EQ(KetamaName("10.0.0.1", 11212), "10.0.0.1:11212");
  EXPECT_EQ(KetamaName("/run/holdfast.sock", 0), "/run/holdfast.sock:0");
}

// -- Looking up
// ---------------------------------------------------------------------------------------------------------

TEST(Ring, LookUpFindsWhatABinarySearchFinds) {
  std::mt19937 random(1);
  for (uint32_t servers : {1, 2, 3, 7, 64, 200}) {
    const PointCircle circle(PlainPoints(KeyHash::kOneAtATime, Numbered(servers)));
    const std::vector<RingPoint>& points = circle.points();
    std::vector<uint32_t> hashes = {0, 0xffffffff};
    for (const RingPoint& point : points) hashes.insert(hashes.end(), {point.value - 1, point.value, point.value + 1});
    for (int i = 0; i < 100'000; i++) hashes.push_back(static_cast<uint32_t>(random()));
    for (uint32_t hash : hashes) {
      const auto expected = std::lower_bound(points.begin(), points.end(), RingPoint{hash, 0});
      ASSERT_EQ(circle.ServerOf(hash), expected->server) << servers << " servers, hash " << hash;
    }
  }
}

TEST(Ring, AHashEqualToAPointIsItsAndOnePastTheLastIsTheFirsts) {
  const PointCircle circle({{10, 0}, {20, 1}, {20, 2}, {30, 3}});
  EXPECT_EQ(circle.ServerOf(0), 0u);
  EXPECT_EQ(circle.ServerOf(10), 0u);
  EXPECT_EQ(circle.ServerOf(11), 1u) << "equal points: the lower server";
  EXPECT_EQ(circle.ServerOf(20), 1u);
  EXPECT_EQ(circle.ServerOf(30), 3u);
  EXPECT_EQ(circle.ServerOf(31), 0u);
  EXPECT_EQ(circle.ServerOf(0xffffffff), 0u);
}

TEST(Ring, APointWithTheHighestValueKeepsItsOwner) {
  const PointCircle circle({{5, 0}, {0xffffffff, 1}});
  EXPECT_EQ(circle.ServerOf(6), 1u);
  EXPECT_EQ(circle.ServerOf(0xffffffff), 1u);
}

TEST(Ring, ASingleServerHasEverything) {
  for (RingScheme scheme :
       {RingScheme::kSlots, RingScheme::kKetama, RingScheme::kKetamaWeighted, RingScheme::kModula}) {
    const Ring ring = MakeRing(scheme, Numbered(1));
    EXPECT_EQ(ring.ServerOf(""), 0u);
    EXPECT_EQ(ring.ServerOf("session:abcdef"), 0u);
    EXPECT_EQ(ring.Shares(), std::vector<double>{1});
  }
}

TEST(Ring, SharesAreTheOddsOfARandomHash) {
  for (RingScheme scheme :
       {RingScheme::kSlots, RingScheme::kKetama, RingScheme::kKetamaWeighted, RingScheme::kModula}) {
    const Ring ring = MakeRing(scheme, Numbered(5));
    const std::vector<double> shares = ring.Shares();
    std::vector<double> found(5, 0);
    std::mt19937_64 random(2);
    for (int i = 0; i < 1'000'000; i++) found[ring.ServerOfHash(random())] += 1e-6;
    double sum = 0;
    for (size_t i = 0; i < 5; i++) {
      EXPECT_NEAR(found[i], shares[i], 0.003);
      sum += shares[i];
    }
    EXPECT_NEAR(sum, 1, 1e-9);
  }
}

// -- What moves
// ---------------------------------------------------------------------------------------------------------

TEST(Ring, RemovingAnyOneOf64MovesItsKeysAndNoOthers) {
  for (RingScheme scheme : {RingScheme::kSlots, RingScheme::kKetama}) {
    const Ring all = MakeRing(scheme, Numbered(64));
    for (size_t removed = 0; removed < 64; removed++) {
      const Ring fewer = MakeRing(scheme, Without(Numbered(64), removed));
      const RingMovement movement = Moved(all, fewer, 2'000);
      EXPECT_EQ(movement.moved, movement.needed) << "server " << removed;
    }
  }
}

TEST(Ring, AddingAServerMovesKeysToItOnly) {
  const Ring before = MakeRing(RingScheme::kSlots, Numbered(64));
  const Ring after = MakeRing(RingScheme::kSlots, Numbered(65));
  uint32_t moved = 0;
  for (uint64_t slot = 0; slot < SlotTable::kSlots; slot++) {
    if (OwnerOfSlot(before, slot) == OwnerOfSlot(after, slot)) continue;
    EXPECT_EQ(OwnerOfSlot(after, slot), "10.0.0.65");
    moved++;
  }
  EXPECT_NEAR(moved, SlotTable::kSlots / 65.0, 100);
}

TEST(Ring, AWeightRaisedDrawsSlotsToThatServerOnly) {
  const std::vector<uint32_t> light = {1, 2, 3, 4, 5, 6, 7, 8}, heavy = {1, 2, 9, 4, 5, 6, 7, 8};
  const Ring before = MakeRing(RingScheme::kSlots, Weighted(Numbered(8), light));
  const Ring after = MakeRing(RingScheme::kSlots, Weighted(Numbered(8), heavy));
  uint32_t moved = 0;
  for (uint64_t slot = 0; slot < SlotTable::kSlots; slot++) {
    if (OwnerOfSlot(before, slot) == OwnerOfSlot(after, slot)) continue;
    EXPECT_EQ(OwnerOfSlot(after, slot), "10.0.0.3");
    moved++;
  }
  EXPECT_NEAR(moved, (9.0 / 42 - 3.0 / 36) * SlotTable::kSlots, 600);
}

TEST(Ring, ModuloMovesFarMoreThanNeeded) {
  const RingMovement movement =
      Moved(MakeRing(RingScheme::kModula, Numbered(10)), MakeRing(RingScheme::kModula, Numbered(11)));
  EXPECT_EQ(movement.keys, 100'000u);
  EXPECT_NEAR(static_cast<double>(movement.moved), 10.0 / 11 * 100'000, 1'000);
  EXPECT_NEAR(static_cast<double>(movement.needed), 1.0 / 11 * 100'000, 1'000);
}

TEST(Ring, NothingMovesWhenAnAddressChangesAndTheNameStays) {
  const Ring ring = MakeRing(RingScheme::kSlots, {{"north"}, {"south"}, {"west"}});
  EXPECT_EQ(Moved(ring, MakeRing(RingScheme::kSlots, {{"west"}, {"north"}, {"south"}})).moved, 0u);
}

// -- Slots
// --------------------------------------------------------------------------------------------------------------

TEST(Ring, SlotsFollowFromTheMembersNotFromTheirOrder) {
  std::vector<RingMember> members = Numbered(64);
  for (uint32_t i = 0; i < 64; i++) members[i].weight = 1 + i % 7;
  const Ring ring = MakeRing(RingScheme::kSlots, members);
  std::mt19937 random(3);
  for (int i = 0; i < 3; i++) {
    std::shuffle(members.begin(), members.end(), random);
    const Ring shuffled = MakeRing(RingScheme::kSlots, members);
    for (uint64_t slot = 0; slot < SlotTable::kSlots; slot++) {
      ASSERT_EQ(OwnerOfSlot(ring, slot), OwnerOfSlot(shuffled, slot));
    }
  }
}

TEST(Ring, LoadOfSlotsDeviatesAtMostAThirdAsMuchAsKetamas) {
  double slots = 0, ketama = 0;
  for (int i = 0; i < 16; i++) {
    const std::vector<RingMember> members = Numbered(64, "10.0." + std::to_string(i) + ".");
    slots += Deviation(MakeRing(RingScheme::kSlots, members)) / 16;
    ketama += Deviation(MakeRing(RingScheme::kKetama, members)) / 16;
  }
  RecordProperty("slots_deviation", std::to_string(slots));
  RecordProperty("ketama_deviation", std::to_string(ketama));
  EXPECT_LE(slots, ketama / 3) << "slots " << slots << ", ketama " << ketama;
  EXPECT_LE(slots, 0.035);
}

TEST(Ring, SlotsAreInProportionToWeights) {
  const std::vector<uint32_t> weights = {1, 2, 4, 8, 50, 100, kRingWeightMax / 1000};
  const std::vector<double> shares = MakeRing(RingScheme::kSlots, Weighted(Numbered(7), weights)).Shares();
  double sum = 0;
  for (uint32_t weight : weights) sum += weight;
  for (size_t i = 0; i < weights.size(); i++) {
    const double ideal = weights[i] / sum;
    EXPECT_NEAR(shares[i], ideal, 4 * std::sqrt(ideal * (1 - ideal) / SlotTable::kSlots)) << weights[i];
  }
}

TEST(Ring, AWeightOfAllMembersAlikeChangesNothing) {
  const Ring ones = MakeRing(RingScheme::kSlots, Numbered(5));
  const Ring most = MakeRing(RingScheme::kSlots, Weighted(Numbered(5), std::vector<uint32_t>(5, kRingWeightMax)));
  EXPECT_EQ(Moved(ones, most).moved, 0u);
}

// Clients of different releases share caches: if this fails, keys move in the field. The digests were also computed by
// a second program written from the rule in ring_slots.cc, with floating point.
TEST(Ring, SlotsStayWhereTheyWereInEarlierReleases) {
  const auto digest = [](std::vector<RingMember> members) {
    std::string owners;
    const Ring ring = MakeRing(RingScheme::kSlots, std::move(members));
    for (uint64_t slot = 0; slot < SlotTable::kSlots; slot++) owners += OwnerOfSlot(ring, slot) + ',';
    return XXH3_64bits(owners.data(), owners.size());
  };
  EXPECT_EQ(digest(Numbered(64)), 16195729135439405105u);
  EXPECT_EQ(digest(Weighted(Numbered(6), {1, 3, 3, 10, 1'000, 999})), 14414572301066060253u);
}

// -- Bad input
// ----------------------------------------------------------------------------------------------------------

TEST(Ring, RefusesAnEmptyList) { ExpectRefused(RingScheme::kSlots, {}, "no servers"); }

TEST(Ring, RefusesANameTwice) {
  ExpectRefused(RingScheme::kKetama, {{"a"}, {"b"}, {"a"}}, "server a is in the ring twice");
}

TEST(Ring, RefusesAnEmptyOrTooLongName) {
  ExpectRefused(RingScheme::kModula, {{"a"}, {""}}, "no name");
  ExpectRefused(RingScheme::kModula, {{std::string(kRingNameBytesMax + 1, 'x')}}, "more than 1024 bytes");
  EXPECT_TRUE(Ring::Make(RingScheme::kModula, {{std::string(kRingNameBytesMax, 'x')}}).ok());
}

TEST(Ring, RefusesWeightsOutOfRange) {
  ExpectRefused(RingScheme::kSlots, {{"a", 1}, {"b", 0}}, "server b has weight 0");
  ExpectRefused(RingScheme::kKetamaWeighted, {{"a", kRingWeightMax + 1}}, "the most is 1000000");
}

TEST(Ring, RefusesWeightsWhereTheSchemeWouldIgnoreThem) {
  ExpectRefused(RingScheme::kKetama, {{"a", 2}, {"b", 1}}, "ketama knows no weights");
  ExpectRefused(RingScheme::kModula, {{"a", 2}, {"b", 1}}, "modula knows no weights");
}

TEST(Ring, TakesAsManyServersAsItsLimitAndNotOneMore) {
  EXPECT_TRUE(Ring::Make(RingScheme::kModula, Numbered(kRingMembersMax)).ok());
  ExpectRefused(RingScheme::kModula, Numbered(kRingMembersMax + 1), "the most is 4096");
}

TEST(Ring, SchemesAreFoundByTheirNames) {
  for (RingScheme scheme : {RingScheme::kSlots, RingScheme::kKetama, RingScheme::kKetamaMd5, RingScheme::kKetamaLateMd5,
                            RingScheme::kKetamaWeighted, RingScheme::kKetamaWeightedWithoutMd5, RingScheme::kModula,
                            RingScheme::kModulaMd5}) {
    const base::Result<RingScheme> found = RingSchemeNamed(RowOf(scheme).name);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found.value(), scheme);
  }
  const base::Result<RingScheme> none = RingSchemeNamed("Ketama");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.status().message().find("slots, ketama, "), std::string::npos) << none.status().message();
}

}  // namespace
}  // namespace holdfast::client
