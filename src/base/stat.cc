#include "base/stat.h"

#include <algorithm>

#include "base/check.h"

namespace holdfast::base {

void StatSet::AddRow(std::string_view group, const StatRow& row, const void* owner, std::vector<const void*> sources) {
  CHECK(row.name != nullptr && row.field.owner == owner && !sources.empty());
  for (const Entry& entry : entries_) CHECK(entry.group != group || std::string_view(entry.row->name) != row.name);
  const bool resets = row.field.number != nullptr && row.kind == StatKind::kCounter && !row.lasting;
  entries_.push_back(
      {std::string(group), &row, std::move(sources), resets ? std::make_unique<std::atomic<uint64_t>>(0) : nullptr});
}

uint64_t StatSet::Sum(const Entry& entry) {
  uint64_t sum = 0;
  for (const void* source : entry.sources) sum += entry.row->field.number(source);
  return sum;
}

std::string StatSet::Text(const Entry& entry) {
  if (entry.row->field.text != nullptr) return entry.row->field.text(entry.sources[0]);
  uint64_t value = Sum(entry);
  if (entry.reset_at != nullptr) value -= entry.reset_at->load(std::memory_order_relaxed);
  return std::to_string(value);
}

bool StatSet::HasGroup(std::string_view group) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.group == group; });
}

void StatSet::ForEach(std::string_view group, const Visit& visit) const {
  for (const Entry& entry : entries_) {
    if (entry.group == group) visit(entry.row->name, Text(entry));
  }
}

void StatSet::ForEachNumber(const std::function<void(std::string_view, const StatRow&, uint64_t)>& visit) const {
  for (const Entry& entry : entries_) {
    if (entry.row->field.number != nullptr) visit(entry.group, *entry.row, Sum(entry));
  }
}

std::string StatSet::Value(std::string_view group, std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.group == group && entry.row->name == name; });
  CHECK(found != entries_.end());
  return Text(*found);
}

void StatSet::Reset() {
  for (Entry& entry : entries_) {
    if (entry.reset_at != nullptr) entry.reset_at->store(Sum(entry), std::memory_order_relaxed);
  }
}

}  // namespace holdfast::base
