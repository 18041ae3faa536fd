// Servers that die, stop, stall, refuse, reset and lie.

#include <holdfast/client.h>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "lib/bad_server.h"
#include "lib/cache_server.h"
#include "lib/lateness.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using test::BadServer;
using test::CacheServer;
using test::kOverrunMax;
using test::Lateness;
using test::ServerKind;
using Clock = std::chrono::steady_clock;

// What a machine that is twenty times slower than usual still does in time: for what shall not time out.
constexpr auto kPatience = 60s;
// What is let pass where one server is silent while the others, who have the same time, must answer.
constexpr auto kStall = 3000ms;

// Calls do not time out unless they say so.
ClientOptions OptionsOf(const std::vector<std::string>& addresses) {
  ClientOptions options;
  for (const std::string& address : addresses) options.servers.push_back({address, "", 1});
  options.timeout = kPatience;
  options.connect_timeout = kPatience;
  options.probe_interval = 50ms;
  return options;
}

std::unique_ptr<Client> MakeClient(const ClientOptions& options) {
  MakeResult made = Client::Make(options);
  EXPECT_TRUE(made.ok()) << made.status.message();
  return std::move(made.client);
}

// A key of each server, in the order of the list.
std::vector<std::string> KeysOf(const Client& client, const std::vector<std::string>& addresses) {
  std::vector<std::string> keys(addresses.size());
  size_t found = 0;
  for (int i = 0; found < keys.size(); i++) {
    const std::string key = "key" + std::to_string(i);
    for (size_t s = 0; s < addresses.size(); s++) {
      if (keys[s].empty() && client.ServerOf(key) == addresses[s]) {
        keys[s] = key;
        found++;
      }
    }
  }
  return keys;
}

// Runs a call and holds it against its deadline, plus what the machine itself was late.
template <class Run>
auto InTime(Lateness& lateness, std::chrono::milliseconds timeout, Run run) {
  const auto delay_before = Lateness::OwnDelay();
  const Clock::time_point begin = Clock::now();
  auto result = run();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
  const std::chrono::milliseconds noise = lateness.WorstSince(begin) + Lateness::OwnDelay() - delay_before;
  EXPECT_LE(took.count(), (timeout + kOverrunMax + noise).count())
      << "threads of this machine were up to " << noise.count() << " ms late meanwhile";
  return result;
}

class ThreeServers : public testing::TestWithParam<ServerKind> {
 protected:
  void SetUp() override {
    if (!test::Available(GetParam())) GTEST_SKIP() << test::ProgramOf(GetParam()) << " is not here";
    for (int i = 0; i < 3; i++) {
      servers_.push_back(std::make_unique<CacheServer>(GetParam()));
      addresses_.push_back(servers_.back()->address());
    }
  }

  void Store(Client& client, const std::vector<std::string>& keys) {
    for (const std::string& key : keys) ASSERT_TRUE(client.Set(key, "value of " + key).ok());
  }

  std::vector<std::unique_ptr<CacheServer>> servers_;
  std::vector<std::string> addresses_;
  Lateness lateness_;
};

TEST_P(ThreeServers, AStoppedServerCostsItsOwnKeysOnlyAndOnlyUntilTheDeadline) {
  ClientOptions options = OptionsOf(addresses_);
  options.failures_before_ejection = 0;
  auto client = MakeClient(options);
  std::vector<std::string> keys;
  for (int i = 0; i < 300; i++) keys.push_back("key" + std::to_string(i));
  Store(*client, keys);
  servers_[1]->Pause();
  const GetManyResult found = InTime(
      lateness_, kStall, [&] { return client->GetMany(std::span<const std::string>(keys), {.timeout = kStall}); });
  for (size_t i = 0; i < keys.size(); i++) {
    const bool stopped = client->ServerOf(keys[i]) == addresses_[1];
    EXPECT_EQ(found[i].status.code(), stopped ? Code::kTimeout : Code::kOk) << found[i].status.message();
    EXPECT_EQ(found[i].status.server(), stopped ? addresses_[1] : "");
    EXPECT_EQ(found[i].value, stopped ? "" : "value of " + keys[i]);
  }
  EXPECT_FALSE(found.complete());
  EXPECT_EQ(found.status().code(), Code::kTimeout);

  const std::vector<std::string> own = KeysOf(*client, addresses_);
  const GetResult none = InTime(lateness_, 500ms, [&] { return client->Get(own[1], {.timeout = 500ms}); });
  EXPECT_EQ(none.status.code(), Code::kTimeout);
  const StoreResult lost = InTime(lateness_, 500ms, [&] { return client->Set(own[1], "new", {}, {.timeout = 500ms}); });
  EXPECT_EQ(lost.status.code(), Code::kTimeout);
  EXPECT_TRUE(lost.status.unknown());
  EXPECT_TRUE(client->Get(own[0]).ok());
  servers_[1]->Continue();
  EXPECT_TRUE(test::Within(kPatience, [&] { return client->Get(own[1]).ok(); }));
}

