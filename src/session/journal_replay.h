// journal_replay.h - brings back what a process that ended without draining had acknowledged.
//
// Every record is applied by its stamps, so order and repetition do not matter. Values and deletes become dirty items
// in memory, which write-behind carries to the database as usual; what memory has no item for goes to JournalRest.
//
// Threads: the main thread, before clients are served.
// Owns:    nothing.

#ifndef HOLDFAST_SESSION_JOURNAL_REPLAY_H_
#define HOLDFAST_SESSION_JOURNAL_REPLAY_H_

#include <cstdint>

#include "session/driver.h"
#include "session/journal_format.h"
#include "session/journal_rest.h"
#include "session/session.h"

namespace holdfast::session {

class JournalReplay {
 public:
  // All borrowed; access belongs to the calling thread. clock: the one that the records were written by.
  JournalReplay(Sessions& sessions, store::Access& access, const base::Clock& clock, JournalRest& rest)
      : sessions_(sessions), access_(access), clock_(clock), rest_(rest) {}

  void Apply(const DecodedRecord& record);

  uint64_t records() const { return records_; }
  uint64_t sessions() const { return restored_; }  // in memory

 private:
  void ApplyValue(const DecodedRecord& record, const store::Key& key);
  void ApplyExpiry(const DecodedRecord& record, const store::Key& key);
  void ApplyDelete(const DecodedRecord& record, const store::Key& key);
  void Publish(store::Slot& slot, store::Draft&& draft, store::SessionStamps stamps, const DecodedRecord& record,
               const store::Key& key);
  bool NewDraft(const store::DraftShape& shape, store::Draft* draft);
  int64_t TtlMicros(const DecodedRecord& record) const;
  base::Seconds ExpiryAfter(int64_t ttl_us) const;
  // Memory has no place for it, nor any longer for what this record takes the place of.
  void WriteDirectly(ChangeKind kind, const DecodedRecord& record, const store::Key& key);
  // Nothing of it is in memory.
  void KeepDirect(ChangeKind kind, const DecodedRecord& record, uint64_t floor);

  Sessions& sessions_;
  store::Access& access_;
  const base::Clock& clock_;
  JournalRest& rest_;
  uint64_t records_ = 0;
  uint64_t restored_ = 0;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_JOURNAL_REPLAY_H_
