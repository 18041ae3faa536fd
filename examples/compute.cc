// A value that is dear to make: one caller makes it, the others wait for it or take the one before.

#include <holdfast/client.h>

#include <iostream>

int main(int argc, char** argv) {
  const holdfast::MakeResult made = holdfast::Client::Make(argc > 1 ? argv[1] : "127.0.0.1:11211");
  if (!made.ok()) return 1;
  (void)made->Remove("report");
  const auto compute = [] { return std::optional<std::string>("as if it took a second"); };
  const holdfast::ComputeOptions options = {.ttl = std::chrono::minutes(10), .recache = std::chrono::seconds(30)};
  for (int i = 0; i < 2; i++) {
    const holdfast::ComputeResult report = made->GetOrCompute("report", compute, options);
    if (!report.ok() || report.computed != (i == 0)) return 1;
    std::cout << (report.computed ? "computed: " : "found: ") << report.value << "\n";
  }
  return 0;
}
