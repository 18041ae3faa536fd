// nodes.h - this server's number among those that share a database, and who the others are.
//
// A number is leased in the table `nodes` and renewed three times in its life. It is never shared: not by a copied
// configuration, not by the second process of a hand-over. A number whose lease has run out rests as long as others are
// free, so that a process which was stopped comes back to find its number its own, or gone, but hardly another's.
//
// The renewed row is also a mark in the database: if it stands there older than we have left it, or not at all, the
// database has been replaced or restored from a copy, and what memory took for written is not.
//
// Threads: Join, Resume, Renew, RenewNow, Leave, Refresh, identity, lease from one thread at a time, each with its own
//          driver; the rest from any.
// Owns:    the table of peers. Borrows Sessions.
// Errors:  Join: the clock is ahead, no number is free, the database cannot be asked. Renew: as the driver says.
// Limits:  kNodesMax numbers; 0 is the server that has its database to itself.

#ifndef HOLDFAST_SESSION_NODES_H_
#define HOLDFAST_SESSION_NODES_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "session/driver.h"

namespace holdfast::session {

class Sessions;

enum class Peer : uint8_t {
  kSelf,
  kLive,
  kSilent,   // has a lease, but did not answer a moment ago
  kGone,     // no lease
  kUnknown,  // not in the table as we read it last: Refresh
};

class Nodes {
 public:
  explicit Nodes(Sessions& sessions) : sessions_(sessions) {}

  // Takes a number, after holding our clock against the database's.
  Failure Join(Driver& driver);
  // Prolongs the lease if that is due, and looks whether it is still the same database. What it finds it has told to
  // Sessions.
  Failure Renew(Driver& driver);
  // Due or not.
  Failure RenewNow(Driver& driver);
  int64_t NextDue() const { return next_due_us_.load(std::memory_order_relaxed); }
  // In place of Join, while the database cannot be asked: what was known of it and of our lease when we last could.
  // RenewNow goes on with that lease if nobody has it, and else joins. It does neither while our stamps are ahead of
  // the database's clock.
  void Resume(const DatabaseIdentity& identity, const NodeLease& lease);
  // For Resume; of the lease number and start.
  const DatabaseIdentity& identity() const { return identity_; }
  const NodeLease& lease() const { return lease_; }
  // Gives the number back.
  void Leave(Driver& driver);
  // Reads the table anew, if somebody has met an unknown number.
  Failure Refresh(Driver& driver);
  // For a database of our own too: is it the one that we know?
  Failure CheckIdentity(Driver& driver);

  // Who is not found in the table is gone only if it was read since: since is what reads() was when the question arose.
  Peer Know(uint32_t number, uint64_t since);
  uint64_t reads() const { return reads_.load(std::memory_order_relaxed); }
  // host:port, and what a question must carry so that it is answered.
  std::string AddressOf(uint32_t number);
  std::string TokenOf(uint32_t number);
  void NoteSilent(uint32_t number);
  bool wants_refresh() const { return wants_refresh_.load(std::memory_order_relaxed); }
  // How many have a lease, this one included.
  uint64_t live();

 private:
  static constexpr int64_t kClockAheadMax = 1'000'000;
  static constexpr int64_t kSilenceMicros = 1'000'000;
  static constexpr int kTries = 20;

  struct Known {
    std::string address;
    std::string token;
    int64_t until_us = 0;  // steady
    int64_t silent_until_us = 0;
  };

  Failure Read(Driver& driver, std::vector<NodeLease>* nodes, int64_t* database_now_us);
  Failure Take(Driver& driver, const std::vector<NodeLease>& nodes, int64_t database_now_us, bool* done);
  Failure CheckStamps(int64_t database_now_us) const;
  std::string OwnAddress() const;

  Sessions& sessions_;
  std::atomic<int64_t> next_due_us_{0};
  std::atomic<bool> wants_refresh_{false};
  std::atomic<uint64_t> reads_{0};
  NodeLease lease_;            // as the database has acknowledged it; of the thread that renews
  DatabaseIdentity identity_;  // the same
  bool knows_identity_ = false;
  bool is_resumed_ = false;        // lease_ was not acknowledged to this process
  int64_t resumed_offset_us_ = 0;  // the wall clock's to the steady one, at Resume

  std::mutex mutex_;  // guards all below
  std::map<uint32_t, Known> known_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_NODES_H_
