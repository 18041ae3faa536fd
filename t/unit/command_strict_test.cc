// Commands on strict sessions: seen and acknowledged when the database has committed them, and compared there with what
// other servers have done meanwhile.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "base/block_pool.h"
#include "base/output.h"
#include "command/command.h"
#include "lib/no_control.h"
#include "lib/session_site.h"
#include "protocol/meta_writer.h"
#include "protocol/text_parser.h"
#include "protocol/text_writer.h"

namespace holdfast::command {
namespace {

using session::LoadOutcome;
using test::FaultyDriver;
using test::Ground;
using test::SessionSite;

const std::string kAway = "SERVER_ERROR the session database cannot be asked\r\n";

// A server: the session module of a site, and the commands before it.
struct Node {
  explicit Node(const session::SessionSettings& settings = {}) : site(settings) {}
  Node(std::shared_ptr<Ground> ground, const std::string& name) : site(std::move(ground), name) {}

  SessionSite site;
  test::NoControl control;
  CommandCounters counters;
  Context context{site.access(), &site.sessions(), site.clock, control, counters};
  uint64_t requests = 0;
};

// A connection and its request.
class Client {
 public:
  Client(Node& node, uint64_t connection) : node_(node) { frame_.connection = connection; }

  // Executes a request until it waits or is answered.
  Client& Begin(const std::string& text) {
    text_ = text;
    protocol::TextParser parser(settings_);
    CHECK(parser.Parse(text_, &request_).outcome == protocol::Outcome::kRequest);
    const uint64_t connection = frame_.connection;
    frame_ = Frame();
    frame_.connection = connection;
    Execute();
    return *this;
  }
  // If it has been woken it goes on.
  Client& GoOn() {
    auto& woken = node_.site.woken;
    const session::Waiter waiter{0, frame_.connection, frame_.request};
    const auto wake = std::find_if(woken.begin(), woken.end(), [&](const auto& w) { return w.first == waiter; });
    if (wake == woken.end()) return *this;
    frame_.in_hand = wake->second;
    woken.erase(wake);
    Execute();
    return *this;
  }
  bool waits() const { return progress_ != Progress::kDone; }
  bool commits() const { return progress_ == Progress::kCommits; }
  const std::string& answer() const { return answer_; }

  // Until it is answered: the node does what there is to do, and time goes on as it must.
  std::string Answer() {
    for (int steps = 0; waits() && steps < 10'000; ++steps) {
      SessionSite& site = node_.site;
      GoOn();
      if (!waits() || site.ReadOnce() || site.WriteStrictOnce()) continue;
      const int64_t next_us =
          std::min({site.sessions().read_through().Tick(), site.sessions().strict_writes().Tick(),
                    site.sessions().read_through().NextDue(), site.sessions().strict_writes().NextDue()});
      if (site.woken.empty() && next_us != session::kNeverMicros && next_us > site.clock.SteadyMicros()) {
        site.clock.AdvanceMicros(next_us - site.clock.SteadyMicros());
      }
    }
    return waits() ? "(waits)" : answer_;
  }

 private:
  void Execute() {
    node_.context.now = node_.site.Now();
    frame_.request = ++node_.requests;
    protocol::Reply reply;
    if (kept_ != nullptr) {
      const std::unique_ptr<KeptReply> kept = std::move(kept_);
      progress_ = Conclude(node_.context, request_, frame_, *kept, &reply);
      Note(reply);
    } else {
      progress_ = command::Execute(node_.context, request_, frame_, &reply);
      Note(reply);
    }
    node_.site.access().Quiesce();
  }
  void Note(const protocol::Reply& reply) {
    if (progress_ == Progress::kCommits) kept_ = std::make_unique<KeptReply>(reply);
    if (progress_ != Progress::kDone) return;
    base::Output output(pool_);
    if (request_.syntax == protocol::Syntax::kMeta) {
      protocol::WriteMeta(request_, reply, output);
    } else {
      protocol::WriteText(request_, reply, output);
    }
    answer_.clear();
    output.CopyUnsent(&answer_);
  }

