// Values of options as text and back. What FormatValue writes, ParseValue takes and finds equal; --dump-config relies
// on it.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/option.h"
#include "base/text.h"

namespace holdfast::base {

namespace {

struct Suffix {
  std::string_view text;  // in lower case
  int64_t factor;
};

constexpr int64_t kKiB = 1024, kMiB = kKiB * 1024, kGiB = kMiB * 1024, kTiB = kGiB * 1024;

constexpr Suffix kByteSuffixes[] = {{"b", 1},     {"k", kKiB},   {"kb", kKiB}, {"kib", kKiB}, {"m", kMiB},
                                    {"mb", kMiB}, {"mib", kMiB}, {"g", kGiB},  {"gb", kGiB},  {"gib", kGiB},
                                    {"t", kTiB},  {"tb", kTiB},  {"tib", kTiB}};
constexpr Suffix kSecondSuffixes[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
constexpr Suffix kMilliSuffixes[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};

std::span<const Suffix> SuffixesOf(OptionUnit unit) {
  switch (unit) {
    case OptionUnit::kBytes:
    case OptionUnit::kKilobytes:
    case OptionUnit::kMegabytes:
      return kByteSuffixes;
    case OptionUnit::kSeconds:
      return kSecondSuffixes;
    case OptionUnit::kMillis:
      return kMilliSuffixes;
    case OptionUnit::kPlain:
    case OptionUnit::kOctal:
      break;
  }
  return {};
}

int64_t PlainFactor(OptionUnit unit) {
  if (unit == OptionUnit::kKilobytes) return kKiB;
  if (unit == OptionUnit::kMegabytes) return kMiB;
  return 1;
}

const char* NounOf(OptionUnit unit) {
  switch (unit) {
    case OptionUnit::kBytes:
      return "a number of bytes, with k, m or g if you like";
    case OptionUnit::kKilobytes:
      return "a number of kilobytes";
    case OptionUnit::kMegabytes:
      return "a number of megabytes";
    case OptionUnit::kSeconds:
      return "a number of seconds";
    case OptionUnit::kMillis:
      return "a number of milliseconds";
    case OptionUnit::kOctal:
      return "an octal file mode like 0700";
    case OptionUnit::kPlain:
      break;
  }
  return "a whole number";
}

Status Wrong(std::string_view text, std::string_view what) {
  return Status(ErrorKind::kUsage, "'" + std::string(text) + "' is not " + std::string(what));
}

std::string FormatInteger(OptionUnit unit, int64_t value) {
  switch (unit) {
    case OptionUnit::kOctal: {
      char text[32];
      std::snprintf(text, sizeof text, "%04llo", static_cast<unsigned long long>(value));
      return text;
    }
    case OptionUnit::kKilobytes:
    case OptionUnit::kMegabytes: {
      const int64_t factor = PlainFactor(unit);
      return value % factor == 0 ? std::to_string(value / factor) : std::to_string(value) + "b";
    }
    case OptionUnit::kBytes:
      for (const Suffix& suffix : {Suffix{"g", kGiB}, Suffix{"m", kMiB}, Suffix{"k", kKiB}}) {
        if (value != 0 && value % suffix.factor == 0)
          return std::to_string(value / suffix.factor) + std::string(suffix.text);
      }
      break;
    default:
      break;
  }
  return std::to_string(value);
}

// The shortest text that reads back as the same number.
std::string FormatReal(double value) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), end.ptr);
}

std::string FormatLimit(const OptionRow& row, double limit) {
  return row.field.type == OptionType::kReal ? FormatReal(limit) : FormatInteger(row.unit, static_cast<int64_t>(limit));
}

bool Within(const OptionRow& row, double value) {
  return (value >= row.min && value <= row.max) || (row.or_zero && value == 0);
}

Status OutOfRange(const OptionRow& row, std::string_view text) {
  std::string range;
  if (std::isfinite(row.min) && std::isfinite(row.max)) {
    range = FormatLimit(row, row.min) + " to " + FormatLimit(row, row.max);
  } else if (std::isfinite(row.min)) {
    range = "at least " + FormatLimit(row, row.min);
  } else if (std::isfinite(row.max)) {
    range = "at most " + FormatLimit(row, row.max);
  } else {
    range = FormatInteger(row.unit, row.field.lowest) + " to " + FormatInteger(row.unit, row.field.highest);
  }
  if (row.or_zero) range = "0, or " + range;
  return Status(ErrorKind::kUsage, "'" + std::string(text) + "' is out of range: give " + range);
}

Result<OptionValue> ParseFlag(std::string_view text, bool inverts) {
  const std::string word = LowerCase(text);
  for (const char* yes : {"yes", "on", "true", "1"}) {
    if (word == yes) return OptionValue{.flag = !inverts};
  }
  for (const char* no : {"no", "off", "false", "0"}) {
    if (word == no) return OptionValue{.flag = inverts};
  }
  return Wrong(text, "yes or no");
}

Result<OptionValue> ParseChoice(const OptionRow& row, std::string_view text) {
  const std::vector<std::string_view> words = Split(row.choices, '|');
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] != text) continue;
    if (row.field.type == OptionType::kText) return OptionValue{.text = std::string(text)};
    return OptionValue{.integer = static_cast<int64_t>(i)};
  }
  std::string known;
  for (size_t i = 0; i < words.size(); ++i)
    known += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + std::string(words[i]);
  return Wrong(text, known);
}

