// What is remembered of sessions that ended, and the sentence that is made of it.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "lib/session_site.h"
#include "session/inquiry.h"

namespace holdfast::session {
namespace {

using store::Key;
using test::Answer;
using test::FaultyDriver;
using test::Ground;
using test::SessionSite;

RecentEnd EndAt(int64_t at_us, End how = End::kDeleted) { return {at_us, {}, how}; }

TEST(RecentEnds, KeepTheLatestOfAKey) {
  RecentEnds ends(100);
  EXPECT_FALSE(ends.Find("a").has_value());
  ends.Note("a", EndAt(10));
  ends.Note("b", EndAt(20, End::kExpired));
  ends.Note("a", EndAt(30, End::kExpiredByClient));
  ASSERT_TRUE(ends.Find("a").has_value());
  EXPECT_EQ(ends.Find("a")->at_us, 30);
  EXPECT_EQ(ends.Find("a")->how, End::kExpiredByClient);
  EXPECT_EQ(ends.Find("b")->how, End::kExpired);
  EXPECT_FALSE(ends.Find("c").has_value());
}

TEST(RecentEnds, ForgetTheOldestWhenFull) {
  RecentEnds ends(64);
  for (int i = 1; i <= 10'000; ++i) ends.Note("key" + std::to_string(i), EndAt(i));
  int known = 0;
  for (int i = 1; i <= 10'000; ++i) known += ends.Find("key" + std::to_string(i)).has_value();
  EXPECT_EQ(known, 64);
  EXPECT_TRUE(ends.Find("key10000").has_value());
  EXPECT_FALSE(ends.Find("key1").has_value());
}

TEST(RecentEnds, OneKeyOverAndOverForgetsNoOther) {
  RecentEnds ends(8);
  ends.Note("other", EndAt(1));
  for (int i = 2; i < 1000; ++i) ends.Note("again", EndAt(i, End::kExpired));
  EXPECT_TRUE(ends.Find("other").has_value());
}

TEST(RecentEnds, ARefusedRequestDisplacesNoEnd) {
  RecentEnds ends(8);
  for (int i = 0; i < 8; ++i) ends.Note("key" + std::to_string(i), EndAt(i + 1));
  ends.Note("refused", EndAt(100, End::kRefused));
  EXPECT_FALSE(ends.Find("refused").has_value());
  ends.Note("deleted", EndAt(101));
  EXPECT_TRUE(ends.Find("deleted").has_value());
}

TEST(RecentEnds, WithoutAnyRememberNothing) {
  RecentEnds ends(0);
  ends.Note("a", EndAt(1));
  EXPECT_FALSE(ends.Find("a").has_value());
}

TEST(RecentEnds, AreNotedByManyThreads) {
  RecentEnds ends(1 << 12);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&ends, t] {
      for (int i = 1; i <= 2000; ++i) {
        const std::string key = "key" + std::to_string(i % 100);
        ends.Note(key, EndAt(i, t == 0 ? End::kRefused : End::kDeleted));
        EXPECT_TRUE(ends.Find(key).has_value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ClientAddress, IsThatOfTheSocketsOtherEnd) {
  EXPECT_EQ(ClientAddress::Of(-1).Text(), "an unknown address");
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  EXPECT_EQ(ClientAddress::Of(pair[0]).Text(), "a unix socket");
  ::close(pair[0]);
  ::close(pair[1]);
  ClientAddress six;
  six.kind = ClientAddress::Kind::kIpv6;
  six.bytes[15] = 1;
  six.port = 4711;
  EXPECT_EQ(six.Text(), "[::1]:4711");
}

class Inquiries : public testing::Test {
 protected:
  SessionFacts Ask(SessionSite& site, const std::string& id) {
    site.access().Offline();
    const SessionFacts facts = Inquiry(site.sessions(), site.database()).Ask(site.access(), id);
    site.access().Online();
    return facts;
  }
  std::string WhyAt(SessionSite& site, const std::string& id) { return Why(Ask(site, id), site.clock.WallMicros()); }
  void ExpectWhy(SessionSite& site, const std::string& id, const std::string& part) {
    const std::string why = WhyAt(site, id);
    EXPECT_NE(why.find(part), std::string::npos) << why << "\nlacks: " << part;
  }
};

TEST_F(Inquiries, TellAChangeThatTheDatabaseLacks) {
  SessionSite site;
  ExpectWhy(site, "web:1", "Nothing is known of it");
  site.Set("web:1", "one");
  ExpectWhy(site, "web:1", "its latest change is not in the database yet");
  site.WriteDue();
  ExpectWhy(site, "web:1", "in memory and in the database");
  EXPECT_FALSE(Ask(site, "web:1").dirty);
}

TEST_F(Inquiries, DoNotBringBackWhatWasEvicted) {
  SessionSite site;
  site.Set("web:1", "one");
  site.WriteDue();
  site.Evict("web:1");
  ExpectWhy(site, "web:1", "live in the database and not in memory here");
  EXPECT_FALSE(site.InMemory("web:1"));
  const SessionFacts facts = Ask(site, "web:1");
  EXPECT_EQ(facts.size, 3u);
  EXPECT_EQ(facts.stamps.version, site.InDatabase("web:1")->version);
}

TEST_F(Inquiries, TellADeleteFromMemoryAndFromTheDatabase) {
  SessionSite site;
  site.Set("web:1", "one");
  site.WriteDue();
  site.Delete("web:1");
  ExpectWhy(site, "web:1", "the database has not been told yet");
  site.WriteDue();
  ExpectWhy(site, "web:1", "It was deleted at");
  site.Evict("web:1");
  ExpectWhy(site, "web:1", "It was deleted at");
  ExpectWhy(site, "web:1", "by a request to this server; from where is not remembered");
}

TEST_F(Inquiries, RememberADeleteWhenTheDatabaseHasForgottenIt) {
  SessionSite site;
  ClientAddress client;
  client.kind = ClientAddress::Kind::kIpv4;
  client.bytes = {192, 0, 2, 7};
  client.port = 4711;
  site.sessions().NoteEnd(Key::Of("web:1"), End::kDeleted, client);
  ExpectWhy(site, "web:1", "by a request from 192.0.2.7:4711, and the database has forgotten it");
}

TEST_F(Inquiries, RememberThatItHadExpired) {
  SessionSite site;
  site.Set("web:1", "one", 1, 10);
  site.WriteDue();
  site.clock.AdvanceSeconds(20);
  ExpectWhy(site, "web:1", "It expired at");
  site.Evict("web:1");
  ExpectWhy(site, "web:1", "It expired at");
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss);
  site.clock.AdvanceSeconds(2 * 3600);
  uint64_t deleted = 0;
  ASSERT_TRUE(site.driver().Sweep(0, 100, &deleted).ok());
  ASSERT_EQ(deleted, 1u);
  ExpectWhy(site, "web:1", "It had expired when a client asked for it");
}

TEST_F(Inquiries, TellARequestThatWasRefusedAndASetThatLost) {
  SessionSite site;
  site.Set("web:1", "old");
  site.WriteDue();
  site.Evict("web:1");
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  EXPECT_EQ(site.Get("web:1", 7), Answer::kUnavailable);
  ExpectWhy(site, "web:1", "a request for it was told that the database cannot be asked");
  site.Set("web:1", "based on nothing", 7);
  ExpectWhy(site, "web:1", "which has still to be settled");
  site.driver().fault = FaultyDriver::Fault::kNone;
  site.clock.AdvanceSeconds(1);
  while (site.ReadOnce()) site.clock.AdvanceSeconds(1);
  EXPECT_EQ(site.sessions().recent_ends().Find("web:1")->how, End::kProvisionalDropped);
}

TEST_F(Inquiries, TellAReservationFromASession) {
  SessionSite site;
  site.Set("php:1", "");
  ExpectWhy(site, "php:1", "There is no session");
}

TEST_F(Inquiries, TellWhichServerDeletedIt) {
  auto ground = std::make_shared<Ground>();
  SessionSite a(ground, "alpha"), b(ground, "beta");
  a.Set("php:1", "one");
  a.WriteDue();
  EXPECT_EQ(b.Value("php:1"), "one");
  EXPECT_EQ(b.Delete("php:1"), Answer::kDeleted);
  b.WriteDue();
  a.Pass(1000);
  ExpectWhy(a, "php:1", "(beta)");
  ExpectWhy(b, "php:1", "this server");
}

TEST_F(Inquiries, TakeTheIdForAKeyOfARule) {
  SessionSite site;
  site.Set("web:1", "one");
  EXPECT_EQ(Ask(site, "1").key, "web:1");
  EXPECT_EQ(Ask(site, "none").memory, SessionFacts::Memory::kNothing);
}

}  // namespace
}  // namespace holdfast::session
