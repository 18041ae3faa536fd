// Reading of arguments, and the one way by which every source stores a value:
//
//     ReadArguments / ReadEnvironment / ReadFile -> find the option -> Assign -> ParseValue -> Store -> the member
//
// A weaker source never overwrites a stronger one, so the sources may be read in any order (the flags tell where the
// file is); its values are checked all the same. Lists collect within one source and start anew with a stronger one.

#include "base/option.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"

namespace holdfast::base {

namespace {

constexpr OptionRow kExtended = {
    .letter = 'o',
    .name = "extended",
    .argument = "LIST",
    .flag_only = true,
    .help = "more options, as name=value separated by commas",
    .more = "May be given several times. The names are listed under \"Extended options\".",
    .origin = OptionOrigin::kMemcached,
};

// memcached writes extended names with underscores and others with hyphens; nobody has to remember which.
bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return (x == '_' ? '-' : x) == (y == '_' ? '-' : y); });
}

// The name after "no-" or "no_"; empty when there is none.
std::string_view NegatedName(std::string_view name) {
  return name.starts_with("no-") || name.starts_with("no_") ? name.substr(3) : std::string_view();
}

bool CanNegate(const OptionRow& row) {
  return row.field.type == OptionType::kFlag || (row.field.type == OptionType::kNone && !NeedsValue(row));
}

// What an error about an option begins with.
std::string PlaceAndName(const OptionRow& row, OptionSource source, const std::string& place) {
  if (source == OptionSource::kDefault) return row.name;
  return source == OptionSource::kFile ? place + ": " + row.name : place;
}

Status UsageError(const std::string& place, std::string_view problem) {
  return Status(ErrorKind::kUsage, place + ": " + std::string(problem));
}

Status ErrorFrom(OptionSource source, const std::string& place, std::string_view problem) {
  const bool given_here = source == OptionSource::kFlag || source == OptionSource::kDefault;
  return Status(given_here ? ErrorKind::kUsage : ErrorKind::kConfig, place + ": " + std::string(problem));
}

}  // namespace

// -- Collecting -----------------------------------------------------------------------------------

OptionSet::OptionSet() { AddRow(kExtended, nullptr, nullptr); }

void OptionSet::AddRow(const OptionRow& row, const void* owner, void* settings) {
  CHECK(row.name != nullptr);
  CHECK(row.field.owner == nullptr || row.field.owner == owner);
  CHECK(row.letter == 0 || FindLetter(row.letter) == nullptr);
  for (const Option& option : options_) CHECK(!SameName(option.row->name, row.name));
  options_.push_back({&row, row.field.owner == nullptr ? nullptr : settings, ""});
  options_.back().default_text = ValueText(options_.back());
}

const Option& OptionSet::Find(std::string_view name) const {
  const auto found =
      std::find_if(options_.begin(), options_.end(), [&](const Option& option) { return option.row->name == name; });
  CHECK(found != options_.end());
  return *found;
}

Option* OptionSet::FindName(std::string_view name, bool extended) {
  for (Option& option : options_) {
    if (option.row->extended == extended && SameName(option.row->name, name)) return &option;
  }
  return nullptr;
}

Option* OptionSet::FindLetter(char letter) {
  for (Option& option : options_) {
    if (option.row->letter == letter) return &option;
  }
  return nullptr;
}

// getopt lets a long option be cut short while only one fits. Ours do not count, so that a new one never breaks an old
// script.
Option* OptionSet::FindAbbreviated(std::string_view name) {
  Option* found = nullptr;
  for (Option& option : options_) {
    const OptionRow& row = *option.row;
    if (row.extended || row.origin != OptionOrigin::kMemcached || name.size() >= std::string_view(row.name).size())
      continue;
    if (!SameName(std::string_view(row.name).substr(0, name.size()), name)) continue;
    if (found != nullptr) return nullptr;
    found = &option;
  }
  return found;
}

std::string OptionSet::Suggestion(std::string_view name, OptionSource source) const {
  const OptionRow* best = nullptr;
  size_t best_distance = std::max<size_t>(1, name.size() / 3) + 1;
  for (const Option& option : options_) {
    if (option.row->flag_only && source != OptionSource::kFlag) continue;
    size_t distance = EditDistance(name, option.row->name);
    if (name.size() >= 4 && std::string_view(option.row->name).starts_with(name)) distance = 1;
    if (distance < best_distance) {
      best = option.row;
      best_distance = distance;
    }
  }
  if (best == nullptr) return "";
  const char* prefix = source != OptionSource::kFlag ? "" : best->extended ? "-o " : "--";
  return std::string("; did you mean ") + prefix + best->name + "?";
}

