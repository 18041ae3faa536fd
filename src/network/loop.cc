// One round:
//
//     wait        hooks.BeforeWait, event_base_loop, hooks.AfterWait. It does not block when somebody is ready or there
//                 is mail; with --busy-poll some that do not block come first. Event callbacks, timers included, only
//                 collect: nothing runs while the hooks say "waiting".
//     mail        new connections, posted tasks, resumed connections
//     timers      what is due
//     turns       one for each connection that was ready when the turns began; who becomes ready meanwhile, or yields,
//                 is in the next round
//
// A client that sends a request and waits for the reply costs three system calls: epoll_wait, recv, send.
//
// Connections are deleted here only, never under the feet of their own turn: one that closes in its turn is deleted
// after it, one that closes while it is in a queue when it is popped.

#include "network/loop.h"

#include <event2/event.h>
#include <time.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace holdfast::network {
namespace {

uint32_t NowSeconds() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint32_t>(now.tv_sec);
}

void DoNothing(int, short, void*) {}

// A timer is in milliseconds of 32 bits: one that is due later looks in vain now and then.
constexpr uint32_t kIdleLookSecondsMax = 86400;

constexpr size_t kSpareOutputsMax = 64;

}  // namespace

void Loop::FreeBase::operator()(event_base* base) const { event_base_free(base); }

Loop::Loop(Worker& worker, const WorkerSettings& settings, base::BlockBudget& budget,
           std::unique_ptr<WorkerHooks> hooks)
    : worker_(worker),
      settings_(settings),
      hooks_(std::move(hooks)),
      busy_poll_(settings.spare_processor, counters_.busy_poll),
      pool_(budget),
      connections_(settings.index) {
  busy_poll_.SetLimit(settings.busy_poll_us);
}

Loop::~Loop() {
  if (base_ == nullptr) return;
  event_del(&wake_event_);
  event_del(&timer_event_);
}

base::Status Loop::Open() {
  if (base::Status status = mailbox_.Open(); !status.ok()) return status;
  event_config* const config = event_config_new();
  if (config != nullptr) {
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_O1);
    base_.reset(event_base_new_with_config(config));
    event_config_free(config);
  }
  if (base_ == nullptr) {
    return base::Status(base::ErrorKind::kSystem,
                        "cannot create an epoll event loop (out of memory or descriptors?): raise ulimit -n");
  }
  event_assign(&wake_event_, base_.get(), mailbox_.wake_fd(), EV_READ | EV_PERSIST | EV_ET, DoNothing, nullptr);
  event_assign(&timer_event_, base_.get(), -1, 0, DoNothing, nullptr);
  if (event_add(&wake_event_, nullptr) != 0) return base::Status(base::ErrorKind::kSystem, "cannot watch an eventfd");
  return {};
}

void Loop::Run() {
  mailbox_.OwnedByThisThread();
  now_seconds_ = NowSeconds();
  hooks_->OnStart(worker_);
  SetIdleTimeout(settings_.idle_timeout_seconds);
  while (!stop_requested_.load(std::memory_order_acquire)) {
    Wait();
    ReadMail();
    if (timers_.size() > 0) timers_.RunDue(base::MonotonicMicros());
    GiveTurns();
  }
  stopping_ = true;
  ReadMail();
  CloseAll();
  ReadMail();  // what the handlers posted when they were closed
  mailbox_.Close();
  hooks_->OnStop();
}

void Loop::RequestStop() {
  stop_requested_.store(true, std::memory_order_release);
  mailbox_.Wake();
}

void Loop::Wait() {
  ArmTimer();
  hooks_->BeforeWait();
  if (IsRunnable()) {
    event_base_loop(base_.get(), EVLOOP_ONCE | EVLOOP_NONBLOCK);
  } else {
    WaitForWork();
  }
  hooks_->AfterWait();
  now_seconds_ = NowSeconds();
}

