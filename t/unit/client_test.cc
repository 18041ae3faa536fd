// The verbs of the client, against three real servers of each kind.

#include <holdfast/client.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "lib/cache_server.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using test::CacheServer;
using test::ServerKind;

// What a machine that is twenty times slower than usual still does in time.
constexpr auto kPatience = 60s;

// A client of this server alone.
std::unique_ptr<Client> ClientOf(const std::string& address) {
  ClientOptions options;
  options.servers = {{address, "", 1}};
  options.timeout = options.connect_timeout = kPatience;
  return std::move(Client::Make(options).client);
}

class ClientTest : public testing::TestWithParam<ServerKind> {
 protected:
  void SetUp() override {
    if (!test::Available(GetParam())) GTEST_SKIP() << test::ProgramOf(GetParam()) << " is not here";
    for (int i = 0; i < 3; i++) servers_.push_back(std::make_unique<CacheServer>(GetParam()));
  }

  ClientOptions Options() const {
    ClientOptions options;
    for (const auto& server : servers_) options.servers.push_back({server->address(), "", 1});
    options.timeout = options.connect_timeout = kPatience;
    return options;
  }

  std::unique_ptr<Client> MakeClient() const {
    MakeResult made = Client::Make(Options());
    EXPECT_TRUE(made.ok()) << made.status.message();
    return std::move(made.client);
  }

  std::vector<std::unique_ptr<CacheServer>> servers_;
};

TEST_P(ClientTest, GetsWhatWasSet) {
  auto client = MakeClient();
  for (const std::string& value : {std::string("v"), std::string(), std::string("a\r\nEN\r\n\0b", 9),
                                   std::string(100'000, 'x'), std::string(900'000, 'y')}) {
    const StoreResult stored = client->Set("key", value, {.flags = 0xfffffffe});
    ASSERT_TRUE(stored.ok()) << stored.status.message();
    EXPECT_NE(stored.cas, 0u);
    const GetResult found = client->Gets("key");
    ASSERT_TRUE(found.ok()) << found.status.message();
    EXPECT_TRUE(found.value == value);
    EXPECT_EQ(found.flags, 0xfffffffe);
    EXPECT_EQ(found.cas, stored.cas);
  }
  EXPECT_EQ(client->Get("absent").status.code(), Code::kNotFound);
}

TEST_P(ClientTest, EachVerbDoesWhatItSays) {
  auto client = MakeClient();
  EXPECT_EQ(client->Replace("k", "r").status.code(), Code::kNotStored);
  EXPECT_EQ(client->Append("k", "r").status.code(), Code::kNotStored);
  EXPECT_EQ(client->Prepend("k", "r").status.code(), Code::kNotStored);
  EXPECT_EQ(client->Get("k").status.code(), Code::kNotFound);
  EXPECT_TRUE(client->Add("k", "b", {.flags = 7}).ok());
  EXPECT_EQ(client->Add("k", "x").status.code(), Code::kNotStored);
  EXPECT_TRUE(client->Append("k", "c").ok());
  EXPECT_TRUE(client->Prepend("k", "a").ok());
  const GetResult found = client->Gets("k");
  EXPECT_EQ(found.value, "abc");
  EXPECT_EQ(found.flags, 7u);
  EXPECT_TRUE(client->Replace("k", "r").ok());
  EXPECT_EQ(client->Cas("k", "x", found.cas).status.code(), Code::kExists);
  const StoreResult replaced = client->Cas("k", "y", client->Gets("k").cas);
  EXPECT_TRUE(replaced.ok());
  EXPECT_TRUE(client->Cas("k", "z", replaced.cas).ok());
  EXPECT_EQ(client->Get("k").value, "z");
  EXPECT_EQ(client->Cas("absent", "x", 5).status.code(), Code::kNotFound);
  EXPECT_EQ(client->Cas("k", "x", 0).status.code(), Code::kInvalid);

  EXPECT_EQ(client->Increment("n").status.code(), Code::kNotFound);
  EXPECT_EQ(client->Increment("n", 5, {.initial = 10}).number, 10u);
  EXPECT_EQ(client->Increment("n", 5).number, 15u);
  EXPECT_EQ(client->Decrement("n", 6).number, 9u);
  EXPECT_EQ(client->Decrement("n", 60).number, 0u);
  EXPECT_EQ(client->Increment("n", UINT64_MAX).number, UINT64_MAX);
  EXPECT_EQ(client->Increment("k").status.code(), Code::kNotNumber);
  EXPECT_EQ(client->Get("n").value, "18446744073709551615");

  EXPECT_EQ(client->Remove("k", {.cas = 1}).code(), Code::kExists);
  EXPECT_TRUE(client->Remove("k").ok());
  EXPECT_EQ(client->Remove("k").code(), Code::kNotFound);
}

