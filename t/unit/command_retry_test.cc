// A set that finds memory held by a slow reader waits for it by time, however many rounds that takes, and not for ever.

#include <gtest/gtest.h>

#include "command/command.h"
#include "lib/no_control.h"
#include "lib/store_fixture.h"

namespace holdfast::command {
namespace {

struct FullOfClean {
  FullOfClean() : fixture({.memory_limit_bytes = 1 << 20, .item_bytes_max = 256 << 10}) {
    context.now = fixture.now();
    for (int i = 0; i < 4000; ++i) {
      frame = Frame();
      Try("key" + std::to_string(i));  // those for which there is no room have to wait, and are given up
    }
  }
  // One round of the worker.
  Progress Try(const std::string& key) {
    fixture.access->Offline();
    fixture.access->Online();
    request.verb = protocol::Verb::kStore;
    request.key = key;
    request.SetValue(value);
    reply = protocol::Reply();
    return Execute(context, request, frame, &reply);
  }
  // Sets until one has to wait for what `slow` keeps.
  bool FillUntilRetry() {
    for (int i = 0; i < 10000; ++i) {
      frame = Frame();
      if (Try("more" + std::to_string(i)) == Progress::kRetry) return true;
    }
    return false;
  }

  test::StoreFixture fixture;
  store::Access slow{*fixture.store};  // online, and never quiescent
  test::NoControl control;
  CommandCounters counters;
  Context context{*fixture.access, nullptr, fixture.clock, control, counters};
  std::string value = std::string(300, 'y');
  protocol::Request request;
  protocol::Reply reply;
  Frame frame;
};

TEST(Retry, rounds_without_number_do_not_make_memory_out_and_the_set_succeeds_when_the_reader_moves_on) {
  FullOfClean f;
  ASSERT_TRUE(f.FillUntilRetry());
  for (int round = 0; round < 10000; ++round) ASSERT_EQ(f.Try("waits"), Progress::kRetry);
  f.fixture.clock.AdvanceMillis(900);
  ASSERT_EQ(f.Try("waits"), Progress::kRetry);
  f.slow.Offline();
  Progress progress = Progress::kRetry;
  for (int round = 0; round < 10 && progress == Progress::kRetry; ++round) progress = f.Try("waits");
  EXPECT_EQ(progress, Progress::kDone);
  EXPECT_EQ(f.reply.code, protocol::ReplyCode::kStored);
}

TEST(Retry, after_its_time_the_set_is_refused) {
  FullOfClean f;
  ASSERT_TRUE(f.FillUntilRetry());
  ASSERT_EQ(f.Try("waits"), Progress::kRetry);
  f.fixture.clock.AdvanceMicros(kRetryMicrosMax);
  EXPECT_EQ(f.Try("waits"), Progress::kDone);
  EXPECT_EQ(f.reply.code, protocol::ReplyCode::kNoMemory);
}

// mg KEY T30 R60: wins the recache by the new lifetime, and needs memory, for the item has no room for one.
TEST(Retry, a_recache_that_was_won_before_the_wait_is_still_won_after_it) {
  FullOfClean f;
  ASSERT_TRUE(f.FillUntilRetry());
  f.fixture.access->Online();
  std::string key;
  for (int i = 3999; i > 0 && key.empty(); --i) {
    const std::string candidate = "key" + std::to_string(i);
    if (f.fixture.access->Find(store::Key::Of(candidate), f.fixture.now()).live()) key = candidate;
  }
  ASSERT_FALSE(key.empty());
  protocol::Request request;
  request.Clear();
  request.verb = protocol::Verb::kGet;
  request.syntax = protocol::Syntax::kMeta;
  request.key = key;
  request.has_exptime = request.has_recache = true;
  request.exptime = 30;
  request.recache_seconds = 60;
  request.lifetime_flags[0] = 'T';
  request.lifetime_flags[1] = 'R';
  Frame frame;
  Progress progress = Execute(f.context, request, frame, &f.reply);
  ASSERT_EQ(progress, Progress::kRetry);
  f.slow.Offline();
  for (int round = 0; round < 10 && progress == Progress::kRetry; ++round) {
    f.fixture.access->Offline();
    f.fixture.access->Online();
    f.reply = protocol::Reply();
    progress = Execute(f.context, request, frame, &f.reply);
  }
  ASSERT_EQ(progress, Progress::kDone);
  EXPECT_TRUE(f.reply.won);
  EXPECT_FALSE(f.reply.won_by_other);
  EXPECT_EQ(f.counters.cmd_meta.value(), 1u);
  // Who comes next finds it taken.
  Frame next;
  f.reply = protocol::Reply();
  ASSERT_EQ(Execute(f.context, request, next, &f.reply), Progress::kDone);
  EXPECT_FALSE(f.reply.won);
  EXPECT_TRUE(f.reply.won_by_other);
}

}  // namespace
}  // namespace holdfast::command
