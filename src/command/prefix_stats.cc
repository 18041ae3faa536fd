// How it works: a map a worker, each under a mutex that nobody else wants unless somebody dumps.

#include "command/prefix_stats.h"

namespace holdfast::command {

PrefixStats::PrefixStats(uint32_t workers, char delimiter, bool enabled) : enabled_(enabled), delimiter_(delimiter) {
  for (uint32_t i = 0; i < workers; ++i) tables_.push_back(std::make_unique<Table>());
}

void PrefixStats::Count(uint32_t worker, std::string_view key, const Counts& counts) {
  const size_t end = key.find(delimiter_);
  if (end == std::string_view::npos) return;
  const std::string_view prefix = key.substr(0, end);
  Table& table = *tables_[worker];
  std::lock_guard<std::mutex> guard(table.mutex);
  auto found = table.counts.find(prefix);
  if (found == table.counts.end()) {
    if (prefixes_.load(std::memory_order_relaxed) >= kPrefixesMax) return;
    prefixes_.fetch_add(1, std::memory_order_relaxed);
    found = table.counts.emplace(prefix, Counts()).first;
  }
  Counts& sum = found->second;
  sum.gets += counts.gets;
  sum.hits += counts.hits;
  sum.sets += counts.sets;
  sum.deletes += counts.deletes;
}

void PrefixStats::ForEach(const std::function<void(const std::string&, const Counts&)>& visit) const {
  std::map<std::string, Counts> sums;
  for (const auto& table : tables_) {
    std::lock_guard<std::mutex> guard(table->mutex);
    for (const auto& [prefix, counts] : table->counts) {
      Counts& sum = sums[prefix];
      sum.gets += counts.gets;
      sum.hits += counts.hits;
      sum.sets += counts.sets;
      sum.deletes += counts.deletes;
    }
  }
  for (const auto& [prefix, counts] : sums) visit(prefix, counts);
}

void PrefixStats::Clear() {
  for (const auto& table : tables_) {
    std::lock_guard<std::mutex> guard(table->mutex);
    prefixes_.fetch_sub(static_cast<uint32_t>(table->counts.size()), std::memory_order_relaxed);
    table->counts.clear();
  }
}

}  // namespace holdfast::command