TEST_P(ThreeServers, ALateReplyReachesNobody) {
  ClientOptions options = OptionsOf({addresses_[0]});
  options.failures_before_ejection = 0;
  auto client = MakeClient(options);
  Store(*client, {"a", "b"});
  for (int i = 0; i < 5; i++) {
    servers_[0]->Pause();
    EXPECT_EQ(client->Get("a", {.timeout = 200ms}).status.code(), Code::kTimeout);
    std::promise<Status> late;
    client->Get("a", {.timeout = 200ms}, [&](GetResult result) { late.set_value(result.status); });
    EXPECT_EQ(late.get_future().get().code(), Code::kTimeout);
    servers_[0]->Continue();
    EXPECT_EQ(client->Get("b").value, "value of b");
    std::promise<GetResult> next;
    client->Get("b", {}, [&](GetResult result) { next.set_value(std::move(result)); });
    EXPECT_EQ(next.get_future().get().value, "value of b");
  }
}

TEST_P(ThreeServers, AKilledServerIsEjectedProbedAndTakenBack) {
  auto client = MakeClient(OptionsOf(addresses_));
  const std::vector<std::string> keys = KeysOf(*client, addresses_);
  Store(*client, keys);
  servers_[1]->Kill();
  std::vector<Code> codes;
  for (int i = 0; i < 5; i++) {
    codes.push_back(client->Get(keys[1]).status.code());
    EXPECT_TRUE(client->Get(keys[0]).ok());
    EXPECT_TRUE(client->Get(keys[2]).ok());
  }
  EXPECT_EQ(codes, (std::vector<Code>{Code::kUnreachable, Code::kUnreachable, Code::kUnreachable, Code::kServerDown,
                                      Code::kServerDown}));
  EXPECT_TRUE(client->Servers()[1].down);
  EXPECT_EQ(client->Servers()[1].ejections, 1u);
  EXPECT_EQ(client->Set(keys[1], "v").status.server(), addresses_[1]);
  std::promise<Status> refused;
  client->Get(keys[1], {}, [&](GetResult result) { refused.set_value(result.status); });
  EXPECT_EQ(refused.get_future().get().code(), Code::kServerDown);

  ASSERT_TRUE(servers_[1]->Start());
  EXPECT_TRUE(test::Within(kPatience, [&] { return !client->Servers()[1].down; }));
  EXPECT_EQ(client->Get(keys[1]).status.code(), Code::kNotFound);
  EXPECT_TRUE(client->Set(keys[1], "v").ok());
}

TEST_P(ThreeServers, AStoppedServerIsEjectedUntilItAnswersAgain) {
  auto client = MakeClient(OptionsOf(addresses_));
  const std::vector<std::string> keys = KeysOf(*client, addresses_);
  Store(*client, keys);
  servers_[2]->Pause();
  for (int i = 0; i < 3; i++) EXPECT_EQ(client->Get(keys[2], {.timeout = 200ms}).status.code(), Code::kTimeout);
  std::this_thread::sleep_for(200ms);  // the probe connects, but gets no answer
  EXPECT_EQ(client->Get(keys[2]).status.code(), Code::kServerDown);
  servers_[2]->Continue();
  EXPECT_TRUE(test::Within(kPatience, [&] { return client->Get(keys[2]).ok(); }));
}

TEST_P(ThreeServers, RestartedServersAreUsedAgainWithoutAFailedRead) {
  auto client = MakeClient(OptionsOf(addresses_));
  const std::vector<std::string> keys = KeysOf(*client, addresses_);
  Store(*client, keys);
  for (const auto& server : servers_) {
    server->Kill();
    ASSERT_TRUE(server->Start());
  }
  for (const std::string& key : keys) EXPECT_EQ(client->Get(key).status.code(), Code::kNotFound);
  for (const auto& server : servers_) {
    server->Kill();
    ASSERT_TRUE(server->Start());
  }
  for (const std::string& key : keys) EXPECT_TRUE(client->Add(key, "v").ok()) << "a closed connection is noticed";
  for (const auto& server : servers_) {
    server->Kill();
    ASSERT_TRUE(server->Start());
  }
  EXPECT_TRUE(client->GetMany(std::span<const std::string>(keys)).complete());
}