// The digits at the front of text, times what the rest says.
Result<OptionValue> ParseInteger(const OptionRow& row, std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const char* begin = text.starts_with('+') ? text.data() + 1 : text.data();
  const auto read = std::from_chars(begin, end, number, row.unit == OptionUnit::kOctal ? 8 : 10);
  if (read.ec == std::errc::result_out_of_range) return OutOfRange(row, text);
  if (read.ec != std::errc()) return Wrong(text, NounOf(row.unit));

  int64_t factor = PlainFactor(row.unit);
  if (read.ptr != end) {
    const std::string rest = LowerCase(std::string_view(read.ptr, static_cast<size_t>(end - read.ptr)));
    factor = 0;
    for (const Suffix& suffix : SuffixesOf(row.unit)) {
      if (suffix.text == rest) factor = suffix.factor;
    }
    if (factor == 0) return Wrong(text, NounOf(row.unit));
  }
  int64_t value = 0;
  if (__builtin_mul_overflow(number, factor, &value)) return OutOfRange(row, text);
  if (!Within(row, static_cast<double>(value))) return OutOfRange(row, text);
  if (value < row.field.lowest || value > row.field.highest) return OutOfRange(row, text);
  return OptionValue{.integer = value};
}

Result<OptionValue> ParseReal(const OptionRow& row, std::string_view text) {
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || !std::isfinite(value))
    return Wrong(text, "a number");
  if (!Within(row, value)) return OutOfRange(row, text);
  return OptionValue{.real = value};
}

OptionValue ParseList(const OptionRow& row, std::string_view text) {
  OptionValue value;
  if (!row.splits) {
    if (!text.empty()) value.list.emplace_back(text);
    return value;
  }
  std::string with_commas(text);
  std::replace(with_commas.begin(), with_commas.end(), ';', ',');
  for (std::string_view part : Split(with_commas, ',')) {
    part = Trim(part);
    if (!part.empty()) value.list.emplace_back(part);
  }
  return value;
}

}  // namespace

bool NeedsValue(const OptionRow& row) {
  if (row.field.type == OptionType::kFlag || row.counts || row.implied != nullptr) return false;
  return row.field.type != OptionType::kNone || row.argument != nullptr;
}

Result<OptionValue> ParseValue(const OptionRow& row, std::string_view text) {
  if (row.choices != nullptr) return ParseChoice(row, text);
  switch (row.field.type) {
    case OptionType::kFlag:
      return ParseFlag(text, row.inverts);
    case OptionType::kInteger:
      return ParseInteger(row, text);
    case OptionType::kReal:
      return ParseReal(row, text);
    case OptionType::kText:
      return OptionValue{.text = std::string(text)};
    case OptionType::kList:
      return ParseList(row, text);
    case OptionType::kNone:
      break;
  }
  return OptionValue();
}

std::string FormatValue(const OptionRow& row, const OptionValue& value) {
  switch (row.field.type) {
    case OptionType::kFlag:
      return value.flag != row.inverts ? "yes" : "no";
    case OptionType::kInteger: {
      const int64_t number = value.integer;
      if (row.choices == nullptr) return FormatInteger(row.unit, number);
      return std::string(Split(row.choices, '|').at(static_cast<size_t>(number)));
    }
    case OptionType::kReal:
      return FormatReal(value.real);
    case OptionType::kText:
      return value.text;
    case OptionType::kList:
      return Join(value.list, ",");
    case OptionType::kNone:
      break;
  }
  return "";
}

std::string ValueText(const Option& option) {
  if (option.row->field.type == OptionType::kNone) return "";
  return FormatValue(*option.row, option.row->field.get(option.settings));
}

namespace {

constexpr std::string_view kHidden = "(hidden)";

// Where the password of "scheme://user:password@host" is: offset and length; nothing: npos.
std::pair<size_t, size_t> PasswordIn(std::string_view url) {
  constexpr auto kNowhere = std::pair(std::string_view::npos, size_t{0});
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return kNowhere;
  const size_t begin = scheme + 3, end = url.substr(0, url.find_first_of("/?", begin)).rfind('@');
  if (end == std::string_view::npos || end < begin) return kNowhere;
  const size_t colon = url.find(':', begin);
  return colon < end ? std::pair(colon + 1, end - colon - 1) : kNowhere;
}

}  // namespace

bool IsSecret(const OptionRow& row, std::string_view value) {
  if (value.empty()) return false;
  return row.secret || (row.has_password && PasswordIn(value).first != std::string_view::npos);
}

std::string ShownText(const OptionRow& row, const std::string& value) {
  if (!IsSecret(row, value)) return value;
  if (row.secret) return std::string(kHidden);
  const auto [at, size] = PasswordIn(value);
  return std::string(value).replace(at, size, kHidden);
}

std::string ShownText(const Option& option) { return ShownText(*option.row, ValueText(option)); }

std::string SourceText(const Option& option) {
  switch (option.source) {
    case OptionSource::kFlag:
      return "flag " + option.place;
    case OptionSource::kEnvironment:
      return "environment " + option.place;
    case OptionSource::kFile:
      return "file " + option.place;
    case OptionSource::kDefault:
      break;
  }
  return "default";
}

}  // namespace holdfast::base
