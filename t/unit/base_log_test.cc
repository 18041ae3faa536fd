#include "base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "lib/virtual_clock.h"

namespace holdfast::base {
namespace {

class LogTest : public testing::Test {
 protected:
  LogTest() { EXPECT_EQ(pipe2(pipe_, O_NONBLOCK), 0); }
  ~LogTest() override {
    close(pipe_[0]);
    close(pipe_[1]);
  }
  std::string Written() {
    std::string text;
    char piece[4096];
    ssize_t size;
    while ((size = read(pipe_[0], piece, sizeof piece)) > 0) text.append(piece, static_cast<size_t>(size));
    return text;
  }

  test::VirtualClock clock_;
  int pipe_[2];
};

TEST_F(LogTest, WritesWhatItsLevelAsksFor) {
  Log log(LogLevel::kNotice, LogFormat::kJournal, clock_, pipe_[1]);
  log.Error("a");
  log.Warning("b");
  log.Notice("c");
  log.Verbose("d");
  EXPECT_EQ(Written(), "<3>a\n<4>b\n<5>c\n");
  log.set_level(LogLevel::kTrace);
  log.Verbose("d");
  log.Write(LogLevel::kTrace, "e");
  EXPECT_EQ(Written(), "<6>d\n<7>e\n");
}

TEST_F(LogTest, TimedLinesBeginWithTheTime) {
  setenv("TZ", "UTC", 1);
  tzset();
  Log log(LogLevel::kNotice, LogFormat::kTimed, clock_, pipe_[1]);
  clock_.AdvanceMillis(7);
  log.Warning("disk full");
  log.Notice("ready");
  EXPECT_EQ(Written(), "2027-01-15 08:00:00.007 warning: disk full\n2027-01-15 08:00:00.007 ready\n");
}

TEST_F(LogTest, FormatsLikePrintf) {
  Log log(LogLevel::kNotice, LogFormat::kJournal, clock_, pipe_[1]);
  log.Format(LogLevel::kNotice, "%s %d", "port", 11211);
  log.Format(LogLevel::kDebug, "%s", "unseen");
  EXPECT_EQ(Written(), "<5>port 11211\n");
}

TEST_F(LogTest, ForeignBytesCannotForgeALine) {
  Log log(LogLevel::kNotice, LogFormat::kJournal, clock_, pipe_[1]);
  log.Notice("key a\n<3>forged\x1b[2J\x7f gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(Written(), "<5>key a\\x0a<3>forged\\x1b[2J\\x7f gr\xc3\xbc\xc3\x9f\n");
}

TEST_F(LogTest, LongLinesAreCut) {
  Log log(LogLevel::kNotice, LogFormat::kJournal, clock_, pipe_[1]);
  const std::string fits(kLogLineBytesMax - 4, 'x');
  log.Notice(fits);
  EXPECT_EQ(Written(), "<5>" + fits + "\n");
  log.Notice(fits + "y");
  std::string line = Written();
  EXPECT_EQ(line.size(), kLogLineBytesMax);
  EXPECT_TRUE(line.ends_with("xxx...\n"));
  log.Format(LogLevel::kNotice, "%s%s", fits.c_str(), fits.c_str());
  line = Written();
  EXPECT_EQ(line.size(), kLogLineBytesMax);
  EXPECT_TRUE(line.ends_with("xxx...\n"));
}

TEST_F(LogTest, LimitLetsOneThroughAMinuteAndCountsTheRest) {
  Log log(LogLevel::kNotice, LogFormat::kJournal, clock_, pipe_[1]);
  LogLimit limit;
  for (int i = 0; i < 5; ++i) log.Limited(limit, LogLevel::kWarning, "no memory");
  EXPECT_EQ(Written(), "<4>no memory\n");
  clock_.AdvanceMicros(LogLimit::kMinuteMicros - 1);
  log.Limited(limit, LogLevel::kWarning, "no memory");
  EXPECT_EQ(Written(), "");
  clock_.AdvanceMicros(1);
  log.Limited(limit, LogLevel::kWarning, "no memory");
  EXPECT_EQ(Written(), "<4>no memory (and 5 more like this)\n");
  clock_.AdvanceMicros(LogLimit::kMinuteMicros);
  log.Limited(limit, LogLevel::kWarning, "no memory");
  EXPECT_EQ(Written(), "<4>no memory\n");
}

TEST_F(LogTest, LinesOfThreadsDoNotMix) {
  char path[] = "/tmp/holdfast_log_test_XXXXXX";
  const int file = mkostemp(path, O_APPEND);
  ASSERT_GE(file, 0);
  unlink(path);
  Log log(LogLevel::kNotice, LogFormat::kJournal, clock_, file);
  LogLimit limit;
  std::vector<std::thread> threads;
  for (char c : {'a', 'b', 'c', 'd'}) {
    threads.emplace_back([&, c] {
      for (int i = 0; i < 200; ++i) {
        log.Notice(std::string(100, c));
        log.Limited(limit, LogLevel::kNotice, std::string(100, 'l'));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::string text(200'000, ' ');
  text.resize(static_cast<size_t>(pread(file, text.data(), text.size(), 0)));
  close(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 801);
  EXPECT_EQ(text.size(), 801u * 104);
  for (size_t at = 0; at < text.size(); at += 104) {
    EXPECT_EQ(text.substr(at + 3, 100), std::string(100, text[at + 3]));
    EXPECT_EQ(text[at + 103], '\n');
  }
}

TEST(LogFormat, FollowsTheJournal) {
  EXPECT_EQ(LogFormatOf(nullptr), LogFormat::kTimed);
  EXPECT_EQ(LogFormatOf(""), LogFormat::kTimed);
  EXPECT_EQ(LogFormatOf("8:1234"), LogFormat::kJournal);
}

}  // namespace
}  // namespace holdfast::base
