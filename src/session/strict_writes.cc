// How it works: orders_ has an entry for each key of which a change is on its way; it is in queue_ or in the batch in
// hand. Who submitted it, and those who wait for their turn behind it, stand in deadlines_. While a batch is in hand
// its values are in batch_, not in the orders.
//
// What is committed is put in memory before anybody is woken, so that the next change of the key is made from it.
// Memory may have learned of something later meanwhile: a poll saw another server's change of the row, or this process
// was stopped. Then the copy is left out, for what is not in memory is asked of the database.

#include "session/strict_writes.h"

#include <algorithm>
#include <utility>

#include "session/marks.h"
#include "session/session.h"

namespace holdfast::session {

using base::Seconds;
using store::ItemKind;
using store::ItemRef;
using store::Key;
using store::SessionStamps;
using store::Slot;

namespace {

constexpr int64_t kSecondMicros = 1'000'000;
constexpr int64_t kOverheadBytes = 200;
constexpr uint32_t kOwnerNobody = 0;  // so that the polls of all servers see the change, this one's too
constexpr int kDraftTries = 4;

bool Reserved(store::Access& access, const store::DraftShape& shape, store::Draft* draft) {
  for (int tries = 0; tries < kDraftTries; ++tries) {
    const store::Reserve reserve = access.NewDraft(shape, draft);
    if (reserve != store::Reserve::kRetry) return reserve == store::Reserve::kOk;
    access.Quiesce();
  }
  return false;
}

}  // namespace

// -- Submitting -----------------------------------------------------------------------------------

WriteOutcome StrictWrites::Admit(Slot& slot, const Rule& rule, const Key& key, const Sender& sender) {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  sender.waits.Begin(rule, now_us);
  if (now_us >= sender.waits.until_us) return WriteOutcome::kUnavailable;
  if (slot.item() && slot.item().is_session() && slot.item().is_dirty()) {
    if (!Has(slot.item().stamps(), kMarkQuarantined)) sessions_.write_behind().Hasten(slot, key);
    return WriteOutcome::kBehindDirty;
  }
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    if (deadlines_.size() >= sessions_.settings().parked_max) {
      sessions_.stats().loads_refused.Add();
      return WriteOutcome::kUnavailable;
    }
    const auto entry = orders_.find(std::string(key.bytes));
    if (entry == orders_.end()) return WriteOutcome::kSubmitted;
    const auto place = deadlines_.emplace(sender.waits.until_us, Parked{entry->first, sender.waiter, false});
    entry->second.behind.push_back(place);
    is_first = place == deadlines_.begin();
  }
  if (is_first && wake_ticker_) wake_ticker_();
  return WriteOutcome::kBehindAnother;
}

StrictWrites::Order StrictWrites::OrderFor(const Rule& rule, const Key& key, const SessionStamps& before) {
  Order order;
  order.rule = &rule;
  order.hash = key.hash;
  order.turns = sessions_.read_through().TurnOf(key);
  order.epoch = sessions_.verification().epoch();
  Row& row = order.change.row;
  row.key = key.bytes;
  row.owner = kOwnerNobody;
  row.born = before.born;
  row.floor = before.floor;
  row.version = sessions_.stamp_clock().Next(SeenOf(before));
  row.touched = row.version;
  return order;
}

// Nobody else submits a change of this key: that takes its slot.
void StrictWrites::Submit(const Key& key, Order order, const Sender& sender) {
  bool is_first;
  {
    const std::lock_guard lock(mutex_);
    order.bytes = static_cast<int64_t>(order.change.row.data.size()) + kOverheadBytes;
    queued_bytes_ += order.bytes;
    order.connection = sender.waiter.connection;
    const auto entry = orders_.emplace(key.bytes, std::move(order)).first;
    Order& entered = entry->second;
    entered.place = queue_.insert(queue_.end(), entry->first);
    entered.has_sender = true;
    entered.sender = deadlines_.emplace(sender.waits.until_us, Parked{entry->first, sender.waiter, true});
    is_first = entered.sender == deadlines_.begin();
  }
  sessions_.write_behind().WakeWriter();
  if (is_first && wake_ticker_) wake_ticker_();
}

