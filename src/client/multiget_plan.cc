#include "client/multiget_plan.h"

#include <algorithm>
#include <limits>

#include "client/key_text.h"
#include "protocol/request_writer.h"

namespace holdfast::client {
namespace {

constexpr uint32_t kNoServer = std::numeric_limits<uint32_t>::max();

}  // namespace

void MultigetPlan::Make(const Topology& topology, const ClientOptions& options, const Call& call, bool with_cas,
                        std::span<const std::string_view> keys, Found* found, ValueBytes* bytes) {
  multiget_ = {keys, found, bytes, with_cas, !options.check_keys};
  if (!options.prefix.empty()) PutPrefix(options, keys);
  Place(topology, options, call, keys);
  RefuseUnfit(options, keys);
  RefuseDown(topology, call.when_down.value_or(options.when_down));
  Order(topology.endpoints().size());
  Cut(topology, options.multiget_keys_max);
}

void MultigetPlan::PutPrefix(const ClientOptions& options, std::span<const std::string_view> keys) {
  size_t bytes = 0;
  for (std::string_view key : keys) bytes += options.prefix.size() + key.size();
  text_.reserve(bytes);  // so that it never moves
  for (std::string_view key : keys) {
    const size_t begin = text_.size();
    text_ += options.prefix;
    text_ += key;
    prefixed_.push_back(std::string_view(text_).substr(begin));
  }
  multiget_.keys = prefixed_;
}

void MultigetPlan::Place(const Topology& topology, const ClientOptions& options, const Call& call,
                         std::span<const std::string_view> keys) {
  const bool home = call.when_down.value_or(options.when_down) != WhenDown::kNextServer;
  if (call.master.has_value()) {
    server_.assign(keys.size(), home ? topology.HomeOf({}, call.master) : topology.ServerOf({}, call.master));
  } else {
    server_.resize(keys.size());
    topology.ServersOf(keys, home, server_.data());
  }
}

void MultigetPlan::RefuseUnfit(const ClientOptions& options, std::span<const std::string_view> keys) {
  for (size_t i = 0; i < keys.size(); i++) {
    if (KeyFits(options.prefix, keys[i], options.check_keys)) continue;
    server_[i] = kNoServer;
    multiget_.found[i].status = CheckKey(options.prefix, keys[i], options.check_keys);
  }
}

void MultigetPlan::RefuseDown(const Topology& topology, WhenDown when_down) {
  for (uint32_t server = 0; server < topology.endpoints().size(); server++) {
    const Endpoint& endpoint = *topology.endpoints()[server];
    if (!endpoint.down()) continue;
    const Status status = when_down == WhenDown::kMiss ? Status(Code::kNotFound) : endpoint.DownStatus();
    for (size_t i = 0; i < server_.size(); i++) {
      if (server_[i] != server) continue;
      multiget_.found[i].status = status;
      multiget_.found[i].skipped = when_down == WhenDown::kMiss;
      server_[i] = kNoServer;
    }
  }
}

// Keys are counted by server, then each is put behind those before it of the same one.
void MultigetPlan::Order(size_t servers) {
  begins_.assign(servers + 1, 0);
  for (uint32_t server : server_) {
    if (server != kNoServer) begins_[server + 1]++;
  }
  for (size_t i = 1; i <= servers; i++) begins_[i] += begins_[i - 1];
  order_.resize(begins_[servers]);
  std::vector<uint32_t> next(begins_.begin(), begins_.end() - 1);
  for (uint32_t i = 0; i < server_.size(); i++) {
    if (server_[i] != kNoServer) order_[next[server_[i]]++] = i;
  }
}

void MultigetPlan::Cut(const Topology& topology, size_t keys_max) {
  const std::span<const uint32_t> order(order_);
  const size_t servers = topology.endpoints().size();
  size_t count = 0;
  for (size_t i = 0; i < servers; i++) count += (begins_[i + 1] - begins_[i] + keys_max - 1) / keys_max;
  parts_.reserve(count);
  part_pointers_.reserve(count);
  for (size_t server = 0; server < servers; server++) {
    if (begins_[server] == begins_[server + 1]) continue;
    const std::shared_ptr<Endpoint>& endpoint = topology.endpoints()[server];
    const size_t first = part_pointers_.size();
    for (size_t begin = begins_[server]; begin < begins_[server + 1]; begin += keys_max) {
      const size_t keys = std::min<size_t>(keys_max, begins_[server + 1] - begin);
      parts_.emplace_back(multiget_, order.subspan(begin, keys), endpoint->text());
      part_pointers_.push_back(&parts_.back());
    }
    const std::span<Part* const> pointers(part_pointers_.data(), part_pointers_.size());  // reserved: they stay
    shares_.push_back({endpoint, pointers.subspan(first)});
  }
}

}  // namespace holdfast::client