TEST_P(ClientTest, ItemsExpireWhenTheyShall) {
  auto client = MakeClient();
  client->Set("gone", "v", {.ttl = -1s});
  client->Set("month", "v", {.ttl = 24h * 40});
  EXPECT_EQ(client->Get("gone").status.code(), Code::kNotFound);
  EXPECT_TRUE(client->Get("month").ok());
  EXPECT_EQ(client->Touch("absent", 100s).code(), Code::kNotFound);
  EXPECT_EQ(client->GetAndTouch("absent", 100s).status.code(), Code::kNotFound);
  // Those that are touched were set before the one that goes, so without the touch they would be gone then.
  client->Set("longer", "v", {.ttl = 4s});
  EXPECT_TRUE(client->Touch("longer", 1000s).ok());
  client->Set("kept", "v", {.ttl = 4s});
  EXPECT_EQ(client->GetAndTouch("kept", 24h * 40).value, "v");
  client->Set("short", "v", {.ttl = 4s});
  client->Set("shortened", "v", {.ttl = 1000s});
  EXPECT_TRUE(client->Touch("shortened", 1s).ok());
  EXPECT_TRUE(test::Within(kPatience, [&] { return client->Get("short").status.code() == Code::kNotFound; }));
  EXPECT_TRUE(test::Within(kPatience, [&] { return client->Get("shortened").status.code() == Code::kNotFound; }));
  EXPECT_TRUE(client->Get("longer").ok());
  EXPECT_TRUE(client->Get("kept").ok());
  EXPECT_TRUE(client->Get("month").ok());
}

TEST_P(ClientTest, AMultigetBringsEachKeyItsOwnValue) {
  auto client = MakeClient();
  std::vector<std::string> keys;
  for (int i = 0; i < 3000; i++) keys.push_back("key" + std::to_string(i));
  for (int i = 0; i < 3000; i += 3) ASSERT_TRUE(client->Set(keys[i], "value of " + keys[i], {.flags = 9}).ok());
  const GetManyResult found = client->GetMany(std::span<const std::string>(keys));
  ASSERT_EQ(found.size(), keys.size());
  EXPECT_TRUE(found.complete()) << found.status().message();
  EXPECT_EQ(found.hits(), 1000u);
  for (size_t i = 0; i < keys.size(); i++) {
    if (i % 3 == 0) {
      EXPECT_EQ(found[i].value, "value of " + keys[i]);
      EXPECT_EQ(found[i].flags, 9u);
    } else {
      EXPECT_EQ(found[i].status.code(), Code::kNotFound);
    }
  }
}

