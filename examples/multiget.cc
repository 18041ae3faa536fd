// All that a page needs of one user, kept on one server by a master key and fetched in one round trip.

#include <holdfast/client.h>

#include <iostream>

int main(int argc, char** argv) {
  holdfast::ClientOptions options;
  if (!holdfast::Client::ParseServers(argc > 1 ? argv[1] : "127.0.0.1:11211", &options.servers).ok()) return 1;
  options.ring = "ketama";  // as libmemcached places keys
  const holdfast::MakeResult made = holdfast::Client::Make(options);
  if (!made.ok()) return 1;

  const holdfast::Call user = {.master = "user:5", .timeout = std::chrono::seconds(2)};
  for (const char* part : {"user:5:name", "user:5:cart", "user:5:theme"}) {
    if (!made->Set(part, std::string("value of ") + part, {}, user).ok()) return 1;
  }
  const std::string_view keys[] = {"user:5:name", "user:5:cart", "user:5:theme", "user:5:absent"};
  const holdfast::GetManyResult found = made->GetMany(keys, user);
  for (size_t i = 0; i < found.size(); i++) {
    // Not found is an answer; anything else that is not ok is a server's failure, and costs its own keys only.
    std::cout << keys[i] << ": " << (found[i].ok() ? found[i].value : found[i].status.message()) << "\n";
  }
  return found.hits() == 3 && found.complete() ? 0 : 1;
}
