// A session write that finds the journal full waits for room, for as long as its rule's budget says and not longer, and
// whatever becomes of it, the value before stays until then.

#include <gtest/gtest.h>

#include <deque>
#include <utility>

#include "command/command.h"
#include "lib/no_control.h"
#include "lib/session_site.h"
#include "lib/store_fixture.h"

namespace holdfast::command {
namespace {

using protocol::ReplyCode;
using protocol::Verb;
using session::LoadOutcome;

// One client's request on its way.
struct Client {
  explicit Client(uint64_t connection) { frame.connection = connection; }
  protocol::Request request;
  std::string value;
  protocol::Reply reply;
  Frame frame;
};

struct Room : testing::Test {
  Room() {
    settings.parked_max = 3;
    auto parsed = session::Rules::Parse("prefix=s: budget=800ms");
    CHECK(parsed.ok());
    sessions.emplace(settings, std::move(parsed.value()),
                     session::Sessions::Doors{fixture.clock, *fixture.store, journal,
                                              [this](const session::Waiter& waiter, LoadOutcome outcome) {
                                                woken.emplace_back(waiter.connection, outcome);
                                              }});
    context.sessions = &*sessions;
    context.now = fixture.now();
    Client first(1);
    first.frame.in_hand = LoadOutcome::kAbsent;
    CHECK(Set(first, "before") == Progress::kDone && first.reply.code == ReplyCode::kStored);
  }

  Progress Try(Client& client) {
    fixture.access->Quiesce();
    client.reply = protocol::Reply();
    const Progress progress = Execute(context, client.request, client.frame, &client.reply);
    client.frame.begun = true;
    return progress;
  }
  Progress Set(Client& client, std::string value) {
    client.request.Clear();
    client.request.verb = Verb::kStore;
    client.request.key = "s:one";
    client.value = std::move(value);
    client.request.SetValue(client.value);
    return Try(client);
  }
  std::string Get() { return test::Get(*fixture.access, "s:one", fixture.now()); }
  // Those that were woken since, in order.
  std::vector<uint64_t> TakeWoken() {
    std::vector<uint64_t> connections;
    for (const auto& [connection, outcome] : std::exchange(woken, {})) connections.push_back(connection);
    return connections;
  }

