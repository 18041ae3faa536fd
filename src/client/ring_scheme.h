// ring_scheme.h - which rule places keys on servers. One row each, in ring_scheme.cc.
//
// Two clients share a cache only if they use the same scheme and the same names. What libmemcached calls ketama is four
// different schemes, depending on which options were set and in which order; they agree on no more than chance.
//
// Threads: constants.
// Errors:  RingSchemeNamed gives kUsage, with the names that there are.

#ifndef HOLDFAST_CLIENT_RING_SCHEME_H_
#define HOLDFAST_CLIENT_RING_SCHEME_H_

#include <string_view>

#include "base/status.h"
#include "client/ring_hash.h"

namespace holdfast::client {

enum class RingScheme {
  kSlots,                     // our own: 65,536 slots filled by weighted rendezvous hashing
  kKetama,                    // libmemcached's KETAMA; PHP's sessions
  kKetamaMd5,                 // the same with HASH=MD5 set before the servers
  kKetamaLateMd5,             // the same with HASH=MD5 set after the servers: only keys are hashed with it
  kKetamaWeighted,            // libmemcached's KETAMA_WEIGHTED; what other clients call ketama
  kKetamaWeightedWithoutMd5,  // KETAMA set before servers with weights: weighted points, keys still not hashed with MD5
  kModula,                    // libmemcached's default: hash modulo the number of servers
  kModulaMd5,
};

enum class RingPlacement { kModulo, kPoints, kWeightedPoints, kSlots };

struct RingSchemeRow {
  RingScheme scheme;
  std::string_view name;
  RingPlacement placement;
  KeyHash point_hash;  // meaningful for kPoints alone
  KeyHash key_hash;
  bool weights;  // false: every weight must be 1
};

const RingSchemeRow& RowOf(RingScheme scheme);

base::Result<RingScheme> RingSchemeNamed(std::string_view name);

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_RING_SCHEME_H_
