// Other threads leave tasks and write to an eventfd; the loop takes all tasks at once, so that calls which come close
// together leave in one send. Lanes and probes that have come to their end are destroyed by OnTidy, between two events,
// never from within themselves.

#include "client/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace holdfast::client {

Loop::Loop(const LoopTimes& times, HealthWatch& watch, std::function<void()> on_restored)
    : times_(times),
      watch_(watch),
      on_restored_(std::move(on_restored)),
      wake_file_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      base_(event_base_new()) {
  CHECK(wake_file_ >= 0 && base_ != nullptr);
  wake_.Watch<&Loop::OnWake>(base_.get(), wake_file_, EV_READ | EV_PERSIST, this);
  thread_ = std::thread(&Loop::Work, this);
}

Loop::~Loop() {
  Stop();
  close(wake_file_);
}

void Loop::Work() { event_base_dispatch(base_.get()); }

void Loop::Stop() {
  if (!thread_.joinable()) return;
  Post([this] { FailAll(); });
  thread_.join();
}

void Loop::Post(std::function<void()> task) {
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  const uint64_t one = 1;
  if (first && write(wake_file_, &one, sizeof(one)) < 0) return;  // full: it is awake
}

void Loop::OnWake(short) {
  uint64_t count;
  if (read(wake_file_, &count, sizeof(count)) < 0) return;
  RunTasks();
  if (!stopping_) return FlushLanes();
  RunTasks();  // what callbacks have asked for meanwhile; it fails at once
  wake_.Clear();
  event_base_loopbreak(base_.get());
}

void Loop::RunTasks() {
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const std::function<void()>& task : tasks) task();
}

bool Loop::Carry(std::shared_ptr<AsyncCall> call) {
  if (calls_count_.fetch_add(1, std::memory_order_relaxed) >= kAsyncCallsMax) {
    calls_count_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  Post([this, call = std::move(call)] { Begin(call); });
  return true;
}

void Loop::Begin(const std::shared_ptr<AsyncCall>& call) {
  if (stopping_) {
    for (const AsyncCall::Errand& errand : call->errands()) errand.part->Fail(Status(Code::kClosed));
    return call->Finish();
  }
  call->Begin();
  if (call->over()) {
    calls_count_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  auto timed = std::make_unique<Timed>();
  timed->loop = this;
  timed->call = call;
  timed->time.After<&Timed::OnTime>(base_.get(), call->deadline() - Now(), timed.get());
  calls_[call.get()] = std::move(timed);
  for (const AsyncCall::Errand& errand : call->errands()) LaneTo(errand.endpoint).Submit(call, errand.part, false);
}

void Loop::CarryAgain(std::shared_ptr<AsyncCall> call, Part* part, const std::shared_ptr<Endpoint>& endpoint) {
  LaneTo(endpoint).Submit(std::move(call), part, true);
  Tidy();
}

void Loop::OnTime(const std::shared_ptr<AsyncCall>& call) {
  const std::shared_ptr<AsyncCall> kept = call;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(kept->timeout()).count();
  for (const AsyncCall::Errand& errand : kept->errands()) {
    if (errand.done) continue;
    errand.part->Fail(
        Status(Code::kTimeout, errand.endpoint->text(), "no answer within " + std::to_string(ms) + " ms"));
    RetireLaneOf(errand, kept.get());
    if (errand.endpoint->Failed()) watch_.OnEjected(*errand.endpoint);
  }
  kept->Finish();
  Tidy();
}

Lane& Loop::LaneTo(const std::shared_ptr<Endpoint>& endpoint) {
  std::unique_ptr<Lane>& lane = lanes_[endpoint.get()];
  if (lane != nullptr && (lane->broken() || lane->Outdated())) {
    retired_.push_back(std::move(lane));
    Tidy();
  }
  if (lane == nullptr) lane = std::make_unique<Lane>(*this, endpoint);
  return *lane;
}

void Loop::RetireLaneOf(const AsyncCall::Errand& errand, const AsyncCall* call) {
  const auto found = lanes_.find(errand.endpoint.get());
  if (found == lanes_.end() || !found->second->Holds(call)) return;
  retired_.push_back(std::move(found->second));
  lanes_.erase(found);
}

// By their endpoints, for a lane that breaks may make another.
void Loop::FlushLanes() {
  std::vector<Lane*> lanes;
  for (const auto& [endpoint, lane] : lanes_) lanes.push_back(lane.get());
  for (Lane* lane : lanes) lane->Flush();
  Tidy();
}

void Loop::OnTidy(short) {
  tidy_due_ = false;
  const size_t before = calls_.size();
  std::erase_if(calls_, [](const auto& each) { return each.second->call->over(); });
  calls_count_.fetch_sub(before - calls_.size(), std::memory_order_relaxed);
  std::erase_if(retired_, [](const auto& lane) { return lane->broken() || lane->Unwanted(); });
  std::erase_if(lanes_, [](const auto& each) { return each.second->broken(); });
  // A server that was taken from the list is known to its lane alone.
  std::erase_if(lanes_,
                [](const auto& each) { return each.second->Unwanted() && each.second->endpoint().use_count() == 1; });
  std::erase_if(probes_, [](const auto& each) { return each.second->done(); });
  std::vector<Lane*> waiting;
  for (const auto& [endpoint, lane] : lanes_) waiting.push_back(lane.get());
  for (Lane* lane : waiting) lane->Flush();
}

void Loop::ProbeLater(std::shared_ptr<Endpoint> endpoint) {
  Post([this, endpoint = std::move(endpoint)] {
    if (stopping_ || !endpoint->down()) return;
    std::unique_ptr<Probe>& probe = probes_[endpoint.get()];
    if (probe == nullptr || probe->done()) probe = std::make_unique<Probe>(*this, endpoint);
  });
}

void Loop::OnRestored() {
  on_restored_();
  Tidy();
}

void Loop::FailAll() {
  stopping_ = true;
  for (const auto& [key, timed] : calls_) {
    if (timed->call->over()) continue;
    for (const AsyncCall::Errand& errand : timed->call->errands()) {
      if (!errand.done) errand.part->Fail(Status(Code::kClosed, errand.endpoint->text(), "the client is being closed"));
    }
    timed->call->Finish();
  }
  probes_.clear();
  lanes_.clear();
  retired_.clear();
  calls_.clear();
  tidy_.Clear();
}

}  // namespace holdfast::client
