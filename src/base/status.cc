#include "base/status.h"

#include <system_error>

namespace holdfast::base {

Status SystemError(std::string_view what, int error, std::string_view remedy) {
  std::string message = std::string(what) + ": " + std::generic_category().message(error);
  if (!remedy.empty()) message.append("; ").append(remedy);
  return Status(ErrorKind::kSystem, std::move(message));
}

}  // namespace holdfast::base
