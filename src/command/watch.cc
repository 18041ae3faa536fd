// How it works: records of all rings are collected a hundred times a second while somebody watches, put in order by
// their time, numbered and turned into lines. The thread exists from the first `watch` on, and sleeps while nobody
// watches.

#include "command/watch.h"

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "command/key_text.h"
#include "store/key.h"

namespace holdfast::command {

namespace {

constexpr auto kRound = std::chrono::milliseconds(10);
constexpr size_t kEventsMax = 10'000;  // of one round

struct Word {
  std::string_view name;
  uint32_t kind;
};
constexpr Word kWords[] = {
    {"fetchers", kWatchFetchers},      {"mutations", kWatchMutations}, {"evictions", kWatchEvictions},
    {"connevents", kWatchConnections}, {"deletions", kWatchDeletions}, {"sysevents", kWatchNothing},
    {"rawcmds", kWatchNothing},        {"proxyreqs", kWatchNothing},   {"proxyevents", kWatchNothing},
    {"proxyuser", kWatchNothing},
};

uint32_t KindOf(WatchRecord::Type type) {
  switch (type) {
    case WatchRecord::Type::kGet:
      return kWatchFetchers;
    case WatchRecord::Type::kStore:
      return kWatchMutations;
    case WatchRecord::Type::kEviction:
      return kWatchEvictions;
    case WatchRecord::Type::kDelete:
      return kWatchDeletions;
    case WatchRecord::Type::kOpen:
    case WatchRecord::Type::kClose:
      break;
  }
  return kWatchConnections;
}

// "tcp:127.0.0.1:5000" in memcached's words.
std::string AddressFields(std::string_view name) {
  const size_t first = name.find(':');
  const std::string_view transport = name.substr(0, first);
  std::string_view rest = first == std::string_view::npos ? std::string_view() : name.substr(first + 1);
  if (transport == "unix") return "rip=" + std::string(rest) + " rport=0 transport=unix";
  const size_t last = rest.rfind(':');
  const std::string_view port = last == std::string_view::npos ? "0" : rest.substr(last + 1);
  rest = rest.substr(0, last);
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  return "rip=" + std::string(rest) + " rport=" + std::string(port) + " transport=tcp";
}

}  // namespace

uint32_t WatchKindOf(std::string_view word) {
  for (const Word& known : kWords) {
    if (known.name == word) return known.kind;
  }
  return 0;
}

// -- Rings -------------------------------------------------------------------------------------------

WatchRing::WatchRing(uint64_t bytes) : bytes_(std::max<uint64_t>(bytes, 4096)) {}

void WatchRing::CopyIn(uint64_t at, const void* from, size_t bytes) {
  const size_t begin = at % bytes_.size();
  const size_t first = std::min(bytes, bytes_.size() - begin);
  std::memcpy(bytes_.data() + begin, from, first);
  std::memcpy(bytes_.data(), static_cast<const char*>(from) + first, bytes - first);
}

void WatchRing::CopyOut(uint64_t at, void* to, size_t bytes) const {
  const size_t begin = at % bytes_.size();
  const size_t first = std::min(bytes, bytes_.size() - begin);
  std::memcpy(to, bytes_.data() + begin, first);
  std::memcpy(static_cast<char*>(to) + first, bytes_.data(), bytes - first);
}

bool WatchRing::Put(const WatchRecord& record, std::string_view text) {
  const uint64_t written = written_.load(std::memory_order_relaxed);
  const size_t bytes = sizeof record + text.size();
  if (written + bytes - read_.load(std::memory_order_acquire) > bytes_.size()) return false;
  CopyIn(written, &record, sizeof record);
  if (!text.empty()) CopyIn(written + sizeof record, text.data(), text.size());
  written_.store(written + bytes, std::memory_order_release);
  return true;
}

bool WatchRing::Get(WatchRecord* record, std::string* text) {
  const uint64_t read = read_.load(std::memory_order_relaxed);
  if (read == written_.load(std::memory_order_acquire)) return false;
  CopyOut(read, record, sizeof *record);
  text->resize(record->text_size);
  if (!text->empty()) CopyOut(read + sizeof *record, text->data(), text->size());
  read_.store(read + sizeof *record + text->size(), std::memory_order_release);
  return true;
}

void Tap::Note(WatchRecord record, std::string_view text) {
  record.text_size = static_cast<uint16_t>(text.size());
  record.wall_micros = watch_.clock_.WallMicros();
  (ring_.Put(record, text) ? written_ : dropped_).Add();
}

// -- Watchers ----------------------------------------------------------------------------------------

Watch::Watch(const WatchSettings& settings, const base::Clock& clock) : settings_(settings), clock_(clock) {
  for (uint32_t i = 0; i <= settings.threads; ++i)
    taps_.push_back(std::make_unique<Tap>(*this, settings.worker_log_bytes));
}

void Watch::OnEviction(const store::ItemRef& item, uint32_t size_class, store::Seconds now) {
  Tap& tap = *taps_.back();
  if (!tap.Wants(kWatchEvictions)) return;
  WatchRecord record;
  record.type = WatchRecord::Type::kEviction;
  record.session = item.is_session();
  record.hash = store::Key::Of(item.key()).hash;
  record.status = item.was_fetched() ? "yes" : "no";
  record.ttl = item.expiry() == base::kNever ? -1 : static_cast<int32_t>(item.expiry() - now);
  record.seconds_since_access = item.SecondsSinceAccess(now);
  record.size_class = size_class;
  record.size = item.value_size();
  tap.Note(record, item.key());
}

std::shared_ptr<Feed> Watch::Add(uint32_t kinds, std::function<void()> wake) {
  std::lock_guard<std::mutex> guard(mutex_);
  if (stop_ || watchers_count_.load(std::memory_order_relaxed) >= kWatchersMax) return nullptr;
  auto feed = std::make_shared<Feed>(settings_.watcher_log_bytes, std::move(wake));
  static_cast<void>(feed->TryPushText("OK\r\n"));
  arrived_.push_back({kinds, feed});
  watchers_count_.fetch_add(1, std::memory_order_relaxed);
  kinds_.fetch_or(kinds, std::memory_order_relaxed);
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  wake_.notify_all();
  return feed;
}

void Watch::Stop() {
  {
    std::lock_guard<std::mutex> guard(mutex_);
    stop_ = true;
    kinds_.store(0, std::memory_order_relaxed);
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (Watcher& watcher : arrived_) watcher.feed->Cancel();
  for (Watcher& watcher : watchers_) watcher.feed->Cancel();
}

// Under the mutex.
void Watch::UpdateWatchers() {
  for (Watcher& watcher : arrived_) watchers_.push_back(std::move(watcher));
  arrived_.clear();
  const auto gone = std::erase_if(watchers_, [](const Watcher& watcher) { return watcher.feed->cancelled(); });
  watchers_count_.fetch_sub(gone, std::memory_order_relaxed);
  uint32_t kinds = 0;
  for (const Watcher& watcher : watchers_) kinds |= watcher.kinds;
  kinds_.store(kinds, std::memory_order_relaxed);
}

void Watch::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    if (watchers_.empty()) {
      wake_.wait(lock, [this] { return stop_ || !arrived_.empty(); });
    } else {
      wake_.wait_for(lock, kRound, [this] { return stop_; });
    }
    UpdateWatchers();
    lock.unlock();
    while (DrainRings()) {
    }
    lock.lock();
  }
}

