// judge.h - tells from a history of operations what was promised of sessions and not kept: lost, stale, resurrected,
// refused, foreign, over-alive, late. One judge for the simulation and for the faults on the real server.
//
// A history is what clients saw: when each operation was sent and answered, what it wrote or read. An operation without
// a full reply of success or of a definitive miss may take effect once, at any time, or never: its end is kForever.
// Every written value has a number, so that what is read says which write it came from, and which value its writer had
// read before.
//
// What a write is owed (is it promised to stay?), from most to least:
//   - an `add` or `cas` that was STORED has been stored; a `cas` unless another node had just deleted the session.
//   - a `set` that was STORED has been, unless a delete came that its connection had not been told of: then it may have
//     been dropped, and STORED was said all the same.
//   - an empty value is owed only where a session surely was before: otherwise it is a reservation.
// Of a strict session all that was STORED has been, and is in the database when it is said; all nodes have one order,
// and only a plain read may be old. A session begins with an `add`, with a `set` whose connection was told that there
// is none, and with any `set` later than the writer window. A value belongs to the session that its writer had read.
//
// Threads: pure functions.
// Limits:  time grows with the square of the operations of a key: some hundreds each.

#ifndef HOLDFAST_T_LIB_JUDGE_H_
#define HOLDFAST_T_LIB_JUDGE_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace holdfast::test {

inline constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
inline constexpr uint32_t kDatabaseNode = 0xffff;

enum class Act : uint8_t {
  kGet,
  kSet,
  kAdd,
  kRewrite,  // cas, append: succeeds only where there is a session
  kTouch,
  kDelete,
  kProbe,  // asks whether there is a session
  kRow,    // the checker has looked into the database
};

enum class Said : uint8_t {
  kNothing,  // no answer, or an error
  kHit,
  kMiss,  // END, NOT_FOUND, a probe's STORED; of a row: none that is live
  kStored,
  kNotStored,
  kExists,
  kTouched,
  kDeleted,
};

struct Operation {
  Act act = Act::kGet;
  Said said = Said::kNothing;
  bool empty = false;      // the value written has no bytes
  bool pooled = false;     // the rule says that connections are shared by requests
  bool foreign = false;    // what was read is nothing that was ever written: bytes, flags or length are wrong
  bool strict = false;     // of a session whose rule is strict
  bool is_final = false;   // read when all was quiet
  bool uncertain = false;  // STORED or TOUCHED, but provisionally: the database was away, and may know better
  uint32_t key = 0;        // number of the key
  uint32_t node = 0;       // which was asked
  uint32_t value = 0;      // number of the value written, or read
  uint32_t based_on = 0;   // writes: number of the value that the writer had read last; 0: none
  // Writes: of the latest read that this connection was answered before. It may have been another visitor's.
  int64_t told_us = -1;        // when it was sent; -1: there was none
  int64_t told_ended_us = -1;  // when it was answered
  uint32_t told_value = 0;     // what it brought; 0: that there is none
  int64_t begun_us = 0;
  int64_t ended_us = kForever;
  int64_t ttl_us = kForever;          // writes and touches; 0 or less: a delete. Rows: of the row
  int64_t database_up_us = kForever;  // kRow: since when the database has answered everything
};

// A stretch of time, its ends included.
struct Span {
  int64_t begun_us = 0;
  int64_t ended_us = kForever;

  bool Meets(int64_t from_us, int64_t until_us) const { return from_us <= ended_us && until_us >= begun_us; }
};

struct JudgeRules {
  int64_t bound_us = 0;                // how old a copy on another node may be, where nothing is harmed meanwhile
  std::vector<Span> harms;             // in order, begun and ended: while one lasts, the bound does not run
  int64_t harmed_bound_us = kForever;  // and yet a change is known everywhere after so long
  std::vector<int64_t> settled_us;     // in order: moments by which all that had been done was known everywhere
  int64_t strict_bound_us = 0;         // the same of a strict session, for a plain read
  int64_t skew_us = 0;                 // between the clocks of two nodes
  int64_t window_us = 30'000'000;      // the writer window
  int64_t lag_us = kForever;           // b: how soon after it is due a change is in the database
  int64_t interval_us = 120'000'000;   // N: when a change is due at the latest
  int64_t grain_us = 1'100'000;        // how exact an expiry is: a second, and a little
};

enum class Fault : uint8_t {
  kLostSession,
  kLoginRefused,
  kLostUpdate,
  kLostTouch,
  kStale,
  kResurrected,
  kForeign,
  kOverAlive,
  kLag,
};
inline constexpr size_t kFaults = 9;
const char* NameOf(Fault fault);

struct Finding {
  Fault fault;
  size_t operation;  // the one whose answer is wrong
  size_t against;    // the one that makes it wrong; the same when there is none
  int64_t age_us;    // kStale: how long ago the value was overtaken
};

// Operations in any order; those of a key are judged together.
std::vector<Finding> Judge(std::span<const Operation> history, const JudgeRules& rules);

// Sets from this time on that were answered STORED and surely did not take effect, by what was read after them: a value
// from before, or nothing although nothing can have ended the session. The rules may allow that; the server must count
// it. Of those that were not followed by such a read before the next one is none, for one count may be of several.
std::vector<size_t> DroppedSets(std::span<const Operation> history, int64_t since_us, const JudgeRules& rules);

// "get key 3 by node 0 at 1.234567-1.234600: hit, value 17".
std::string Describe(const Operation& operation);
std::string Describe(const Finding& finding, std::span<const Operation> history);

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_JUDGE_H_
