// A login, two requests that change the session at once, a new id, a logout.

#include <holdfast/sessions.h>

#include <iostream>

int main(int argc, char** argv) {
  const holdfast::MakeResult made = holdfast::Client::Make(argc > 1 ? argv[1] : "127.0.0.1:11211");
  if (!made.ok()) return 1;
  holdfast::Sessions sessions(*made, {.prefix = "example:", .ttl = std::chrono::minutes(30)});
  (void)sessions.Destroy("5d41402abc4b");
  (void)sessions.Destroy("7d793037a076");

  if (!sessions.Create("5d41402abc4b", "cart=").ok()) return 1;
  const holdfast::SessionResult one = sessions.Load("5d41402abc4b");
  const holdfast::SessionResult two = sessions.Load("5d41402abc4b");
  if (!sessions.Save("5d41402abc4b", one.data + "apple,", one.version).ok()) return 1;

  holdfast::SessionResult saved = sessions.Save("5d41402abc4b", two.data + "pear,", two.version);
  if (saved.status.code() == holdfast::Code::kExists) {  // the first request came before: load again, merge
    const holdfast::SessionResult now = sessions.Load("5d41402abc4b");
    saved = sessions.Save("5d41402abc4b", now.data + "pear,", now.version);
  }
  const holdfast::SessionResult merged = sessions.Load("5d41402abc4b");
  std::cout << merged.data << "\n";

  const holdfast::RegenerateResult renamed = sessions.Regenerate("5d41402abc4b", "7d793037a076", merged.data);
  if (renamed.outcome != holdfast::Regenerated::kDone) return 1;
  const bool gone = sessions.Destroy("7d793037a076").ok() && !sessions.Load("7d793037a076").ok();
  return saved.ok() && gone && merged.data == "cart=apple,pear," ? 0 : 1;
}
