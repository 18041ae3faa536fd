// dump.h - what lists or counts items: lru_crawler metadump and mgdump, stats cachedump, stats sizes; and what tells of
// one session, for which the database may have to be asked: stats session, why; and stats quarantine.
//
// Each is a Background::Work: it walks the index on a thread of its own, a reader of the store like any other, and goes
// offline before it waits for its reader.
//
// Threads: the functions made here run on the thread of their reply. Borrow the operations, which outlive it.
// Limits:  kCachedumpBytesMax of text for cachedump, as in memcached; kQuarantineShown sessions.

#ifndef HOLDFAST_COMMAND_DUMP_H_
#define HOLDFAST_COMMAND_DUMP_H_

#include <cstdint>
#include <set>
#include <string>

#include "command/background.h"
#include "command/operations.h"

namespace holdfast::command {

inline constexpr uint32_t kClassesShown = 255;  // numbers of size classes that may be asked for
inline constexpr size_t kCachedumpBytesMax = 2u << 20;
inline constexpr size_t kQuarantineShown = 1000;

// Empty `classes`: all.
Background::Work Metadump(Operations& operations, std::set<uint32_t> classes);
Background::Work Mgdump(Operations& operations, std::set<uint32_t> classes);
Background::Work Cachedump(Operations& operations, uint32_t size_class, uint64_t items_max);
Background::Work CountSizes(Operations& operations);

// As rows; `stats session` has all that is known, `stats why` the sentence alone.
Background::Work DescribeSession(Operations& operations, std::string id);
Background::Work ExplainSession(Operations& operations, std::string id);
// A row for each session in quarantine, and one that says how many more there are.
Background::Work ListQuarantine(Operations& operations);
// As a line of text.
Background::Work TellWhy(Operations& operations, std::string id);

// Whether a list may name this key.
bool MayList(const Operations& operations, const store::ItemRef& item);

}  // namespace holdfast::command

#endif  // HOLDFAST_COMMAND_DUMP_H_
