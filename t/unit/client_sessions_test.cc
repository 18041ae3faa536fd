// Sessions and GetOrCompute against real servers, answers lost on the way included.

#include <holdfast/sessions.h>

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "lib/bad_server.h"
#include "lib/cache_server.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using test::BadServer;
using test::CacheServer;
using test::ServerKind;

// What a machine that is twenty times slower than usual still does in time.
constexpr auto kPatience = 60s;

std::unique_ptr<Client> ClientOf(const std::vector<std::string>& addresses, ClientOptions options = {}) {
  for (const std::string& address : addresses) options.servers.push_back({address, "", 1});
  options.timeout = options.connect_timeout = kPatience;
  return std::move(Client::Make(options).client);
}

// Passes everything on, and when told so swallows the server's next answer and closes: the write is done, nobody hears.
class LossyProxy {
 public:
  explicit LossyProxy(uint16_t to) : server_([this, to](int file) { Pass(file, to); }) {}
  std::string address() const { return server_.address(); }
  void LoseAnswers(int count) { lose_ = count; }
  // Instead of passing on the next request: close. The write is not done.
  void LoseRequests(int count) { lose_requests_ = count; }

 private:
  void Pass(int file, uint16_t to) {
    const int behind = test::ConnectTo(to);
    while (behind >= 0) {
      const std::string request = BadServer::Hear(file);
      if (request.empty() || lose_requests_.fetch_sub(1) > 0) break;
      BadServer::Say(behind, request);
      const std::string answer = BadServer::Hear(behind);
      if (answer.empty() || lose_.fetch_sub(1) > 0) break;
      BadServer::Say(file, answer);
    }
    if (behind >= 0) close(behind);
  }

  std::atomic<int> lose_{0};
  std::atomic<int> lose_requests_{0};
  BadServer server_;
};

class SessionsTest : public testing::TestWithParam<ServerKind> {
 protected:
  void SetUp() override {
    if (!test::Available(GetParam())) GTEST_SKIP() << test::ProgramOf(GetParam()) << " is not here";
    server_ = std::make_unique<CacheServer>(GetParam());
    proxy_ = std::make_unique<LossyProxy>(server_->port());
    ClientOptions options;
    options.probe_interval = 20ms;
    client_ = ClientOf({proxy_->address()}, options);
    direct_ = ClientOf({server_->address()});
    sessions_ = std::make_unique<Sessions>(*client_, SessionsOptions{.ttl = 100s});
  }

  std::unique_ptr<CacheServer> server_;
  std::unique_ptr<LossyProxy> proxy_;
  std::unique_ptr<Client> client_, direct_;
  std::unique_ptr<Sessions> sessions_;
};

TEST_P(SessionsTest, ASessionIsMadeLoadedSavedAndDestroyed) {
  const SessionResult created = sessions_->Create("a", "one");
  ASSERT_TRUE(created.ok()) << created.status.message();
  EXPECT_EQ(sessions_->Create("a", "two").status.code(), Code::kNotStored);
  const SessionResult loaded = sessions_->Load("a");
  EXPECT_EQ(loaded.data, "one");
  EXPECT_EQ(loaded.version, created.version);
  const SessionResult saved = sessions_->Save("a", "two", loaded.version);
  ASSERT_TRUE(saved.ok());
  EXPECT_NE(saved.version, loaded.version);
  EXPECT_TRUE(sessions_->Touch("a").ok());
  EXPECT_EQ(sessions_->Load("a").version, saved.version) << "a touch keeps the version";
  EXPECT_TRUE(sessions_->Destroy("a").ok());
  EXPECT_TRUE(sessions_->Destroy("a").ok());
  EXPECT_EQ(sessions_->Load("a").status.code(), Code::kNotFound);
  EXPECT_EQ(sessions_->Touch("a").code(), Code::kNotFound);
  EXPECT_EQ(sessions_->Load("").status.code(), Code::kInvalid);
  EXPECT_EQ(sessions_->Save("a", "x", 0).status.code(), Code::kInvalid);
}

TEST_P(SessionsTest, ASaveNeverOverwritesWhatItHasNotSeen) {
  const uint64_t version = sessions_->Create("a", "one").version;
  ASSERT_TRUE(sessions_->Save("a", "first", version).ok());
  EXPECT_EQ(sessions_->Save("a", "second", version).status.code(), Code::kExists);
  EXPECT_EQ(sessions_->Load("a").data, "first");
}

TEST_P(SessionsTest, ASaveNeverBringsADestroyedSessionBack) {
  const uint64_t version = sessions_->Create("a", "one").version;
  ASSERT_TRUE(sessions_->Destroy("a").ok());
  EXPECT_EQ(sessions_->Save("a", "two", version).status.code(), Code::kNotFound);
  EXPECT_EQ(sessions_->Load("a").status.code(), Code::kNotFound);
}