  Node& node_;
  protocol::ParserSettings settings_;
  base::BlockBudget budget_{1 << 20};
  base::BlockPool pool_{budget_};
  protocol::Request request_;
  std::string text_;
  Frame frame_;
  Progress progress_ = Progress::kDone;
  std::unique_ptr<KeptReply> kept_;
  std::string answer_;
};

std::string Ask(Node& node, const std::string& text, uint64_t connection = 1) {
  return Client(node, connection).Begin(text).Answer();
}
std::string Hit(const std::string& key, const std::string& value) {
  return "VALUE " + key + " 0 " + std::to_string(value.size()) + "\r\n" + value + "\r\nEND\r\n";
}
uint64_t CasOf(Node& node, const std::string& key) {
  const std::string answer = Ask(node, "mg " + key + " c\r\n");
  CHECK(answer.starts_with("HD c"));
  return std::stoull(answer.substr(4));
}

class Strict : public testing::Test {
 protected:
  const session::SessionStats& stats() { return node.site.sessions().stats(); }
  // Another server changes the row; memory here knows nothing of it.
  void Overwrite(const std::string& value) { node.site.OverwriteRow("strict:a", value); }
  void Prolong(int64_t by_us) {
    session::Change touch;
    touch.kind = session::ChangeKind::kExpiry;
    touch.row = *node.site.InDatabase("strict:a");
    touch.base_version = touch.row.version;
    touch.row.touched += uint64_t{5'000'000} << session::kNodeBits;
    touch.row.expires_us += by_us;
    std::vector<session::ChangeOutcome> outcomes;
    CHECK(node.site.driver().Write({&touch, 1}, &outcomes).ok());
  }
  void SetDatabase(FaultyDriver::Fault fault) { node.site.driver().fault = fault; }
  std::string Row() { return node.site.RowValue("strict:a"); }