  test::StoreFixture fixture{{.memory_limit_bytes = 4 << 20, .item_bytes_max = 256 << 10}};
  test::ShortJournal journal;
  session::SessionSettings settings;
  std::optional<session::Sessions> sessions;
  std::vector<std::pair<uint64_t, LoadOutcome>> woken;
  test::NoControl control;
  CommandCounters counters;
  Context context{*fixture.access, nullptr, fixture.clock, control, counters};
};

TEST_F(Room, a_set_waits_while_the_journal_is_full_and_is_stored_when_there_is_room) {
  journal.full = true;
  Client client(7);
  ASSERT_EQ(Set(client, "after"), Progress::kParked);
  EXPECT_EQ(Get(), "before");
  fixture.clock.AdvanceMillis(700);
  sessions->journal_room().OnRoom(10);  // too little for it
  EXPECT_TRUE(TakeWoken().empty());
  journal.full = false;
  sessions->journal_room().OnRoom(1 << 20);
  ASSERT_EQ(TakeWoken(), std::vector<uint64_t>{7});
  ASSERT_EQ(Try(client), Progress::kDone);
  EXPECT_EQ(client.reply.code, ReplyCode::kStored);
  EXPECT_EQ(Get(), "after");
  EXPECT_EQ(counters.cmd_set.value(), 2u);
  EXPECT_EQ(sessions->stats().journal_waits.value(), 1u);
  EXPECT_EQ(sessions->stats().refused_journal.value(), 0u);
}

TEST_F(Room, beyond_its_budget_it_is_refused_and_the_value_before_stays) {
  journal.full = true;
  Client client(7);
  ASSERT_EQ(Set(client, "after"), Progress::kParked);
  EXPECT_EQ(sessions->journal_room().Tick(fixture.clock.SteadyMicros()), fixture.clock.SteadyMicros() + 800'000);
  fixture.clock.AdvanceMicros(799'999);
  sessions->journal_room().Tick(fixture.clock.SteadyMicros());
  EXPECT_TRUE(TakeWoken().empty());
  // Woken for room that another took: it waits on, but no longer than before.
  sessions->journal_room().OnRoom(1 << 20);
  ASSERT_EQ(TakeWoken().size(), 1u);
  ASSERT_EQ(Try(client), Progress::kParked);
  fixture.clock.AdvanceMicros(1);
  EXPECT_EQ(sessions->journal_room().Tick(fixture.clock.SteadyMicros()), session::kNeverMicros);
  ASSERT_EQ(TakeWoken().size(), 1u);
  ASSERT_EQ(Try(client), Progress::kDone);
  EXPECT_EQ(client.reply.code, ReplyCode::kNoMemory);
  EXPECT_EQ(Get(), "before");
  EXPECT_EQ(sessions->stats().journal_waits.value(), 1u);
  EXPECT_EQ(sessions->stats().refused_journal.value(), 1u);
  EXPECT_EQ(counters.store_no_memory.value(), 1u);
}

TEST_F(Room, deletes_touches_and_compared_sets_wait_too_and_count_once) {
  journal.full = true;
  Client deletes(1), touches(2), compares(3);
  touches.request.verb = Verb::kTouch;
  touches.request.key = "s:one";
  touches.request.exptime = 1000;
  ASSERT_EQ(Try(touches), Progress::kParked);
  compares.request.Clear();
  compares.request.verb = Verb::kStore;
  compares.request.key = "s:one";
  compares.value = "compared";
  compares.request.SetValue(compares.value);
  compares.request.has_compare_cas = true;
  compares.request.compare_cas = fixture.access->Find(store::Key::Of("s:one"), fixture.now()).item.cas();
  ASSERT_EQ(Try(compares), Progress::kParked);
  deletes.request.verb = Verb::kDelete;
  deletes.request.key = "s:one";
  ASSERT_EQ(Try(deletes), Progress::kParked);
  EXPECT_EQ(Get(), "before");
  journal.full = false;
  sessions->journal_room().OnRoom(1 << 20);
  EXPECT_EQ(TakeWoken(), (std::vector<uint64_t>{2, 3, 1}));  // in the order in which they came
  ASSERT_EQ(Try(touches), Progress::kDone);
  EXPECT_EQ(touches.reply.code, ReplyCode::kTouched);
  ASSERT_EQ(Try(compares), Progress::kDone);
  EXPECT_EQ(compares.reply.code, ReplyCode::kStored);
  ASSERT_EQ(Try(deletes), Progress::kDone);
  EXPECT_EQ(deletes.reply.code, ReplyCode::kDeleted);
  EXPECT_EQ(counters.cas_hits.value(), 1u);
  EXPECT_EQ(counters.cmd_touch.value(), 1u);
  EXPECT_EQ(counters.delete_hits.value(), 1u);
}

TEST_F(Room, who_comes_while_others_wait_stands_behind_them) {
  journal.full = true;
  Client first(1), second(2);
  ASSERT_EQ(Set(first, "first"), Progress::kParked);
  journal.full = false;
  ASSERT_EQ(Set(second, "second"), Progress::kParked);
  sessions->journal_room().OnRoom(1 << 20);
  EXPECT_EQ(TakeWoken(), (std::vector<uint64_t>{1, 2}));
  ASSERT_EQ(Try(first), Progress::kDone);
  ASSERT_EQ(Try(second), Progress::kDone);
  EXPECT_EQ(Get(), "second");
  Client third(3);
  ASSERT_EQ(Set(third, "third"), Progress::kDone);
}

TEST_F(Room, only_as_many_are_woken_as_find_room) {
  journal.full = true;
  std::deque<Client> clients;
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_EQ(Set(clients.emplace_back(i), std::string(1000, 'x')), Progress::kParked);
  sessions->journal_room().OnRoom(2500);
  EXPECT_EQ(TakeWoken(), (std::vector<uint64_t>{1, 2}));
  sessions->journal_room().OnRoom(2500);
  EXPECT_EQ(TakeWoken(), (std::vector<uint64_t>{3}));
}

TEST_F(Room, more_than_may_wait_are_refused_at_once) {
  journal.full = true;
  std::deque<Client> clients;
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_EQ(Set(clients.emplace_back(i), "x"), Progress::kParked);
  Client one_more(4);
  ASSERT_EQ(Set(one_more, "x"), Progress::kDone);
  EXPECT_EQ(one_more.reply.code, ReplyCode::kNoMemory);
  EXPECT_EQ(sessions->stats().refused_journal.value(), 1u);
}

TEST_F(Room, reads_and_cache_keys_do_not_wait) {
  journal.full = true;
  Client waits(1), reads(2), caches(3);
  ASSERT_EQ(Set(waits, "x"), Progress::kParked);
  reads.request.verb = Verb::kGet;
  reads.request.key = "s:one";
  EXPECT_EQ(Try(reads), Progress::kDone);
  EXPECT_EQ(reads.reply.code, ReplyCode::kHit);
  caches.request.verb = Verb::kStore;
  caches.request.key = "cache";
  caches.request.SetValue(caches.value);
  EXPECT_EQ(Try(caches), Progress::kDone);
  EXPECT_EQ(caches.reply.code, ReplyCode::kStored);
}

}  // namespace
}  // namespace holdfast::command
