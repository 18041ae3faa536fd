// The crc32c instructions of ARMv8, eight bytes at a time. This file is compiled for a processor that has them; nothing
// here but NativeCrc32c may run before that was asked.

#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include <cstring>

#include "base/crc32c_native.h"

namespace holdfast::base {

namespace {

uint32_t Compute(const char* data, size_t size) {
  uint32_t crc = 0xffffffffu;
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    crc = __crc32cd(crc, word);
  }
  if (size & 4) {
    uint32_t word;
    std::memcpy(&word, data, 4);
    crc = __crc32cw(crc, word);
    data += 4;
  }
  if (size & 2) {
    uint16_t word;
    std::memcpy(&word, data, 2);
    crc = __crc32ch(crc, word);
    data += 2;
  }
  if (size & 1) crc = __crc32cb(crc, static_cast<uint8_t>(*data));
  return ~crc;
}

}  // namespace

Crc32cPath NativeCrc32c() {
  const bool has_crc = (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
  return {"arm", has_crc ? Compute : nullptr};
}

}  // namespace holdfast::base
