#include "base/status.h"

#include <system_error>

namespace holdfast::base {

Status SystemError(std::string_view what, int error) {
  return Status(ErrorKind::kSystem, std::string(what) + ": " + std::generic_category().message(error));
}

}  // namespace holdfast::base
