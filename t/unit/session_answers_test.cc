#include <gtest/gtest.h>

#include <string>

#include "lib/virtual_clock.h"
#include "session/answer_book.h"
#include "session/negative_cache.h"

namespace holdfast::session {
namespace {

using store::Key;

TEST(NegativeCache, RemembersUntilItsTime) {
  NegativeCache cache;
  const Key key = Key::Of("sess:1");
  EXPECT_FALSE(cache.Has(key, 0));
  cache.Put(key, 1000);
  EXPECT_TRUE(cache.Has(key, 999));
  EXPECT_FALSE(cache.Has(key, 1000));
}

TEST(NegativeCache, IsClearedByAWrite) {
  NegativeCache cache;
  const Key key = Key::Of("sess:1");
  cache.Put(key, 1000);
  cache.Erase(key);
  EXPECT_FALSE(cache.Has(key, 0));
  cache.Erase(key);
}

TEST(NegativeCache, NeverTakesOneKeyForAnother) {
  NegativeCache cache;
  // The same hash on purpose: only the bytes tell them apart.
  const Key one{"sess:1", 77};
  const Key other{"sess:2", 77};
  const Key longer{"sess:11", 77};
  cache.Put(one, 1000);
  EXPECT_FALSE(cache.Has(other, 0));
  EXPECT_FALSE(cache.Has(longer, 0));
  cache.Erase(other);
  EXPECT_TRUE(cache.Has(one, 0));
  cache.Put(other, 1000);
  EXPECT_FALSE(cache.Has(one, 0)) << "it took the place";
}

TEST(NegativeCache, TakesTheLongestKey) {
  NegativeCache cache;
  const std::string bytes(store::kKeyBytesMax, 'k');
  cache.Put(Key::Of(bytes), 1000);
  EXPECT_TRUE(cache.Has(Key::Of(bytes), 0));
}

TEST(AnswerBook, KnowsNothingOfKeysThatNobodyDeleted) {
  AnswerBook book;
  const Key key = Key::Of("sess:1");
  EXPECT_FALSE(book.Recent(key, 10));
  book.NoteAnswer(key, {5, 5}, 1);
  EXPECT_EQ(book.Ask(key, 1, 10), Answered::kUnknown);
}

TEST(AnswerBook, TellsWhoWasAnsweredSinceTheDelete) {
  AnswerBook book;
  const Key key = Key::Of("sess:1");
  book.NoteDelete(key, 100, 10, 40);
  EXPECT_TRUE(book.Recent(key, 39));
  EXPECT_FALSE(book.Recent(key, 40));
  EXPECT_EQ(book.Ask(key, 1, 20), Answered::kNo);
  book.NoteAnswer(key, {100, 100}, 1);
  EXPECT_EQ(book.Ask(key, 1, 20), Answered::kYes);
  EXPECT_EQ(book.Ask(key, 2, 20), Answered::kNo);
  EXPECT_EQ(book.Ask(key, 2, 40), Answered::kUnknown);
}

TEST(AnswerBook, AnAnswerFromBeforeTheDeleteDoesNotCount) {
  AnswerBook book;
  const Key key = Key::Of("sess:1");
  book.NoteDelete(key, 100, 10, 40);
  book.NoteAnswer(key, {99, 99}, 1);
  EXPECT_EQ(book.Ask(key, 1, 20), Answered::kNo);
}

TEST(AnswerBook, AnotherProcessGoesOnWithWhatItKnows) {
  AnswerBook book, next;
  test::VirtualClock clock;
  const Key key = Key::Of("sess:1"), over = Key::Of("sess:2");
  const base::Seconds now = clock.Now();
  book.NoteDelete(key, 100, now, now + 30);
  book.NoteAnswer(key, {100, 100}, 7);
  book.NoteAnswer(key, {250, 250}, 6);
  book.NoteDelete(over, 100, now, now + 2);
  book.NoteAnswer(over, {100, 100}, 8, now + 60);
  clock.AdvanceSeconds(10);
  base::Packer packer;
  book.Save(clock, &packer);
  const std::string saved = packer.Take();
  base::Unpacker unpacker(saved);
  next.Restore(clock, &unpacker);
  EXPECT_TRUE(unpacker.ok() && unpacker.at_end());
  for (AnswerBook* const one : {&book, &next}) {
    EXPECT_EQ(one->Ask(key, 7, clock.Now()), Answered::kYes);
    EXPECT_EQ(one->Ask(key, 9, clock.Now()), Answered::kNo);
    EXPECT_EQ(one->Ask(over, 8, clock.Now()), Answered::kYes);
    EXPECT_EQ(one->Ask(over, 9, clock.Now()), Answered::kUnknown);
    EXPECT_TRUE(one->Recent(key, clock.Now()));
    EXPECT_FALSE(one->Recent(key, clock.Now() + 60));
  }
  for (AnswerBook* const one : {&book, &next}) {
    one->NoteDelete(key, 200, clock.Now(), clock.Now() + 30);
    EXPECT_EQ(one->Ask(key, 6, clock.Now()), Answered::kYes);
    EXPECT_EQ(one->Ask(key, 7, clock.Now()), Answered::kNo);
  }
  // Cut anywhere it is read as far as it goes.
  for (size_t size = 0; size < saved.size(); ++size) {
    AnswerBook part;
    base::Unpacker cut(std::string_view(saved).substr(0, size));
    part.Restore(clock, &cut);
  }
}

TEST(AnswerBook, ASecondDeleteBeginsAnew) {
  AnswerBook book;
  const Key key = Key::Of("sess:1");
  book.NoteDelete(key, 100, 10, 40);
  book.NoteAnswer(key, {101, 101}, 1);
  book.NoteDelete(key, 200, 20, 50);
  EXPECT_EQ(book.Ask(key, 1, 30), Answered::kNo);
  book.NoteDelete(key, 200, 20, 50);  // heard of again
  book.NoteAnswer(key, {201, 201}, 1);
  book.NoteDelete(key, 150, 20, 50);  // an older one, late
  EXPECT_EQ(book.Ask(key, 1, 30), Answered::kYes);
}

// The delete was on another server, and so was the session before it; the one after it was born here.
TEST(AnswerBook, ADeleteHeardOfLateLeavesWhoWasToldOfASessionBornAfterIt) {
  AnswerBook book;
  const Key key = Key::Of("sess:1");
  book.NoteDelete(key, 100, 10, 40);
  book.NoteAnswer(key, {210, 210}, 1);  // the new session
  book.NoteAnswer(key, {220, 110}, 2);  // the deleted one, written late
  book.NoteAnswer(key, {100, 100}, 3);  // of the delete before
  book.NoteAnswer(key, {230, 0}, 4);    // nobody knows which
  book.NoteAnswer(key, {110, 110}, 5);
  book.NoteAnswer(key, {230, 210}, 5);
  book.NoteDelete(key, 200, 20, 50);
  EXPECT_EQ(book.Ask(key, 1, 30), Answered::kYes);
  EXPECT_EQ(book.Ask(key, 2, 30), Answered::kNo);
  EXPECT_EQ(book.Ask(key, 3, 30), Answered::kNo);
  EXPECT_EQ(book.Ask(key, 4, 30), Answered::kNo);
  EXPECT_EQ(book.Ask(key, 5, 30), Answered::kYes);
}

TEST(AnswerBook, ForgetsTheOldestBeyondItsLimits) {
  AnswerBook book;
  const Key key = Key::Of("sess:1");
  book.NoteDelete(key, 100, 10, 40);
  for (uint64_t connection = 1; connection <= 65; ++connection) book.NoteAnswer(key, {100, 100}, connection);
  EXPECT_EQ(book.Ask(key, 1, 20), Answered::kNo);
  EXPECT_EQ(book.Ask(key, 65, 20), Answered::kYes);
  for (int i = 0; i < 200'000; ++i) {
    const std::string other = "other:" + std::to_string(i);
    book.NoteDelete(Key::Of(other), 100, 10, 40);
  }
  EXPECT_EQ(book.Ask(key, 65, 20), Answered::kUnknown);
}

}  // namespace
}  // namespace holdfast::session