WriteOutcome StrictWrites::Write(Slot& slot, const store::Draft& draft, const WriteRequest& request, Seconds expiry,
                                 const Sender& sender, uint64_t* stamp) {
  const SessionStamps before = StampsIn(slot.item());
  if (sessions_.ComesFromBeforeDelete(request, slot.state(), before)) {
    sessions_.stats().resurrections_refused.Add();
    return WriteOutcome::kDropped;
  }
  const ItemRef& item = draft.item();
  if (sessions_.IsTooLarge(item.value_size())) return WriteOutcome::kTooLarge;
  const WriteOutcome admitted = Admit(slot, request.rule, request.key, sender);
  if (admitted != WriteOutcome::kSubmitted) return admitted;
  int64_t queued_bytes;
  {
    const std::lock_guard lock(mutex_);
    queued_bytes = queued_bytes_;
  }
  if (!sessions_.write_behind().HasRoomFor(queued_bytes + static_cast<int64_t>(item.value_size()))) {
    sessions_.stats().refused_dirty_full.Add();
    return WriteOutcome::kRefused;
  }

  Order order = OrderFor(request.rule, request.key, before);
  const bool goes_on = slot.live() && slot.item().is_session();
  Row& row = order.change.row;
  order.change.kind = ChangeKind::kCompared;
  // Of what is over here the row may be live for a moment yet: seconds are rounded. If it is over there too, this is
  // overtaken once, and then there is no copy.
  const bool is_over = slot.state() == store::ItemState::kExpired && slot.item().is_session();
  order.change.base_version = goes_on || is_over ? before.version : 0;
  if (!goes_on) row.born = row.version;
  if (goes_on && request.kind == WriteKind::kRewrite && expiry == slot.item().expiry()) row.touched = before.touched;
  row.expires_us = ExpiryMicros(sessions_.clock(), expiry);
  row.client_flags = item.client_flags();
  row.data.reserve(item.value_size());
  item.ForEachPiece([&row](std::string_view piece) { row.data += piece; });
  order.expiry = expiry;
  order.options = request.options;
  *stamp = row.version;
  Submit(request.key, std::move(order), sender);
  return WriteOutcome::kSubmitted;
}

WriteOutcome StrictWrites::Touch(Slot& slot, const Rule& rule, const Key& key, Seconds expiry, const Sender& sender) {
  if (expiry == slot.item().expiry()) return WriteOutcome::kStored;
  const WriteOutcome admitted = Admit(slot, rule, key, sender);
  if (admitted != WriteOutcome::kSubmitted) return admitted;
  const SessionStamps before = StampsIn(slot.item());
  Order order = OrderFor(rule, key, before);
  order.change.kind = ChangeKind::kExpiry;
  order.change.base_version = before.version;
  order.change.row.version = before.version;
  order.change.row.expires_us = ExpiryMicros(sessions_.clock(), expiry);
  order.expiry = expiry;
  Submit(key, std::move(order), sender);
  return WriteOutcome::kSubmitted;
}

WriteOutcome StrictWrites::Delete(Slot& slot, const Rule& rule, const Key& key, const Sender& sender) {
  const WriteOutcome admitted = Admit(slot, rule, key, sender);
  if (admitted != WriteOutcome::kSubmitted) return admitted;
  const SessionStamps before = StampsIn(slot.item());
  Order order = OrderFor(rule, key, before);
  order.change.kind = ChangeKind::kComparedDelete;
  order.change.base_version = before.version;
  order.change.row.expires_us =
      sessions_.clock().SteadyMicros() + int64_t{sessions_.settings().tombstone_life_s} * kSecondMicros;
  Submit(key, std::move(order), sender);
  return WriteOutcome::kSubmitted;
}

// -- Sending --------------------------------------------------------------------------------------