// True when there may be more.
bool Watch::DrainRings() {
  events_.clear();
  Event event;
  for (const auto& tap : taps_) {
    while (events_.size() < kEventsMax && tap->ring_.Get(&event.record, &event.text)) events_.push_back(event);
  }
  std::stable_sort(events_.begin(), events_.end(),
                   [](const Event& a, const Event& b) { return a.record.wall_micros < b.record.wall_micros; });
  for (const Event& each : events_) Tell(each);
  return events_.size() >= kEventsMax;
}

void Watch::Tell(const Event& event) {
  const std::string line = LineOf(event);
  for (Watcher& watcher : watchers_) {
    if ((watcher.kinds & KindOf(event.record.type)) == 0) continue;
    if (watcher.skipped > 0) {
      const std::string notice = "skipped=" + std::to_string(watcher.skipped) + "\n";
      if (watcher.feed->TryPushText(notice)) watcher.skipped = 0;
    }
    if (watcher.skipped == 0 && watcher.feed->TryPushText(line)) {
      sent_.Add();
    } else {
      ++watcher.skipped;
      skipped_.Add();
    }
  }
}

std::string Watch::LineOf(const Event& event) {
  const WatchRecord& record = event.record;
  std::string key;
  if (record.session != 0 && !settings_.show_sessions) {
    char hash[16];
    std::snprintf(hash, sizeof hash, "~%08x", record.hash);
    key = hash;
  } else {
    AppendEncoded(event.text, &key);
  }
  char head[96];
  std::snprintf(head, sizeof head, "ts=%" PRId64 ".%06" PRId64 " gid=%" PRIu64 " type=", record.wall_micros / 1'000'000,
                record.wall_micros % 1'000'000, next_number_++);
  char tail[200];
  switch (record.type) {
    case WatchRecord::Type::kGet:
      std::snprintf(tail, sizeof tail, " status=%s clsid=%u cfd=%d size=%" PRIu64 "\n", record.status,
                    record.size_class, record.socket, record.size);
      return std::string(head) + "item_get key=" + key + tail;
    case WatchRecord::Type::kStore:
      std::snprintf(tail, sizeof tail, " status=%s cmd=%s ttl=%d clsid=%u cfd=%d size=%" PRIu64 "\n", record.status,
                    record.command, record.ttl, record.size_class, record.socket, record.size);
      return std::string(head) + "item_store key=" + key + tail;
    case WatchRecord::Type::kEviction:
      std::snprintf(tail, sizeof tail, " fetch=%s ttl=%d la=%u clsid=%u size=%" PRIu64 "\n", record.status, record.ttl,
                    record.seconds_since_access, record.size_class, record.size);
      return std::string(head) + "eviction key=" + key + tail;
    case WatchRecord::Type::kDelete:
      std::snprintf(tail, sizeof tail, " cmd=%s clsid=%u cfd=%d size=%" PRIu64 "\n", record.command, record.size_class,
                    record.socket, record.size);
      return std::string(head) + "deleted key=" + key + tail;
    case WatchRecord::Type::kOpen:
      return std::string(head) + "conn_new " + AddressFields(event.text) + " cfd=" + std::to_string(record.socket) +
             "\n";
    case WatchRecord::Type::kClose:
      break;
  }
  return std::string(head) + "conn_close " + AddressFields(event.text) + " reason=" + record.status +
         " cfd=" + std::to_string(record.socket) + "\n";
}

uint64_t Watch::worker_written() const {
  uint64_t sum = 0;
  for (const auto& tap : taps_) sum += tap->written_.value();
  return sum;
}

uint64_t Watch::worker_dropped() const {
  uint64_t sum = 0;
  for (const auto& tap : taps_) sum += tap->dropped_.value();
  return sum;
}

}  // namespace holdfast::command