  Node node;
};

TEST_F(Strict, a_set_is_neither_answered_nor_seen_before_its_commit) {
  ASSERT_EQ(Ask(node, "set strict:a 0 100 3\r\nold\r\n"), "STORED\r\n");
  Client client(node, 1);
  client.Begin("set strict:a 0 100 3\r\nnew\r\n");
  ASSERT_TRUE(client.commits());
  EXPECT_EQ(Ask(node, "get strict:a\r\n", 2), Hit("strict:a", "old"));
  EXPECT_EQ(Row(), "old");
  ASSERT_TRUE(node.site.WriteStrictOnce());
  EXPECT_EQ(Row(), "new");
  EXPECT_EQ(Ask(node, "get strict:a\r\n", 2), Hit("strict:a", "new"));
  EXPECT_TRUE(client.waits());
  EXPECT_EQ(client.GoOn().answer(), "STORED\r\n");
  EXPECT_FALSE(node.site.IsDirty("strict:a"));
  EXPECT_TRUE(node.site.journal.kinds.empty());
  EXPECT_EQ(stats().strict_writes.value(), 2u);
}

TEST_F(Strict, what_was_acknowledged_outlives_a_kill_without_a_journal) {
  Ask(node, "set strict:a 7 0 1\r\n1\r\n");
  Ask(node, "incr strict:a 4\r\n");
  Ask(node, "append strict:a 0 0 1\r\n0\r\n");
  node.site.Kill();
  node.site.Start();
  EXPECT_EQ(node.site.Value("strict:a"), "50");
}

TEST_F(Strict, every_command_answers_as_ever) {
  EXPECT_EQ(Ask(node, "get strict:a\r\n"), "END\r\n");
  EXPECT_EQ(Ask(node, "replace strict:a 0 100 1\r\n1\r\n"), "NOT_STORED\r\n");
  EXPECT_EQ(Ask(node, "incr strict:a 1\r\n"), "NOT_FOUND\r\n");
  EXPECT_EQ(Ask(node, "touch strict:a 1\r\n"), "NOT_FOUND\r\n");
  EXPECT_EQ(Ask(node, "add strict:a 0 2678400 0\r\n\r\n"), "STORED\r\n");  // the question whether it exists
  EXPECT_EQ(Ask(node, "add strict:a 0 100 1\r\n1\r\n"), "STORED\r\n");
  EXPECT_EQ(Ask(node, "add strict:a 0 2678400 0\r\n\r\n"), "NOT_STORED\r\n");
  EXPECT_EQ(Ask(node, "add strict:a 0 100 1\r\n2\r\n"), "NOT_STORED\r\n");
  EXPECT_EQ(Ask(node, "incr strict:a 9\r\n"), "10\r\n");
  EXPECT_EQ(Ask(node, "decr strict:a 5\r\n"), "5\r\n");  // padded
  EXPECT_EQ(Ask(node, "replace strict:a 0 100 1\r\n7\r\n"), "STORED\r\n");
  EXPECT_EQ(Ask(node, "append strict:a 0 0 1\r\n8\r\n"), "STORED\r\n");
  EXPECT_EQ(Ask(node, "prepend strict:a 0 0 1\r\n6\r\n"), "STORED\r\n");
  EXPECT_EQ(Row(), "678");
  EXPECT_EQ(Ask(node, "touch strict:a 200\r\n"), "TOUCHED\r\n");
  EXPECT_EQ(node.site.RowTtl("strict:a") / 1'000'000, 200);
  EXPECT_EQ(Ask(node, "gat 300 strict:a\r\n"), Hit("strict:a", "678"));
  EXPECT_EQ(node.site.RowTtl("strict:a") / 1'000'000, 300);
  EXPECT_EQ(Ask(node, "mg strict:a t\r\n"), "HD t300\r\n");
  EXPECT_EQ(Ask(node, "mg strict:a T400 t v\r\n"), "VA 3 t400\r\n678\r\n");
  EXPECT_EQ(Ask(node, "ma strict:a v\r\n"), "VA 3\r\n679\r\n");
  EXPECT_EQ(Ask(node, "ms strict:a 2 T50\r\nab\r\n"), "HD\r\n");
  EXPECT_EQ(Row(), "ab");
  EXPECT_EQ(Ask(node, "ma strict:a\r\n"), "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
  EXPECT_EQ(Ask(node, "ms strict:a 1 C5\r\nx\r\n"), "EX\r\n");
  EXPECT_EQ(Ask(node, "md strict:a C5\r\n"), "EX\r\n");
  EXPECT_EQ(Ask(node, "delete strict:a\r\n"), "DELETED\r\n");
  EXPECT_EQ(Row(), "(deleted)");
  EXPECT_EQ(Ask(node, "delete strict:a\r\n"), "NOT_FOUND\r\n");
  EXPECT_EQ(Ask(node, "get strict:a\r\n"), "END\r\n");
  EXPECT_EQ(Ask(node, "set strict:a 0 0 0\r\n\r\n"), "STORED\r\n");  // no reservation: it is a row
  EXPECT_EQ(Row(), "");
  EXPECT_EQ(Ask(node, "set strict:a 0 -1 1\r\nx\r\n"), "STORED\r\n");
  EXPECT_EQ(Row(), "(deleted)");
  EXPECT_EQ(Ask(node, "mg strict:b N100 t v\r\n"), "VA 0 t100 W\r\n\r\n");
  EXPECT_EQ(node.site.RowValue("strict:b"), "");
  EXPECT_EQ(Ask(node, "touch strict:b -1\r\n"), "TOUCHED\r\n");
  EXPECT_EQ(node.site.RowValue("strict:b"), "(deleted)");
  EXPECT_EQ(node.site.sessions().write_behind().dirty_items(), 0u);
  EXPECT_TRUE(node.site.journal.kinds.empty());
}

TEST_F(Strict, cas_numbers_are_those_of_the_rows) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  const uint64_t cas = CasOf(node, "strict:a");
  EXPECT_EQ(node.site.InDatabase("strict:a")->version, cas);
  const std::string number = std::to_string(cas);
  EXPECT_EQ(Ask(node, "ma strict:a v\r\n"), "VA 1\r\n2\r\n");
  EXPECT_EQ(Ask(node, "cas strict:a 0 100 1 " + number + "\r\n3\r\n"), "EXISTS\r\n");
  const std::string now = std::to_string(CasOf(node, "strict:a"));
  EXPECT_EQ(Ask(node, "cas strict:a 0 100 1 " + now + "\r\n3\r\n"), "STORED\r\n");
  const std::string answer = Ask(node, "ms strict:a 1 c\r\n4\r\n");
  EXPECT_EQ(answer, "HD c" + std::to_string(CasOf(node, "strict:a")) + "\r\n");
  EXPECT_EQ(Ask(node, "ms strict:a 1 E9\r\n4\r\n"),
            "CLIENT_ERROR a session's cas is its version: E is not allowed\r\n");
}

TEST_F(Strict, a_stale_item_keeps_its_expiry_and_is_recached_by_one) {
  Ask(node, "set strict:a 0 500 1\r\n1\r\n");
  EXPECT_EQ(Ask(node, "md strict:a I T30\r\n"), "HD\r\n");
  EXPECT_EQ(node.site.RowTtl("strict:a") / 1'000'000, 30);
  EXPECT_EQ(Ask(node, "mg strict:a v\r\n"), "VA 1 X W\r\n1\r\n");
  EXPECT_EQ(Ask(node, "mg strict:a v\r\n"), "VA 1 Z X\r\n1\r\n");
  EXPECT_EQ(Ask(node, "ms strict:a 1 I C1 T900\r\n2\r\n"), "HD\r\n");
  EXPECT_EQ(node.site.RowTtl("strict:a") / 1'000'000, 30);
}

// -- Other writers --------------------------------------------------------------------------------

TEST_F(Strict, a_change_that_was_overtaken_is_decided_anew_on_the_row) {
  Ask(node, "set strict:a 0 100 2\r\n10\r\n");
  Overwrite("41");
  EXPECT_EQ(Ask(node, "incr strict:a 1\r\n"), "42\r\n");
  EXPECT_EQ(Row(), "42");
  EXPECT_EQ(stats().strict_conflicts.value(), 1u);
  Overwrite("7");
  EXPECT_EQ(Ask(node, "append strict:a 0 0 1\r\n1\r\n"), "STORED\r\n");
  EXPECT_EQ(Row(), "71");
  Overwrite("8");
  EXPECT_EQ(Ask(node, "set strict:a 0 100 1\r\n9\r\n"), "STORED\r\n");
  EXPECT_EQ(Row(), "9");
  const std::string cas = std::to_string(CasOf(node, "strict:a"));
  Overwrite("10");
  EXPECT_EQ(Ask(node, "cas strict:a 0 100 1 " + cas + "\r\nx\r\n"), "EXISTS\r\n");
  EXPECT_EQ(Row(), "10");
  Overwrite("11");
  EXPECT_EQ(Ask(node, "touch strict:a 900\r\n"), "TOUCHED\r\n");
  EXPECT_EQ(Row(), "11");
  EXPECT_EQ(node.site.RowTtl("strict:a") / 1'000'000, 900);
  Overwrite("12");
  EXPECT_EQ(Ask(node, "md strict:a C" + cas + "\r\n"), "EX\r\n");
  EXPECT_EQ(Ask(node, "delete strict:a\r\n"), "DELETED\r\n");
  EXPECT_EQ(Row(), "(deleted)");
}

TEST_F(Strict, what_waits_behind_another_change_of_the_key_is_made_from_it) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  Ask(node, "set strict:b 0 100 1\r\n1\r\n");
  Client first(node, 1), second(node, 2), third(node, 3), other(node, 4);
  first.Begin("incr strict:a 1\r\n");
  second.Begin("incr strict:a 1\r\n");
  third.Begin("add strict:a 0 0 1\r\nx\r\n");
  other.Begin("set strict:b 0 0 1\r\nx\r\n");
  EXPECT_TRUE(first.commits());
  EXPECT_TRUE(second.waits() && !second.commits());
  EXPECT_EQ(third.answer(), "NOT_STORED\r\n");
  node.site.driver().writes = 0;
  ASSERT_TRUE(node.site.WriteStrictOnce());
  EXPECT_EQ(node.site.driver().writes, 1u);  // both keys in one transaction
  EXPECT_EQ(first.GoOn().answer(), "2\r\n");
  EXPECT_EQ(other.GoOn().answer(), "STORED\r\n");
  EXPECT_EQ(second.Answer(), "3\r\n");
  EXPECT_EQ(Row(), "3");
  EXPECT_EQ(stats().strict_conflicts.value(), 0u);
}

TEST_F(Strict, a_delete_leaves_a_tombstone_and_a_late_writer_is_refused) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n", 1);
  ASSERT_EQ(Ask(node, "delete strict:a\r\n", 2), "DELETED\r\n");
  EXPECT_EQ(Ask(node, "set strict:a 0 100 4\r\nlate\r\n", 1), "NOT_STORED\r\n");
  EXPECT_EQ(Row(), "(deleted)");
  EXPECT_EQ(stats().resurrections_refused.value(), 1u);
  EXPECT_EQ(Ask(node, "get strict:a\r\n", 3), "END\r\n");
  EXPECT_EQ(Ask(node, "set strict:a 0 100 5\r\nlogin\r\n", 3), "STORED\r\n");
  EXPECT_EQ(Row(), "login");
  EXPECT_EQ(Ask(node, "set strict:a 0 100 4\r\nmore\r\n", 3), "STORED\r\n");
  EXPECT_EQ(Row(), "more");
}