// Those that were sent in vain, and that nobody waits for any more.
std::vector<std::pair<std::string, const StrictWrites::Order*>> StrictWrites::GivenUp() {
  std::vector<std::pair<std::string, const Order*>> given_up;
  const std::lock_guard lock(mutex_);
  if (std::exchange(given_up_, 0) == 0) return given_up;
  for (const std::string_view key : queue_) {
    const Order& order = orders_.find(std::string(key))->second;
    if (order.was_sent && !order.has_sender) given_up.emplace_back(key, &order);
  }
  return given_up;
}

std::span<const Change> StrictWrites::NextBatch(store::Access& access) {
  const SessionSettings& settings = sessions_.settings();
  std::vector<Wake> wakes;
  // Only this thread and Tick take orders away, and Tick none that was sent.
  for (const auto& [key, order] : GivenUp()) {
    Forget(access, *order);
    const std::lock_guard lock(mutex_);
    queue_.erase(order->place);
    Finish(orders_.find(key), LoadOutcome::kUnavailable, &wakes);
  }
  Deliver(wakes);
  const size_t rows_max = settings.shared ? 1 : settings.batch_rows_max;
  size_t bytes = 0;
  const std::lock_guard lock(mutex_);
  if (held_ || sessions_.clock().SteadyMicros() < paused_until_us_) return {};
  while (!queue_.empty() && batch_.size() < rows_max && bytes < settings.batch_bytes_max) {
    const auto entry = orders_.find(std::string(queue_.front()));
    queue_.pop_front();
    entry->second.in_hand = true;
    bytes += entry->second.change.row.data.size();
    batch_.push_back(std::move(entry->second.change));
    batch_keys_.push_back(entry->first);
  }
  has_batch_ = !batch_.empty();
  return batch_;
}

int64_t StrictWrites::NextDue() {
  const std::lock_guard lock(mutex_);
  return queue_.empty() || held_ ? kNeverMicros : paused_until_us_;
}

void StrictWrites::OnFailure() {
  const SessionSettings& settings = sessions_.settings();
  sessions_.stats().write_failures.Add();
  const std::lock_guard lock(mutex_);
  const auto front = queue_.begin();
  for (size_t i = 0; i < batch_.size(); ++i) {
    const auto entry = orders_.find(std::string(batch_keys_[i]));
    Order& order = entry->second;
    order.change = std::move(batch_[i]);
    order.in_hand = false;
    order.was_sent = true;
    if (!order.has_sender) ++given_up_;
    order.place = queue_.insert(front, entry->first);
  }
  batch_.clear();
  batch_keys_.clear();
  has_batch_ = false;
  pause_ms_ = std::clamp(pause_ms_ * 2, settings.retry_ms_min, settings.retry_ms_max);
  paused_until_us_ = sessions_.clock().SteadyMicros() + int64_t{pause_ms_} * 1000;
}

void StrictWrites::OnOutcomes(store::Access& access, std::span<const ChangeOutcome> outcomes) {
  std::vector<Wake> wakes;
  for (size_t i = 0; i < batch_.size(); ++i) {
    const std::string key(batch_keys_[i]);
    Order* order;  // what is in hand is changed by this thread alone, but for who waits
    {
      const std::lock_guard lock(mutex_);
      order = &orders_.find(key)->second;
      order->change = std::move(batch_[i]);
    }
    const LoadOutcome outcome = Settle(access, *order, outcomes[i]);
    const std::lock_guard lock(mutex_);
    if (outcome == LoadOutcome::kUnavailable && order->has_sender) sessions_.stats().strict_in_doubt.Add();
    Finish(orders_.find(key), outcome, &wakes);
  }
  access.Quiesce();
  batch_.clear();
  batch_keys_.clear();
  {
    const std::lock_guard lock(mutex_);
    has_batch_ = false;
    paused_until_us_ = 0;
    pause_ms_ = 0;
  }
  Deliver(wakes);
}