// -- Storing --------------------------------------------------------------------------------------

Status OptionSet::Assign(Option& option, OptionSource source, const std::string& place,
                         std::optional<std::string_view> text) {
  const OptionRow& row = *option.row;
  const std::string where = PlaceAndName(row, source, place);
  if (row.refused != nullptr) {
    const bool off = text.has_value() && row.argument == nullptr && (*text == "no" || *text == "off" || *text == "0");
    return off ? Status() : ErrorFrom(source, where, row.refused);
  }
  if (!text.has_value()) {
    if (NeedsValue(row))
      return ErrorFrom(source, where, std::string("a value is missing: ") + (row.argument ? row.argument : "VALUE"));
    if (row.implied != nullptr) text = row.implied;
  }
  if (row.ignored != nullptr) NoteIgnored(option, source, place, text);
  if (row.field.type == OptionType::kNone) {
    option.source = std::max(option.source, source);
    return {};
  }
  if (!text.has_value() && row.counts) {
    // From the default on, for what a weaker source said is replaced.
    OptionValue value = row.field.get(option.settings);
    if (option.source < source) value = ParseValue(row, option.default_text).value();
    if (static_cast<double>(value.integer) < row.max) ++value.integer;
    Store(option, source, place, value);
    return {};
  }
  const Result<OptionValue> value = ParseValue(row, text.value_or("yes"));
  if (!value.ok()) return ErrorFrom(source, where, value.status().message());
  Store(option, source, place, value.value());
  return {};
}

Status OptionSet::AssignNegated(Option& option, OptionSource source, const std::string& place,
                                std::optional<std::string_view> text) {
  if (text.has_value()) return UsageError(place, "takes no value");
  return Assign(option, source, place, "no");
}

void OptionSet::NoteIgnored(Option& option, OptionSource source, const std::string& place,
                            std::optional<std::string_view> text) {
  const bool silent =
      text.has_value() && option.row->ignored_silently != nullptr && *text == option.row->ignored_silently;
  if (silent || std::find(ignored_.begin(), ignored_.end(), &option) != ignored_.end()) return;
  ignored_.push_back(&option);
  ignored_names_.push_back(PlaceAndName(*option.row, source, place));
}

std::vector<std::string> OptionSet::Warnings() const {
  std::vector<std::string> warnings = warnings_;
  if (ignored_.size() == 1) {
    warnings.push_back(ignored_names_[0] + " is accepted but has no effect: " + ignored_[0]->row->ignored);
  } else if (!ignored_.empty()) {
    warnings.push_back("accepted but without effect, for reasons in holdfast(1): " + Join(ignored_names_, ", "));
  }
  return warnings;
}

void OptionSet::Store(Option& option, OptionSource source, const std::string& place, OptionValue value) {
  if (source < option.source) return;
  if (option.row->field.type == OptionType::kList && source == option.source) {
    const std::vector<std::string> before = option.row->field.get(option.settings).list;
    value.list.insert(value.list.begin(), before.begin(), before.end());
  }
  option.row->field.set(option.settings, value);
  option.source = source;
  option.place = place;
}

Status OptionSet::Complain(std::string_view name, std::string_view problem) const {
  const Option& option = Find(name);
  return ErrorFrom(option.source, PlaceAndName(*option.row, option.source, option.place), problem);
}

// -- Arguments ------------------------------------------------------------------------------------

Status OptionSet::ReadArguments(int argc, const char* const* argv) {
  const std::span<const char* const> all(argv, static_cast<size_t>(argc));
  for (size_t i = 1; i < all.size(); ++i) {
    const std::string_view argument = all[i];
    const std::span<const char* const> following = all.subspan(i + 1);
    size_t taken = 0;
    Status status;
    if (argument == "--" && following.empty()) break;
    if (argument.starts_with("--") && argument.size() > 2) {
      status = ReadLong(argument.substr(2), following, &taken);
    } else if (argument.starts_with("-") && argument.size() > 1 && argument != "--") {
      status = ReadBundle(argument.substr(1), following, &taken);
    } else {
      status = UsageError("'" + std::string(argument) + "'", "not an option (--help lists them)");
    }
    if (!status.ok()) return status;
    i += taken;
  }
  return {};
}

