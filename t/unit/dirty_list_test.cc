#include "store/dirty_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

namespace holdfast::store {
namespace {

std::vector<std::string> Take(DirtyList& list, int64_t now, size_t count = 1000) {
  std::vector<DirtyList::Entry> taken;
  list.Take(now, count, &taken);
  std::vector<std::string> keys;
  for (DirtyList::Entry& entry : taken) keys.push_back(std::move(entry.key));
  std::sort(keys.begin(), keys.end());
  return keys;
}

TEST(DirtyList, IsEmptyAtFirst) {
  DirtyList list;
  EXPECT_EQ(list.size(), 0u);
  EXPECT_EQ(list.NextDue(), DirtyList::kNothing);
  EXPECT_TRUE(Take(list, DirtyList::kNothing - 1).empty());
}

TEST(DirtyList, GivesAKeyWhenItIsDueAndNotBefore) {
  DirtyList list;
  list.Mark(Key::Of("a"), 100, 0);
  EXPECT_EQ(list.NextDue(), 100);
  EXPECT_TRUE(Take(list, 99).empty());
  EXPECT_EQ(Take(list, 100), std::vector<std::string>{"a"});
  EXPECT_EQ(list.size(), 0u);
  EXPECT_EQ(list.NextDue(), DirtyList::kNothing);
}

TEST(DirtyList, KeepsTheEarlierOfTwoTimes) {
  DirtyList list;
  list.Mark(Key::Of("a"), 100, 0);
  list.Mark(Key::Of("a"), 200, 0);
  EXPECT_EQ(list.NextDue(), 100);
  list.Mark(Key::Of("a"), 50, 0);
  EXPECT_EQ(list.NextDue(), 50);
  EXPECT_EQ(list.size(), 1u);
  EXPECT_EQ(Take(list, 50).size(), 1u);
  EXPECT_TRUE(Take(list, 300).empty());
}

TEST(DirtyList, TakesNoMoreThanAsked) {
  DirtyList list;
  for (int i = 0; i < 250; ++i) list.Mark(Key::Of("key" + std::to_string(i)), i, 0);
  std::set<std::string> seen;
  for (const size_t want : {100u, 100u, 50u, 0u}) {
    const std::vector<std::string> keys = Take(list, 1000, 100);
    EXPECT_EQ(keys.size(), want);
    seen.insert(keys.begin(), keys.end());
  }
  EXPECT_EQ(seen.size(), 250u);
}

TEST(DirtyList, HoldsKeysOfAnyBytesAndTheLongest) {
  DirtyList list;
  const std::string zero("a\0b", 3);
  const std::string longest(kKeyBytesMax, '\xff');
  list.Mark(Key::Of(zero), 1, 0);
  list.Mark(Key::Of(longest), 1, 0);
  EXPECT_EQ(Take(list, 1), (std::vector<std::string>{zero, longest}));
}

TEST(DirtyList, LosesNoKeyWhenManyThreadsMarkAndOneTakes) {
  DirtyList list;
  constexpr int kThreads = 3;
  constexpr int kKeys = 2000;
  std::vector<std::thread> markers;
  for (int t = 0; t < kThreads; ++t) {
    markers.emplace_back([&list, t] {
      for (int i = 0; i < kKeys; ++i) list.Mark(Key::Of(std::to_string(t) + "." + std::to_string(i)), i, 0);
    });
  }
  std::set<std::string> seen;
  while (seen.size() < size_t{kThreads} * kKeys) {
    std::vector<DirtyList::Entry> taken;
    list.Take(kKeys, 64, &taken);
    for (DirtyList::Entry& entry : taken) EXPECT_TRUE(seen.insert(std::move(entry.key)).second);
    if (taken.empty()) std::this_thread::yield();
  }
  for (std::thread& marker : markers) marker.join();
  EXPECT_EQ(list.size(), 0u);
  EXPECT_EQ(list.NextDue(), DirtyList::kNothing);
  EXPECT_EQ(list.OldestSince(), DirtyList::kNothing);
}

TEST(DirtyList, GoesThroughAllKeysThatAreThereAllTheWhile) {
  DirtyList list;
  std::set<std::string> staying;
  for (int i = 0; i < 20'000; ++i) {
    staying.insert("staying" + std::to_string(i));
    list.Mark(Key::Of("staying" + std::to_string(i)), 1000 + i, 0);
    list.Mark(Key::Of("going" + std::to_string(i)), i < 100 ? 1 : 5, 0);
  }
  std::set<std::string> seen;
  std::vector<std::string> keys;
  DirtyList::Place place;
  for (int step = 0; list.Keys(&place, &keys); ++step) {
    EXPECT_LT(keys.size(), 5000u);
    for (const std::string& key : keys) {
      if (key.starts_with("staying")) seen.insert(key);
    }
    // Meanwhile the list grows, shrinks and is put in another order.
    for (int i = 0; i < 300; ++i) list.Mark(Key::Of("new" + std::to_string(step * 300 + i)), 2000, 0);
    list.Mark(Key::Of("staying" + std::to_string(step)), 7, 0);
    Take(list, 5, 50);
  }
  EXPECT_EQ(seen, staying);
  EXPECT_FALSE(list.Keys(&place, &keys));
  EXPECT_TRUE(keys.empty());
}

TEST(DirtyList, KnowsSinceWhenTheOldestWaitsWhateverIsDueFirst) {
  constexpr int64_t kSecond = 1'000'000;
  DirtyList list;
  EXPECT_EQ(list.OldestSince(), DirtyList::kNothing);
  list.Mark(Key::Of("late"), 900, 5 * kSecond);
  list.Mark(Key::Of("early"), 100, 7 * kSecond + 999'999);
  EXPECT_EQ(list.OldestSince(), 5 * kSecond);
  list.Mark(Key::Of("late"), 200, 9 * kSecond);  // brought forward: it waits no shorter for that
  EXPECT_EQ(list.OldestSince(), 5 * kSecond);
  EXPECT_EQ(Take(list, 200, 2).size(), 2u);
  EXPECT_EQ(list.OldestSince(), DirtyList::kNothing);
  list.Mark(Key::Of("late"), 300, 5 * kSecond);  // it comes back from a batch that failed
  EXPECT_EQ(list.OldestSince(), 5 * kSecond);
}

}  // namespace
}  // namespace holdfast::store
