// The thread around a Loop. See loop.cc for what it does.

#include "network/worker.h"

#include <string>
#include <utility>

#include "network/loop.h"
#include "network/quiet_thread.h"

namespace holdfast::network {

Worker::Worker(const WorkerSettings& settings, base::BlockBudget& budget, std::unique_ptr<WorkerHooks> hooks)
    : loop_(std::make_unique<Loop>(*this, settings, budget, std::move(hooks))) {}

Worker::~Worker() {
  Stop();
  Join();
}

base::Status Worker::Start() {
  if (base::Status status = loop_->Open(); !status.ok()) return status.In("worker " + std::to_string(index()));
  return StartQuietThread(thread_, "worker " + std::to_string(index()), [this] { loop_->Run(); });
}

void Worker::Stop() {
  if (thread_.joinable()) loop_->RequestStop();
}

void Worker::Join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::Adopt(Arrival arrival) { loop_->mailbox().Adopt(std::move(arrival)); }
void Worker::Adopt(int socket) { Adopt(Arrival{MakePlainTransport(socket), {}}); }
void Worker::Post(std::function<void()> task) { loop_->mailbox().Post(std::move(task)); }

void Worker::Resume(uint64_t connection_id) {
  if (loop_->mailbox().OnOwner()) {
    loop_->Resume(connection_id);
  } else {
    loop_->mailbox().Resume(connection_id);
  }
}

void Worker::FinishConnections() {
  Post([this] { loop_->FinishConnections(); });
}
void Worker::SetIdleTimeout(uint32_t seconds) {
  Post([this, seconds] { loop_->SetIdleTimeout(seconds); });
}
void Worker::SetBusyPoll(uint32_t micros) {
  Post([this, micros] { loop_->SetBusyPoll(micros); });
}
std::vector<Departure> Worker::Export() { return loop_->Export(); }
void Worker::Abandon() { loop_->Abandon(); }

uint64_t Worker::StartTimer(uint32_t delay_ms, std::function<void()> task) {
  return loop_->StartTimer(delay_ms, std::move(task));
}

void Worker::CancelTimer(uint64_t timer_id) { loop_->CancelTimer(timer_id); }
int Worker::index() const { return loop_->settings().index; }
bool Worker::OthersReady() const { return loop_->OthersReady(); }
base::BlockPool& Worker::pool() { return loop_->pool(); }
size_t Worker::idle_blocks() const { return loop_->pool().idle_blocks(); }
const WorkerCounters& Worker::counters() const { return loop_->counters(); }

void Worker::ForEachConnection(const std::function<void(Connection&)>& visit) { loop_->ForEachConnection(visit); }

}  // namespace holdfast::network
