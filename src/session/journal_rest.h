// journal_rest.h - what a replay found in the journal and memory has no item for: a touch of a session that was written
// down before, something that is over by now, what memory had no room for. It is to be written to the database as it
// is, and stays in the journal until then.
//
// Threads: any. Write from one at a time.
// Owns:    the changes.
// Blocks:  Write, for the database; the others do not wait for it.
// Errors:  Write: the database did not take all; what it did not take is kept.

#ifndef HOLDFAST_SESSION_JOURNAL_REST_H_
#define HOLDFAST_SESSION_JOURNAL_REST_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "session/driver.h"

namespace holdfast::session {

class JournalRest {
 public:
  struct Written {
    uint64_t unwritable = 0;   // no row can be made of these, ever
    uint64_t without_row = 0;  // none may be made of these (ForgottenDeletes)
  };
  // Driver::Write. What still depends on the moment is filled in before.
  using Send = std::function<Failure(std::span<Change> batch, std::vector<ChangeOutcome>* outcomes)>;

  // The latest for each key stays, but a provisional value takes the place of nothing that is certain.
  void Keep(Change change);
  void Forget(const std::string& key);
  // 0: nothing is kept for it.
  uint64_t VersionOf(const std::string& key) const;
  size_t size() const;
  size_t bytes() const;  // as records, about

  // written counts what is kept no longer, also when it fails.
  Failure Write(const Send& send, Written* written);
  // For copies in the journal. False: visit was false once, and no more were visited.
  bool ForEach(const std::function<bool(const Change&)>& visit) const;

 private:
  std::vector<Change> Some() const;
  void Erase(const std::string& key);

  mutable std::mutex mutex_;  // guards changes_
  std::unordered_map<std::string, Change> changes_;
  size_t value_bytes_ = 0;  // of their rows
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_JOURNAL_REST_H_
