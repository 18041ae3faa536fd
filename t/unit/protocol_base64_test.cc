#include "protocol/base64.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace holdfast::protocol {
namespace {

std::string Encoded(std::string_view bytes) {
  std::string text(Base64EncodedBytes(bytes.size()), '#');
  EXPECT_EQ(EncodeBase64(bytes, text.data()), text.data() + text.size());
  return text;
}

std::string Decoded(std::string_view text) {
  std::string bytes(Base64DecodedBytesMax(text.size()), '#');
  const std::optional<size_t> size = DecodeBase64(text, bytes.data());
  if (!size) return "not base64";
  EXPECT_LE(*size, bytes.size());
  return bytes.substr(0, *size);
}

TEST(Base64Test, VectorsOfRfc4648) {
  EXPECT_EQ(Encoded(""), "");
  for (const auto& [bytes, text] :
       {std::pair{"f", "Zg=="}, std::pair{"fo", "Zm8="}, std::pair{"foo", "Zm9v"}, std::pair{"foob", "Zm9vYg=="},
        std::pair{"fooba", "Zm9vYmE="}, std::pair{"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(Encoded(bytes), text);
    EXPECT_EQ(Decoded(text), bytes);
  }
}

TEST(Base64Test, EveryByteAndLengthComesBack) {
  std::mt19937 random(7);
  for (size_t size = 1; size <= 300; ++size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    EXPECT_EQ(Decoded(Encoded(bytes)), bytes);
  }
}

TEST(Base64Test, RefusesWhatIsNotBase64) {
  for (const char* text : {"", "Y", "YQ", "YWJ", "YQ=", "====", "Y===", "YQ=a", "Y!==", "YQ==YQ==", "YWJjY", "YW-j",
                           "YW_j", "YW j", "\xff\xff\xff\xff"}) {
    EXPECT_EQ(Decoded(text), "not base64") << text;
  }
}

}  // namespace
}  // namespace holdfast::protocol
