// command_line.h - options as rows of a table: what the programs of this folder parse their command lines with.
//
// How it works: getopt_long over the rows. Presets (--quick) are applied before all others, so that they change
// defaults and the other options still override them wherever they stand.
//
// Threads: one.
// Errors:  a wrong option or value is named on stderr.

#ifndef HOLDFAST_BENCH_COMMAND_LINE_H_
#define HOLDFAST_BENCH_COMMAND_LINE_H_

#include <errno.h>
#include <getopt.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::bench {

enum class OptionsOutcome { kRun, kHelp, kUsageError };

enum class OptionKind { kValue, kFlag, kPreset };

template <typename Options>
struct OptionRow {
  const char* name;
  OptionKind kind;
  bool (*apply)(const char* value, Options& options);  // value: null unless kValue. False: it has said what is wrong
};

// The words between separators, empty ones left out.
inline std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, separator);) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

template <typename Type>
bool ParseNumber(std::string_view digits, uint64_t low, uint64_t high, Type* number) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc() && end == digits.data() + digits.size() && value >= low && value <= high) {
    *number = static_cast<Type>(value);
    return true;
  }
  std::fprintf(stderr, "%s: \"%s\" is not a number from %llu to %llu\n", program_invocation_short_name,
               std::string(digits).c_str(), static_cast<unsigned long long>(low),
               static_cast<unsigned long long>(high));
  return false;
}

// --help is known without a row and writes the help to stdout.
template <typename Options>
OptionsOutcome ParseCommandLine(int argc, char** argv, std::span<const OptionRow<Options>> rows, const char* help,
                                Options& options) {
  constexpr int kHelp = 256, kFirstRow = 257;  // past all characters, since '?' is getopt's answer to a wrong option
  std::vector<option> longs{{"help", no_argument, nullptr, kHelp}};
  for (const OptionRow<Options>& row : rows) {
    longs.push_back({row.name, row.kind == OptionKind::kValue ? required_argument : no_argument, nullptr,
                     kFirstRow + static_cast<int>(&row - rows.data())});
    for (int i = 1; i < argc && row.kind == OptionKind::kPreset; ++i) {
      if (std::string_view(argv[i]) == std::string("--") + row.name) row.apply(nullptr, options);
    }
  }
  longs.push_back({nullptr, 0, nullptr, 0});
  optind = 0;  // from the beginning, also the second time
  for (int choice; (choice = getopt_long(argc, argv, "", longs.data(), nullptr)) != -1;) {
    if (choice == kHelp) {
      std::fputs(help, stdout);
      return OptionsOutcome::kHelp;
    }
    if (choice < kFirstRow) return OptionsOutcome::kUsageError;  // getopt has said why
    const OptionRow<Options>& row = rows[static_cast<size_t>(choice - kFirstRow)];
    if (row.kind != OptionKind::kPreset && !row.apply(optarg, options)) return OptionsOutcome::kUsageError;
  }
  if (optind == argc) return OptionsOutcome::kRun;
  std::fprintf(stderr, "%s: what is \"%s\"? (--help)\n", program_invocation_short_name, argv[optind]);
  return OptionsOutcome::kUsageError;
}

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_COMMAND_LINE_H_
