// Counts of lost sessions outlive the process, whatever ends it.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "base/stat.h"
#include "lib/session_site.h"
#include "session/loss_record.h"
#include "session/session_options.h"

namespace holdfast::session {
namespace {

using test::FaultyDriver;
using test::SessionSite;

class Losses : public testing::Test {
 protected:
  Losses() : directory_(test::Ground::MakeDirectory()), path_(directory_ + "/losses") {}
  ~Losses() override { std::filesystem::remove_all(directory_); }
  std::unique_ptr<LossRecord> Open() {
    auto record = LossRecord::Open(path_);
    CHECK(record.ok());
    return std::move(record.value());
  }

  const std::string directory_;
  const std::string path_;
};

TEST_F(Losses, begin_at_zero_and_are_there_after_a_kill) {
  {
    const auto record = Open();
    for (size_t i = 0; i < kLosses; ++i) EXPECT_EQ(record->value(static_cast<Loss>(i)), 0u);
    EXPECT_EQ(record->phase(), LossRecord::Phase::kEnded);
  }
  const pid_t child = ::fork();
  if (child == 0) {
    const auto record = Open();
    record->Add(Loss::kProvisional, 3);
    record->SetUnsynced(17);
    record->SetPhase(LossRecord::Phase::kRunning);
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto record = Open();
  EXPECT_EQ(record->value(Loss::kProvisional), 3u);
  EXPECT_EQ(record->value(Loss::kSuperseded), 0u);
  EXPECT_EQ(record->unsynced(), 17u);
  EXPECT_EQ(record->phase(), LossRecord::Phase::kRunning);
}

TEST_F(Losses, two_processes_of_a_hand_over_count_together) {
  const auto one = Open();
  const auto two = Open();
  one->Add(Loss::kSuperseded);
  two->Add(Loss::kSuperseded);
  EXPECT_EQ(one->value(Loss::kSuperseded), 2u);
}

TEST_F(Losses, a_file_of_something_else_is_refused_and_left_alone) {
  for (const size_t size : {size_t{10}, LossRecord::kFileBytes}) {
    const std::string before(size, 'x');
    std::ofstream(path_, std::ios::binary) << before;
    const auto record = LossRecord::Open(path_);
    ASSERT_FALSE(record.ok());
    EXPECT_NE(record.status().message().find("move it away"), std::string::npos);
    EXPECT_EQ(std::filesystem::file_size(path_), size);
  }
  EXPECT_FALSE(LossRecord::Open(directory_ + "/none/losses").ok());
}

TEST_F(Losses, one_that_was_being_made_is_made_again) {
  std::ofstream(path_, std::ios::binary) << std::string(LossRecord::kFileBytes, '\0');
  EXPECT_EQ(Open()->value(Loss::kUnwritten), 0u);
}

TEST(LossStats, last_when_the_others_are_reset) {
  SessionSite site;
  base::StatSet stats;
  stats.Add("sessions", SessionStatRows(), site.sessions());
  size_t reasons = 0;
  stats.ForEach("sessions", [&](std::string_view name, std::string_view value) {
    if (!name.starts_with("lost_")) return;
    ++reasons;
    EXPECT_EQ(value, "0");
  });
  EXPECT_EQ(reasons, kLosses);
  site.Set("web:1", "one");
  site.Set("web:1", "two");
  site.sessions().losses().Add(Loss::kSuperseded, 5);
  stats.Reset();
  EXPECT_EQ(stats.Value("sessions", "lost_superseded"), "5");
  EXPECT_EQ(stats.Value("sessions", "coalesced"), "0");
}

TEST(LossStats, a_set_of_an_outage_that_loses_is_a_loss) {
  SessionSite site;
  site.Set("web:1", "old");
  site.WriteDue();
  site.Evict("web:1");
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  site.Set("web:1", "");
  EXPECT_EQ(site.sessions().losses().value(Loss::kProvisional), 0u);
  site.driver().fault = FaultyDriver::Fault::kNone;
  site.clock.AdvanceSeconds(1);
  while (site.ReadOnce()) site.clock.AdvanceSeconds(1);
  EXPECT_EQ(site.sessions().losses().value(Loss::kProvisional), 1u);
}

TEST(LossStats, a_value_that_was_overtaken_is_a_loss) {
  SessionSite site;
  site.Set("web:1", "mine");
  site.WriteDue();
  site.OverwriteRow("web:1", "theirs");
  site.Set("web:1", "older than theirs");
  site.WriteDue();
  EXPECT_EQ(site.sessions().losses().value(Loss::kSuperseded), 1u);
}

}  // namespace
}  // namespace holdfast::session