Status OptionSet::ReadBundle(std::string_view letters, std::span<const char* const> following, size_t* taken) {
  for (size_t i = 0; i < letters.size(); ++i) {
    const std::string place = std::string("-") + letters[i];
    Option* option = FindLetter(letters[i]);
    if (option == nullptr) return UsageError(place, "unknown option (--help lists them)");
    std::optional<std::string_view> text;
    if (NeedsValue(*option->row)) {
      if (i + 1 < letters.size()) {
        text = letters.substr(i + 1);
      } else if (!following.empty()) {
        text = following[0];
        *taken = 1;
      }
      i = letters.size();
    }
    const Status status = option->row == &kExtended && text.has_value()
                              ? ReadExtendedList(*text)
                              : Assign(*option, OptionSource::kFlag, place, text);
    if (!status.ok()) return status;
  }
  return {};
}

Status OptionSet::ReadLong(std::string_view text, std::span<const char* const> following, size_t* taken) {
  const size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const std::string place = "--" + std::string(name);
  std::optional<std::string_view> value;
  if (equals != std::string_view::npos) value = text.substr(equals + 1);

  Option* option = FindName(name, false);
  if (option == nullptr) {
    Option* negated = NegatedName(name).empty() ? nullptr : FindName(NegatedName(name), false);
    if (negated != nullptr && CanNegate(*negated->row))
      return AssignNegated(*negated, OptionSource::kFlag, place, value);
    option = FindAbbreviated(name);
  }
  if (option == nullptr)
    return UsageError(place, "unknown option" + Suggestion(name, OptionSource::kFlag) + " (--help lists them)");

  if (!value.has_value() && NeedsValue(*option->row) && !following.empty()) {
    value = following[0];
    *taken = 1;
  }
  if (option->row == &kExtended && value.has_value()) return ReadExtendedList(*value);
  return Assign(*option, OptionSource::kFlag, place, value);
}

Status OptionSet::ReadExtendedList(std::string_view list) {
  for (std::string_view part : Split(list, ',')) {
    part = Trim(part);
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    const std::string place = "-o " + std::string(name);
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) value = part.substr(equals + 1);

    Option* option = FindName(name, true);
    Status status;
    if (option != nullptr) {
      status = Assign(*option, OptionSource::kFlag, place, value);
    } else {
      Option* negated = NegatedName(name).empty() ? nullptr : FindName(NegatedName(name), true);
      if (negated == nullptr || !CanNegate(*negated->row)) {
        return UsageError(place, "unknown option" + Suggestion(name, OptionSource::kFlag) + " (--help lists them)");
      }
      status = AssignNegated(*negated, OptionSource::kFlag, place, value);
    }
    if (!status.ok()) return status;
  }
  return {};
}

// -- Telling --------------------------------------------------------------------------------------

namespace {

std::string SettingText(const Option& option) {
  const OptionRow& row = *option.row;
  if (row.setting_fixed != nullptr) return row.setting_fixed;
  if (row.field.type == OptionType::kNone) return "";
  const OptionValue value = row.field.get(option.settings);
  switch (row.field.type) {
    case OptionType::kFlag: {
      const std::vector<std::string_view> words =
          Split(row.setting_words != nullptr ? row.setting_words : "no|yes", '|');
      CHECK(words.size() == 2);
      return std::string(words[value.flag ? 1 : 0]);
    }
    case OptionType::kInteger:
      if (row.choices != nullptr) {
        if (row.setting_words == nullptr) break;
        return std::string(Split(row.setting_words, '|').at(static_cast<size_t>(value.integer)));
      }
      if (row.unit == OptionUnit::kOctal) {
        std::string text = FormatValue(row, value);
        text.erase(0, std::min(text.find_first_not_of('0'), text.size() - 1));
        return text;
      }
      return std::to_string(value.integer);
    case OptionType::kReal: {
      char text[64];
      std::snprintf(text, sizeof text, "%.2f", value.real);
      return text;
    }
    default:
      break;
  }
  const std::string text = FormatValue(row, value);
  return text.empty() ? "NULL" : text;
}

}  // namespace

void OptionSet::ForEachSetting(const std::function<void(std::string_view, std::string_view)>& visit) const {
  for (const Option& option : options_) {
    if (option.row->setting != nullptr) visit(option.row->setting, SettingText(option));
  }
}

}  // namespace holdfast::base
