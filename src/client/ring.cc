#include "client/ring.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace holdfast::client {
namespace {

constexpr uint16_t kDefaultPort = 11211;

static_assert(kRingMembersMax <= SlotTable::kServersMax);
// A cost has at most 64 << 32, and is multiplied by a weight.
static_assert(kRingWeightMax < 1 << 25, "a cost times a weight must fit in 64 bits");

base::Status Usage(std::string message) { return base::Status(base::ErrorKind::kUsage, std::move(message)); }

base::Status CheckMember(const RingSchemeRow& row, const RingMember& member) {
  if (member.name.empty()) return Usage("a server of the ring has no name");
  if (member.name.size() > kRingNameBytesMax) {
    return Usage("the name of a server has more than " + std::to_string(kRingNameBytesMax) +
                 " bytes: " + member.name.substr(0, 40) + "...");
  }
  if (member.weight == 0) return Usage("server " + member.name + " has weight 0: leave it out of the list instead");
  if (member.weight > kRingWeightMax) {
    return Usage("server " + member.name + " has weight " + std::to_string(member.weight) + ": the most is " +
                 std::to_string(kRingWeightMax));
  }
  if (member.weight != 1 && !row.weights) {
    return Usage("server " + member.name + " has weight " + std::to_string(member.weight) + ", but " +
                 std::string(row.name) +
                 " knows no weights: use slots or ketama_weighted (or, as clients do that set KETAMA " +
                 "before they add servers with weights, ketama_weighted_without_md5)");
  }
  return {};
}

base::Status CheckMembers(const RingSchemeRow& row, const std::vector<RingMember>& members) {
  if (members.empty()) return Usage("the ring has no servers: name at least one");
  if (members.size() > kRingMembersMax) {
    return Usage("the ring has " + std::to_string(members.size()) + " servers: the most is " +
                 std::to_string(kRingMembersMax));
  }
  std::unordered_set<std::string_view> names;
  for (const RingMember& member : members) {
    if (base::Status status = CheckMember(row, member); !status.ok()) return status;
    if (!names.insert(member.name).second) {
      return Usage("server " + member.name +
                   " is in the ring twice: list it once, with a weight if it should have more");
    }
  }
  return {};
}

using LoadByName = std::unordered_map<std::string_view, uint64_t>;

}  // namespace

std::string KetamaName(std::string_view host, uint16_t port) {
  if (port == kDefaultPort) return std::string(host);
  return std::string(host) + ':' + std::to_string(port);
}

base::Result<Ring> Ring::Make(RingScheme scheme, std::vector<RingMember> members) {
  const RingSchemeRow& row = RowOf(scheme);
  if (base::Status status = CheckMembers(row, members); !status.ok()) return status;
  return Ring(row, std::move(members));
}

Ring::Ring(const RingSchemeRow& row, std::vector<RingMember> members) : row_(&row), members_(std::move(members)) {
  switch (row.placement) {
    case RingPlacement::kModulo:
      break;
    case RingPlacement::kPoints:
      circle_.emplace(PlainPoints(row.point_hash, members_));
      break;
    case RingPlacement::kWeightedPoints:
      circle_.emplace(WeightedPoints(members_));
      break;
    case RingPlacement::kSlots:
      slots_.emplace(members_);
      break;
  }
}

void Ring::ServersOf(std::span<const std::string_view> keys, uint32_t* servers) const {
  if (members_.size() == 1) {
    std::fill_n(servers, keys.size(), 0);
    return;
  }
  constexpr size_t kAtATime = 64;
  uint64_t hashes[kAtATime];
  while (!keys.empty()) {
    const size_t count = std::min(keys.size(), kAtATime);
    HashesOf(row_->key_hash, keys.first(count), hashes);
    for (size_t i = 0; i < count; i++) servers[i] = ServerOfHash(hashes[i]);
    keys = keys.subspan(count);
    servers += count;
  }
}

Ring Ring::Without(const std::vector<bool>& marked) const {
  Ring ring = *this;
  std::vector<uint32_t> living;
  for (uint32_t i = 0; i < members_.size(); i++) {
    if (!marked[i]) living.push_back(i);
  }
  if (slots_.has_value()) ring.slots_.emplace(members_, living);
  if (row_->placement == RingPlacement::kModulo) ring.living_ = living;
  if (!circle_.has_value()) return ring;
  std::vector<RingPoint> points = circle_->points();
  points.pop_back();  // the one that closes the circle
  std::erase_if(points, [&](const RingPoint& point) { return marked[point.server]; });
  if (!points.empty()) ring.circle_.emplace(std::move(points));
  return ring;
}

std::vector<double> Ring::Shares() const {
  std::vector<double> shares(members_.size(), 0);
  if (slots_.has_value()) {
    for (uint16_t owner : slots_->owners()) shares[owner] += 1.0 / SlotTable::kSlots;
  } else if (circle_.has_value()) {
    double from = -1;
    for (const RingPoint& point : circle_->points()) {
      shares[point.server] += (point.value - from) / 0x1p32;
      from = point.value;
    }
  } else {
    std::vector<uint32_t> all = living_;
    for (uint32_t i = 0; living_.empty() && i < members_.size(); i++) all.push_back(i);
    for (uint32_t server : all) shares[server] = 1.0 / static_cast<double>(all.size());
  }
  return shares;
}

RingMovement Moved(const Ring& before, const Ring& after, uint64_t keys) {
  RingMovement movement = {keys, 0, 0};
  LoadByName gain, loss;
  for (uint64_t i = 0; i < keys; i++) {
    const std::string key = "key:" + std::to_string(i);
    const std::string& from = before.members()[before.ServerOf(key)].name;
    const std::string& to = after.members()[after.ServerOf(key)].name;
    if (from == to) continue;
    movement.moved++;
    loss[from]++;
    gain[to]++;
  }
  for (const auto& [name, keys_gained] : gain) {
    const auto lost = loss.find(name);
    const uint64_t keys_lost = lost == loss.end() ? 0 : lost->second;
    if (keys_gained > keys_lost) movement.needed += keys_gained - keys_lost;
  }
  return movement;
}

}  // namespace holdfast::client
