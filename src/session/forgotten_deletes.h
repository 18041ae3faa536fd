// forgotten_deletes.h - keeps what was away for long from bringing a deleted session back.
//
// The database remembers a delete for tombstone_life. A value from before that, of a server that could not ask the
// database meanwhile or of a journal that lay about, must not become a new row: another server may have deleted the
// session, and nothing stands there any more to say so. So such a change is only written over a row that is there.
// Where there is none it is kNoRow, unless no other server can have been at the database.
//
// What a server knows of a session ends at the latest of these: when the session was born, when its row was last
// written or read here, and, of what memory holds, the latest poll of the others' changes, if no pause between two
// polls was longer than tombstone_life.
//
// With a database of its own nobody else can have deleted anything, and nothing is checked.
//
// Threads: UnseenSince, AfterOutage from any; NotePoll from the poller; Write from any, each with its own driver.
// Owns:    nothing. Borrows Sessions.
// Blocks:  Write, for the database: where there is something to check, for two queries more.
// Errors:  Write: as Driver::Write.

#ifndef HOLDFAST_SESSION_FORGOTTEN_DELETES_H_
#define HOLDFAST_SESSION_FORGOTTEN_DELETES_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "session/driver.h"
#include "store/item.h"

namespace holdfast::session {

class Sessions;

class ForgottenDeletes {
 public:
  explicit ForgottenDeletes(Sessions& sessions);

  // For Change::unseen_since_us of a session with these stamps.
  int64_t UnseenSince(const store::SessionStamps& stamps) const;

  // A value of this version was stored provisionally, and there is no row: may a delete that was there then have been
  // forgotten since?
  bool AfterOutage(uint64_t version) const;

  // The others' changes have been looked for, by a poll that began then.
  void NotePoll(int64_t begun_us);

  // driver.Write, of changes that may have to be checked.
  Failure Write(Driver& driver, std::span<const Change> changes, std::vector<ChangeOutcome>* outcomes) const;

 private:
  int64_t LifeMicros() const;
  bool IsPolled(int64_t now_us) const;
  Failure AskForOthers(Driver& driver, std::span<const Change> changes, std::vector<ChangeOutcome>* outcomes) const;
  bool IsSelf(const NodeLease& node) const;

  static constexpr int64_t kNoGap = std::numeric_limits<int64_t>::min();

  Sessions& sessions_;
  const int64_t begun_us_;                   // when this process began
  std::atomic<int64_t> polled_us_;           // the latest poll, else begun_us_
  std::atomic<int64_t> gap_end_us_{kNoGap};  // the latest poll that came after too long a pause
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_FORGOTTEN_DELETES_H_
