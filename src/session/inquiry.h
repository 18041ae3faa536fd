// inquiry.h - what is known of one session, for operators: from memory, the record of recent ends, and the database.
//
// It changes nothing: what is found in the database is not brought into memory.
//
// Threads: any, each with its own Access; not a worker's, for it blocks.
// Owns:    nothing. Borrows Sessions and Database.
// Blocks:  Ask, for a connection to the database and a query or two.
// Errors:  a database that cannot be asked is one of the things that are told.

#ifndef HOLDFAST_SESSION_INQUIRY_H_
#define HOLDFAST_SESSION_INQUIRY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "session/driver.h"
#include "session/recent_ends.h"
#include "session/rule.h"
#include "store/store.h"

namespace holdfast::session {

class Sessions;

struct SessionFacts {
  enum class Memory : uint8_t { kNothing, kLive, kExpired, kDeleted };
  enum class Database : uint8_t { kNotAsked, kAway, kNothing, kLive, kExpired, kDeleted };

  std::string key;
  const Rule* rule = nullptr;  // null: no session; nothing else is known then

  Memory memory = Memory::kNothing;
  store::SessionStamps stamps;  // of what memory has, else of the row
  uint64_t size = 0;
  uint32_t client_flags = 0;
  int64_t expires_wall_us = kNeverMicros;
  bool dirty = false;
  int64_t synced_wall_us = 0;  // when it was last brought to the database, to the second; 0: never, or not known

  Database database = Database::kNotAsked;
  std::string away;  // why it cannot be asked

  std::optional<RecentEnd> end;
  uint32_t own_node = 0;
  std::vector<NodeLease> nodes;  // empty where there is one server

  bool known() const {
    return memory != Memory::kNothing || database > Database::kNothing || (end && end->how != End::kRefused);
  }
};

class Inquiry {
 public:
  Inquiry(Sessions& sessions, Database& database) : sessions_(sessions), database_(database) {}

  // id: a key, or what stands between the prefix and the suffix of a rule. Of several keys that it may mean, the first
  // of which something is known. access is offline, and will be.
  SessionFacts Ask(store::Access& access, std::string_view id);

  // The first sessions in quarantine by their keys, at most count; what memory knows of them. access as above.
  std::vector<SessionFacts> Quarantined(store::Access& access, size_t count) const;

 private:
  std::vector<std::string> KeysOf(std::string_view id) const;
  SessionFacts LookIntoMemory(store::Access& access, const std::string& key) const;
  void AskDatabase(std::vector<SessionFacts>* all);
  void TakeRow(const Row& row, SessionFacts* facts) const;
  int64_t WallOf(int64_t steady_us) const;

  Sessions& sessions_;
  Database& database_;
};

// One sentence, or two: what became of the session.
std::string Why(const SessionFacts& facts, int64_t now_wall_us);
// Why it is in quarantine and what it is, as NAME=VALUE with blanks between, for `stats quarantine`.
std::string DescribeQuarantined(const SessionFacts& facts);
// Name and value, for `stats session`. id: how the session is called in it.
std::vector<std::pair<std::string, std::string>> Describe(const SessionFacts& facts, const std::string& id,
                                                          int64_t now_wall_us);

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_INQUIRY_H_