TEST_F(Strict, an_expired_session_is_followed_by_a_new_one) {
  Ask(node, "set strict:a 0 10 1\r\n1\r\n");
  node.site.clock.AdvanceSeconds(20);
  EXPECT_EQ(Ask(node, "add strict:a 0 100 1\r\n2\r\n"), "STORED\r\n");
  EXPECT_EQ(Row(), "2");
  EXPECT_EQ(node.site.RowTtl("strict:a") / 1'000'000, 100);
}

TEST_F(Strict, a_session_that_is_over_in_memory_and_not_yet_in_the_database_is_followed_by_a_new_one) {
  Ask(node, "set strict:a 0 10 1\r\n1\r\n");
  Prolong(400'000);
  const uint64_t version = node.site.InDatabase("strict:a")->version;
  node.site.clock.AdvanceMicros(node.site.RowTtl("strict:a") - 200'000);
  Client client(node, 1);
  EXPECT_TRUE(client.Begin("add strict:a 0 100 1\r\n2\r\n").commits());
  EXPECT_TRUE(node.site.WriteStrictOnce());
  EXPECT_EQ(client.GoOn().answer(), "STORED\r\n");
  EXPECT_EQ(Row(), "2");
  EXPECT_GT(node.site.InDatabase("strict:a")->version, version);
  EXPECT_EQ(stats().strict_conflicts.value(), 0u);

  // The same of a copy that was loaded when it was over already.
  Prolong(400'000);
  node.site.clock.AdvanceMicros(node.site.RowTtl("strict:a") - 200'000);
  node.site.Evict("strict:a");
  const int64_t now_us = node.site.clock.SteadyMicros();
  EXPECT_EQ(Ask(node, "set strict:a 0 100 1\r\n3\r\n"), "STORED\r\n");
  EXPECT_EQ(node.site.clock.SteadyMicros(), now_us);
  EXPECT_EQ(Row(), "3");
}

TEST_F(Strict, what_became_dirty_meanwhile_is_not_counted_when_it_was_replaced) {
  for (const char* const request : {"incr strict:a 1\r\n", "delete strict:a\r\n"}) {
    Ask(node, "set strict:a 0 100 1\r\n1\r\n", 1);
    Client client(node, 1);
    client.Begin(request);
    const auto key = store::Key::Of("strict:a");
    {
      store::Slot slot = node.site.access().Lock(key, node.site.Now());
      node.site.sessions().write_behind().MakeDirty(slot, key);
    }
    EXPECT_GT(node.site.sessions().write_behind().dirty_bytes(), 0);
    ASSERT_TRUE(node.site.WriteStrictOnce());
    EXPECT_FALSE(client.GoOn().waits());
    EXPECT_EQ(node.site.sessions().write_behind().dirty_bytes(), 0) << request;
  }
}

TEST_F(Strict, an_increment_keeps_an_expiry_that_another_server_has_made_longer) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  Prolong(800'000'000);
  EXPECT_EQ(Ask(node, "incr strict:a 1\r\n"), "2\r\n");
  EXPECT_EQ(node.site.RowTtl("strict:a") / 1'000'000, 900);
}

// -- The database away ----------------------------------------------------------------------------

TEST_F(Strict, while_the_database_is_away_nothing_is_acknowledged_and_nothing_changes) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  SetDatabase(FaultyDriver::Fault::kRefuse);
  const int64_t begun_us = node.site.clock.SteadyMicros();
  for (const char* const request :
       {"set strict:a 0 100 1\r\n2\r\n", "add strict:b 0 100 1\r\n2\r\n", "set strict:b 0 100 1\r\n2\r\n",
        "incr strict:a 1\r\n", "touch strict:a 900\r\n", "gat 900 strict:a\r\n", "delete strict:a\r\n",
        "delete strict:b\r\n", "set strict:a 0 -1 1\r\n2\r\n"}) {
    EXPECT_EQ(Ask(node, request), kAway) << request;
  }
  EXPECT_EQ(node.site.clock.SteadyMicros() - begun_us, 9'000'000) << "each waits for its budget and not longer";
  SetDatabase(FaultyDriver::Fault::kNone);
  node.site.clock.AdvanceSeconds(1);
  EXPECT_FALSE(node.site.WriteStrictOnce()) << "what was refused is not done later";
  EXPECT_EQ(Ask(node, "get strict:a\r\n"), Hit("strict:a", "1"));
  EXPECT_EQ(Row(), "1");
  EXPECT_EQ(node.site.RowValue("strict:b"), "(none)");
  EXPECT_EQ(stats().provisional_writes.value(), 0u);
  EXPECT_EQ(stats().tombstones.value(), 0u);
}

TEST_F(Strict, a_short_outage_passes_unnoticed) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  SetDatabase(FaultyDriver::Fault::kRefuse);
  Client client(node, 1);
  client.Begin("incr strict:a 1\r\n");
  EXPECT_FALSE(node.site.WriteStrictOnce());
  node.site.clock.AdvanceMillis(500);
  EXPECT_FALSE(node.site.WriteStrictOnce());
  SetDatabase(FaultyDriver::Fault::kNone);
  EXPECT_EQ(client.Answer(), "2\r\n");
}

TEST_F(Strict, a_commit_whose_reply_was_lost_is_found_and_not_made_twice) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  SetDatabase(FaultyDriver::Fault::kLoseReply);
  Client incr(node, 1);
  incr.Begin("incr strict:a 1\r\n");
  EXPECT_FALSE(node.site.WriteStrictOnce());
  EXPECT_EQ(Row(), "2");
  SetDatabase(FaultyDriver::Fault::kNone);
  EXPECT_EQ(incr.Answer(), "2\r\n");
  EXPECT_EQ(Row(), "2");

  SetDatabase(FaultyDriver::Fault::kLoseReply);
  Client end(node, 1);
  end.Begin("delete strict:a\r\n");
  EXPECT_FALSE(node.site.WriteStrictOnce());
  SetDatabase(FaultyDriver::Fault::kNone);
  EXPECT_EQ(end.Answer(), "DELETED\r\n");
  EXPECT_EQ(Row(), "(deleted)");
  EXPECT_EQ(stats().strict_in_doubt.value(), 0u);
}

