// option.h - one row declares an option: its flag, config key, environment variable, place in --help, manual and `stats
// settings`.
//
// A module keeps its settings in a plain struct whose initialisers are the defaults, and describes them in a table:
//
//     struct StoreSettings {
//       uint64_t memory_bytes = 64 << 20;
//       bool evictions = true;
//     };
//     constexpr base::OptionRow kStoreOptions[] = {
//         {.letter = 'm', .name = "memory-limit", .argument = "MEGABYTES", .field =
//         base::Member<&StoreSettings::memory_bytes>,
//          .unit = base::OptionUnit::kMegabytes, .min = 1 << 20, .help = "memory for items", .setting = "maxbytes",
//          .origin = base::OptionOrigin::kMemcached},
//         {.letter = 'M', .name = "disable-evictions", .field = base::Member<&StoreSettings::evictions>, .inverts =
//         true, ...},
//     };
//
// main collects the tables in an OptionSet and lets it read flags, environment and a file, in any order: the stronger
// source wins (flag, environment, file, default), and every value remembers where it came from.
//
// Threads: an OptionSet belongs to one thread. Rows are constants.
// Owns:    nothing of the settings: the structs given to Add must outlive the set.
// Errors:  kUsage (flags) or kConfig (file, environment) with one line: where, what is wrong, what would be right. The
//          first error ends the reading.
// Limits:  kOptionLineBytesMax a line and kOptionFileBytesMax all of the file; numbers to 2^53.

#ifndef HOLDFAST_BASE_OPTION_H_
#define HOLDFAST_BASE_OPTION_H_

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/status.h"

namespace holdfast::base {

// -- A row ----------------------------------------------------------------------------------------

enum class OptionOrigin { kHoldfast, kMemcached };

// What a number means without a suffix, and which suffixes it may have. The member always holds bytes, seconds or
// milliseconds.
enum class OptionUnit {
  kPlain,
  kBytes,      // b k m g t
  kKilobytes,  // the same, plain means KiB
  kMegabytes,  // the same, plain means MiB
  kSeconds,    // s m h d
  kMillis,     // ms s m h d
  kOctal,      // file mode
};

enum class OptionType { kNone, kFlag, kInteger, kReal, kText, kList };

// Only the part that the type of the row names has a meaning.
struct OptionValue {
  bool flag = false;
  int64_t integer = 0;
  double real = 0;
  std::string text = {};
  std::vector<std::string> list = {};
};

// How a row reaches its member; made by Member<&Settings::member>.
struct OptionField {
  OptionType type = OptionType::kNone;
  const void* owner = nullptr;  // stands for the type of the settings; null with kNone
  OptionValue (*get)(const void* settings) = nullptr;
  void (*set)(void* settings, const OptionValue& value) = nullptr;
  int64_t lowest = 0, highest = 0;  // what an integer member can hold
};

inline constexpr double kNoLimit = std::numeric_limits<double>::infinity();

struct OptionRow {
  char letter = 0;                 // 0: no short form
  const char* name = nullptr;      // long name and config key
  const char* argument = nullptr;  // what the value is called in help; null: takes none
  OptionField field = {};          // none: the option is only ignored or refused
  OptionUnit unit = OptionUnit::kPlain;
  double min = -kNoLimit;         // of a number, as the member holds it
  double max = kNoLimit;          //
  bool or_zero = false;           // 0 is allowed too, below min
  const char* choices = nullptr;  // "auto|ascii|binary": the only words; an integer or enum member holds the index
  const char* implied = nullptr;  // the value when given without one, as in -o slab_automove
  bool inverts = false;           // a flag that sets its member to false: --disable-evictions
  bool counts = false;            // an integer that each flag raises by one: -vv
  bool splits = false;            // a list whose values may hold several, separated by , or ;
  bool extended = false;          // given as -o name=value
  bool reloadable = false;        // SIGHUP may change it
  bool flag_only = false;         // an order rather than a setting (--help): not in file, environment and dump
  bool not_in_file = false;       // a setting that no file can have: the name of the file
  bool secret = false;            // shown to nobody; a file that has it must be closed to others
  bool has_password = false;      // a URL: what stands between ":" and "@" in it is secret
  const char* help = "";          // one line, no full stop
  const char* more = nullptr;     // sentences for the manual
  // Accepted without effect, which is said in one line, for this reason. A member takes its value all the same.
  const char* ignored = nullptr;
  const char* ignored_silently = nullptr;  // the value of an ignored option that needs no warning: -U 0
  const char* refused = nullptr;           // giving it is an error with this reason
  const char* setting = nullptr;           // name in `stats settings`; null: not there
  // Of a flag: "off|on" for false and true of the member; null: no|yes. Of choices: other words; null: the same.
  const char* setting_words = nullptr;
  const char* setting_fixed = nullptr;  // always this value, for options without a member
  OptionOrigin origin = OptionOrigin::kHoldfast;
};

// -- The set --------------------------------------------------------------------------------------

// From weak to strong.
enum class OptionSource { kDefault, kFile, kEnvironment, kFlag };

// One option at work: a row, the settings it writes to, and where its value came from.
struct Option {
  const OptionRow* row;
  void* settings;  // null when the row has no member
  std::string default_text;
  OptionSource source = OptionSource::kDefault;
  std::string place = {};  // "-m", "HOLDFAST_MEMORY_LIMIT", "holdfast.conf:12"; empty for a default
};

inline constexpr size_t kOptionLineBytesMax = 4096;
inline constexpr size_t kOptionFileBytesMax = 1 << 20;

class OptionSet {
 public:
  OptionSet();