LoadOutcome StrictWrites::Settle(store::Access& access, const Order& order, ChangeOutcome outcome) {
  SessionStats& stats = sessions_.stats();
  switch (outcome) {
    case ChangeOutcome::kDone:
      PutInMemory(access, order);
      stats.strict_writes.Add();
      return LoadOutcome::kCommitted;
    case ChangeOutcome::kOvertaken:
    case ChangeOutcome::kNeedsRow:
      Forget(access, order);
      if (order.was_sent) return LoadOutcome::kUnavailable;
      stats.strict_conflicts.Add();
      return LoadOutcome::kOvertaken;
    case ChangeOutcome::kBad:
    case ChangeOutcome::kNoRow:
      break;
  }
  stats.quarantined_total.Add();
  return LoadOutcome::kUnwritable;
}

// -- Memory ---------------------------------------------------------------------------------------

// Where this is the only server, nobody else has made anything later.
bool StrictWrites::HasTurned(const Order& order) {
  if (sessions_.verification().epoch() != order.epoch) return true;
  return sessions_.settings().shared &&
         sessions_.read_through().TurnOf(Key{order.change.row.key, order.hash}) != order.turns;
}

void StrictWrites::Forget(store::Access& access, const Order& order) {
  const Key key{order.change.row.key, order.hash};
  Slot slot = access.Lock(key, sessions_.clock().Now());
  sessions_.read_through().NoteTurn(key);
  sessions_.negative_cache().Erase(key);
  if (slot.item() && slot.item().is_session() && !slot.item().is_dirty()) slot.Remove();
}

void StrictWrites::PutInMemory(store::Access& access, const Order& order) {
  const Row& row = order.change.row;
  const Key key{row.key, order.hash};
  if (order.change.kind == ChangeKind::kCompared) return PutValue(access, key, order);
  if (order.change.kind == ChangeKind::kComparedDelete) return PutTombstone(access, key, order);
  Slot slot = access.Lock(key, sessions_.clock().Now());
  sessions_.read_through().NoteTurn(key);
  if (!slot.item() || slot.item().kind() != ItemKind::kValue || slot.item().stamps().version != row.version) return;
  SessionStamps stamps = slot.item().stamps();
  if (stamps.touched >= row.touched || !slot.SetExpiry(order.expiry)) return;
  stamps.touched = row.touched;
  stamps.synced_touched = row.touched;
  stamps.synced_at = sessions_.clock().Now();
  slot.SetStamps(stamps);
}

void StrictWrites::PutValue(store::Access& access, const Key& key, const Order& order) {
  const Row& row = order.change.row;
  const Seconds now = sessions_.clock().Now();
  store::DraftShape shape{.key = key, .value_size = row.data.size(), .client_flags = row.client_flags};
  shape.expiry = order.expiry;
  shape.session = true;
  store::Draft draft;
  if (!Reserved(access, shape, &draft)) return Forget(access, order);
  draft.Append(row.data);
  SessionStamps stamps;
  stamps.version = stamps.synced_version = row.version;
  stamps.touched = stamps.synced_touched = row.touched;
  stamps.born = row.born;
  stamps.floor = row.floor;
  stamps.rule = order.rule->number;
  stamps.origin = kOriginClient;
  stamps.synced_at = now;
  draft.SetStamps(stamps);
  Slot::PublishOptions options = order.options;
  options.cas = 0;
  options.dirty = false;
  PutInPlace(access, key, order, std::move(draft), options);
  sessions_.NoteWrittenBy(key, {row.version, row.born}, order.connection, now);
}

void StrictWrites::PutTombstone(store::Access& access, const Key& key, const Order& order) {
  const Row& row = order.change.row;
  const Seconds now = sessions_.clock().Now();
  // First: who finds the tombstone is told of a delete.
  sessions_.NoteDeleted(*order.rule, key, row.version, now);
  store::Draft draft;
  if (!Reserved(access, Sessions::TombstoneShape(key), &draft)) return Forget(access, order);
  SessionStamps stamps;
  stamps.version = stamps.touched = stamps.floor = row.version;
  stamps.synced_version = stamps.synced_touched = row.version;
  stamps.born = row.born;
  stamps.rule = order.rule->number;
  stamps.synced_at = now;
  stamps.seen_by = static_cast<uint64_t>(sessions_.clock().SteadyMicros());
  draft.SetStamps(stamps);
  PutInPlace(access, key, order, std::move(draft), {});
}

