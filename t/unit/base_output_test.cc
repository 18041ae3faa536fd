#include "base/output.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/block_pool.h"

namespace holdfast::base {
namespace {

constexpr size_t kPlenty = 64 * kBlockBytes;

std::string Unsent(const Output& output) {
  iovec vectors[1024];
  const int count = output.Gather(vectors, 1024);
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
  return bytes;
}

std::string Letters(size_t size, char first = 'a') {
  std::string text(size, ' ');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(first + static_cast<char>(i % 23));
  return text;
}

class OutputTest : public testing::Test {
 protected:
  BlockBudget budget_{kPlenty};
  BlockPool pool_{budget_};
};

TEST_F(OutputTest, EmptyHoldsNothing) {
  Output output(pool_);
  EXPECT_TRUE(output.empty());
  output.Append("");
  output.Lend("");
  output.Settle();
  EXPECT_EQ(budget_.used_bytes(), 0u);
  iovec vectors[1];
  EXPECT_EQ(output.Gather(vectors, 1), 0);
}

TEST_F(OutputTest, SmallRepliesShareOneVector) {
  Output output(pool_);
  output.Append("STORED\r\n");
  std::memcpy(output.Reserve(5), "END\r\n", 5);
  output.Commit(5);
  iovec vectors[4];
  EXPECT_EQ(output.Gather(vectors, 4), 1);
  EXPECT_EQ(Unsent(output), "STORED\r\nEND\r\n");
  EXPECT_EQ(output.size(), 13u);
}

TEST_F(OutputTest, ReserveWithoutCommitAddsNothing) {
  Output output(pool_);
  output.Reserve(Output::kReserveMax);
  EXPECT_TRUE(output.empty());
  output.Append("x");
  EXPECT_EQ(Unsent(output), "x");
}

TEST_F(OutputTest, ReserveGivesOnePieceWhereverTheBlockEnds) {
  Output output(pool_);
  std::string expected;
  for (int i = 0; i < 40; ++i) {
    const std::string piece = Letters(Output::kReserveMax - static_cast<size_t>(i), static_cast<char>('a' + i % 3));
    std::memcpy(output.Reserve(Output::kReserveMax), piece.data(), piece.size());
    output.Commit(piece.size());
    expected += piece;
  }
  EXPECT_EQ(Unsent(output), expected);
}

TEST_F(OutputTest, AppendSplitsOverBlocks) {
  Output output(pool_);
  const std::string bytes = Letters(3 * kBlockBytes + 1);
  output.Append(bytes);
  EXPECT_EQ(Unsent(output), bytes);
  EXPECT_EQ(budget_.used_bytes(), 4 * kBlockBytes);
}

TEST_F(OutputTest, ExactlyOneBlockIsOneBlock) {
  Output output(pool_);
  const std::string bytes = Letters(kBlockBytes);
  output.Append(bytes);
  EXPECT_EQ(budget_.used_bytes(), kBlockBytes);
  EXPECT_EQ(Unsent(output), bytes);
}

TEST_F(OutputTest, GivesBlocksBackWhenSent) {
  Output output(pool_);
  output.Append(Letters(5 * kBlockBytes));
  output.Consume(5 * kBlockBytes);
  EXPECT_TRUE(output.empty());
  Output other(pool_);
  other.Append("x");
  EXPECT_EQ(budget_.used_bytes(), 5 * kBlockBytes) << "idle blocks of the pool are used again";
}

TEST_F(OutputTest, LendsWithoutCopying) {
  Output output(pool_);
  const std::string value = Letters(100'000);
  output.Append("VALUE k 0 100000\r\n");
  output.Lend(value);
  output.Append("\r\nEND\r\n");
  iovec vectors[8];
  ASSERT_EQ(output.Gather(vectors, 8), 3);
  EXPECT_EQ(vectors[1].iov_base, value.data());
  EXPECT_EQ(Unsent(output), "VALUE k 0 100000\r\n" + value + "\r\nEND\r\n");
  EXPECT_EQ(budget_.used_bytes(), kBlockBytes) << "what follows a loan goes on in the same block";
}

TEST_F(OutputTest, LoanMayComeFirstAndTwiceInARow) {
  Output output(pool_);
  output.Lend("one");
  output.Lend("two");
  output.Append("-");
  output.Lend("three");
  output.Lend("four");
  EXPECT_EQ(Unsent(output), "onetwo-threefour");
  output.Settle();
  EXPECT_EQ(Unsent(output), "onetwo-threefour");
}

TEST_F(OutputTest, SettleCopiesWhatIsLent) {
  Output output(pool_);
  std::string value = Letters(40'000), second = Letters(20'000, 'c');
  output.Append("head\r\n");
  output.Lend(value);
  output.Append("\r\nmiddle\r\n");
  output.Lend(second);
  output.Append("\r\nend");
  const std::string expected = Unsent(output);
  output.Consume(10);
  output.Settle();
  std::fill(value.begin(), value.end(), '#');
  std::fill(second.begin(), second.end(), '#');
  EXPECT_EQ(Unsent(output), expected.substr(10));
  EXPECT_EQ(output.size(), expected.size() - 10);
  EXPECT_LE(budget_.used_bytes(), 6 * kBlockBytes);
  output.Append("more");
  EXPECT_EQ(Unsent(output), expected.substr(10) + "more");
  output.Consume(output.size());
  EXPECT_TRUE(output.empty());
}

TEST_F(OutputTest, ManySettledLoansShareBlocks) {
  Output output(pool_);
  const std::string value = Letters(kBlockBytes / 2 + 100);
  for (int i = 0; i < 16; ++i) {
    output.Append("h");
    output.Lend(value);
  }
  output.Settle();
  Output probe(pool_);  // idle blocks stay charged: what is left of the budget shows what is held
  EXPECT_LE(budget_.used_bytes(), 11 * kBlockBytes);
}

TEST_F(OutputTest, SurvivesBeingSentByteByByte) {
  Output output(pool_);
  output.Append("abc");
  output.Lend("defg");
  output.Append("hi");
  output.Lend("j");
  std::string sent;
  while (!output.empty()) {
    sent += Unsent(output)[0];
    output.Consume(1);
    if (sent.size() == 5) output.Settle();
  }
  EXPECT_EQ(sent, "abcdefghij");
}

TEST_F(OutputTest, GatherStopsAtItsCount) {
  Output output(pool_);
  output.Append("a");
  output.Lend("b");
  output.Append("c");
  iovec vectors[2];
  EXPECT_EQ(output.Gather(vectors, 2), 2);
  EXPECT_EQ(output.Gather(vectors, 0), 0);
}

// Against a plain string, with a fixed seed.
TEST_F(OutputTest, KeepsOrderUnderRandomUse) {
  std::mt19937 random(7);
  const std::string source = Letters(70'000);
  Output output(pool_);
  std::string expected;
  for (int step = 0; step < 20'000; ++step) {
    const size_t n = random() % (random() % 8 == 0 ? 30'000 : 60);
    const std::string_view piece = std::string_view(source).substr(random() % 23, n);
    switch (random() % 6) {
      case 0:
      case 1:
        output.Append(piece);
        expected += piece;
        break;
      case 2: {
        const std::string_view head = piece.substr(0, Output::kReserveMax);
        char* room = output.Reserve(Output::kReserveMax);
        std::memcpy(room, head.data(), head.size());
        output.Commit(head.size());
        expected += head;
        break;
      }
      case 3:
        output.Lend(piece);
        expected += piece;
        break;
      case 4:
        output.Settle();
        break;
      case 5: {
        const size_t sent = std::min(expected.size(), n * 4);
        output.Consume(sent);
        expected.erase(0, sent);
        break;
      }
    }
    ASSERT_FALSE(output.overflowed());
    ASSERT_EQ(output.size(), expected.size());
    if (step % 50 == 0) {
      ASSERT_EQ(Unsent(output), expected);
    }
    if (expected.size() > 300'000) {
      output.Consume(expected.size());
      expected.clear();
    }
  }
}

TEST(OutputOverflow, DropsFurtherBytesAndStaysUsable) {
  BlockBudget budget(2 * kBlockBytes);
  BlockPool pool(budget);
  Output output(pool);
  const std::string bytes = Letters(2 * kBlockBytes);
  output.Append(bytes);
  EXPECT_FALSE(output.overflowed());
  output.Append("x");
  EXPECT_TRUE(output.overflowed());
  for (int i = 0; i < 20; ++i) {
    std::memset(output.Reserve(Output::kReserveMax), '!', Output::kReserveMax);
    output.Commit(Output::kReserveMax);
    output.Append(bytes);
    output.Lend("lent");
  }
  EXPECT_EQ(Unsent(output), bytes);
  output.Settle();
  EXPECT_EQ(Unsent(output), bytes);
  output.Clear();
  EXPECT_FALSE(output.overflowed());
  EXPECT_TRUE(output.empty());
  output.Append("again");
  EXPECT_EQ(Unsent(output), "again");
}

TEST(OutputOverflow, MayHappenInSettle) {
  BlockBudget budget(2 * kBlockBytes);
  BlockPool pool(budget);
  Output output(pool);
  const std::string value = Letters(5 * kBlockBytes);
  output.Append("head");
  output.Lend(value);
  output.Settle();
  EXPECT_TRUE(output.overflowed());
  EXPECT_EQ(Unsent(output).substr(0, 4), "head");
}

TEST(BlockPool, StopsAtTheBudgetAndRecovers) {
  BlockBudget budget(3 * kBlockBytes + kBlockBytes - 1);
  BlockPool pool(budget);
  std::vector<char*> blocks;
  while (char* block = pool.Take()) blocks.push_back(block);
  EXPECT_EQ(blocks.size(), 3u);
  for (char* block : blocks) pool.Give(block);
  char* again = pool.Take();
  ASSERT_NE(again, nullptr);
  pool.Give(again);
}

TEST(BlockPool, LastGivenIsTakenFirst) {
  BlockBudget budget(kPlenty);
  BlockPool pool(budget);
  char* first = pool.Take();
  char* second = pool.Take();
  pool.Give(first);
  pool.Give(second);
  EXPECT_EQ(pool.Take(), second);
  EXPECT_EQ(pool.Take(), first);
  pool.Give(first);
  pool.Give(second);
}

TEST(BlockPool, KeepsNothingPastHalfTheBudgetSoThatOthersMayTake) {
  BlockBudget budget(10 * kBlockBytes);
  BlockPool one(budget), two(budget);
  std::vector<char*> blocks;
  while (char* block = one.Take()) blocks.push_back(block);
  ASSERT_EQ(blocks.size(), 10u);
  EXPECT_EQ(two.Take(), nullptr);
  for (char* block : blocks) one.Give(block);
  EXPECT_LE(budget.used_bytes(), 5 * kBlockBytes);
  char* other = two.Take();
  EXPECT_NE(other, nullptr);
  two.Give(other);
}

TEST(BlockBudget, NeverPassesItsLimitFromManyThreads) {
  BlockBudget budget(10);
  std::atomic<bool> passed{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20'000; ++n) {
        if (!budget.Charge(3)) continue;
        if (budget.used_bytes() > budget.limit_bytes()) passed = true;
        budget.Release(3);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(passed);
  EXPECT_EQ(budget.used_bytes(), 0u);
  EXPECT_FALSE(budget.Charge(11));
  EXPECT_TRUE(budget.Charge(10));
}

}  // namespace
}  // namespace holdfast::base