TEST_P(SessionsTest, ASaveWhoseAnswerIsLostKnowsItsOwnWrite) {
  uint64_t version = sessions_->Create("a", "one").version;
  for (int losses = 1; losses <= 3; losses++) {
    proxy_->LoseAnswers(losses);
    const std::string data = "after " + std::to_string(losses);
    const SessionResult saved = sessions_->Save("a", data, version);
    ASSERT_TRUE(saved.ok()) << saved.status.message();
    EXPECT_EQ(sessions_->Load("a").data, data);
    EXPECT_EQ(sessions_->Load("a").version, saved.version);
    version = saved.version;
  }
}

TEST_P(SessionsTest, ASaveThatDidNotArriveIsRepeated) {
  uint64_t version = sessions_->Create("a", "one").version;
  for (int losses = 1; losses <= 3; losses++) {
    proxy_->LoseRequests(losses);
    const SessionResult saved = sessions_->Save("a", "two", version);
    ASSERT_TRUE(saved.ok()) << saved.status.message();
    EXPECT_EQ(sessions_->Load("a").data, "two");
    version = saved.version;
  }
}

TEST_P(SessionsTest, ALostAnswerDoesNotHideAConflictOrALogout) {
  const uint64_t version = sessions_->Create("a", "one").version;
  ASSERT_TRUE(sessions_->Save("a", "of another", version).ok());
  proxy_->LoseAnswers(1);
  EXPECT_EQ(sessions_->Save("a", "mine", version).status.code(), Code::kExists);
  EXPECT_EQ(sessions_->Load("a").data, "of another");
  ASSERT_TRUE(sessions_->Destroy("a").ok());
  proxy_->LoseAnswers(1);
  EXPECT_EQ(sessions_->Save("a", "mine", version).status.code(), Code::kNotFound);
}

TEST_P(SessionsTest, CreateAndDestroySurviveALostAnswer) {
  proxy_->LoseAnswers(1);
  const SessionResult created = sessions_->Create("a", "one");
  ASSERT_TRUE(created.ok()) << created.status.message();
  EXPECT_EQ(sessions_->Load("a").version, created.version);
  proxy_->LoseRequests(1);
  EXPECT_TRUE(sessions_->Create("b", "one").ok());
  proxy_->LoseAnswers(1);
  EXPECT_EQ(sessions_->Create("b", "other").status.code(), Code::kNotStored);
  proxy_->LoseAnswers(1);
  EXPECT_TRUE(sessions_->Destroy("a").ok());
  EXPECT_EQ(sessions_->Load("a").status.code(), Code::kNotFound);
}

TEST_P(SessionsTest, RegenerateSaysHowFarItCame) {
  ASSERT_TRUE(sessions_->Create("old", "one").ok());
  const RegenerateResult done = sessions_->Regenerate("old", "new", "one");
  EXPECT_EQ(done.outcome, Regenerated::kDone) << done.status.message();
  EXPECT_EQ(sessions_->Load("old").status.code(), Code::kNotFound);
  EXPECT_EQ(sessions_->Load("new").data, "one");
  EXPECT_EQ(sessions_->Load("new").version, done.version);

  ASSERT_TRUE(sessions_->Create("taken", "x").ok());
  const RegenerateResult nothing = sessions_->Regenerate("new", "taken", "one");
  EXPECT_EQ(nothing.outcome, Regenerated::kNothing);
  EXPECT_EQ(nothing.status.code(), Code::kNotStored);
  EXPECT_TRUE(sessions_->Load("new").ok());
  EXPECT_EQ(sessions_->Regenerate("new", "new", "one").status.code(), Code::kInvalid);
}

TEST_P(SessionsTest, WhenTheOldIdsServerIsDownBothRemain) {
  auto other = std::make_unique<CacheServer>(GetParam());
  ClientOptions options;
  options.failures_before_ejection = 0;
  auto client = ClientOf({server_->address(), other->address()}, options);
  Sessions sessions(*client, {});
  Sessions hasty(*client, {.timeout = 2s});  // time for the server that is well, and to wait for the one that is not
  std::string old_id, new_id;
  for (int i = 0; old_id.empty() || new_id.empty(); i++) {
    const std::string id = "id" + std::to_string(i);
    (client->ServerOf("session:" + id) == other->address() ? old_id : new_id) = id;
  }
  ASSERT_TRUE(sessions.Create(old_id, "one").ok());
  other->Pause();
  const RegenerateResult partial = hasty.Regenerate(old_id, new_id, "one");
  EXPECT_EQ(partial.outcome, Regenerated::kOldRemains);
  EXPECT_FALSE(partial.status.ok());
  EXPECT_EQ(partial.status.server(), other->address());
  EXPECT_EQ(sessions.Load(new_id).version, partial.version);
  // The other way round it is the new one that nobody can speak of.
  EXPECT_EQ(hasty.Regenerate(new_id, old_id, "one").outcome, Regenerated::kUnknown);
  EXPECT_TRUE(sessions.Load(new_id).ok());
}

