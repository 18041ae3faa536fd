// bugs.h - faults of design that are put in on purpose, to see that the judge finds them. They live in the simulated
// database and journal alone: no production code knows of them.

#ifndef HOLDFAST_T_SIM_BUGS_H_
#define HOLDFAST_T_SIM_BUGS_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace holdfast::sim {

enum class Bug : uint8_t {
  kNone,
  kAckBeforeJournal,  // the journal says yes, and writes a moment later
  kUnguardedDelete,   // the database deletes whatever stands there
  kVersionFirst,      // the statement assigns `version` before the values that are compared with it
  kFlushDropsTombstones,
  kTouchCarriesValue,   // a new expiry is written as a whole row with a new version
  kJournalTailDropped,  // the replay does not see the last record
  // Of strict sessions:
  kAckBeforeCommit,  // the request is answered when its change has been submitted
  kAckInDoubt,       // a call that failed counts as committed
  kUncompared,       // the database takes a change whatever version the row has
};

inline constexpr std::array<std::string_view, 10> kBugNames = {"none",
                                                               "ack-before-journal",
                                                               "unguarded-delete",
                                                               "version-first",
                                                               "flush-drops-tombstones",
                                                               "touch-carries-value",
                                                               "journal-tail-dropped",
                                                               "ack-before-commit",
                                                               "ack-in-doubt",
                                                               "uncompared"};

}  // namespace holdfast::sim

#endif  // HOLDFAST_T_SIM_BUGS_H_