  // Rows and settings of one module. A name or letter given twice, or a row of other settings, is a bug.
  template <class Settings>
  void Add(std::span<const OptionRow> rows, Settings& settings);

  // argv[0] is skipped. Short flags bundle (-vd, -m64), long ones take "=value" or the next argument and may be cut
  // short as long as one option of memcached is meant; -o takes "name=value,name".
  Status ReadArguments(int argc, const char* const* argv);
  // HOLDFAST_MEMORY_LIMIT for memory-limit; environment as in environ(7), ended by null. HOLDFAST_ variables that name
  // no option are left alone.
  Status ReadEnvironment(const char* const* environment);
  // Lines "name = value", "# comment", "[section]" (for the reader only). A name given twice is an error, but for
  // lists; so is a file that everybody may write to, or that has a secret and everybody may read.
  Status ReadFile(const std::string& path);
  Status ReadFileText(std::string_view text, const std::string& path);

  // What the operator should know, one line each, in the order of reading; options without effect in one line at the
  // end.
  std::vector<std::string> Warnings() const;

  // An option by its exact name, which must exist.
  const Option& Find(std::string_view name) const;
  bool IsGiven(std::string_view name) const { return Find(name).source != OptionSource::kDefault; }
  // An error about the value of `name` that a module found: "holdfast.conf:12: memory-limit: problem".
  Status Complain(std::string_view name, std::string_view problem) const;

  // The value of `name` was not given but follows from that of `cause`: it comes from where that came from.
  void Follows(std::string_view name, std::string_view cause);

  // In the order of declaration.
  const std::vector<Option>& options() const { return options_; }
  // `stats settings`: rows that have a setting name, with the value as memcached prints it.
  void ForEachSetting(const std::function<void(std::string_view name, std::string_view value)>& visit) const;
  // All values as a file that ReadFile takes, each with where it came from in a comment. Secrets are not in it.
  std::string DumpConfig() const;

  struct Change {
    const Option* running;
    std::string value;  // the wanted one, as text
  };
  // Where `wanted`, a set of the same tables over other settings, differs from this one: what SIGHUP would change.
  std::vector<Change> ChangesTo(const OptionSet& wanted) const;
  // Takes over one value from there.
  void Adopt(const OptionSet& wanted, std::string_view name);

 private:
  void AddRow(const OptionRow& row, const void* owner, void* settings);
  Option& FindOwn(std::string_view name) { return const_cast<Option&>(Find(name)); }
  Option* FindName(std::string_view name, bool extended);
  Option* FindLetter(char letter);
  Option* FindAbbreviated(std::string_view name);

  // following: the arguments after this one; *taken: how many of them it used.
  Status ReadBundle(std::string_view letters, std::span<const char* const> following, size_t* taken);
  Status ReadLong(std::string_view text, std::span<const char* const> following, size_t* taken);
  Status ReadExtendedList(std::string_view list);
  Status ReadFileLine(std::string_view line, size_t number, const std::string& path,
                      std::vector<std::pair<const Option*, size_t>>* seen);

  // A value for an option; no text: given without one. A value from a weaker source is only checked.
  Status Assign(Option& option, OptionSource source, const std::string& place, std::optional<std::string_view> text);
  Status AssignNegated(Option& option, OptionSource source, const std::string& place,
                       std::optional<std::string_view> text);
  void NoteIgnored(Option& option, OptionSource source, const std::string& place, std::optional<std::string_view> text);
  void Store(Option& option, OptionSource source, const std::string& place, OptionValue value);
  // The known name that the writer of `name` may have meant, ready to be typed: "; did you mean --x?" or empty.
  std::string Suggestion(std::string_view name, OptionSource source) const;