void StrictWrites::PutInPlace(store::Access& access, const Key& key, const Order& order, store::Draft&& draft,
                              const Slot::PublishOptions& options) {
  Slot slot = access.Lock(key, sessions_.clock().Now());
  const bool has_turned = HasTurned(order);
  // What queries begun before bring is older.
  sessions_.read_through().NoteTurn(key);
  sessions_.negative_cache().Erase(key);
  const ItemRef old = slot.item();
  if (old && old.is_session() && old.stamps().version >= order.change.row.version) return;
  sessions_.write_behind().AddDirtyBytes(-DirtyBytesOf(old));
  if (!has_turned) {
    slot.Publish(std::move(draft), options);
  } else if (old) {
    slot.Remove();
  }
}

// -- Waking ---------------------------------------------------------------------------------------

// Under the lock, as the next two.
void StrictWrites::Drop(Deadlines::iterator parked, LoadOutcome outcome, std::vector<Wake>* wakes) {
  wakes->push_back(Wake{parked->second.waiter, outcome});
  deadlines_.erase(parked);
}

// outcome: for who submitted it. The others begin again.
void StrictWrites::Finish(Orders::iterator entry, LoadOutcome outcome, std::vector<Wake>* wakes) {
  Order& order = entry->second;
  if (order.has_sender) Drop(order.sender, outcome, wakes);
  for (const Deadlines::iterator parked : order.behind) Drop(parked, LoadOutcome::kNone, wakes);
  queued_bytes_ -= order.bytes;
  orders_.erase(entry);
}

void StrictWrites::Deliver(const std::vector<Wake>& wakes) {
  for (const Wake& wake : wakes) sessions_.Wake(wake.waiter, wake.outcome);
}

int64_t StrictWrites::Tick() {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  std::vector<Wake> wakes;
  uint64_t unavailable = 0, in_doubt = 0;
  int64_t next_us;
  {
    const std::lock_guard lock(mutex_);
    while (!deadlines_.empty() && deadlines_.begin()->first <= now_us) {
      const auto first = deadlines_.begin();
      const auto entry = orders_.find(std::string(first->second.key));
      Order& order = entry->second;
      ++unavailable;
      if (!first->second.is_sender) {
        std::erase(order.behind, first);
        Drop(first, LoadOutcome::kUnavailable, &wakes);
      } else if (order.in_hand || order.was_sent) {
        order.has_sender = false;
        if (!order.in_hand) ++given_up_;
        Drop(first, LoadOutcome::kUnavailable, &wakes);
        ++in_doubt;
      } else {
        queue_.erase(order.place);
        Finish(entry, LoadOutcome::kUnavailable, &wakes);
      }
    }
    next_us = deadlines_.empty() ? kNeverMicros : deadlines_.begin()->first;
  }
  sessions_.stats().strict_in_doubt.Add(in_doubt);
  sessions_.stats().loads_unavailable.Add(unavailable);
  Deliver(wakes);
  return next_us;
}

bool StrictWrites::Hold(bool on) {
  bool has_batch;
  {
    const std::lock_guard lock(mutex_);
    held_ = on;
    has_batch = has_batch_;
  }
  if (!on) sessions_.write_behind().WakeWriter();
  return has_batch;
}

bool StrictWrites::IsUnsent(std::string_view key, const Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  const auto entry = orders_.find(std::string(key));
  if (entry == orders_.end()) return false;
  const Order& order = entry->second;
  return order.has_sender && order.sender->second.waiter == waiter && !order.in_hand && !order.was_sent;
}

}  // namespace holdfast::session
