// How it works: a thread a reply. They are rare, and a thread is what may wait for a slow reader without being in
// anybody's way.

#include "command/background.h"

#include <algorithm>

namespace holdfast::command {

std::shared_ptr<Feed> Background::Start(Kind kind, std::function<void()> wake, Work work) {
  std::lock_guard<std::mutex> guard(mutex_);
  ForgetDone();
  const auto running = std::count_if(jobs_.begin(), jobs_.end(), [kind](const Job& job) { return job.kind == kind; });
  if (stopped_ || running >= static_cast<int64_t>(kind == Kind::kDump ? kDumpsMax : kQueriesMax)) return nullptr;
  if (kind == Kind::kDump) {
    dumps_running_.fetch_add(1, std::memory_order_relaxed);
    dumps_started_.fetch_add(1, std::memory_order_relaxed);
  }
  Job& job = jobs_.emplace_back();
  job.kind = kind;
  job.feed = std::make_shared<Feed>(kFeedBytes, std::move(wake));
  job.thread = std::thread([this, &job, work = std::move(work)] { Run(job, work); });
  return job.feed;
}

void Background::Run(Job& job, const Work& work) {
  const protocol::ReplyCode last_words = work(*job.feed);
  // Before the end is told: whoever has read it may ask for the next dump at once.
  if (job.kind == Kind::kDump) dumps_running_.fetch_sub(1, std::memory_order_relaxed);
  job.done.store(true, std::memory_order_release);
  job.feed->End(last_words);
}

void Background::ForgetDone() {
  for (auto job = jobs_.begin(); job != jobs_.end();) {
    if (!job->done.load(std::memory_order_acquire)) {
      ++job;
      continue;
    }
    job->thread.join();
    job = jobs_.erase(job);
  }
}

void Background::Stop() {
  std::lock_guard<std::mutex> guard(mutex_);
  stopped_ = true;
  for (Job& job : jobs_) job.feed->Cancel();
  for (Job& job : jobs_) job.thread.join();
  jobs_.clear();
}

}  // namespace holdfast::command
