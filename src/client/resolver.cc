// The list of watched names is short, so the thread walks all of it: what is wanted or old is looked up, one name after
// the other. The state is shared with the thread, which may outlive the Resolver by the length of one look-up.

#include "client/resolver.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "client/deadline.h"

namespace holdfast::client {
namespace {

constexpr std::chrono::milliseconds kPauseMin{500};

}  // namespace

struct Resolver::State {
  explicit State(std::chrono::milliseconds resolve_interval) : interval(resolve_interval) {}

  struct Watched {
    std::weak_ptr<Endpoint> endpoint;
    const Endpoint* identity;
    SteadyTime due;
    SteadyTime looked_up_at;  // long ago when never
  };

  const std::chrono::milliseconds interval;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Watched> watched;  // guarded by mutex, as all below
  bool started = false;
  bool stopping = false;
  std::thread thread;
  bool looking_up = false;
};

Resolver::Resolver(std::chrono::milliseconds resolve_interval) : state_(std::make_shared<State>(resolve_interval)) {}

Resolver::~Resolver() {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->changed.notify_all();
  if (!state_->started) return;
  std::thread thread = std::move(state_->thread);
  const bool leave = state_->looking_up;
  lock.unlock();
  if (leave) {
    thread.detach();
  } else {
    thread.join();
  }
}

void Resolver::Want(Endpoint& endpoint) {
  if (!endpoint.is_name()) return;
  const SteadyTime now = Now();
  std::lock_guard lock(state_->mutex);
  auto known = std::find_if(state_->watched.begin(), state_->watched.end(),
                            [&](const auto& each) { return each.identity == &endpoint && !each.endpoint.expired(); });
  if (known == state_->watched.end()) {
    state_->watched.push_back({endpoint.weak_from_this(), &endpoint, now, SteadyTime()});
  } else if (const SteadyTime soonest = std::max(now, known->looked_up_at + kPauseMin); soonest < known->due) {
    known->due = soonest;
  } else {
    return;
  }
  if (!state_->started) state_->thread = std::thread(&Resolver::Work, state_);
  state_->started = true;
  state_->changed.notify_all();
}

void Resolver::Work(std::shared_ptr<State> state) {
  std::unique_lock lock(state->mutex);
  while (!state->stopping) {
    std::erase_if(state->watched, [](const auto& each) { return each.endpoint.expired(); });
    const auto next = std::min_element(state->watched.begin(), state->watched.end(),
                                       [](const auto& a, const auto& b) { return a.due < b.due; });
    if (next == state->watched.end() || next->due > Now()) {
      const SteadyTime until = next == state->watched.end() ? Now() + state->interval : next->due;
      state->changed.wait_until(lock, until);
      continue;
    }
    next->looked_up_at = Now();
    next->due = next->looked_up_at + state->interval;
    const std::shared_ptr<Endpoint> endpoint = next->endpoint.lock();
    if (endpoint == nullptr) continue;
    state->looking_up = true;
    lock.unlock();
    base::Result<std::vector<SocketAddress>> found = Resolve(endpoint->address());
    if (found.ok()) {
      endpoint->SetAddresses(std::move(found.value()));
    } else {
      endpoint->SetUnresolved(found.status().message());
    }
    lock.lock();
    state->looking_up = false;
  }
}

}  // namespace holdfast::client