TEST_F(Strict, a_commit_that_nobody_can_know_of_is_an_error_and_not_made_again) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  SetDatabase(FaultyDriver::Fault::kLoseReply);
  Client client(node, 1);
  client.Begin("incr strict:a 1\r\n");
  EXPECT_FALSE(node.site.WriteStrictOnce());
  Overwrite("100");  // made from the 2 that was committed, or from the 1 before
  SetDatabase(FaultyDriver::Fault::kNone);
  EXPECT_EQ(client.Answer(), kAway);
  EXPECT_EQ(stats().strict_in_doubt.value(), 1u);
  EXPECT_EQ(Ask(node, "get strict:a\r\n"), Hit("strict:a", "100"));
}

TEST_F(Strict, after_an_error_the_row_decides_what_is_there) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  SetDatabase(FaultyDriver::Fault::kLoseReply);
  Client client(node, 1);
  client.Begin("incr strict:a 1\r\n");
  EXPECT_FALSE(node.site.WriteStrictOnce());
  SetDatabase(FaultyDriver::Fault::kRefuse);
  EXPECT_EQ(client.Answer(), kAway);
  SetDatabase(FaultyDriver::Fault::kNone);
  node.site.clock.AdvanceSeconds(1);
  EXPECT_EQ(Ask(node, "incr strict:a 1\r\n"), "3\r\n");
  EXPECT_EQ(stats().strict_in_doubt.value(), 1u);
}

