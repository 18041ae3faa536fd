#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace holdfast::base {
namespace {

struct KnownAnswer {
  const char* name;
  std::string data;
  uint32_t crc;
};

// RFC 3720 appendix B.4, and the check value of the catalogue of CRCs.
std::vector<KnownAnswer> KnownAnswers() {
  std::string up(32, '\0'), down(32, '\0');
  for (int i = 0; i < 32; ++i) {
    up[static_cast<size_t>(i)] = static_cast<char>(i);
    down[static_cast<size_t>(i)] = static_cast<char>(31 - i);
  }
  const unsigned char read_pdu[48] = {0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0,    0, 0, 0, 0,
                                      0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
                                      0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0,    0, 0, 0, 0};
  return {
      {"nothing", "", 0x00000000},
      {"digits", "123456789", 0xe3069283},
      {"zeros", std::string(32, '\0'), 0x8a9136aa},
      {"ones", std::string(32, '\xff'), 0x62a8ab43},
      {"incrementing", up, 0x46dd794e},
      {"decrementing", down, 0x113fdb5c},
      {"iSCSI read PDU", std::string(reinterpret_cast<const char*>(read_pdu), sizeof read_pdu), 0xd9963a56},
  };
}

// The definition, a bit at a time.
uint32_t Bitwise(std::string_view data) {
  uint32_t crc = 0xffffffffu;
  for (char c : data) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
  }
  return ~crc;
}

std::string RandomBytes(size_t size) {
  std::mt19937_64 random(20260701);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

TEST(Crc32c, AgreesWithPublishedVectors) {
  for (const KnownAnswer& known : KnownAnswers()) {
    EXPECT_EQ(Bitwise(known.data), known.crc) << known.name;
    EXPECT_EQ(Crc32c(known.data), known.crc) << known.name;
    for (const Crc32cPath& path : Crc32cPaths()) {
      EXPECT_EQ(path.compute(known.data.data(), known.data.size()), known.crc) << path.name << ", " << known.name;
    }
  }
}

TEST(Crc32c, SliceBy8IsThereEverywhere) {
  ASSERT_FALSE(Crc32cPaths().empty());
  EXPECT_STREQ(Crc32cPaths().back().name, "slice-by-8");
}

TEST(Crc32c, AllPathsAgreeOnEveryLengthAndAlignment) {
  const std::string bytes = RandomBytes(1000 + 64);
  for (size_t size = 0; size <= 1000; ++size) {
    for (size_t offset = 0; offset < 16; ++offset) {
      const std::string_view data = std::string_view(bytes).substr(offset, size);
      const uint32_t expected = Crc32cPaths().back().compute(data.data(), data.size());
      if (offset == 0) {
        ASSERT_EQ(expected, Bitwise(data)) << size;
      }
      for (const Crc32cPath& path : Crc32cPaths()) {
        ASSERT_EQ(path.compute(data.data(), data.size()), expected)
            << path.name << " size " << size << " offset " << offset;
      }
    }
  }
}

TEST(Crc32c, AllPathsAgreeAroundTheLongestLane) {
  const std::string bytes = RandomBytes(16 * 1024);
  for (size_t middle : {1536, 3072, 4608, 16000}) {
    for (size_t size = middle - 60; size <= middle + 60; ++size) {
      const uint32_t expected = Bitwise(std::string_view(bytes).substr(0, size));
      for (const Crc32cPath& path : Crc32cPaths())
        ASSERT_EQ(path.compute(bytes.data(), size), expected) << path.name << " " << size;
    }
  }
}

}  // namespace
}  // namespace holdfast::base
