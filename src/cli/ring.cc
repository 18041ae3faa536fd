// Where keys are, and what a change of the list would move. No server is asked.

#include <holdfast/ring.h>

#include <cstdio>

#include "cli/command.h"

namespace holdfast::cli {
namespace {

// The ring of servers, and what to call its members; empty after having said why there is none.
struct NamedRing {
  std::optional<Ring> ring;
  std::vector<std::string> names;
};

NamedRing MakeRing(const Settings& settings, const std::vector<Server>& servers) {
  NamedRing named;
  std::vector<RingMember> members;
  for (const Server& server : servers) {
    // The client's own rule makes the name, so that the answer is the client's.
    ClientOptions one;
    one.servers = {server};
    one.ring = "modula";
    one.servers[0].weight = 1;
    const MakeResult made = Client::Make(one);
    if (!made.ok()) {
      Report(made.status);
      return named;
    }
    members.push_back({made->Servers()[0].name, server.weight});
    named.names.push_back(server.address);
  }
  Status status;
  named.ring = Ring::Make(settings.ring, members, &status);
  Report(status);
  return named;
}

bool Change(const Settings& settings, std::vector<Server>* servers) {
  std::vector<Server> more, fewer;
  Status status;
  if (!settings.with.empty()) status = Client::ParseServers(settings.with, &more);
  if (status.ok() && !settings.without.empty()) status = Client::ParseServers(settings.without, &fewer);
  for (const Server& server : fewer) {
    if (!status.ok()) break;
    const size_t removed = std::erase_if(*servers, [&](const Server& each) { return each.address == server.address; });
    if (removed == 0) status = Status(Code::kInvalid, server.address, "is not in the list of servers");
  }
  servers->insert(servers->end(), more.begin(), more.end());
  Report(status);
  return status.ok();
}

}  // namespace

int ShowRing(const Settings& settings, Words words) {
  Status status;
  const ClientOptions options = OptionsOf(settings, &status);
  if (!status.ok()) return Report(status);
  const NamedRing before = MakeRing(settings, options.servers);
  if (!before.ring.has_value()) return kExitUsage;
  std::vector<Server> changed = options.servers;
  const bool changes = !settings.with.empty() || !settings.without.empty();
  if (changes && !Change(settings, &changed)) return kExitUsage;
  const NamedRing after = changes ? MakeRing(settings, changed) : before;
  if (!after.ring.has_value()) return kExitUsage;

  for (const std::string& key : words) {
    const std::string& master = settings.master.empty() ? key : settings.master;
    const std::string& from = before.names[before.ring->ServerOf(master)];
    const std::string& to = after.names[after.ring->ServerOf(master)];
    std::printf("%s %s%s%s\n", key.c_str(), from.c_str(), from == to ? "" : " -> ", from == to ? "" : to.c_str());
  }
  const std::vector<double> shares = after.ring->Shares();
  for (size_t i = 0; words.empty() && i < shares.size(); i++) {
    std::printf("%s %.2f%%\n", after.names[i].c_str(), 100 * shares[i]);
  }
  if (!changes) return kExitOk;
  const RingMovement movement = Ring::Moved(*before.ring, *after.ring);
  const auto percent = [&](uint64_t keys) {
    return 100 * static_cast<double>(keys) / static_cast<double>(movement.keys);
  };
  std::printf("%.2f%% of all keys would move; %.2f%% have to\n", percent(movement.moved), percent(movement.needed));
  return kExitOk;
}

}  // namespace holdfast::cli