TEST_F(Strict, an_answer_that_comes_after_the_budget_still_reaches_memory) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  session::StrictWrites& strict = node.site.sessions().strict_writes();
  Client client(node, 1), behind(node, 2);
  client.Begin("incr strict:a 1\r\n");
  const auto batch = strict.NextBatch(node.site.access());
  ASSERT_EQ(batch.size(), 1u);
  std::vector<session::ChangeOutcome> outcomes;
  ASSERT_TRUE(node.site.driver().Write(batch, &outcomes).ok());
  node.site.clock.AdvanceMillis(900);
  behind.Begin("incr strict:a 1\r\n");
  node.site.clock.AdvanceMillis(100);
  strict.Tick();
  EXPECT_EQ(client.GoOn().answer(), kAway);
  EXPECT_TRUE(behind.GoOn().waits());
  strict.OnOutcomes(node.site.access(), outcomes);
  EXPECT_EQ(Ask(node, "get strict:a\r\n"), Hit("strict:a", "2"));
  EXPECT_EQ(behind.Answer(), "3\r\n");
}

TEST_F(Strict, who_waits_behind_another_waits_for_the_budget_and_not_longer) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  session::StrictWrites& strict = node.site.sessions().strict_writes();
  Client first(node, 1), second(node, 2);
  first.Begin("incr strict:a 1\r\n");
  ASSERT_EQ(strict.NextBatch(node.site.access()).size(), 1u);
  second.Begin("incr strict:a 1\r\n");
  node.site.clock.AdvanceMicros(999'999);
  strict.Tick();
  EXPECT_TRUE(first.GoOn().waits());
  EXPECT_TRUE(second.GoOn().waits());
  node.site.clock.AdvanceMicros(1);
  EXPECT_EQ(strict.Tick(), session::kNeverMicros);
  EXPECT_EQ(first.GoOn().answer(), kAway);
  EXPECT_EQ(second.GoOn().answer(), kAway);
  strict.OnFailure();
}

TEST_F(Strict, what_was_not_sent_may_begin_anew_in_another_process_and_is_not_sent_any_more) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  Ask(node, "set strict:b 0 100 1\r\n1\r\n");
  session::StrictWrites& strict = node.site.sessions().strict_writes();
  Client sent(node, 1), unsent(node, 2);
  sent.Begin("incr strict:a 1\r\n");
  const session::Waiter first{0, 1, node.requests};
  const auto batch = strict.NextBatch(node.site.access());
  std::vector<session::ChangeOutcome> outcomes;
  ASSERT_TRUE(node.site.driver().Write(batch, &outcomes).ok());
  unsent.Begin("incr strict:b 1\r\n");
  const session::Waiter second{0, 2, node.requests};
  EXPECT_TRUE(strict.Hold(true));
  EXPECT_FALSE(strict.IsUnsent("strict:a", first));
  EXPECT_TRUE(strict.IsUnsent("strict:b", second));
  strict.OnOutcomes(node.site.access(), outcomes);
  EXPECT_EQ(sent.GoOn().answer(), "2\r\n");
  EXPECT_FALSE(node.site.WriteStrictOnce());
  EXPECT_EQ(strict.NextDue(), session::kNeverMicros);
  EXPECT_EQ(node.site.RowValue("strict:b"), "1");
  EXPECT_FALSE(strict.Hold(false));  // the other process came to nothing
  EXPECT_EQ(unsent.Answer(), "2\r\n");
}

TEST_F(Strict, a_value_that_the_database_does_not_take_is_refused_and_the_one_before_stays) {
  Ask(node, "set strict:a 0 100 1\r\n1\r\n");
  node.site.driver().bad_key = "strict:a";
  EXPECT_EQ(Ask(node, "set strict:a 0 100 1\r\n2\r\n"), "SERVER_ERROR object too large for cache\r\n");
  EXPECT_EQ(Ask(node, "get strict:a\r\n"), Hit("strict:a", "1"));
}

TEST(StrictLimits, beyond_the_waiters_that_may_wait_the_rule_says_what_is_answered) {
  session::SessionSettings settings;
  settings.parked_max = 2;
  Node node(settings);
  Ask(node, "set strict:a 0 0 1\r\n1\r\n");
  Ask(node, "set strict:b 0 0 1\r\n1\r\n");
  Client first(node, 1), second(node, 2), third(node, 3);
  first.Begin("incr strict:a 1\r\n");
  second.Begin("incr strict:a 1\r\n");
  EXPECT_EQ(third.Begin("incr strict:b 1\r\n").answer(), kAway);
  EXPECT_EQ(second.Answer(), "3\r\n");
  EXPECT_EQ(first.Answer(), "2\r\n");
}

