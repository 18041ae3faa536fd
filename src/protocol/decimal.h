// decimal.h - numbers as the text protocols write them, both ways.
//
// Threads: pure functions. Errors: a number that is not one, or does not fit, is false and leaves *out alone.

#ifndef HOLDFAST_PROTOCOL_DECIMAL_H_
#define HOLDFAST_PROTOCOL_DECIMAL_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast::protocol {

inline constexpr size_t kDecimalBytesMax = 20;  // 2^64-1, or -2^63 with its sign

// A leading + is allowed, as strtoul allows it; a minus is not.
bool ParseDecimal(std::string_view text, uint64_t* out);
bool ParseDecimal(std::string_view text, uint32_t* out);
bool ParseSignedDecimal(std::string_view text, int64_t* out);

// Writes at most kDecimalBytesMax bytes, returns the end.
char* WriteDecimal(char* out, uint64_t number);
char* WriteSignedDecimal(char* out, int64_t number);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_DECIMAL_H_
