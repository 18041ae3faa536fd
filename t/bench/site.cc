// How it works: a queue of users in the order of their next view, and workers that each take the next who is due. A
// user who waits for a free worker waits like one whose page is slow, so the time counts from when the view was due.
// Views of one user never overlap, so what a load must bring is known exactly: what the user stored last.
//
// Rows that write-behind may need for a session that lived from its first to its last write: its immediate writes (4,
// or as many as it had values), one in each min(N, TTL/4) of that time, and one for what came last; never more than it
// had writes; and one for a delete.
#include "bench/site.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <queue>
#include <thread>

#include "bench/server_process.h"
#include "sim/dice.h"

namespace holdfast::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Micros = std::chrono::microseconds;

constexpr uint32_t kViewsMean = 20;
constexpr uint32_t kLogoutOneIn = 3;  // visits
constexpr uint32_t kTouchOneIn = 2;   // views
constexpr size_t kValueBytes = 1024;
constexpr uint32_t kImmediateWrites = 4;
// A cookie is dropped so long before the session ends, for servers count in whole seconds.
constexpr auto kExpiryGrain = std::chrono::milliseconds(2'500);

Micros MicrosOf(double seconds) { return Micros(static_cast<int64_t>(seconds * 1e6)); }

// A time that is often short and sometimes long, of this mean.
Micros Draw(sim::Dice& dice, double mean_s) {
  const double uniform = (static_cast<double>(dice.Next() >> 11) + 1) * 0x1.0p-53;
  return MicrosOf(-std::log(uniform) * mean_s);
}

struct User {
  explicit User(uint64_t seed) : dice(seed) {}
  sim::Dice dice;
  Clock::time_point due;
  uint32_t views_left = 0;

  std::string id;       // empty: not logged in
  uint64_t stored = 0;  // how often the session was
  uint64_t touched = 0;
  Clock::time_point first_write, last_write;
};

class Site {
 public:
  Site(Storage& storage, const SessionOptions& options, SiteFigures& figures)
      : storage_(storage), options_(options), figures_(figures), scale_(options.scale) {
    const auto begun = Clock::now();
    end_ = begun + std::chrono::seconds(options.site_s);
    sim::Dice seeds(options.seed);
    for (uint32_t number = 0; number < options.users; ++number) {
      User& user = *users_.emplace_back(std::make_unique<User>(seeds.Next()));
      user.due = begun + Draw(user.dice, kRealPauseS / 2.0 / scale_);
      queue_.push(&user);
    }
  }

  void Run() {
    const auto begun = Clock::now();
    std::vector<std::thread> workers;
    for (uint32_t i = 0; i < options_.workers; ++i) {
      workers.emplace_back([this] { Work(); });
    }
    for (std::thread& worker : workers) worker.join();
    if (error_) std::rethrow_exception(error_);
    figures_.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    for (const auto& user : users_) CloseBooks(*user);
    std::sort(figures_.view_us.begin(), figures_.view_us.end());
    std::sort(figures_.load_us.begin(), figures_.load_us.end());
  }

 private:
  struct Later {
    bool operator()(const User* a, const User* b) const { return a->due > b->due; }
  };
  // What a view has to tell, kept until it takes the mutex again.
  struct View {
    bool is_login = false;
    bool is_logout = false;
    bool is_lost = false;
    bool is_stale = false;
    uint32_t load_us = 0;
  };

  void Work() {
    try {
      const std::unique_ptr<Keeper> keeper = storage_.Connect();
      while (User* const user = Next()) {
        const View view = Visit(*user, *keeper);
        GiveBack(user, view);
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      changed_.notify_all();
    }
  }

  // Null: the site closes.
  User* Next() {
    std::unique_lock lock(mutex_);
    while (!error_) {
      const auto now = Clock::now();
      if (now >= end_) return nullptr;
      if (!queue_.empty() && queue_.top()->due <= now) {
        User* const user = queue_.top();
        queue_.pop();
        return user;
      }
      changed_.wait_until(lock, queue_.empty() ? end_ : std::min(end_, queue_.top()->due));
    }
    return nullptr;
  }

  View Visit(User& user, Keeper& keeper) {
    View view;
    if (user.views_left == 0) user.views_left = 1 + user.dice.Below(2 * kViewsMean - 1);
    if (!user.id.empty() && Clock::now() > ExpiryOf(user)) Forget(user);
    view.is_login = user.id.empty();
    if (view.is_login) user.id = NewId(user);

    const auto begun = Clock::now();
    const std::optional<std::string> loaded = keeper.Load(user.id);
    view.load_us = static_cast<uint32_t>(std::chrono::duration_cast<Micros>(Clock::now() - begun).count());
    view.is_lost = !view.is_login && !loaded;
    view.is_stale = !view.is_login && loaded && *loaded != ValueOf(user);

    --user.views_left;
    view.is_logout = user.views_left == 0 && loaded && user.dice.OneIn(kLogoutOneIn);
    if (view.is_logout) {
      view.is_lost = !keeper.Delete(user.id);
      Forget(user);
    } else {
      view.is_lost |= !Write(user, keeper, !loaded || !user.dice.OneIn(kTouchOneIn));
    }
    return view;
  }

  // False: the session was gone.
  bool Write(User& user, Keeper& keeper, bool is_value) {
    bool is_there = true;
    if (is_value) {
      if (user.stored + user.touched == 0) user.first_write = Clock::now();
      ++user.stored;
      keeper.Save(user.id, ValueOf(user));
    } else {
      ++user.touched;
      is_there = keeper.Touch(user.id);
    }
    user.last_write = Clock::now();
    return is_there;
  }

  void GiveBack(User* user, const View& view) {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    ++figures_.views;
    figures_.logins += view.is_login;
    figures_.first_looks += view.is_login;
    figures_.logouts += view.is_logout;
    figures_.lost += view.is_lost;
    figures_.stale += view.is_stale;
    figures_.rows_allowed += view.is_logout;
    figures_.view_us.push_back(static_cast<uint32_t>(std::chrono::duration_cast<Micros>(now - user->due).count()));
    if (!view.is_login) figures_.load_us.push_back(view.load_us);
    user->due = now + Draw(user->dice, (user->views_left > 0 ? kRealThinkS : kRealPauseS) / scale_);
    queue_.push(user);
    if (queue_.top() == user) changed_.notify_one();
  }

  // The session is over: by logout, or because the browser has forgotten it.
  void Forget(User& user) {
    const std::lock_guard lock(mutex_);
    CloseBooks(user);
    user.id.clear();
    user.stored = user.touched = 0;
  }

  void CloseBooks(const User& user) {
    const uint64_t writes = user.stored + user.touched;
    if (writes == 0) return;
    const double interval_s = std::min<double>(kRealSyncIntervalS, kRealLifeS / 4.0) / scale_;
    const double lived_s = std::chrono::duration<double>(user.last_write - user.first_write).count();
    const uint64_t immediate = std::min<uint64_t>(user.stored, kImmediateWrites);
    figures_.rows_allowed += std::min(writes, immediate + static_cast<uint64_t>(lived_s / interval_s) + 1);
  }

  Clock::time_point ExpiryOf(const User& user) const {
    return user.last_write + MicrosOf(kRealLifeS / scale_) - kExpiryGrain;
  }

  // One that no site before, on the same database, has had.
  std::string NewId(User& user) const {
    char id[48];
    std::snprintf(id, sizeof id, "s:%016llx%016llx", static_cast<unsigned long long>(founded_),
                  static_cast<unsigned long long>(user.dice.Next()));
    return id;
  }

  static std::string ValueOf(const User& user) {
    std::string value = user.id + " " + std::to_string(user.stored) + " ";
    value.resize(kValueBytes, 'x');
    return value;
  }

  Storage& storage_;
  const SessionOptions& options_;
  SiteFigures& figures_;
  const double scale_;
  const int64_t founded_ = Clock::now().time_since_epoch().count();
  Clock::time_point end_;
  std::vector<std::unique_ptr<User>> users_;

  std::mutex mutex_;  // guards what follows, and figures_; a user in hand is its worker's
  std::condition_variable changed_;
  std::priority_queue<User*, std::vector<User*>, Later> queue_;
  std::exception_ptr error_;
};

}  // namespace

SiteFigures RunSite(StorageKind kind, const SessionOptions& options) {
  SiteFigures figures;
  const std::unique_ptr<Storage> storage = MakeStorage(kind, options);
  Site site(*storage, options, figures);
  site.Run();
  storage->Settle();
  figures.database = storage->Figures();
  return figures;
}

}  // namespace holdfast::bench
