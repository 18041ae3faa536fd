// stat.h - one row declares a statistic: its name in `stats`, its meaning, and where its value is.
//
//     struct CommandCounters { base::Counter get_hits, get_misses; };
//     constexpr base::StatRow kCommandStats[] = {
//         {.name = "get_hits", .field = base::Stat<&CommandCounters::get_hits>, .help = "keys found"},
//         {.name = "cmd_get", .field = base::Stat<&CmdGet>, .help = "keys asked for"},  // uint64_t CmdGet(const
//         CommandCounters&)
//     };
//
// main adds the tables to a StatSet, each with the objects it reads: the counters of every worker, which are summed, or
// the one object that knows. `stats`, `stats sessions`, `stats holdfast` and /metrics are walks over the set.
//
// Threads: Add before the threads start; everything else from any thread, while counters move. Values are read one by
// one, so
//          sums are exact only when nothing happens.
// Owns:    nothing: the objects must outlive the set.

#ifndef HOLDFAST_BASE_STAT_H_
#define HOLDFAST_BASE_STAT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/counter.h"

namespace holdfast::base {

// Counters only rise, and begin anew with `stats reset` unless they are lasting; gauges say how it is now.
enum class StatKind { kCounter, kGauge };
enum class StatUnit { kPlain, kBytes, kSeconds, kMicros };

// How a row reaches its value; made by Stat<...>. One of the two functions is null.
struct StatField {
  const void* owner = nullptr;  // stands for the type of the source
  uint64_t (*number)(const void* source) = nullptr;
  std::string (*text)(const void* source) = nullptr;  // asked of the first source only
};

struct StatRow {
  const char* name = nullptr;
  StatField field = {};
  StatKind kind = StatKind::kCounter;
  StatUnit unit = StatUnit::kPlain;
  bool lasting = false;   // a counter that survives restarts, and `stats reset`
  const char* help = "";  // one line, no full stop
};

class StatSet {
 public:
  using Visit = std::function<void(std::string_view name, std::string_view value)>;

  // group: "" for `stats`, "sessions", "holdfast", ... A name twice in a group, or rows of another source, is a bug.
  template <class Source>
  void Add(std::string_view group, std::span<const StatRow> rows, const std::vector<const Source*>& sources);
  template <class Source>
  void Add(std::string_view group, std::span<const StatRow> rows, const Source& source);

  bool HasGroup(std::string_view group) const;
  // The statistics of a group in the order they were added.
  void ForEach(std::string_view group, const Visit& visit) const;
  // All that are numbers, since the start whatever was reset: for /metrics.
  void ForEachNumber(
      const std::function<void(std::string_view group, const StatRow& row, uint64_t value)>& visit) const;
  // One value as text; the name must exist.
  std::string Value(std::string_view group, std::string_view name) const;

  // Counters count from here on.
  void Reset();

 private:
  struct Entry {
    std::string group;
    const StatRow* row;
    std::vector<const void*> sources;
    std::unique_ptr<std::atomic<uint64_t>> reset_at;  // what a counter stood at; null for the others
  };

  void AddRow(std::string_view group, const StatRow& row, const void* owner, std::vector<const void*> sources);
  static uint64_t Sum(const Entry& entry);
  static std::string Text(const Entry& entry);

  std::vector<Entry> entries_;
};

// -- Making fields --------------------------------------------------------------------------------

template <class Source>
inline constexpr char kStatOwner = 0;

template <class Source, class T>
struct StatShape {
  using SourceType = Source;
  using ValueType = T;
};
template <class Source>
StatShape<Source, uint64_t> StatShapeOf(Counter Source::*);
template <class Source, class T>
StatShape<Source, std::remove_cvref_t<T>> StatShapeOf(T (Source::*)() const);
template <class Source, class T>
StatShape<Source, std::remove_cvref_t<T>> StatShapeOf(T (*)(const Source&));

template <auto access, class Source>
auto ReadStat(const Source& source) {
  if constexpr (std::is_member_object_pointer_v<decltype(access)>) {
    return (source.*access).value();
  } else {
    return std::invoke(access, source);
  }
}

template <auto access>
constexpr StatField MakeStatField() {
  using Shape = decltype(StatShapeOf(access));
  using Source = typename Shape::SourceType;
  StatField field;
  field.owner = &kStatOwner<Source>;
  if constexpr (std::is_arithmetic_v<typename Shape::ValueType>) {
    field.number = [](const void* source) {
      return static_cast<uint64_t>(ReadStat<access>(*static_cast<const Source*>(source)));
    };
  } else {
    field.text = [](const void* source) { return std::string(ReadStat<access>(*static_cast<const Source*>(source))); };
  }
  return field;
}

// The field of a Counter member, a const member function or a function of a const reference to the source; these bring
// a number or a text.
template <auto access>
inline constexpr StatField Stat = MakeStatField<access>();

template <class Source>
void StatSet::Add(std::string_view group, std::span<const StatRow> rows, const std::vector<const Source*>& sources) {
  for (const StatRow& row : rows) {
    AddRow(group, row, &kStatOwner<Source>, std::vector<const void*>(sources.begin(), sources.end()));
  }
}

template <class Source>
void StatSet::Add(std::string_view group, std::span<const StatRow> rows, const Source& source) {
  Add(group, rows, std::vector<const Source*>{&source});
}

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_STAT_H_
