// For instruction sets without a CRC-32C instruction, or compilers that cannot emit it.

#include "base/crc32c_native.h"

namespace holdfast::base {

Crc32cPath NativeCrc32c() { return {"none", nullptr}; }

}  // namespace holdfast::base
