// sampler.h - reads back a little of what was brought to the database and holds the stamps against those that were
// sent.
//
// A commit that the database has acknowledged and then lost (a node that was not what it said, a restored copy, a fault
// of ours) would otherwise be found by a visitor. What is missing is counted, said in the log, and written again if
// memory still has it.
//
// Threads: Note from the writer; NextBatch, OnRows, OnFailure from the reader; NextDue from any.
// Owns:    the samples that wait.
// Blocks:  never.
// Limits:  a rate, samples a minute (0: none); kSamplesMax wait; one batch of kBatchMax in hand.

#ifndef HOLDFAST_SESSION_SAMPLER_H_
#define HOLDFAST_SESSION_SAMPLER_H_

#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "session/driver.h"
#include "store/store.h"

namespace holdfast::session {

class Sessions;

class Sampler {
 public:
  static constexpr size_t kSamplesMax = 1000;
  static constexpr size_t kBatchMax = 100;
  static constexpr int64_t kDelayMicros =
      1'000'000;  // before a row is read back: other nodes of a cluster have it then
  static constexpr int64_t kPauseMicros = 5'000'000;  // between two batches

  explicit Sampler(Sessions& sessions) : sessions_(sessions) {}
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  // The database has acknowledged this change: perhaps it is one to be read back.
  void Note(const Change& change);

  // What to read back now; empty when nothing is due. The views live until the answer, OnRows or OnFailure.
  std::span<const std::string_view> NextBatch();
  // access belongs to the calling thread and is online.
  void OnRows(store::Access& access, const std::vector<RowStamps>& rows);
  void OnFailure();
  // Steady microseconds when NextBatch may bring something; kNeverMicros: nothing waits.
  int64_t NextDue();

 private:
  struct Sample {
    std::string key;
    ChangeKind kind;
    uint64_t version;
    uint64_t touched;
    int64_t expires_us;  // steady; then the row may be gone
    int64_t due_us;
  };

  static bool Holds(const RowStamps& row, const Sample& sample);
  void WriteAgain(store::Access& access, const Sample& sample);

  Sessions& sessions_;
  int64_t next_pick_us_ = 0;  // of the writer

  std::mutex mutex_;  // guards the next two
  std::deque<Sample> samples_;
  int64_t next_batch_us_ = 0;

  std::vector<Sample> in_hand_;  // of the reader, as the next
  std::vector<std::string_view> keys_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SAMPLER_H_
