// ring.h - which server has a key, asked without any server: for tools, tests, and planning a change of the list.
//
// A Ring is made from the name of a scheme and a list of members, and never changes. doc/client.md has the schemes and
// says which other clients place keys so.
//
// Threads: const after Make; any number of threads may ask.
// Errors:  Make gives kInvalid for an unknown scheme, an empty list, a name that is empty, too long or repeated, a
//          weight of 0 or too high, a weight where the scheme knows none.
// Limits:  4,096 members, names of 1,024 bytes, weights to 1,000,000.

#ifndef HOLDFAST_RING_H_
#define HOLDFAST_RING_H_

#include <holdfast/export.h>
#include <holdfast/status.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// The name is what is hashed, not the address: a replacement that keeps the name keeps the keys.
struct RingMember {
  std::string name;
  uint32_t weight = 1;
};

// What a change of the list costs, told by keys made up for the purpose.
struct RingMovement {
  uint64_t keys = 0;
  uint64_t moved = 0;   // have another server afterwards
  uint64_t needed = 0;  // the least that could have moved
};

class HOLDFAST_API Ring {
 public:
  // Empty, with *status set, when it cannot be made. scheme: "slots", "ketama", "ketama_weighted", ...
  static std::optional<Ring> Make(std::string_view scheme, const std::vector<RingMember>& members,
                                  Status* status = nullptr);

  // The index in the list of members.
  uint32_t ServerOf(std::string_view key) const;
  // The same for a number that is used as the hash itself, as Perl's clients do with [number, key].
  uint32_t ServerOf(uint64_t number) const;

  // The part of all hashes that each member has; their sum is 1.
  std::vector<double> Shares() const;

  static RingMovement Moved(const Ring& before, const Ring& after, uint64_t keys = 100'000);

 private:
  struct Held;
  explicit Ring(std::shared_ptr<const Held> held) : held_(std::move(held)) {}
  std::shared_ptr<const Held> held_;  // never null but when moved from
};

// The name that libmemcached hashes for a server: "host" on port 11211, "host:port" on others.
HOLDFAST_API std::string KetamaName(std::string_view host, uint16_t port);

}  // namespace holdfast

#endif  // HOLDFAST_RING_H_
