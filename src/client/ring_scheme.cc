#include "client/ring_scheme.h"

#include <array>
#include <string>

namespace holdfast::client {
namespace {

constexpr std::array kRows = {
    RingSchemeRow{RingScheme::kSlots, "slots", RingPlacement::kSlots, KeyHash::kXxh3, KeyHash::kXxh3, true},
    RingSchemeRow{RingScheme::kKetama, "ketama", RingPlacement::kPoints, KeyHash::kOneAtATime, KeyHash::kOneAtATime,
                  false},
    RingSchemeRow{RingScheme::kKetamaMd5, "ketama_md5", RingPlacement::kPoints, KeyHash::kMd5, KeyHash::kMd5, false},
    RingSchemeRow{RingScheme::kKetamaLateMd5, "ketama_late_md5", RingPlacement::kPoints, KeyHash::kOneAtATime,
                  KeyHash::kMd5, false},
    RingSchemeRow{RingScheme::kKetamaWeighted, "ketama_weighted", RingPlacement::kWeightedPoints, KeyHash::kMd5,
                  KeyHash::kMd5, true},
    RingSchemeRow{RingScheme::kKetamaWeightedWithoutMd5, "ketama_weighted_without_md5", RingPlacement::kWeightedPoints,
                  KeyHash::kMd5, KeyHash::kOneAtATime, true},
    RingSchemeRow{RingScheme::kModula, "modula", RingPlacement::kModulo, KeyHash::kOneAtATime, KeyHash::kOneAtATime,
                  false},
    RingSchemeRow{RingScheme::kModulaMd5, "modula_md5", RingPlacement::kModulo, KeyHash::kMd5, KeyHash::kMd5, false},
};

constexpr bool RowsAreInOrder() {
  for (size_t i = 0; i < kRows.size(); i++) {
    if (kRows[i].scheme != static_cast<RingScheme>(i)) return false;
  }
  return true;
}
static_assert(RowsAreInOrder());

}  // namespace

const RingSchemeRow& RowOf(RingScheme scheme) { return kRows[static_cast<size_t>(scheme)]; }

base::Result<RingScheme> RingSchemeNamed(std::string_view name) {
  std::string names;
  for (const RingSchemeRow& row : kRows) {
    if (row.name == name) return row.scheme;
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return base::Status(base::ErrorKind::kUsage, "no ring scheme '" + std::string(name) + "': there are " + names);
}

}  // namespace holdfast::client
