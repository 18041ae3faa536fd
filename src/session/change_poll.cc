// How it works: of a change that was not met before (a fingerprint of key and stamps tells) the key's turn is noted, so
// that a load which began before it is made again. A clean copy is dropped in any case: the row has another owner. But
// a row of a strict session has none, and of that a copy is dropped only if the row is later. A dirty copy is written
// at once; the database says which of the two is later.

#include "session/change_poll.h"

#include <utility>

#include "session/marks.h"
#include "session/session.h"

namespace holdfast::session {

using store::Key;

Failure ChangePoll::Begin(Driver& driver) {
  std::vector<NodeLease> nodes;
  int64_t database_now_us = 0;
  if (Failure failure = driver.ReadNodes(&nodes, &database_now_us); !failure.ok()) return failure;
  latest_us_ = database_now_us;
  seen_.clear();
  before_.clear();
  polls_ = 0;
  anew_.store(false);
  return {};
}

Failure ChangePoll::Poll(Driver& driver, store::Access& access) {
  const int64_t begun_us = sessions_.clock().SteadyMicros();
  if (begun_us < next_due_us_) return {};
  next_due_us_ = begun_us + int64_t{sessions_.settings().poll_ms} * 1000;
  const uint64_t epoch = sessions_.verification().epoch();
  const Doubt doubt = sessions_.verification().reason();
  if (anew_.load()) {
    if (Failure failure = Begin(driver); !failure.ok()) return failure;
  }
  const bool is_long = polls_++ % kPollsALong == 0 || doubt != Doubt::kNone;
  if (is_long) {
    before_ = std::exchange(seen_, {});
    polls_ = 1;
  }
  ChangeCursor place{latest_us_ - (is_long ? kLongMicros : kShortMicros), ""};
  for (;;) {
    std::vector<RowStamps> rows;
    if (Failure failure = driver.ReadChanges(sessions_.stamp_clock().node(), place, kRowsMax, &rows, &place);
        !failure.ok()) {
      if (is_long) polls_ = 0;
      return failure;
    }
    access.Online();
    for (const RowStamps& row : rows) Apply(access, row);
    access.Offline();
    latest_us_ = std::max(latest_us_, place.changed_us);
    if (rows.size() < kRowsMax) break;
  }
  polled_us_.store(begun_us, std::memory_order_relaxed);
  sessions_.forgotten_deletes().NotePoll(begun_us);
  sessions_.stats().polls.Add();
  if (doubt == Doubt::kStopped) sessions_.verification().NoteAllVerified(epoch);
  return {};
}

bool ChangePoll::IsNews(const RowStamps& row) {
  if (seen_.size() > kSeenMax) seen_.clear();
  uint64_t print = std::hash<std::string>()(row.key);
  for (const uint64_t stamp : {row.version, row.touched, row.floor, uint64_t{row.owner}}) {
    print = (print ^ stamp) * 0x9e3779b97f4a7c15u;
    print ^= print >> 29;
  }
  return seen_.insert(print).second && !before_.contains(print);
}

void ChangePoll::Apply(store::Access& access, const RowStamps& row) {
  for (const uint64_t version : {row.version, row.touched, row.floor}) sessions_.stamp_clock().Observe(version);
  const Key key = Key::Of(row.key);
  if (IsNews(row)) {
    sessions_.read_through().NoteTurn(key);
    sessions_.negative_cache().Erase(key);
  }
  if (!access.Find(key, sessions_.clock().Now()).item) return;
  store::Slot slot = access.Lock(key, sessions_.clock().Now());
  const store::ItemRef item = slot.item();
  if (!item || !item.is_session()) return;
  const store::SessionStamps stamps = item.stamps();
  if (item.is_dirty()) {
    if (!Has(stamps, kMarkQuarantined)) sessions_.write_behind().Hasten(slot, key);
    return;
  }
  const bool is_later = row.version > stamps.version || row.touched > stamps.touched || row.floor > stamps.floor;
  // A tombstone is nobody's own.
  if (item.kind() == store::ItemKind::kTombstone && !is_later) return;
  // Rows of strict sessions are nobody's; this is one that we have read or written ourselves.
  if (!is_later && sessions_.IsSharedStrict(row.key)) return;
  slot.Remove();
  if (is_later) sessions_.stats().stale_copies_dropped.Add();
}

}  // namespace holdfast::session
