#include <holdfast/ring.h>

#include "client/ring.h"
#include "client/ring_member.h"
#include "client/ring_scheme.h"

namespace holdfast {

struct Ring::Held {
  client::Ring ring;
};

std::optional<Ring> Ring::Make(std::string_view scheme, const std::vector<RingMember>& members, Status* status) {
  const auto refuse = [&](const base::Status& cause) {
    if (status != nullptr) *status = Status(Code::kInvalid, "", cause.message());
    return std::nullopt;
  };
  const base::Result<client::RingScheme> known = client::RingSchemeNamed(scheme);
  if (!known.ok()) return refuse(known.status());
  std::vector<client::RingMember> list;
  for (const RingMember& member : members) list.push_back({member.name, member.weight});
  base::Result<client::Ring> ring = client::Ring::Make(known.value(), std::move(list));
  if (!ring.ok()) return refuse(ring.status());
  return Ring(std::make_shared<const Held>(Held{std::move(ring.value())}));
}

uint32_t Ring::ServerOf(std::string_view key) const { return held_->ring.ServerOf(key); }

uint32_t Ring::ServerOf(uint64_t number) const { return held_->ring.ServerOfHash(number); }

std::vector<double> Ring::Shares() const { return held_->ring.Shares(); }

RingMovement Ring::Moved(const Ring& before, const Ring& after, uint64_t keys) {
  const client::RingMovement movement = client::Moved(before.held_->ring, after.held_->ring, keys);
  return {movement.keys, movement.moved, movement.needed};
}

std::string KetamaName(std::string_view host, uint16_t port) { return client::KetamaName(host, port); }

}  // namespace holdfast
