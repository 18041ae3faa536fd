// Nineteen digits always fit into 64 bits, so only the twentieth needs a look at overflow. Writing goes from the right,
// two digits a division, into the place that the counted length says.

#include "protocol/decimal.h"

#include <bit>
#include <cstring>
#include <limits>

namespace holdfast::protocol {
namespace {

constexpr char kPairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

constexpr uint64_t kPowers[] = {
    0,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
    10000000000000000000u,
};

size_t CountDigits(uint64_t number) {
  const size_t guess = static_cast<size_t>(std::bit_width(number | 1)) * 1233 >> 12;  // log10(2) = 1233 / 4096
  return guess + (number >= kPowers[guess]);
}

}  // namespace

bool ParseDecimal(std::string_view text, uint64_t* out) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  if (text.empty()) return false;
  uint64_t number = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned digit = static_cast<unsigned char>(text[i]) - unsigned{'0'};
    if (digit > 9) return false;
    if (i >= 19 && (number > std::numeric_limits<uint64_t>::max() / 10 ||
                    number * 10 > std::numeric_limits<uint64_t>::max() - digit)) {
      return false;
    }
    number = number * 10 + digit;
  }
  *out = number;
  return true;
}

bool ParseDecimal(std::string_view text, uint32_t* out) {
  uint64_t number = 0;
  if (!ParseDecimal(text, &number) || number > std::numeric_limits<uint32_t>::max()) return false;
  *out = static_cast<uint32_t>(number);
  return true;
}

bool ParseSignedDecimal(std::string_view text, int64_t* out) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) {
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '+') return false;
  }
  uint64_t number = 0;
  if (!ParseDecimal(text, &number)) return false;
  const uint64_t limit = uint64_t{std::numeric_limits<int64_t>::max()} + (negative ? 1 : 0);
  if (number > limit) return false;
  *out = static_cast<int64_t>(negative ? 0 - number : number);
  return true;
}

char* WriteDecimal(char* out, uint64_t number) {
  if (number < 10) {
    *out = static_cast<char>('0' + number);
    return out + 1;
  }
  char* const end = out + CountDigits(number);
  char* place = end;
  while (number >= 100) {
    place -= 2;
    std::memcpy(place, kPairs + number % 100 * 2, 2);
    number /= 100;
  }
  if (number >= 10) {
    std::memcpy(place - 2, kPairs + number * 2, 2);
  } else {
    place[-1] = static_cast<char>('0' + number);
  }
  return end;
}

char* WriteSignedDecimal(char* out, int64_t number) {
  if (number >= 0) return WriteDecimal(out, static_cast<uint64_t>(number));
  *out = '-';
  return WriteDecimal(out + 1, 0 - static_cast<uint64_t>(number));
}

}  // namespace holdfast::protocol