TEST_P(ClientTest, AMultigetOfAnySizeIsCutIntoPieces) {
  ClientOptions options = Options();
  for (const uint32_t keys_max : {1u, 2u, 7u, 100'000u}) {
    options.multiget_keys_max = keys_max;
    auto client = std::move(Client::Make(options).client);
    std::vector<std::string> keys;
    for (int i = 0; i < 500; i++) keys.push_back("key" + std::to_string(i));
    for (const std::string& key : keys) ASSERT_TRUE(client->Set(key, std::string(2000, 'v') + key).ok());
    const GetManyResult found = client->GetMany(std::span<const std::string>(keys));
    EXPECT_EQ(found.hits(), 500u) << keys_max << ": " << found.status().message();
    for (size_t i = 0; i < keys.size(); i++) EXPECT_EQ(found[i].value.substr(2000), keys[i]);
  }
}

TEST_P(ClientTest, TheSameKeyTwiceInAMultigetIsFoundTwice) {
  auto client = MakeClient();
  client->Set("a", "1");
  const std::string_view keys[] = {"a", "a", "absent", "a"};
  const GetManyResult found = client->GetsMany(keys);
  EXPECT_EQ(found.hits(), 3u);
  EXPECT_EQ(found[3].value, "1");
  EXPECT_NE(found[3].cas, 0u);
  EXPECT_EQ(client->GetMany(std::span<const std::string_view>()).size(), 0u);
}

TEST_P(ClientTest, AMasterKeyDecidesTheServer) {
  auto client = MakeClient();
  const Call call = {.master = "user:5"};
  const std::string server = client->ServerOf("anything", call);
  std::vector<std::string> keys;
  for (int i = 0; i < 100; i++) keys.push_back("part" + std::to_string(i));
  for (const std::string& key : keys) {
    EXPECT_EQ(client->ServerOf(key, call), server);
    ASSERT_TRUE(client->Set(key, key, {}, call).ok());
  }
  EXPECT_EQ(client->GetMany(std::span<const std::string>(keys), call).hits(), 100u);
  EXPECT_LT(client->GetMany(std::span<const std::string>(keys)).hits(), 100u);
  EXPECT_TRUE(client->Get("part7", call).ok());
  EXPECT_TRUE(client->Touch("part7", 100s, call).ok());
  EXPECT_TRUE(client->Remove("part7", {}, call).ok());
  EXPECT_EQ(client->Get("part7", call).status.code(), Code::kNotFound);

  auto alone = ClientOf(server);
  EXPECT_EQ(alone->GetMany(std::span<const std::string>(keys)).hits(), 99u);
}

TEST_P(ClientTest, ANumberAsMasterKeyIsTheHashItself) {
  ClientOptions options = Options();
  options.ring = "modula";
  auto client = std::move(Client::Make(options).client);
  for (uint32_t number = 0; number < 9; number++) {
    EXPECT_EQ(client->ServerOf("key", {.master = number}), servers_[number % 3]->address());
  }
}

TEST_P(ClientTest, APrefixIsPutBeforeKeysAndNotHashed) {
  ClientOptions options = Options();
  options.prefix = "app:";
  auto prefixed = std::move(Client::Make(options).client);
  auto plain = MakeClient();
  for (int i = 0; i < 30; i++) {
    const std::string key = "key" + std::to_string(i);
    ASSERT_TRUE(prefixed->Set(key, key).ok());
    EXPECT_EQ(prefixed->ServerOf(key), plain->ServerOf(key));
    EXPECT_EQ(plain->Get(key).status.code(), Code::kNotFound);
    const std::string whole = "app:" + key;
    EXPECT_EQ(ClientOf(prefixed->ServerOf(key))->Get(whole).value, key);
  }
  const std::string_view keys[] = {"key1", "absent", "key2"};
  EXPECT_EQ(prefixed->GetMany(keys).hits(), 2u);
}

TEST_P(ClientTest, AKeyThatCannotBeSentIsRefusedBeforeAnythingIs) {
  auto client = MakeClient();
  const std::string longest(250, 'k');
  EXPECT_TRUE(client->Set(longest, "v").ok());
  EXPECT_EQ(client->Get(longest).value, "v");
  const std::string long_key(251, 'k');
  for (std::string_view key : {std::string_view(), std::string_view("a b"), std::string_view("a\r\nset b"),
                               std::string_view("a\0b", 3), std::string_view("a\x7f"), std::string_view(long_key)}) {
    EXPECT_EQ(client->Set(key, "v").status.code(), Code::kInvalid);
    EXPECT_EQ(client->Get(key).status.code(), Code::kInvalid);
    EXPECT_EQ(client->Remove(key).code(), Code::kInvalid);
    EXPECT_EQ(client->Increment(key).status.code(), Code::kInvalid);
    EXPECT_EQ(client->Touch(key, 1s).code(), Code::kInvalid);
    const std::string_view keys[] = {longest, key, "absent"};
    const GetManyResult found = client->GetMany(keys);
    EXPECT_TRUE(found[0].ok());
    EXPECT_EQ(found[1].status.code(), Code::kInvalid);
    EXPECT_EQ(found[2].status.code(), Code::kNotFound);
    std::promise<Code> code;
    client->Get(key, {}, [&](GetResult result) { code.set_value(result.status.code()); });
    EXPECT_EQ(code.get_future().get(), Code::kInvalid);
  }
}

TEST_P(ClientTest, AnyBytesAreAKeyWhenKeysAreNotChecked) {
  ClientOptions options = Options();
  options.check_keys = false;
  auto client = std::move(Client::Make(options).client);
  const std::string_view keys[] = {"plain", "a b", "a\r\nb", std::string_view("\0\x01", 2), "\xff\xfe"};
  for (std::string_view key : keys) ASSERT_TRUE(client->Set(key, std::string("of ") += key).ok());
  const GetManyResult found = client->GetMany(keys);
  for (size_t i = 0; i < 5; i++) {
    EXPECT_EQ(found[i].value, std::string("of ") += keys[i]);
    EXPECT_EQ(client->Get(keys[i]).value, std::string("of ") += keys[i]);
  }
  EXPECT_EQ(client->Get("").status.code(), Code::kInvalid);
}

TEST_P(ClientTest, ATooLargeValueIsATypedErrorAndHurtsNothingElse) {
  auto client = MakeClient();
  const StoreResult refused = client->Set("big", std::string(1'500'000, 'x'));
  EXPECT_EQ(refused.status.code(), Code::kTooLarge);
  EXPECT_EQ(refused.status.server(), client->ServerOf("big"));
  EXPECT_TRUE(client->Set("big", "small").ok());
  EXPECT_EQ(client->Get("big").value, "small");

  ClientOptions options = Options();
  options.value_bytes_max = 1000;
  auto narrow = std::move(Client::Make(options).client);
  EXPECT_EQ(narrow->Set("k", std::string(1001, 'x')).status.code(), Code::kInvalid);
  EXPECT_TRUE(narrow->Set("k", std::string(1000, 'x')).ok());
  ASSERT_TRUE(client->Set("k", std::string(20'000, 'x')).ok());
  EXPECT_EQ(narrow->Get("k").status.code(), Code::kProtocol);
  EXPECT_EQ(narrow->Get("absent").status.code(), Code::kNotFound);
}

TEST_P(ClientTest, CallbacksGetWhatBlockingCallsGet) {
  auto client = MakeClient();
  constexpr int kCalls = 2000;
  std::atomic<int> wrong{0};
  std::atomic<int> done{0};
  std::promise<void> all;
  for (int i = 0; i < kCalls; i++) {
    const std::string key = "key" + std::to_string(i);
    client->Set(key, "value of " + key, {}, {}, [&, key](StoreResult stored) {
      if (!stored.ok()) wrong++;
      client->Get(key, {}, [&, key](GetResult found) {
        if (found.value != "value of " + key) wrong++;
        if (++done == kCalls) all.set_value();
      });
    });
  }
  ASSERT_EQ(all.get_future().wait_for(2 * kPatience), std::future_status::ready);
  EXPECT_EQ(wrong, 0);

  std::vector<std::string> keys;
  for (int i = 0; i < kCalls + 10; i++) keys.push_back("key" + std::to_string(i));
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  std::promise<GetManyResult> many;
  client->GetMany(views, {}, [&](GetManyResult found) { many.set_value(std::move(found)); });
  const GetManyResult found = many.get_future().get();
  EXPECT_EQ(found.hits(), static_cast<size_t>(kCalls));
  EXPECT_EQ(found[5].value, "value of key5");
  EXPECT_EQ(found[kCalls].status.code(), Code::kNotFound);

  std::promise<NumberResult> number;
  client->Increment("n", 1, {.initial = 3}, {}, [&](NumberResult result) { number.set_value(result); });
  EXPECT_EQ(number.get_future().get().number, 3u);
  std::promise<Status> touched, removed;
  client->Touch("n", 100s, {}, [&](Status status) { touched.set_value(status); });
  client->Remove("n", {}, {}, [&](Status status) { removed.set_value(status); });
  EXPECT_TRUE(touched.get_future().get().ok());
  EXPECT_TRUE(removed.get_future().get().ok());

  ASSERT_TRUE(client->Set("k", "b").ok());
  std::promise<StoreResult> appended, prepended, nowhere;
  client->Append("k", "c", {}, [&](StoreResult result) { appended.set_value(result); });
  EXPECT_TRUE(appended.get_future().get().ok());
  client->Prepend("k", "a", {}, [&](StoreResult result) { prepended.set_value(result); });
  EXPECT_TRUE(prepended.get_future().get().ok());
  client->Append("absent", "c", {}, [&](StoreResult result) { nowhere.set_value(result); });
  EXPECT_EQ(nowhere.get_future().get().status.code(), Code::kNotStored);
  std::promise<GetResult> kept;
  client->GetAndTouch("k", 1000s, {}, [&](GetResult result) { kept.set_value(std::move(result)); });
  EXPECT_EQ(kept.get_future().get().value, "abc");
  std::promise<GetManyResult> with_cas;
  const std::string_view two[] = {"k", "absent"};
  client->GetsMany(two, {}, [&](GetManyResult result) { with_cas.set_value(std::move(result)); });
  const GetManyResult both = with_cas.get_future().get();
  EXPECT_EQ(both[0].value, "abc");
  EXPECT_EQ(both[0].cas, client->Gets("k").cas);
  EXPECT_EQ(both[1].status.code(), Code::kNotFound);
}

TEST_P(ClientTest, ClosingTheClientAnswersEveryCallback) {
  std::atomic<int> answered{0};
  constexpr int kCalls = 1000;
  {
    auto client = MakeClient();
    for (int i = 0; i < kCalls; i++) {
      client->Get("key" + std::to_string(i), {}, [&](GetResult) { answered++; });
    }
  }
  EXPECT_EQ(answered, kCalls);
}

TEST_P(ClientTest, AsksAllServersForVersionAndStatistics) {
  auto client = MakeClient();
  const std::vector<ServerResult> versions = client->Version();
  ASSERT_EQ(versions.size(), 3u);
  for (size_t i = 0; i < 3; i++) {
    EXPECT_TRUE(versions[i].status.ok()) << versions[i].status.message();
    EXPECT_EQ(versions[i].server, servers_[i]->address());
    EXPECT_TRUE(versions[i].text.starts_with("1.6.")) << versions[i].text;
  }
  for (const ServerResult& result : client->Stats()) EXPECT_GT(result.rows.size(), 20u);
  const auto is_limit = [](const auto& row) { return row.first == "maxbytes" && row.second == "67108864"; };
  for (const ServerResult& result : client->Stats("settings")) {
    EXPECT_EQ(std::count_if(result.rows.begin(), result.rows.end(), is_limit), 1);
  }
  EXPECT_EQ(client->Version({.master = "a"}).size(), 1u);
  EXPECT_EQ(client->Stats("a\r\nflush_all")[0].status.code(), Code::kInvalid);

  for (int i = 0; i < 30; i++) client->Set("key" + std::to_string(i), "v");
  for (const ServerResult& result : client->Flush()) EXPECT_TRUE(result.status.ok());
  for (int i = 0; i < 30; i++) EXPECT_FALSE(client->Get("key" + std::to_string(i)).ok());
}

TEST_P(ClientTest, ThreadsShareAClient) {
  auto client = MakeClient();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; t++) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; i++) {
        const std::string key = "t" + std::to_string(t) + "k" + std::to_string(i);
        const std::string value(static_cast<size_t>(i) * 7, static_cast<char>('a' + t));
        if (!client->Set(key, value).ok()) wrong++;
        if (client->Get(key).value != value) wrong++;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(ClientTest, ServersComeAndGoWhileOthersCall) {
  auto client = MakeClient();
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0}, calls{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      for (int i = 0; !stop; i++) {
        const std::string key = "t" + std::to_string(t) + "k" + std::to_string(i % 50);
        if (!client->Set(key, key).status.answered()) failed++;
        const GetResult found = client->Get(key);
        if (!found.status.answered() || (found.ok() && found.value != key)) failed++;
        const std::string_view keys[] = {key, "x", "y", "z"};
        if (!client->GetMany(keys).complete()) failed++;
        calls++;
      }
    });
  }
  CacheServer fourth(GetParam());
  for (int i = 0; i < 10; i++) {
    ASSERT_TRUE(client->AddServer({fourth.address(), "fourth", 3}).ok());
    EXPECT_EQ(client->Servers().size(), 4u);
    std::this_thread::sleep_for(10ms);
    ASSERT_TRUE(client->RemoveServer("fourth").ok());
  }
  while (calls < 20) std::this_thread::sleep_for(1ms);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(client->AddServer({servers_[0]->address(), "", 1}).code(), Code::kInvalid);
  EXPECT_EQ(client->RemoveServer("nobody").code(), Code::kInvalid);
  EXPECT_EQ(client->SetServers({}).code(), Code::kInvalid);
  EXPECT_EQ(client->Servers().size(), 3u);
}

void ExpectReached(const std::string& address) {
  auto client = ClientOf(address);
  EXPECT_TRUE(client->Set("k", "v").ok()) << address;
  EXPECT_EQ(client->Get("k").value, "v");
  auto fresh = ClientOf(address);
  std::promise<GetResult> found;
  fresh->Get("k", {}, [&](GetResult result) { found.set_value(std::move(result)); });
  EXPECT_EQ(found.get_future().get().value, "v");
}

TEST_P(ClientTest, ReachesAServerByNameAndByV6) {
  CacheServer other(GetParam(), {"-l", "::1"});
  ExpectReached("localhost:" + std::to_string(other.port()));
  if (const int file = socket(AF_INET6, SOCK_STREAM, 0); file >= 0) {
    sockaddr_in6 v6 = {AF_INET6, htons(other.port()), 0, in6addr_loopback, 0};
    const bool there = connect(file, reinterpret_cast<sockaddr*>(&v6), sizeof(v6)) == 0;
    close(file);
    if (there) ExpectReached("[::1]:" + std::to_string(other.port()));
  }
}

TEST_P(ClientTest, ReachesAServerByItsUnixSocket) {
  const std::string path = "/tmp/holdfast_client_" + std::to_string(getpid()) + ".sock";
  const test::SocketServer server(GetParam(), path);
  ExpectReached(path);
  ExpectReached("unix:" + path);
}

INSTANTIATE_TEST_SUITE_P(Servers, ClientTest, testing::Values(ServerKind::kHoldfast, ServerKind::kMemcached),
                         [](const auto& kind) {
                           return kind.param == ServerKind::kHoldfast ? "Holdfast" : "Memcached";
                         });

// -- Without a server --

void ExpectNotMade(const ClientOptions& options, std::string_view cause) {
  const MakeResult made = Client::Make(options);
  ASSERT_FALSE(made.ok()) << cause;
  EXPECT_EQ(made.status.code(), Code::kInvalid);
  EXPECT_NE(made.status.message().find(cause), std::string::npos) << made.status.message();
}

TEST(ClientOptions, WhatCannotBeMeantIsRefused) {
  ClientOptions options;
  ExpectNotMade(options, "no servers");
  options.servers = {{"a", "", 1}, {"a:11211", "", 1}};
  ExpectNotMade(options, "twice");
  options.servers = {{"a", "", 0}};
  ExpectNotMade(options, "weight 0");
  for (const char* address : {"", "a:0", "a:65536", "a:b", "[::1", "[::1]x", ":1", "a b", "/", "a:+1"}) {
    options.servers = {{address, "", 1}};
    ExpectNotMade(options, "server");
  }
  options.servers = {{"a", "", 1}};
  options.ring = "ring";
  ExpectNotMade(options, "ring");
  options.ring = "ketama";
  options.prefix = "a b";
  ExpectNotMade(options, "prefix");
  options.prefix = std::string(250, 'p');
  ExpectNotMade(options, "prefix");
  options.prefix = "";
  options.timeout = 0ms;
  ExpectNotMade(options, "timeout");
}

TEST(ClientOptions, EachByteIsFitForAKeyOrNotWhereverItStands) {
  auto client = std::move(Client::Make("127.0.0.1:1").client);
  for (size_t size = 1; size <= 20; size++) {
    for (size_t place = 0; place < size; place++) {
      for (int byte = 0; byte < 256; byte++) {
        std::string key(size, place % 2 == 0 ? '!' : '\x80');
        key[place] = static_cast<char>(byte);
        const bool fit = byte > ' ' && byte != 0x7f;
        const std::string_view keys[] = {key};
        const Code code = fit && place > 0 ? Code::kUnreachable : client->GetMany(keys)[0].status.code();
        EXPECT_EQ(code == Code::kInvalid, !fit) << size << ' ' << place << ' ' << byte;
      }
    }
  }
}

TEST(ClientOptions, TheListOfServersIsRead) {
  std::vector<Server> servers;
  ASSERT_TRUE(Client::ParseServers("a, b:1/?3,[::1]:2,/run/s.sock/?2,unix:/x", &servers).ok());
  ASSERT_EQ(servers.size(), 5u);
  EXPECT_EQ(servers[1].address, "b:1");
  EXPECT_EQ(servers[1].weight, 3u);
  EXPECT_EQ(servers[3].address, "/run/s.sock");
  EXPECT_EQ(servers[3].weight, 2u);
  EXPECT_FALSE(Client::ParseServers("a,,b", &servers).ok());
  EXPECT_FALSE(Client::ParseServers("a/?x", &servers).ok());
}

}  // namespace
}  // namespace holdfast
