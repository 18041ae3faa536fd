// A call without a callback never leaves its thread: it takes connections from the pools, sends, and polls them until
// the deadline. One with a callback is made into an AsyncCall with copies of all it needs and handed to the loop.
//
// The list of servers is a Topology that is replaced as a whole, so a call sees one list from beginning to end, and
// keeps its endpoints alive.

#include "client/core.h"

#include <algorithm>

#include "client/key_text.h"
#include "client/server_part.h"

namespace holdfast {

using client::Answer;
using client::AsyncMultiget;
using client::AsyncOne;
using client::Endpoint;
using client::Flight;
using client::OnePart;
using client::Part;
using client::Topology;

namespace {

constexpr uint64_t kReplyHeadBytesMax = 8192;
constexpr std::chrono::hours kTimeoutMax{24};

}  // namespace

client::EndpointLimits Client::Core::LimitsOf(const ClientOptions& options) {
  client::EndpointLimits limits;
  limits.failures_before_ejection = options.failures_before_ejection;
  limits.connections_idle_max = options.connections_idle_max;
  limits.connections_max = options.connections_max;
  limits.reply_bytes_max = options.value_bytes_max + kReplyHeadBytesMax;
  return limits;
}

Client::Core::Core(const ClientOptions& options, client::RingScheme scheme, std::shared_ptr<const Topology> topology)
    : options(options),
      scheme(scheme),
      limits(LimitsOf(options)),
      topology_(std::move(topology)),
      resolver(options.resolve_interval),
      loop_({options.connect_timeout, options.probe_interval, options.timeout}, *this, [this] { Replan(); }) {
  for (const std::shared_ptr<Endpoint>& endpoint : topology_->endpoints()) resolver.Want(*endpoint);
}

Client::Core::~Core() { loop_.Stop(); }

std::shared_ptr<const Topology> Client::Core::topology() const {
  std::lock_guard lock(mutex_);
  return topology_;
}

void Client::Core::Replace(std::shared_ptr<const Topology> topology) {
  std::lock_guard lock(mutex_);
  topology_.swap(topology);
}

Status Client::Core::Change(const std::function<Status(std::vector<Server>*)>& change) {
  std::lock_guard lock(change_mutex_);
  const std::shared_ptr<const Topology> before = topology();
  std::vector<Server> servers = before->servers();
  if (Status status = change(&servers); !status.ok()) return status;
  Status status;
  std::shared_ptr<const Topology> after = Topology::Make(scheme, servers, limits, before.get(), &status);
  if (after == nullptr) return status;
  for (const std::shared_ptr<Endpoint>& endpoint : after->endpoints()) resolver.Want(*endpoint);
  Replace(options.when_down == WhenDown::kNextServer ? after->WithoutDown() : after);
  return Status();
}

void Client::Core::Replan() {
  if (options.when_down != WhenDown::kNextServer) return;
  std::lock_guard lock(change_mutex_);
  Replace(topology()->WithoutDown());
}

void Client::Core::OnEjected(Endpoint& endpoint) {
  loop_.ProbeLater(endpoint.shared_from_this());
  if (options.when_down == WhenDown::kNextServer) loop_.Post([this] { Replan(); });
}

std::chrono::nanoseconds Client::Core::TimeoutOf(const Call& call) const {
  const auto timeout = call.timeout.count() > 0 ? call.timeout : options.timeout;
  return std::min<std::chrono::nanoseconds>(timeout, kTimeoutMax);
}

Client::Core::Route Client::Core::RouteOf(const Topology& topology, const client::Verb& verb, std::string_view key,
                                          const Call& call) const {
  const WhenDown when_down = call.when_down.value_or(options.when_down);
  const uint32_t server =
      when_down == WhenDown::kNextServer ? topology.ServerOf(key, call.master) : topology.HomeOf(key, call.master);
  Route route;
  route.endpoint = topology.endpoints()[server];
  if (!route.endpoint->down()) return route;
  route.skipped = when_down == WhenDown::kMiss && verb.reads;
  route.status = route.skipped ? Status(Code::kNotFound) : route.endpoint->DownStatus();
  return route;
}

// -- On the calling thread --

void Client::Core::RunOne(const client::Verb& verb, std::string_view key, const Call& call, OnePart* part) {
  client::KeyText text;
  Answer& answer = part->answer();
  answer.status = text.Set(options.prefix, key, options.check_keys);
  if (!answer.status.ok()) return;
  const std::shared_ptr<const Topology> topology = this->topology();
  const Route route = RouteOf(*topology, verb, key, call);
  answer.skipped = route.skipped;
  answer.status = route.status;
  if (!answer.status.ok()) return;
  part->set_server(route.endpoint->text());
  part->set_key(text.text(), text.base64());
  Part* const parts[] = {part};
  Flight flight(*route.endpoint, parts, *this);
  client::Run({&flight, 1}, TimesOf(call));
}

void Client::Core::RunMany(std::span<const std::string_view> keys, const Call& call, bool with_cas, Found* found,
                           client::ValueBytes* bytes) {
  const std::shared_ptr<const Topology> topology = this->topology();
  client::MultigetPlan plan;
  plan.Make(*topology, options, call, with_cas, keys, found, bytes);
  std::vector<Flight> flights;
  flights.reserve(plan.shares().size());
  for (const client::MultigetPlan::Share& share : plan.shares()) {
    flights.emplace_back(*share.endpoint, share.parts, *this);
  }
  client::Run(flights, TimesOf(call));
}

std::vector<ServerResult> Client::Core::RunServers(protocol::Verb verb, std::string_view arguments, int64_t delay_s,
                                                   const Call& call) {
  const std::shared_ptr<const Topology> topology = this->topology();
  std::vector<std::shared_ptr<Endpoint>> endpoints = topology->endpoints();
  if (call.master.has_value()) endpoints = {endpoints[topology->HomeOf({}, call.master)]};
  std::vector<client::ServerPart> parts;
  std::vector<Part*> pointers;
  std::vector<Flight> flights;
  parts.reserve(endpoints.size());
  pointers.reserve(endpoints.size());
  for (const std::shared_ptr<Endpoint>& endpoint : endpoints) {
    pointers.push_back(&parts.emplace_back(verb, endpoint->text(), arguments, delay_s));
    flights.emplace_back(*endpoint, std::span<Part* const>(&pointers.back(), 1), *this);
  }
  client::Run(flights, TimesOf(call));
  std::vector<ServerResult> results;
  for (client::ServerPart& part : parts) results.push_back(std::move(part.result()));
  return results;
}

// -- On the client's own --

void Client::Core::StartOne(const client::Verb& verb, std::string_view key, std::string_view value, const Call& call,
                            const std::function<void(std::string_view value, OnePart*)>& say,
                            std::function<void(Answer)> done) {
  client::KeyText text;
  Answer refused;
  refused.status = text.Set(options.prefix, key, options.check_keys);
  if (refused.status.ok() && value.size() > options.value_bytes_max) refused.status = TooLarge(value);
  if (!refused.status.ok()) return done(std::move(refused));
  const Route route = RouteOf(*topology(), verb, key, call);
  refused.status = route.status;
  refused.skipped = route.skipped;
  if (!refused.status.ok()) return done(std::move(refused));

  const std::chrono::nanoseconds timeout = TimeoutOf(call);
  const auto async = std::make_shared<AsyncOne>(verb.verb, text.text(), value, client::Now() + timeout, timeout, done);
  say(async->value(), &async->part());
  async->part().set_key(async->key(), text.base64());
  async->SendTo(route.endpoint);
  if (loop_.Carry(async)) return;
  refused.status = Status(Code::kBusy, "", "too many calls are under way");
  done(std::move(refused));
}

void Client::Core::StartMany(std::span<const std::string_view> keys, const Call& call, bool with_cas,
                             AsyncMultiget::Done done) {
  const std::chrono::nanoseconds timeout = TimeoutOf(call);
  const auto async = std::make_shared<AsyncMultiget>(keys, client::Now() + timeout, timeout, done);
  async->Plan(*topology(), options, call, with_cas);
  if (loop_.Carry(async)) return;
  std::vector<Found> found(keys.size());
  for (Found& each : found) each.status = Status(Code::kBusy, "", "too many calls are under way");
  done(std::move(found), nullptr);
}

Status Client::Core::TooLarge(std::string_view value) const {
  return Status(Code::kInvalid, "",
                "the value has " + std::to_string(value.size()) + " bytes: the most is " +
                    std::to_string(options.value_bytes_max));
}

}  // namespace holdfast