// A connection in steady use breaks, and no fresh one is to be had: neither may look like an answer.
TEST_P(ThreeServers, AServerKilledAmidReadsGivesNoFalseAnswer) {
  ClientOptions options = OptionsOf({addresses_[0]});
  options.failures_before_ejection = 0;
  auto client = MakeClient(options);
  Store(*client, {"a", "b"});
  const std::string_view keys[] = {"a", "b"};
  for (int round = 0; round < 5; round++) {
    ASSERT_TRUE(client->Set("a", "value of a").ok());
    ASSERT_TRUE(client->Set("b", "value of b").ok());
    ASSERT_TRUE(client->Get("a").ok());
    servers_[0]->Kill();
    for (int i = 0; i < 3; i++) {
      const GetResult one = client->Get("a");
      EXPECT_FALSE(one.status.answered()) << one.status.message() << " \"" << one.value << '"';
      for (const Found& found : client->GetMany(keys)) EXPECT_FALSE(found.status.answered()) << found.status.message();
    }
    ASSERT_TRUE(servers_[0]->Start());
  }
}

TEST_P(ThreeServers, MissingIsNotMovingWhenSoAsked) {
  ClientOptions options = OptionsOf(addresses_);
  options.when_down = WhenDown::kMiss;
  auto client = MakeClient(options);
  const std::vector<std::string> keys = KeysOf(*client, addresses_);
  Store(*client, keys);
  servers_[0]->Kill();
  EXPECT_TRUE(test::Within(kPatience, [&] { return client->Get(keys[0]).skipped; }));
  EXPECT_EQ(client->Get(keys[0]).status.code(), Code::kNotFound);
  EXPECT_EQ(client->Set(keys[0], "v").status.code(), Code::kServerDown);
  EXPECT_EQ(client->Get(keys[0], {.when_down = WhenDown::kFail}).status.code(), Code::kServerDown);
  const GetManyResult found = client->GetMany(std::span<const std::string>(keys));
  EXPECT_EQ(found[0].status.code(), Code::kNotFound);
  EXPECT_TRUE(found[0].skipped);
  EXPECT_FALSE(found[1].skipped);
  EXPECT_EQ(found.hits(), 2u);
}

TEST_P(ThreeServers, TheNextServerStandsInAndNoOtherKeyMoves) {
  for (const char* const ring : {"slots", "ketama", "ketama_weighted"}) {
    ClientOptions options = OptionsOf(addresses_);
    options.ring = ring;
    options.when_down = WhenDown::kNextServer;
    auto client = MakeClient(options);
    std::vector<std::string> keys;
    std::vector<std::string> homes;
    for (int i = 0; i < 300; i++) {
      keys.push_back("key" + std::to_string(i));
      homes.push_back(client->ServerOf(keys.back()));
    }
    const std::string lost = KeysOf(*client, addresses_)[1];
    servers_[1]->Kill();
    EXPECT_TRUE(test::Within(kPatience, [&] { return client->Set(lost, "v").ok(); })) << ring;
    EXPECT_EQ(client->Get(lost).value, "v");
    for (size_t i = 0; i < keys.size(); i++) {
      const std::string now = client->ServerOf(keys[i]);
      EXPECT_EQ(now == homes[i], homes[i] != addresses_[1]);
      EXPECT_NE(now, addresses_[1]);
    }
    EXPECT_EQ(client->Get(lost, {.when_down = WhenDown::kFail}).status.code(), Code::kServerDown);
    EXPECT_TRUE(client->GetMany(std::span<const std::string>(keys)).complete());
    ASSERT_TRUE(servers_[1]->Start());
    EXPECT_TRUE(test::Within(kPatience, [&] { return client->ServerOf(lost) == addresses_[1]; }));
    EXPECT_EQ(client->Get(lost).status.code(), Code::kNotFound);
  }
}

