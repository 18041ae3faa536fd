// base64.h - RFC 4648 base64 with padding, for keys of the meta commands.
//
// Threads: pure functions. Errors: text that is not base64 is nullopt.

#ifndef HOLDFAST_PROTOCOL_BASE64_H_
#define HOLDFAST_PROTOCOL_BASE64_H_

#include <cstddef>
#include <optional>
#include <string_view>

namespace holdfast::protocol {

constexpr size_t Base64EncodedBytes(size_t bytes) { return (bytes + 2) / 3 * 4; }
// An upper bound: padding makes it up to two less.
constexpr size_t Base64DecodedBytesMax(size_t bytes) { return bytes / 4 * 3; }

// Writes Base64EncodedBytes(bytes.size()) bytes, returns the end.
char* EncodeBase64(std::string_view bytes, char* out);

// Writes at most Base64DecodedBytesMax(text.size()) bytes, returns how many. Empty text is not base64.
std::optional<size_t> DecodeBase64(std::string_view text, char* out);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_BASE64_H_
