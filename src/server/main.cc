// main.cc - the program.

#include <cstdio>

#include "config.h"

int main() {
  std::printf("%s %s\n", PACKAGE_NAME, PACKAGE_VERSION);
  return 0;
}