TEST_P(SessionsTest, AFailureIsNeverAMissWhateverTheClientDoes) {
  for (const WhenDown when_down : {WhenDown::kMiss, WhenDown::kNextServer}) {
    auto other = std::make_unique<CacheServer>(GetParam());
    ClientOptions options;
    options.when_down = when_down;
    auto client = ClientOf({server_->address(), other->address()}, options);
    Sessions sessions(*client, {});
    std::string id;
    for (int i = 0; id.empty(); i++) {
      if (client->ServerOf("session:x" + std::to_string(i)) == other->address()) id = "x" + std::to_string(i);
    }
    ASSERT_TRUE(sessions.Create(id, "one").ok());
    other->Kill();
    for (int i = 0; i < 10; i++) {
      EXPECT_FALSE(sessions.Load(id).status.answered());
      std::this_thread::sleep_for(5ms);
    }
    EXPECT_FALSE(sessions.Create(id, "two").status.answered());
  }
}

// -- GetOrCompute --

TEST_P(SessionsTest, OneOfAllCallersComputes) {
  std::atomic<int> computed{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; t++) {
    threads.emplace_back([&] {
      const ComputeResult result = direct_->GetOrCompute("k",
                                                         [&] {
                                                           computed++;
                                                           std::this_thread::sleep_for(100ms);
                                                           return std::optional<std::string>("made");
                                                         },
                                                         {.ttl = 100s, .flags = 3});
      if (!result.ok() || result.value != "made" || result.flags != 3) wrong++;
      if (result.computed && !result.stored.ok()) wrong++;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(computed, 1);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(direct_->Get("k").value, "made");
}

TEST_P(SessionsTest, WhenComputingFailsAnotherMay) {
  const auto fails = []() -> std::optional<std::string> { throw std::runtime_error("no database"); };
  const ComputeResult failed = direct_->GetOrCompute("k", fails);
  EXPECT_EQ(failed.status.code(), Code::kComputeFailed);
  EXPECT_NE(failed.status.message().find("no database"), std::string::npos);
  EXPECT_EQ(direct_->GetOrCompute("k", [] { return std::nullopt; }).status.code(), Code::kComputeFailed);
  EXPECT_EQ(direct_->Get("k").status.code(), Code::kNotFound);
  EXPECT_EQ(direct_->GetOrCompute("k", [] { return "made"; }).value, "made");
}

TEST_P(SessionsTest, WhoWaitsInVainIsTold) {
  std::promise<void> computing, told;
  std::thread slow([&] {
    direct_->GetOrCompute("k", [&] {
      computing.set_value();
      told.get_future().wait();
      return "late";
    });
  });
  computing.get_future().wait();
  const ComputeResult result = direct_->GetOrCompute("k", [] { return "never"; }, {}, {.timeout = 500ms});
  EXPECT_EQ(result.status.code(), Code::kTimeout);
  told.set_value();
  slow.join();
  EXPECT_EQ(direct_->GetOrCompute("k", [] { return "never"; }).value, "late");
}

TEST_P(SessionsTest, AStaleValueIsServedWhileOneComputes) {
  ASSERT_TRUE(direct_->Set("k", "old").ok());
  ASSERT_TRUE(direct_->Remove("k", {.make_stale = true}).ok());
  const ComputeResult winner = direct_->GetOrCompute("k", [&] {
    const ComputeResult other = direct_->GetOrCompute("k", [] { return "not me"; });
    EXPECT_EQ(other.value, "old");
    EXPECT_TRUE(other.stale);
    EXPECT_FALSE(other.computed);
    return "new";
  });
  EXPECT_TRUE(winner.computed);
  EXPECT_EQ(winner.value, "new");
  EXPECT_EQ(direct_->Get("k").value, "new");
}

TEST_P(SessionsTest, AValueIsMadeAnewShortlyBeforeItExpires) {
  const ComputeOptions options = {.ttl = 100s, .recache = 1000s};
  EXPECT_EQ(direct_
                ->GetOrCompute(
                    "k", [] { return "1"; }, options)
                .value,
            "1");
  const ComputeResult winner = direct_->GetOrCompute(
      "k",
      [&] {
        EXPECT_EQ(direct_
                      ->GetOrCompute(
                          "k", [] { return "not me"; }, options)
                      .value,
                  "1");
        return "2";
      },
      options);
  EXPECT_EQ(winner.value, "2");
}

INSTANTIATE_TEST_SUITE_P(Servers, SessionsTest, testing::Values(ServerKind::kHoldfast, ServerKind::kMemcached),
                         [](const auto& kind) {
                           return kind.param == ServerKind::kHoldfast ? "Holdfast" : "Memcached";
                         });

}  // namespace
}  // namespace holdfast