  std::vector<Option> options_;
  bool secret_in_file_ = false;  // the file that is being read has one
  std::vector<std::string> warnings_;
  std::vector<const Option*> ignored_;      // given ones, in the order of reading: all tables are there by then
  std::vector<std::string> ignored_names_;  // of these, with places
};

// Whether the option must have a value after it.
bool NeedsValue(const OptionRow& row);
// "yes" or "no" of a flag, "64", "1m", "0700", "a,b": as one would write it. Empty for a row without a member.
std::string ValueText(const Option& option);
// The same for people: without secrets.
std::string ShownText(const Option& option);
std::string ShownText(const OptionRow& row, const std::string& value);
// Whether there is something in this value to hide.
bool IsSecret(const OptionRow& row, std::string_view value);
// The opposite. Errors name the text and what would be right, without a place.
Result<OptionValue> ParseValue(const OptionRow& row, std::string_view text);
std::string FormatValue(const OptionRow& row, const OptionValue& value);
// "HOLDFAST_MEMORY_LIMIT" for "memory-limit".
std::string EnvironmentName(std::string_view name);
// "flag -m", "file holdfast.conf:12", "default".
std::string SourceText(const Option& option);

// -- Making fields --------------------------------------------------------------------------------

// Its address stands for the type.
template <class Settings>
inline constexpr char kOptionOwner = 0;

template <class Settings, class T>
struct OptionMember {
  using SettingsType = Settings;
  using ValueType = T;
};
template <class Settings, class T>
OptionMember<Settings, T> OptionMemberOf(T Settings::*);

// The part of a value in which a member of type T is carried.
template <class T>
constexpr auto OptionPart() {
  if constexpr (std::same_as<T, bool>) {
    return &OptionValue::flag;
  } else if constexpr (std::integral<T> || std::is_enum_v<T>) {
    return &OptionValue::integer;
  } else if constexpr (std::same_as<T, double>) {
    return &OptionValue::real;
  } else if constexpr (std::same_as<T, std::string>) {
    return &OptionValue::text;
  } else {
    static_assert(std::same_as<T, std::vector<std::string>>, "no option type for this member");
    return &OptionValue::list;
  }
}

template <class T>
constexpr OptionType OptionTypeOf() {
  if (std::same_as<T, bool>) return OptionType::kFlag;
  if (std::integral<T> || std::is_enum_v<T>) return OptionType::kInteger;
  if (std::same_as<T, double>) return OptionType::kReal;
  return std::same_as<T, std::string> ? OptionType::kText : OptionType::kList;
}

template <auto pointer>
constexpr OptionField MakeOptionField() {
  using Of = decltype(OptionMemberOf(pointer));
  using Settings = typename Of::SettingsType;
  using T = typename Of::ValueType;
  using Carried = std::remove_reference_t<decltype(OptionValue().*OptionPart<T>())>;

  OptionField field;
  field.type = OptionTypeOf<T>();
  field.owner = &kOptionOwner<Settings>;
  field.get = [](const void* settings) {
    OptionValue value;
    value.*OptionPart<T>() = static_cast<Carried>(static_cast<const Settings*>(settings)->*pointer);
    return value;
  };
  field.set = [](void* settings, const OptionValue& value) {
    static_cast<Settings*>(settings)->*pointer = static_cast<T>(value.*OptionPart<T>());
  };
  if constexpr (std::is_enum_v<T>) {
    field.highest = std::numeric_limits<int>::max();
  } else if constexpr (std::integral<T>) {
    constexpr T kHighest = std::numeric_limits<T>::max();
    field.lowest = static_cast<int64_t>(std::numeric_limits<T>::min());
    field.highest = static_cast<uint64_t>(kHighest) > INT64_MAX ? INT64_MAX : static_cast<int64_t>(kHighest);
  }
  return field;
}

// The field of a member: bool, any integer or enum, double, std::string, std::vector<std::string>.
template <auto pointer>
inline constexpr OptionField Member = MakeOptionField<pointer>();

template <class Settings>
void OptionSet::Add(std::span<const OptionRow> rows, Settings& settings) {
  for (const OptionRow& row : rows) AddRow(row, &kOptionOwner<Settings>, &settings);
}

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_OPTION_H_
