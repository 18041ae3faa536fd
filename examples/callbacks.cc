// Many calls at once without many threads, and a future where one is wanted.

#include <holdfast/client.h>

#include <atomic>
#include <future>
#include <iostream>

int main(int argc, char** argv) {
  const holdfast::MakeResult made = holdfast::Client::Make(argc > 1 ? argv[1] : "127.0.0.1:11211");
  if (!made.ok()) return 1;

  constexpr int kCalls = 100;
  std::atomic<int> stored{0}, done{0};
  std::promise<void> all;
  for (int i = 0; i < kCalls; i++) {
    made->Set("key" + std::to_string(i), "value", {}, {}, [&](holdfast::StoreResult result) {
      if (result.ok()) stored++;
      if (++done == kCalls) all.set_value();
    });
  }
  all.get_future().wait();

  auto promise = std::make_shared<std::promise<holdfast::GetResult>>();
  made->Get("key7", {}, [promise](holdfast::GetResult result) { promise->set_value(std::move(result)); });
  std::cout << stored << " stored, key7 is " << promise->get_future().get().value << "\n";
  return stored == kCalls ? 0 : 1;
}
