#include <holdfast/client.h>

#include <algorithm>

#include "base/text.h"
#include "client/core.h"
#include "protocol/decimal.h"
#include "protocol/request_writer.h"

namespace holdfast {

// -- Making --

Status Client::ParseServers(std::string_view text, std::vector<Server>* servers) {
  for (std::string_view part : base::Split(text, ',')) {
    part = base::Trim(part);
    Server server;
    const size_t mark = part.find("/?");
    server.address = part.substr(0, mark);
    if (mark != std::string_view::npos && !protocol::ParseDecimal(part.substr(mark + 2), &server.weight)) {
      return Status(Code::kInvalid, part, "the weight is no number");
    }
    if (const base::Result<client::Address> address = client::ParseAddress(server.address); !address.ok()) {
      return Status(Code::kInvalid, server.address, address.status().message());
    }
    servers->push_back(std::move(server));
  }
  return Status();
}

MakeResult Client::Make(std::string_view servers) {
  ClientOptions options;
  if (Status status = ParseServers(servers, &options.servers); !status.ok()) return {nullptr, std::move(status)};
  return Make(options);
}

namespace {

Status CheckOptions(const ClientOptions& options) {
  const auto wrong = [](const char* text) { return Status(Code::kInvalid, "", text); };
  if (options.timeout.count() <= 0) return wrong("timeout must be above 0");
  if (options.connect_timeout.count() <= 0) return wrong("connect_timeout must be above 0");
  if (options.probe_interval.count() <= 0) return wrong("probe_interval must be above 0");
  if (options.resolve_interval.count() <= 0) return wrong("resolve_interval must be above 0");
  if (options.connections_max == 0) return wrong("connections_max must be above 0");
  if (options.multiget_keys_max == 0) return wrong("multiget_keys_max must be above 0");
  if (options.value_bytes_max > protocol::kReplyValueBytesMax) return wrong("value_bytes_max must not be above 1 GiB");
  if (options.prefix.empty()) return Status();
  if (options.prefix.size() >= protocol::kKeyBytesMax) return wrong("the prefix leaves no room for a key");
  if (options.check_keys && !protocol::IsTextKey(options.prefix)) {
    return wrong("the prefix has a space or a control character");
  }
  return Status();
}

}  // namespace

MakeResult Client::Make(const ClientOptions& options) {
  if (Status status = CheckOptions(options); !status.ok()) return {nullptr, std::move(status)};
  const base::Result<client::RingScheme> scheme = client::RingSchemeNamed(options.ring);
  if (!scheme.ok()) return {nullptr, Status(Code::kInvalid, "", scheme.status().message())};
  Status status;
  auto topology = client::Topology::Make(scheme.value(), options.servers, Core::LimitsOf(options), nullptr, &status);
  if (topology == nullptr) return {nullptr, std::move(status)};
  auto core = std::make_unique<Core>(options, scheme.value(), std::move(topology));
  return {std::unique_ptr<Client>(new Client(std::move(core))), Status()};
}

Client::Client(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Client::~Client() = default;

// -- The list of servers --

Status Client::AddServer(const Server& server) {
  return core_->Change([&](std::vector<Server>* servers) {
    servers->push_back(server);
    return Status();
  });
}

Status Client::RemoveServer(std::string_view name) {
  return core_->Change([&](std::vector<Server>* servers) {
    const size_t removed = std::erase_if(*servers, [&](const Server& server) { return server.name == name; });
    return removed > 0 ? Status() : Status(Code::kInvalid, name, "no server has this name");
  });
}

Status Client::SetServers(const std::vector<Server>& servers) {
  return core_->Change([&](std::vector<Server>* now) {
    *now = servers;
    return Status();
  });
}

std::vector<ServerState> Client::Servers() const {
  std::vector<ServerState> states;
  const std::shared_ptr<const client::Topology> topology = core_->topology();  // a change of servers may replace it
  for (const auto& endpoint : topology->endpoints()) states.push_back(endpoint->state());
  return states;
}

std::string Client::ServerOf(std::string_view key, const Call& call) const {
  const std::shared_ptr<const client::Topology> topology = core_->topology();
  return topology->endpoints()[topology->ServerOf(key, call.master)]->text();
}

// -- Servers as such --

std::vector<ServerResult> Client::Flush(std::chrono::seconds delay, const Call& call) {
  return core_->RunServers(protocol::Verb::kFlushAll, {}, delay.count(), call);
}

std::vector<ServerResult> Client::Stats(std::string_view what, const Call& call) {
  const bool wrong = std::any_of(what.begin(), what.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; });
  if (wrong) return {{"", Status(Code::kInvalid, "", "the name of statistics has a control character"), "", {}}};
  return core_->RunServers(protocol::Verb::kStats, what, 0, call);
}

std::vector<ServerResult> Client::Version(const Call& call) {
  return core_->RunServers(protocol::Verb::kVersion, {}, 0, call);
}

}  // namespace holdfast