TEST_P(ThreeServers, ASlowServerIsWaitedForNoLongerThanTheDeadline) {
  test::SlowProxy proxy(servers_[0]->port(), kPatience);
  ClientOptions options = OptionsOf({proxy.address(), addresses_[1], addresses_[2]});
  options.failures_before_ejection = 0;
  auto client = MakeClient(options);
  const std::vector<std::string> keys = KeysOf(*client, {proxy.address(), addresses_[1], addresses_[2]});
  const GetManyResult found = InTime(
      lateness_, kStall, [&] { return client->GetMany(std::span<const std::string>(keys), {.timeout = kStall}); });
  EXPECT_EQ(found[0].status.code(), Code::kTimeout);
  EXPECT_EQ(found[1].status.code(), Code::kNotFound);
  EXPECT_EQ(found[2].status.code(), Code::kNotFound);
  proxy.set_delay(20ms);
  EXPECT_TRUE(client->Set(keys[0], "v").ok());
  EXPECT_EQ(client->Get(keys[0]).value, "v");
}

INSTANTIATE_TEST_SUITE_P(Servers, ThreeServers, testing::Values(ServerKind::kHoldfast, ServerKind::kMemcached),
                         [](const auto& kind) {
                           return kind.param == ServerKind::kHoldfast ? "Holdfast" : "Memcached";
                         });

// -- Servers that lie --

// What a server answers to a get; the client's first token is 1.
Status GetFrom(const std::string& reply, bool close_after = false, std::chrono::milliseconds timeout = kPatience) {
  BadServer server([&](int file) {
    while (!BadServer::Hear(file).empty()) {
      BadServer::Say(file, reply);
      if (close_after) return;
    }
  });
  auto client = MakeClient(OptionsOf({server.address()}));
  const GetResult result = client->Get("key", {.timeout = timeout});
  std::promise<Status> again;
  client->Get("key", {.timeout = timeout}, [&](GetResult late) { again.set_value(late.status); });
  EXPECT_EQ(again.get_future().get().code(), result.status.code()) << reply.substr(0, 60);
  EXPECT_EQ(result.status.server(), result.status.answered() ? "" : server.address());
  return result.status;
}

TEST(BadReplies, AreTypedErrorsThatNameTheServer) {
  EXPECT_EQ(GetFrom("VA 1 f0 O1\r\nv\r\n").code(), Code::kOk);
  EXPECT_EQ(GetFrom("EN\r\n").code(), Code::kNotFound);
  EXPECT_EQ(GetFrom("EN O1\r\n").code(), Code::kNotFound);
  EXPECT_EQ(GetFrom("SERVER_ERROR out of memory writing get response\r\n").code(), Code::kNoMemory);
  EXPECT_EQ(GetFrom("SERVER_ERROR no idea\r\n").code(), Code::kServerError);
  EXPECT_EQ(GetFrom("CLIENT_ERROR bad\r\n").code(), Code::kRejected);
  EXPECT_EQ(GetFrom("ERROR\r\n").code(), Code::kRejected);
}

TEST(BadReplies, OfAnotherRequestAreRefused) {
  for (const char* const reply :
       {"VA 1 f0 O2\r\nv\r\n", "VA 1 f0 O0\r\nv\r\n", "VA 1 f0\r\nv\r\n", "VA 1 f0 O\r\nv\r\n", "VA 1 f0 O1x\r\nv\r\n",
        "EN O7\r\n", "HD O9\r\n", "MN\r\n", "NF O1\r\n", "STORED\r\n", "VALUE key 0 1\r\nv\r\nEND\r\n", "END\r\n"}) {
    EXPECT_EQ(GetFrom(reply).code(), Code::kProtocol) << reply;
  }
}

TEST(BadReplies, ThatAreMalformedOrTooLongAreRefused) {
  for (const std::string& reply :
       {std::string("garbage\r\n"), std::string("VA -1 O1\r\n"), std::string("VA 99999999999999999999 O1\r\n"),
        std::string("VA 1 f0 O1\r\nvxx"), std::string("VA 1 fx O1\r\nv\r\n"), std::string("\r\n"),
        std::string(9000, 'x'), std::string("VA 500000000 O1\r\n"), std::string("\0\0\0\0\0\n", 6),
        std::string("\x81\0\0\0\n", 5), std::string("HTTP/1.1 400 Bad Request\r\n\r\n"),
        std::string("VA 1 f0 O1\r\nv\r\nVA 1 f0 O2\r\nw\r\n")}) {
    const Code code = GetFrom(reply).code();
    if (reply.starts_with("VA 1 f0 O1\r\nv\r\nVA")) continue;  // the first may be read before the rest has come
    EXPECT_EQ(code, Code::kProtocol) << reply.substr(0, 60);
  }
}

