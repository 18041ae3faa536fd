#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocol/base64.h"

using namespace holdfast::protocol;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string decoded(Base64DecodedBytesMax(size), '\0');
  (void)DecodeBase64(bytes, decoded.data());

  if (size == 0) return 0;
  std::string encoded(Base64EncodedBytes(size), '\0');
  EncodeBase64(bytes, encoded.data());
  std::string again(Base64DecodedBytesMax(encoded.size()), '\0');
  const std::optional<size_t> again_size = DecodeBase64(encoded, again.data());
  if (!again_size || std::string_view(again).substr(0, *again_size) != bytes) std::abort();
  return 0;
}
