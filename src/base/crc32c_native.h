// crc32c_native.h - what crc32c.cc asks of the one file that configure picks for the instruction set.
//
// crc32c_sse42.cc, crc32c_arm.cc or crc32c_plain.cc defines NativeCrc32c.

#ifndef HOLDFAST_BASE_CRC32C_NATIVE_H_
#define HOLDFAST_BASE_CRC32C_NATIVE_H_

#include "base/crc32c.h"

namespace holdfast::base {

// The path that uses the processor's own instructions; compute is null when this processor has none.
Crc32cPath NativeCrc32c();

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_CRC32C_NATIVE_H_
