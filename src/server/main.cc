// main.cc - the program.

#include <cstdio>
#include <string_view>

#include "base/option.h"
#include "config.h"
#include "server/manual.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--man") {
    std::fputs(holdfast::server::Manual(holdfast::base::OptionSet()).c_str(), stdout);
    return 0;
  }
  std::printf("%s %s\n", PACKAGE_NAME, PACKAGE_VERSION);
  return 0;
}
