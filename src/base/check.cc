#include "base/check.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace holdfast::base {

void CheckFailed(const char* file, int line, const char* condition) {
  // On the stack and by write(2): memory may be what is broken.
  char text[512];
  int size = std::snprintf(text, sizeof text, "%s:%d: check failed: %s\n", file, line, condition);
  if (size >= static_cast<int>(sizeof text)) size = sizeof text - 1;
  if (size > 0) {
    [[maybe_unused]] ssize_t written = write(STDERR_FILENO, text, static_cast<size_t>(size));
  }
  std::abort();
}

}  // namespace holdfast::base