// -- Several servers ------------------------------------------------------------------------------

class StrictNodes : public testing::Test {
 protected:
  std::shared_ptr<Ground> ground = std::make_shared<Ground>();
  Node a{ground, "a"}, b{ground, "b"};
};

TEST_F(StrictNodes, of_two_adds_one_is_stored) {
  Client first(a, 1), second(b, 1);
  first.Begin("add strict:a 0 100 1\r\na\r\n");
  second.Begin("add strict:a 0 100 1\r\nb\r\n");
  while (!first.commits()) ASSERT_TRUE(a.site.ReadOnce() && first.GoOn().waits());
  while (!second.commits()) ASSERT_TRUE(b.site.ReadOnce() && second.GoOn().waits());
  EXPECT_EQ(first.Answer(), "STORED\r\n");
  EXPECT_EQ(second.Answer(), "NOT_STORED\r\n");
  EXPECT_EQ(Ask(b, "get strict:a\r\n"), Hit("strict:a", "a"));
}

TEST_F(StrictNodes, increments_on_both_count_each) {
  Ask(a, "set strict:n 0 0 1\r\n0\r\n");
  for (int i = 1; i <= 20; ++i) {
    Client first(a, 1), second(b, 1);
    first.Begin("incr strict:n 1\r\n");
    second.Begin("incr strict:n 1\r\n");
    while (!first.commits()) ASSERT_TRUE(a.site.ReadOnce() && first.GoOn().waits());
    while (!second.commits()) ASSERT_TRUE(b.site.ReadOnce() && second.GoOn().waits());
    EXPECT_EQ(second.Answer(), std::to_string(2 * i - 1) + "\r\n");
    EXPECT_EQ(first.Answer(), std::to_string(2 * i) + "\r\n");
  }
  EXPECT_EQ(a.site.sessions().stats().strict_conflicts.value(), 20u);
}

TEST_F(StrictNodes, a_stale_copy_refuses_nothing) {
  Ask(a, "set strict:a 0 100 1\r\n1\r\n");
  EXPECT_EQ(Ask(b, "get strict:a\r\n"), Hit("strict:a", "1"));
  EXPECT_EQ(Ask(b, "get strict:b\r\n"), "END\r\n");
  Ask(a, "set strict:a 0 100 1\r\n2\r\n");
  Ask(a, "set strict:b 0 100 1\r\n2\r\n");
  const std::string cas = std::to_string(CasOf(a, "strict:a"));
  EXPECT_EQ(Ask(b, "cas strict:a 0 100 1 " + cas + "\r\n3\r\n"), "STORED\r\n");
  EXPECT_EQ(Ask(b, "incr strict:b 1\r\n"), "3\r\n");
  EXPECT_EQ(Ask(a, "delete strict:b\r\n"), "DELETED\r\n");
  EXPECT_EQ(Ask(b, "touch strict:b 10\r\n"), "NOT_FOUND\r\n");
  EXPECT_EQ(Ask(b, "delete strict:b\r\n"), "NOT_FOUND\r\n");
  EXPECT_EQ(b.site.sessions().stats().peer_questions.value(), 0u) << "nobody has anything that the database lacks";
}

TEST_F(StrictNodes, a_get_sees_what_another_has_written_after_a_poll) {
  Ask(a, "set strict:a 0 100 1\r\n1\r\n");
  EXPECT_EQ(Ask(b, "get strict:a\r\n"), Hit("strict:a", "1"));
  Ask(a, "set strict:a 0 100 1\r\n2\r\n");
  EXPECT_EQ(Ask(b, "get strict:a\r\n"), Hit("strict:a", "1"));
  b.site.PollNow();
  EXPECT_EQ(Ask(b, "get strict:a\r\n"), Hit("strict:a", "2"));
  a.site.PollNow();
  EXPECT_TRUE(a.site.InMemory("strict:a")) << "its own change is no news";
  Ask(b, "delete strict:a\r\n");
  a.site.PollNow();
  EXPECT_EQ(Ask(a, "get strict:a\r\n"), "END\r\n");
}

TEST_F(StrictNodes, a_copy_that_no_poll_vouches_for_is_looked_up) {
  Ask(a, "set strict:a 0 100 1\r\n1\r\n");
  EXPECT_EQ(Ask(b, "get strict:a\r\n"), Hit("strict:a", "1"));
  Ask(a, "set strict:a 0 100 1\r\n2\r\n");
  for (int i = 0; i < 30; ++i) {  // b beats, but does not poll
    ground->clock.AdvanceMillis(100);
    b.site.Beat();
  }
  EXPECT_EQ(Ask(b, "get strict:a\r\n"), Hit("strict:a", "2"));
  EXPECT_EQ(b.site.sessions().stats().serving_unverified.value(), 0u);
  b.site.driver().fault = FaultyDriver::Fault::kRefuse;
  EXPECT_EQ(Ask(b, "get strict:a\r\n"), kAway);
}