TEST(BadReplies, ThatEndTooSoonAreLostConnections) {
  EXPECT_EQ(GetFrom("", true).code(), Code::kConnectionLost);
  EXPECT_EQ(GetFrom("VA 10 f0 O1\r\nhalf", true).code(), Code::kConnectionLost);
  EXPECT_EQ(GetFrom("VA 10 f0", true).code(), Code::kConnectionLost);
  EXPECT_EQ(GetFrom("VA 10 f0 O1\r\nhalf", false, 500ms).code(), Code::kTimeout);
}

TEST(BadReplies, ToAMultigetNeverPutAValueUnderAnotherKey) {
  const std::string_view keys[] = {"a", "b", "c"};
  const auto codes = [&](const std::string& reply, std::chrono::milliseconds timeout = kPatience) {
    BadServer server([&](int file) {
      while (!BadServer::Hear(file).empty()) BadServer::Say(file, reply);
    });
    auto client = MakeClient(OptionsOf({server.address()}));
    const GetManyResult found = client->GetMany(keys, {.timeout = timeout});
    return std::vector<Code>{found[0].status.code(), found[1].status.code(), found[2].status.code()};
  };
  using Codes = std::vector<Code>;
  EXPECT_EQ(codes("VA 1 f0 O2\r\nv\r\nMN\r\n"), (Codes{Code::kNotFound, Code::kOk, Code::kNotFound}));
  EXPECT_EQ(codes("MN\r\n"), (Codes{Code::kNotFound, Code::kNotFound, Code::kNotFound}));
  EXPECT_EQ(codes("VA 1 f0 O2\r\nv\r\nVA 1 f0 O1\r\nv\r\nMN\r\n"),
            (Codes{Code::kNotFound, Code::kOk, Code::kProtocol}));
  EXPECT_EQ(codes("VA 1 f0 O2\r\nv\r\nVA 1 f0 O2\r\nv\r\nMN\r\n"),
            (Codes{Code::kNotFound, Code::kOk, Code::kProtocol}));
  EXPECT_EQ(codes("VA 1 f0 O4\r\nv\r\nMN\r\n"), (Codes{Code::kProtocol, Code::kProtocol, Code::kProtocol}));
  EXPECT_EQ(codes("VA 1 f0 O0\r\nv\r\nMN\r\n"), (Codes{Code::kProtocol, Code::kProtocol, Code::kProtocol}));
  EXPECT_EQ(codes("VA 1 f0 O1\r\nv\r\n", kStall), (Codes{Code::kOk, Code::kTimeout, Code::kTimeout}));
  EXPECT_EQ(codes("EN\r\nMN\r\n"), (Codes{Code::kProtocol, Code::kProtocol, Code::kProtocol}));
  // An error without a token may be about any key up to the next hit: none of these is called missing.
  EXPECT_EQ(codes("SERVER_ERROR away\r\nVA 1 f0 O2\r\nv\r\nMN\r\n"),
            (Codes{Code::kServerError, Code::kOk, Code::kNotFound}));
  EXPECT_EQ(codes("VA 1 f0 O1\r\nv\r\nSERVER_ERROR away\r\nMN\r\n"),
            (Codes{Code::kOk, Code::kServerError, Code::kServerError}));
}

TEST(BadReplies, ThatNobodyAskedForEndTheConnection) {
  std::atomic<bool> taken{false}, said{false};
  BadServer server([&](int file) {
    while (!BadServer::Hear(file).empty()) {
      BadServer::Say(file, "VA 1 f0 O1\r\nv\r\n");
      if (said) continue;
      while (!taken) std::this_thread::sleep_for(1ms);
      BadServer::Say(file, "VA 1 f0 O2\r\nx\r\n");  // the answer to a question not yet asked
      said = true;
    }
  });
  auto client = MakeClient(OptionsOf({server.address()}));
  EXPECT_EQ(client->Get("a").value, "v");
  taken = true;
  EXPECT_TRUE(test::Within(kPatience, [&] { return said.load(); }));
  std::this_thread::sleep_for(50ms);  // so that the connection has lain idle
  EXPECT_EQ(client->Get("b").value, "v") << "on the old connection";
  EXPECT_EQ(server.accepted(), 2);
}

