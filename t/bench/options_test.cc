// options_test.cc - what the command lines of the benchmarks mean.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "bench/options.h"
#include "bench/session_options.h"

namespace holdfast::bench {
namespace {

constexpr std::array<std::string_view, 2> kNames = {"get", "memory"};

// argv for as long as it lives.
class Words {
 public:
  explicit Words(std::vector<std::string> words) : words_(std::move(words)) {
    words_.insert(words_.begin(), "folder/bench");
    for (std::string& word : words_) pointers_.push_back(word.data());
    pointers_.push_back(nullptr);
  }
  int count() const { return static_cast<int>(words_.size()); }
  char** pointers() { return pointers_.data(); }

 private:
  std::vector<std::string> words_;
  std::vector<char*> pointers_;
};

OptionsOutcome Parse(std::vector<std::string> words, Options& options) {
  Words given(std::move(words));
  return ParseOptions(given.count(), given.pointers(), kNames, options);
}

OptionsOutcome Parse(std::vector<std::string> words, SessionOptions& options) {
  Words given(std::move(words));
  return ParseSessionOptions(given.count(), given.pointers(), &options);
}

TEST(OptionsTest, what_is_said_overrides_what_quick_changes_wherever_it_stands) {
  for (const bool quick_first : {true, false}) {
    Options options;
    std::vector<std::string> words{"--holdfast=x", "--rounds", "9", "--only=get,memory"};
    words.insert(quick_first ? words.begin() : words.end(), "--quick");
    ASSERT_EQ(Parse(words, options), OptionsOutcome::kRun);
    EXPECT_EQ(options.rounds, 9);
    EXPECT_EQ(options.items, 100'000u);
    EXPECT_EQ(options.items_huge, 0u);
    EXPECT_TRUE(options.Wants("memory"));
    EXPECT_FALSE(options.Wants("set"));
    EXPECT_EQ(options.echo_server, "folder/echo_server");
  }
}

TEST(OptionsTest, smoke_is_stronger_than_quick) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--smoke", "--quick"}, std::vector<std::string>{"--quick", "--smoke"}}) {
    Options options;
    std::vector<std::string> all{"--holdfast=x"};
    all.insert(all.end(), words.begin(), words.end());
    ASSERT_EQ(Parse(all, options), OptionsOutcome::kRun);
    EXPECT_TRUE(options.is_smoke);
    EXPECT_EQ(options.rounds, 1);
    EXPECT_EQ(options.command, "bench --holdfast=x " + words[0] + " " + words[1]);
  }
}

TEST(OptionsTest, limits_are_kept) {
  const std::vector<std::pair<std::string, bool>> cases = {
      {"--items=9999", false},   {"--items=10000", true}, {"--items=99999999", true}, {"--items=100000000", false},
      {"--rounds=0", false},     {"--rounds=1", true},    {"--rounds=1000", true},    {"--rounds=1001", false},
      {"--run-ms=9", false},     {"--run-ms=10", true},   {"--run-ms=60000", true},   {"--run-ms=60001", false},
      {"--rounds=", false},      {"--rounds=1x", false},  {"--rounds=-1", false},     {"--nothing", false},
      {"--only=nothing", false}, {"--quick=1", false},    {"left over", false},       {"--run-ms", false},
  };
  for (const auto& [word, is_right] : cases) {
    Options options;
    EXPECT_EQ(Parse({"--holdfast=x", word}, options), is_right ? OptionsOutcome::kRun : OptionsOutcome::kUsageError)
        << word;
  }
}

TEST(OptionsTest, help_and_list_run_nothing) {
  for (const char* word : {"--help", "--list"}) {
    Options options;
    EXPECT_EQ(Parse({"--holdfast=x", word}, options), OptionsOutcome::kHelp) << word;
    SessionOptions sessions;
    EXPECT_EQ(Parse({"--holdfast=x", "--help"}, sessions), OptionsOutcome::kHelp);
  }
}

TEST(SessionOptionsTest, quick_numbers_and_parts) {
  SessionOptions options;
  ASSERT_EQ(Parse({"--users", "7", "--quick", "--holdfast=x", "--only=site,sets", "--database-pids=12,13"}, options),
            OptionsOutcome::kRun);
  EXPECT_EQ(options.users, 7u);
  EXPECT_EQ(options.site_s, 8u);
  EXPECT_EQ(options.database_processes, (std::vector<pid_t>{12, 13}));
  EXPECT_TRUE(options.Wants("sets"));
  EXPECT_FALSE(options.Wants("hits"));
  for (const char* word : {"--only=nothing", "--scale=7", "--database-pids=1", "--memory=7", "--pairs=1001"}) {
    SessionOptions wrong;
    EXPECT_EQ(Parse({"--holdfast=x", word}, wrong), OptionsOutcome::kUsageError) << word;
  }
}

}  // namespace
}  // namespace holdfast::bench