TEST_F(StrictNodes, a_delete_that_no_poll_vouches_for_is_looked_up) {
  Ask(a, "set strict:a 0 100 1\r\n1\r\n");
  EXPECT_EQ(Ask(b, "delete strict:a\r\n"), "DELETED\r\n");
  EXPECT_EQ(Ask(a, "add strict:a 0 100 1\r\n2\r\n"), "STORED\r\n");
  EXPECT_EQ(Ask(b, "get strict:a\r\n"), "END\r\n");
  for (int i = 0; i < 30; ++i) {  // b beats, but does not poll
    ground->clock.AdvanceMillis(100);
    b.site.Beat();
  }
  b.site.driver().fault = FaultyDriver::Fault::kRefuse;
  EXPECT_EQ(Ask(b, "get strict:a\r\n"), kAway);
  b.site.driver().fault = FaultyDriver::Fault::kNone;
  EXPECT_EQ(Ask(b, "get strict:a\r\n"), Hit("strict:a", "2"));
}

TEST_F(StrictNodes, a_set_that_is_a_delete_ends_what_another_has_just_added) {
  for (const std::string key : {"strict:deleted", "strict:absent"}) {
    if (key == "strict:deleted") {
      Ask(a, "set " + key + " 0 100 1\r\n1\r\n");
      EXPECT_EQ(Ask(b, "delete " + key + "\r\n"), "DELETED\r\n");
    }
    EXPECT_EQ(Ask(b, "get " + key + "\r\n"), "END\r\n");
    EXPECT_EQ(Ask(a, "add " + key + " 0 100 1\r\n2\r\n"), "STORED\r\n");
    EXPECT_EQ(Ask(b, "set " + key + " 0 -1 1\r\nx\r\n"), "STORED\r\n");
    EXPECT_EQ(b.site.RowValue(key), "(deleted)") << key;
  }
}

TEST_F(StrictNodes, a_set_is_not_taken_for_one_from_before_a_delete_when_another_has_stored_since) {
  Ask(a, "set strict:a 0 100 1\r\n1\r\n");
  EXPECT_EQ(Ask(b, "delete strict:a\r\n", 2), "DELETED\r\n");
  EXPECT_EQ(Ask(a, "add strict:a 0 100 1\r\n2\r\n"), "STORED\r\n");
  EXPECT_EQ(Ask(b, "set strict:a 0 100 1\r\n3\r\n", 1), "STORED\r\n");
  EXPECT_EQ(b.site.RowValue("strict:a"), "3");
}

TEST_F(StrictNodes, an_answer_on_its_way_is_not_fresh_for_who_comes_after) {
  Ask(a, "set strict:n 0 0 1\r\n1\r\n");
  Client early(b, 1), late(b, 2);
  early.Begin("touch strict:n 50\r\n");
  const auto keys = b.site.sessions().read_through().NextBatch();
  ASSERT_EQ(keys.size(), 1u);
  std::vector<session::Row> rows;
  ASSERT_TRUE(b.site.driver().Load(keys, &rows).ok());
  const std::string cas = [&] {
    Ask(a, "set strict:n 0 0 1\r\n2\r\n");
    return std::to_string(CasOf(a, "strict:n"));
  }();
  late.Begin("cas strict:n 0 0 1 " + cas + "\r\n3\r\n");
  b.site.sessions().read_through().OnRows(b.site.access(), std::move(rows));
  EXPECT_TRUE(early.GoOn().commits());
  EXPECT_TRUE(late.GoOn().waits());
  EXPECT_EQ(late.Answer(), "STORED\r\n");
  EXPECT_EQ(early.Answer(), "TOUCHED\r\n");
}

TEST_F(StrictNodes, a_commit_that_was_overtaken_before_it_was_heard_of_is_not_put_in_memory) {
  Ask(a, "set strict:a 0 100 1\r\n1\r\n");
  Client client(a, 1);
  client.Begin("set strict:a 0 100 1\r\n2\r\n");
  session::StrictWrites& strict = a.site.sessions().strict_writes();
  const auto batch = strict.NextBatch(a.site.access());
  std::vector<session::ChangeOutcome> outcomes;
  ASSERT_TRUE(a.site.driver().Write(batch, &outcomes).ok());
  EXPECT_EQ(Ask(b, "set strict:a 0 100 1\r\n3\r\n"), "STORED\r\n");
  a.site.PollNow();
  strict.OnOutcomes(a.site.access(), outcomes);
  EXPECT_EQ(client.GoOn().answer(), "STORED\r\n");
  EXPECT_EQ(Ask(a, "get strict:a\r\n"), Hit("strict:a", "3"));
}

}  // namespace
}  // namespace holdfast::command