TEST(BadConnections, AreTypedErrorsThatNameTheServer) {
  Lateness lateness;
  uint16_t port = 0;
  const int bound = test::BindLoopback(&port, 0);  // taken, but nobody listens
  const std::string refusing = "127.0.0.1:" + std::to_string(port);
  auto refused = MakeClient(OptionsOf({refusing}));
  const Status status = InTime(lateness, 1s, [&] { return refused->Get("k"); }).status;
  EXPECT_EQ(status.code(), Code::kUnreachable);
  EXPECT_EQ(status.server(), refusing);
  EXPECT_FALSE(status.unknown());
  close(bound);

  EXPECT_EQ(MakeClient(OptionsOf({"/nonexistent/holdfast.sock"}))->Get("k").status.code(), Code::kUnreachable);

  const Status unknown_host = MakeClient(OptionsOf({"no-such-host.invalid"}))->Get("k").status;
  EXPECT_EQ(unknown_host.code(), Code::kUnreachable);
  EXPECT_EQ(unknown_host.server(), "no-such-host.invalid");

  BadServer resetting([](int file) {
    BadServer::Hear(file);
    const linger at_once = {1, 0};
    setsockopt(file, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(dup(file));
  });
  EXPECT_EQ(MakeClient(OptionsOf({resetting.address()}))->Set("k", "v").status.code(), Code::kConnectionLost);
}

// A full backlog: connecting gets no answer at all.
TEST(BadConnections, ConnectingEndsWithItsOwnTime) {
  Lateness lateness;
  uint16_t port = 0;
  const int listening = test::BindLoopback(&port, 1);
  std::vector<int> fillers;
  for (int i = 0; i < 4; i++) {
    fillers.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const sockaddr_in address = test::LoopbackAddress(port);
    [[maybe_unused]] const int begun =
        connect(fillers.back(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  }
  const auto connected = [](int file) {
    pollfd one = {file, POLLOUT, 0};
    return poll(&one, 1, 0) == 1;
  };
  EXPECT_TRUE(test::Within(kPatience, [&] { return std::count_if(fillers.begin(), fillers.end(), connected) == 2; }));
  ClientOptions options = OptionsOf({"127.0.0.1:" + std::to_string(port)});
  options.connect_timeout = 100ms;
  auto client = MakeClient(options);
  EXPECT_EQ(InTime(lateness, 100ms, [&] { return client->Get("k"); }).status.code(), Code::kUnreachable);
  std::promise<Status> later;
  client->Get("k", {}, [&](GetResult result) { later.set_value(result.status); });
  EXPECT_EQ(InTime(lateness, 100ms, [&] { return later.get_future().get(); }).code(), Code::kUnreachable);
  for (const int file : fillers) close(file);
  close(listening);
}

TEST(BadConnections, TheMostConnectionsIsALimit) {
  std::atomic<bool> speak{false};
  BadServer slow([&](int file) {
    while (!BadServer::Hear(file).empty()) {
      while (!speak) std::this_thread::sleep_for(1ms);
      BadServer::Say(file, "VA 1 f0 O1\r\nv\r\n");
    }
  });
  ClientOptions options = OptionsOf({slow.address()});
  options.connections_max = 2;
  options.failures_before_ejection = 1;
  auto client = MakeClient(options);
  constexpr int kCallers = 8;
  std::atomic<int> busy{0}, found{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kCallers; i++) {
    threads.emplace_back([&] {
      const GetResult result = client->Get("k");
      if (result.ok()) found++;
      if (result.status.code() != Code::kBusy) return;
      busy++;
      EXPECT_EQ(result.status.server(), slow.address());
    });
  }
  // Nobody is answered before all but two were refused, so that these two had all there is.
  EXPECT_TRUE(test::Within(kPatience, [&] { return busy == kCallers - 2; }));
  EXPECT_EQ(client->Servers()[0].connections, 2u);
  speak = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(busy, kCallers - 2);
  EXPECT_EQ(found, 2);
  EXPECT_EQ(slow.accepted(), 2);
  EXPECT_FALSE(client->Servers()[0].down) << "its own limit is no failure of the server";
  EXPECT_EQ(client->Servers()[0].connections, 2u) << "both are kept for the next";
}

TEST(BadConnections, AreClosedWhenTheTimeIsUp) {
  BadServer silent([](int file) {
    while (!BadServer::Hear(file).empty()) continue;
  });
  ClientOptions options = OptionsOf({silent.address()});
  options.failures_before_ejection = 0;
  auto client = MakeClient(options);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; i++) {
    threads.emplace_back([&] { EXPECT_EQ(client->Get("k", {.timeout = 500ms}).status.code(), Code::kTimeout); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(client->Servers()[0].connections, 0u);
}

}  // namespace
}  // namespace holdfast
