// prefix_stats.h - `stats detail`: how often keys that begin alike were asked for, found, set and deleted.
//
// A prefix is what stands before the first delimiter (-D) of a key. Each worker counts for itself; `dump` adds up.
//
// Threads: Count from the worker it belongs to; all else from any.
// Limits:  kPrefixesMax prefixes of all workers together; keys with further ones are not counted.

#ifndef HOLDFAST_COMMAND_PREFIX_STATS_H_
#define HOLDFAST_COMMAND_PREFIX_STATS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::command {

class PrefixStats {
 public:
  static constexpr uint32_t kPrefixesMax = 65536;

  struct Counts {
    uint64_t gets = 0, hits = 0, sets = 0, deletes = 0;
  };

  PrefixStats(uint32_t workers, char delimiter, bool enabled);

  bool enabled() const { return enabled_.load(std::memory_order_relaxed); }
  void Enable(bool on) { enabled_.store(on, std::memory_order_relaxed); }

  // Adds `counts` to those of the key's prefix. A key without a delimiter has none.
  void Count(uint32_t worker, std::string_view key, const Counts& counts);
  // In the order of the prefixes.
  void ForEach(const std::function<void(const std::string& prefix, const Counts&)>& visit) const;
  // `stats reset` forgets them all.
  void Clear();

 private:
  struct alignas(64) Table {
    mutable std::mutex mutex;  // guards counts; the worker's alone but for dumps
    std::map<std::string, Counts, std::less<>> counts;
  };
  std::atomic<bool> enabled_;
  const char delimiter_;
  std::atomic<uint32_t> prefixes_{0};
  std::vector<std::unique_ptr<Table>> tables_;
};

}  // namespace holdfast::command

#endif  // HOLDFAST_COMMAND_PREFIX_STATS_H_
