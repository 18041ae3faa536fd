// The least there is: a value stored and read. Argument: the servers, "host:port,host:port".

#include <holdfast/client.h>

#include <iostream>

int main(int argc, char** argv) {
  const holdfast::MakeResult made = holdfast::Client::Make(argc > 1 ? argv[1] : "127.0.0.1:11211");
  if (!made.ok()) {
    std::cerr << made.status.message() << "\n";
    return 1;
  }
  holdfast::Client& client = *made;
  const holdfast::StoreResult stored = client.Set("greeting", "hello", {.ttl = std::chrono::minutes(5)});
  if (!stored.ok()) {
    std::cerr << stored.status.message() << "\n";
    return 1;
  }
  const holdfast::GetResult found = client.Get("greeting");
  std::cout << (found.ok() ? found.value : found.status.message()) << "\n";
  return found.value == "hello" ? 0 : 1;
}
