#include "cli/command.h"

#include <unistd.h>

#include <cstdio>

namespace holdfast::cli {
namespace {

void Write(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string ReadInput() {
  std::string input;
  char bytes[65536];
  while (const size_t got = std::fread(bytes, 1, sizeof(bytes), stdin)) input.append(bytes, got);
  return input;
}

// One value goes out as it is; several each behind a line "KEY FLAGS SIZE".
int Get(const Settings& settings, Words words) {
  const std::unique_ptr<Client> client = MakeClient(settings);
  if (client == nullptr) return kExitUsage;
  const GetManyResult found = client->GetMany(words, CallOf(settings));
  int exit = kExitOk;
  for (size_t i = 0; i < words.size(); i++) {
    if (!found[i].ok()) {
      exit = std::max(exit, Report(found[i].status));
      continue;
    }
    if (words.size() > 1) {
      std::printf("%s %u %zu\n", words[i].c_str(), found[i].flags, found[i].value.size());
    }
    Write(found[i].value);
    if (words.size() > 1 || isatty(1)) Write("\n");
  }
  return exit;
}

int Set(const Settings& settings, Words words) {
  const std::unique_ptr<Client> client = MakeClient(settings);
  if (client == nullptr) return kExitUsage;
  const std::string value = words.size() > 1 ? words[1] : ReadInput();
  const StoreOptions options = {.ttl = std::chrono::seconds(settings.ttl_s), .flags = settings.flags};
  return Report(client->Set(words[0], value, options, CallOf(settings)).status);
}

int Delete(const Settings& settings, Words words) {
  const std::unique_ptr<Client> client = MakeClient(settings);
  if (client == nullptr) return kExitUsage;
  int exit = kExitOk;
  for (const std::string& key : words) exit = std::max(exit, Report(client->Remove(key, {}, CallOf(settings))));
  return exit;
}

int Stats(const Settings& settings, Words words) {
  const std::unique_ptr<Client> client = MakeClient(settings);
  if (client == nullptr) return kExitUsage;
  int exit = kExitOk;
  for (const ServerResult& result : client->Stats(words.empty() ? "" : words[0], CallOf(settings))) {
    if (!result.status.ok()) exit = std::max(exit, Report(result.status));
    for (const auto& [name, value] : result.rows) {
      std::printf("%s %s %s\n", result.server.c_str(), name.c_str(), value.c_str());
    }
  }
  return exit;
}

// Each server knows what went through it, and what is in the database.
int Why(const Settings& settings, Words words) {
  const std::unique_ptr<Client> client = MakeClient(settings);
  if (client == nullptr) return kExitUsage;
  int exit = kExitOk;
  for (const ServerResult& result : client->Stats("why " + words[0], CallOf(settings))) {
    if (!result.status.ok()) exit = std::max(exit, Report(result.status));
    for (const auto& [name, value] : result.rows) std::printf("%s: %s\n", result.server.c_str(), value.c_str());
  }
  return exit;
}

int Version(const Settings& settings, Words) {
  const std::unique_ptr<Client> client = MakeClient(settings);
  if (client == nullptr) return kExitUsage;
  int exit = kExitOk;
  for (const ServerResult& result : client->Version(CallOf(settings))) {
    if (result.status.ok()) std::printf("%s %s\n", result.server.c_str(), result.text.c_str());
    if (!result.status.ok()) exit = std::max(exit, Report(result.status));
  }
  return exit;
}

constexpr size_t kAny = static_cast<size_t>(-1);

constexpr Command kCommands[] = {
    {"get", "KEY...", "prints values; of several keys each behind a line with key, flags and size", 1, kAny, Get},
    {"set", "KEY [VALUE]", "stores a value, read from the standard input when it is not given", 1, 2, Set},
    {"delete", "KEY...", "removes items", 1, kAny, Delete},
    {"stats", "[NAME]", "prints the statistics of all servers, a line each: server, name, value", 0, 1, Stats},
    {"why", "ID", "says what became of a session: live, expired, deleted by whom and when, never seen", 1, 1, Why},
    {"version", "", "prints the version of each server", 0, 0, Version},
    {"ring", "[KEY...]",
     "shows which server has each key, or without keys the share of each server; with --with and --without also how "
     "many "
     "keys would move",
     0, kAny, ShowRing},
    {"bench", "", "gets and sets keys from several threads for some seconds, and prints rates and times", 0, 0, Bench},
};

}  // namespace

std::span<const Command> Commands() { return kCommands; }

ClientOptions OptionsOf(const Settings& settings, Status* status) {
  ClientOptions options;
  *status = Client::ParseServers(settings.servers, &options.servers);
  options.ring = settings.ring;
  options.prefix = settings.prefix;
  options.timeout = std::chrono::milliseconds(settings.timeout_ms);
  options.connect_timeout = options.timeout;
  return options;
}

std::unique_ptr<Client> MakeClient(const Settings& settings) {
  Status status;
  const ClientOptions options = OptionsOf(settings, &status);
  MakeResult made = status.ok() ? Client::Make(options) : MakeResult{nullptr, status};
  if (!made.ok()) Report(made.status);
  return std::move(made.client);
}

Call CallOf(const Settings& settings) {
  Call call;
  if (!settings.master.empty()) call.master = settings.master;
  return call;
}

int Report(const Status& status) {
  if (status.ok()) return kExitOk;
  std::fprintf(stderr, "holdfast-cli: %s\n", status.message().c_str());
  return status.answered() ? kExitMiss : kExitFailed;
}

}  // namespace holdfast::cli
