// How it works: of what is written, one change is picked whenever the rate allows one; a moment later its row's stamps
// are read. Stamps of a row only grow, so a row that is later than the sample holds it too, whoever has written it
// since.

#include "session/sampler.h"

#include <algorithm>

#include "session/marks.h"
#include "session/session.h"

namespace holdfast::session {

namespace {
constexpr int64_t kMinuteMicros = 60'000'000;
}  // namespace

void Sampler::Note(const Change& change) {
  const uint32_t rate = sessions_.settings().read_back_rate;
  if (rate == 0) return;
  const int64_t now_us = sessions_.clock().SteadyMicros();
  if (now_us < next_pick_us_) return;
  bool is_first;
  {
    const std::lock_guard lock(mutex_);
    if (samples_.size() >= kSamplesMax) return;
    is_first = samples_.empty();
    const Row& row = change.row;
    samples_.push_back({row.key, change.kind, row.version, row.touched, row.expires_us, now_us + kDelayMicros});
  }
  next_pick_us_ = now_us + kMinuteMicros / rate;
  if (is_first) sessions_.read_through().WakeReader();
}

std::span<const std::string_view> Sampler::NextBatch() {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  const std::lock_guard lock(mutex_);
  if (!in_hand_.empty() || now_us < next_batch_us_) return {};
  while (!samples_.empty() && samples_.front().due_us <= now_us && in_hand_.size() < kBatchMax) {
    in_hand_.push_back(std::move(samples_.front()));
    samples_.pop_front();
  }
  keys_.clear();
  for (const Sample& sample : in_hand_) keys_.push_back(sample.key);
  if (!in_hand_.empty()) next_batch_us_ = now_us + kPauseMicros;
  return keys_;
}

int64_t Sampler::NextDue() {
  const std::lock_guard lock(mutex_);
  return samples_.empty() ? kNeverMicros : std::max(samples_.front().due_us, next_batch_us_);
}

void Sampler::OnFailure() {
  const std::lock_guard lock(mutex_);
  samples_.insert(samples_.begin(), in_hand_.begin(), in_hand_.end());
  in_hand_.clear();
}

bool Sampler::Holds(const RowStamps& row, const Sample& sample) {
  switch (sample.kind) {
    case ChangeKind::kDelete:
    case ChangeKind::kComparedDelete:
      return row.floor >= sample.version;
    case ChangeKind::kExpiry:
      return row.touched >= sample.touched;
    case ChangeKind::kValue:
    case ChangeKind::kCompared:
      break;
  }
  return row.version >= sample.version && row.touched >= sample.touched;
}

void Sampler::OnRows(store::Access& access, const std::vector<RowStamps>& rows) {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  uint64_t read = 0, misses = 0;
  for (const Sample& sample : in_hand_) {
    if (sample.expires_us <= now_us) continue;  // the reaper may have been there
    ++read;
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const RowStamps& r) { return r.key == sample.key; });
    if (row != rows.end() && Holds(*row, sample)) continue;
    ++misses;
    WriteAgain(access, sample);
  }
  access.Quiesce();
  sessions_.stats().samples_read.Add(read);
  sessions_.stats().sample_misses.Add(misses);
  if (misses > 0) {
    sessions_.Say("sessions: " + std::to_string(misses) + " of " + std::to_string(read) +
                  " changes that the database had acknowledged were not there when they were read back; they are "
                  "written again as far as memory has them (sample_misses in stats sessions)");
  }
  const std::lock_guard lock(mutex_);
  in_hand_.clear();
}

void Sampler::WriteAgain(store::Access& access, const Sample& sample) {
  const store::Key key = store::Key::Of(sample.key);
  store::Slot slot = access.Lock(key, sessions_.clock().Now());
  if (!slot.item() || !slot.item().is_session() || slot.item().is_dirty() || IsReservation(slot.item())) return;
  sessions_.write_behind().MakeDirty(slot, key);
}

}  // namespace holdfast::session