void Loop::WaitForWork() {
  if (!busy_poll_.is_on()) {
    event_base_loop(base_.get(), EVLOOP_ONCE);
    return;
  }
  const bool found = busy_poll_.Look([this] {
    event_base_loop(base_.get(), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    return IsRunnable() || TimerHasFired() || stop_requested_.load(std::memory_order_relaxed);
  });
  if (!found) event_base_loop(base_.get(), EVLOOP_ONCE);
  busy_poll_.NoteWork();
}

bool Loop::TimerHasFired() const {
  return armed_due_us_ != TimerQueue::kNothingDue && !event_pending(&timer_event_, EV_TIMEOUT, nullptr);
}

void Loop::ArmTimer() {
  if (TimerHasFired()) armed_due_us_ = TimerQueue::kNothingDue;
  const int64_t due_us = timers_.next_due_us();
  if (due_us == armed_due_us_) return;
  armed_due_us_ = due_us;
  if (due_us == TimerQueue::kNothingDue) {
    event_del(&timer_event_);
    return;
  }
  const int64_t delay_us = std::max<int64_t>(due_us - base::MonotonicMicros(), 0);
  const timeval delay{delay_us / 1'000'000, delay_us % 1'000'000};
  event_add(&timer_event_, &delay);
}

void Loop::ReadMail() {
  if (!mailbox_.HasMail()) return;
  mailbox_.Take(mail_);
  for (Arrival& arrival : mail_.arrivals) Welcome(std::move(arrival));
  for (std::function<void()>& task : mail_.tasks) task();
  for (const uint64_t id : mail_.resumed) Resume(id);
  mail_.arrivals.clear();
  mail_.tasks.clear();
  mail_.resumed.clear();
}

void Loop::Welcome(Arrival arrival) {
  if (stopping_) return;
  const std::unique_ptr<ConnectionState> before = std::move(arrival.before);
  if (before != nullptr) connections_.Reserve(before->id);
  const uint64_t id = before != nullptr ? before->id : connections_.NextId();
  auto* const connection = new SocketConnection(*this, id, std::move(arrival));
  connections_.Add(*connection);
  counters_.connections_total.Add();
  counters_.connections_current.Set(connections_.size());
  std::unique_ptr<Handler> handler = hooks_->MakeHandler(*connection);
  const bool welcome = handler != nullptr;
  connection->SetHandler(std::move(handler));
  if (!welcome || (before != nullptr && !connection->GoOn(*before)) || !connection->Open()) {
    connection->Close();
  } else if (finishing_) {
    Enqueue(*connection);
  }
}

void Loop::Resume(uint64_t connection_id) {
  if (SocketConnection* const connection = connections_.Find(connection_id)) connection->Resume();
}

uint64_t Loop::StartTimer(uint32_t delay_ms, std::function<void()> task) {
  return timers_.Start(base::MonotonicMicros() + int64_t{delay_ms} * 1000, std::move(task));
}

void Loop::ForEachConnection(const std::function<void(Connection&)>& visit) {
  connections_.ForEach([&visit](SocketConnection& connection) { visit(connection); });
}

void Loop::GiveTurns() {
  if (ready_.empty()) return;
  RelievePressure();
  turns_.Swap(ready_);
  while (SocketConnection* const connection = turns_.Pop()) {
    current_ = connection;
    connection->TakeTurn();
    current_ = nullptr;
    if (connection->closed()) Delete(connection);
  }
}

// A connection that is closed and not in its turn is deleted at once, or when it is popped.
void Loop::Forget(SocketConnection& connection) {
  connections_.Remove(connection);
  counters_.connections_current.Set(connections_.size());
  if (&connection != current_) Delete(&connection);
}

void Loop::Delete(SocketConnection* connection) {
  if (!connection->queued()) delete connection;
}

char* Loop::TakeBlock(SocketConnection& connection) {
  char* block = pool_.Take();
  while (block == nullptr && !connection.closed()) {
    SocketConnection* const most = MostUnsent();
    (most != nullptr ? most : &connection)->CloseForMemory();
    if (!connection.closed()) block = pool_.Take();
  }
  return block;
}

bool Loop::UnderPressure() {
  const base::BlockBudget& budget = pool_.budget();
  return budget.used_bytes() + budget.reserve_bytes() > budget.limit_bytes();
}

// Before the turns of a round, so that the small replies of those who read still fit.
void Loop::RelievePressure() {
  while (UnderPressure()) {
    SocketConnection* const most = MostUnsent();
    if (most == nullptr || most->unsent_bytes() < base::kBlockBytes) break;
    most->CloseForMemory();
  }
  // The memory may be held by other workers: a look at every connection once a second is enough.
  if (!UnderPressure() || relieved_seconds_ == now_seconds_) return;
  relieved_seconds_ = now_seconds_;
  for (SocketConnection* const connection : Unfinished()) {
    if (connection->last_turn_seconds() == now_seconds_ || !UnderPressure()) return;
    connection->CloseForMemory();
  }
}

std::unique_ptr<base::Output> Loop::TakeOutput() {
  if (spare_outputs_.empty()) return std::make_unique<base::Output>(pool_);
  std::unique_ptr<base::Output> output = std::move(spare_outputs_.back());
  spare_outputs_.pop_back();
  return output;
}

void Loop::GiveOutput(std::unique_ptr<base::Output> output) {
  if (spare_outputs_.size() < kSpareOutputsMax) spare_outputs_.push_back(std::move(output));
}

void Loop::NoteUnsent(SocketConnection& connection, bool unsent) {
  if (unsent) {
    unsent_.insert(&connection);
  } else {
    unsent_.erase(&connection);
  }
}

// Null when no connection of this worker waits for its socket.
SocketConnection* Loop::MostUnsent() const {
  SocketConnection* most = nullptr;
  for (SocketConnection* const connection : unsent_) {
    if (most == nullptr || connection->unsent_bytes() > most->unsent_bytes()) most = connection;
  }
  return most;
}

// Those who have left a request unfinished, the longest first. Parked ones wait for us, not we for them.
std::vector<SocketConnection*> Loop::Unfinished() const {
  std::vector<SocketConnection*> unfinished;
  connections_.ForEach([&unfinished](SocketConnection& connection) {
    if (connection.holds_input() && !connection.parked()) unfinished.push_back(&connection);
  });
  std::sort(unfinished.begin(), unfinished.end(), [](const SocketConnection* a, const SocketConnection* b) {
    return std::pair(a->last_turn_seconds(), a->id()) < std::pair(b->last_turn_seconds(), b->id());
  });
  return unfinished;
}

void Loop::SetIdleTimeout(uint32_t seconds) {
  if (idle_timer_ != 0) CancelTimer(std::exchange(idle_timer_, 0));
  idle_timeout_seconds_ = seconds;
  if (seconds > 0) LookForIdleIn(seconds);
}

void Loop::LookForIdleIn(uint32_t seconds) {
  idle_timer_ = StartTimer(std::min(seconds, kIdleLookSecondsMax) * 1000, [this] { CloseIdle(); });
}

// Looks again when the next can be due, so that a look at every connection is rare. Times are whole seconds: only more
// than the timeout is surely not less.
void Loop::CloseIdle() {
  const uint32_t timeout = idle_timeout_seconds_;
  uint32_t soonest = timeout;
  std::vector<SocketConnection*> idle;
  connections_.ForEach([&](SocketConnection& connection) {
    // Whoever has just been resumed, or has just sent something, is not idle: the turn is still to come.
    if (connection.parked() || connection.queued()) return;
    const uint32_t seconds = connection.IdleSeconds();
    if (seconds > timeout) {
      idle.push_back(&connection);
    } else {
      soonest = std::min(soonest, timeout + 1 - seconds);
    }
  });
  for (SocketConnection* const connection : idle) {
    counters_.idle_kicks.Add();
    connection->Close();
  }
  LookForIdleIn(soonest);
}

std::vector<Departure> Loop::Export() {
  std::vector<Departure> departures;
  connections_.ForEach([&departures](SocketConnection& connection) {
    Departure departure;
    if (connection.Export(&departure)) departures.push_back(std::move(departure));
  });
  return departures;
}

// What moved is the other process's business; the rest is closed as at the end.
void Loop::Abandon() {
  std::vector<SocketConnection*> all;
  connections_.ForEach([&all](SocketConnection& connection) { all.push_back(&connection); });
  for (SocketConnection* const connection : all) {
    Departure departure;
    if (connection->Export(&departure)) {
      connection->Close();
    } else {
      connection->SendOnceAndClose();
    }
  }
}

void Loop::CloseUnoccupied() {
  std::vector<SocketConnection*> all;
  connections_.ForEach([&all](SocketConnection& connection) { all.push_back(&connection); });
  // The turn of each sees whether something has arrived that was not read yet.
  for (SocketConnection* const connection : all) connection->TakeLastLook();
}

void Loop::CloseAll() {
  std::vector<SocketConnection*> all;
  connections_.ForEach([&all](SocketConnection& connection) { all.push_back(&connection); });
  for (SocketConnection* const connection : all) connection->SendOnceAndClose();
  while (SocketConnection* const connection = ready_.Pop()) Delete(connection);
}

}  // namespace holdfast::network
