// A Feed hands over what is made, in order and in bounded memory, and nobody waits for a reader that has gone.

#include "command/feed.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "command/background.h"

namespace holdfast::command {
namespace {

using protocol::ReplyCode;

TEST(Feed, pieces_come_in_order_and_then_the_end) {
  int wakes = 0;
  Feed feed(100, [&wakes] { ++wakes; });
  Feed::Piece piece;
  EXPECT_EQ(feed.Take(&piece), Feed::Taken::kNothingYet);
  EXPECT_TRUE(feed.Push({"name", "value"}));
  EXPECT_TRUE(feed.PushText("text"));
  EXPECT_EQ(wakes, 1);  // only who waits is woken
  EXPECT_EQ(feed.Take(&piece), Feed::Taken::kPiece);
  EXPECT_EQ(piece.name + "=" + piece.text, "name=value");
  feed.End(ReplyCode::kStatEnd);
  EXPECT_EQ(feed.Take(&piece), Feed::Taken::kPiece);
  EXPECT_EQ(piece.text, "text");
  EXPECT_EQ(feed.Take(&piece), Feed::Taken::kEnd);
  EXPECT_EQ(feed.last_words(), ReplyCode::kStatEnd);
}

TEST(Feed, what_has_no_room_is_refused_or_waits) {
  Feed feed(10, [] {});
  EXPECT_TRUE(feed.TryPushText("0123456789"));
  EXPECT_FALSE(feed.TryPushText("x"));
  std::atomic<bool> pushed{false};
  std::thread producer([&] {
    EXPECT_TRUE(feed.PushText("later"));
    pushed = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(pushed);
  Feed::Piece piece;
  EXPECT_EQ(feed.Take(&piece), Feed::Taken::kPiece);
  producer.join();
  EXPECT_EQ(feed.Take(&piece), Feed::Taken::kPiece);
  EXPECT_EQ(piece.text, "later");
}

TEST(Feed, a_producer_that_waits_is_let_go_when_the_reader_goes) {
  Feed feed(1, [] {});
  EXPECT_TRUE(feed.PushText("full"));
  std::thread producer([&] { EXPECT_FALSE(feed.PushText("never")); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  feed.Cancel();
  producer.join();
  EXPECT_TRUE(feed.cancelled());
  EXPECT_FALSE(feed.TryPushText("never"));
}

TEST(Background, one_dump_and_four_others_at_a_time) {
  Background background;
  const auto wait = [](Feed& feed) {
    while (!feed.cancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return ReplyCode::kNone;
  };
  const auto dump = background.Start(
      Background::Kind::kDump, [] {}, wait);
  ASSERT_NE(dump, nullptr);
  EXPECT_EQ(background.Start(
                Background::Kind::kDump, [] {}, wait),
            nullptr);
  EXPECT_EQ(background.dumps_running(), 1u);
  for (uint32_t i = 0; i < Background::kQueriesMax; ++i)
    EXPECT_NE(background.Start(
                  Background::Kind::kQuery, [] {}, wait),
              nullptr);
  EXPECT_EQ(background.Start(
                Background::Kind::kQuery, [] {}, wait),
            nullptr);
  dump->Cancel();
  while (background.dumps_running() > 0) std::this_thread::yield();
  Feed::Piece piece;
  std::shared_ptr<Feed> next;
  while ((next = background.Start(
              Background::Kind::kDump, [] {}, wait)) == nullptr)
    std::this_thread::yield();
  EXPECT_EQ(background.dumps_started(), 2u);
  background.Stop();
  EXPECT_EQ(background.Start(
                Background::Kind::kDump, [] {}, wait),
            nullptr);
}

}  // namespace
}  // namespace holdfast::command
