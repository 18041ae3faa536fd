// Host names that come to stand for another address, as they do when a server is replaced.
//
// What the system's resolver says cannot be changed for one process, so getaddrinfo is our own here: for one name it
// looks up what the test has set, everything else is as ever.

#include <holdfast/client.h>

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <future>
#include <memory>
#include <mutex>

#include "lib/bad_server.h"
#include "lib/cache_server.h"

namespace {

constexpr std::string_view kName = "cache.holdfast.test";

struct Resolver {
  std::mutex mutex;
  std::string address;  // what the name stands for; empty: it does not resolve
  int lookups = 0;

  void Set(std::string_view now) {
    std::lock_guard lock(mutex);
    address = now;
  }
  int Lookups() {
    std::lock_guard lock(mutex);
    return lookups;
  }
};

// The one thing that a function of the C library can know of the test.
Resolver& TheResolver() {
  static Resolver resolver;
  return resolver;
}

}  // namespace

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) {
  static const auto real = reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (node == nullptr || node != kName || (hints->ai_flags & AI_NUMERICHOST) != 0) {
    return real(node, service, hints, found);
  }
  Resolver& resolver = TheResolver();
  std::lock_guard lock(resolver.mutex);
  resolver.lookups++;
  return resolver.address.empty() ? EAI_AGAIN : real(resolver.address.c_str(), service, hints, found);
}

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using test::BadServer;
using test::Within;

constexpr auto kPatience = 60s;
constexpr in_addr_t kSecondHost = INADDR_LOOPBACK + 1;

// Every get finds this value, every probe an answer.
BadServer::Talk Says(std::string value) {
  return [value](int file) {
    for (std::string heard = BadServer::Hear(file); !heard.empty(); heard = BadServer::Hear(file)) {
      const size_t token = heard.find(" O");
      if (token == std::string::npos) {
        BadServer::Say(file, "MN\r\n");
      } else {
        BadServer::Say(file, "VA " + std::to_string(value.size()) + " f0" + heard.substr(token) + value + "\r\n");
      }
    }
  };
}

// Two servers on one port of two addresses; the name stands for the first.
class Names : public testing::Test {
 protected:
  Names()
      : first_(std::make_unique<BadServer>(Says("first"))),
        second_(std::make_unique<BadServer>(Says("second"), first_->port(), kSecondHost)) {
    TheResolver().Set("127.0.0.1");
    options_.servers = {{std::string(kName) + ":" + std::to_string(first_->port()), "", 1}};
    options_.timeout = options_.connect_timeout = kPatience;
    options_.probe_interval = 20ms;
    options_.resolve_interval = 1h;
  }

  static std::string Blocking(Client& client) { return client.Get("k").value; }
  static std::string WithCallback(Client& client) {
    std::promise<std::string> value;
    client.Get("k", {}, [&](GetResult found) { value.set_value(found.value); });
    return value.get_future().get();
  }

  ClientOptions options_;
  std::unique_ptr<BadServer> first_, second_;
};

TEST_F(Names, AreLookedUpAgainAtIntervalsThoughTheOldServerStillAnswers) {
  options_.resolve_interval = 20ms;
  auto client = std::move(Client::Make(options_).client);
  EXPECT_EQ(Blocking(*client), "first");
  EXPECT_EQ(WithCallback(*client), "first");
  TheResolver().Set("127.0.0.2");
  EXPECT_TRUE(Within(kPatience, [&] { return Blocking(*client) == "second"; }));
  EXPECT_TRUE(Within(kPatience, [&] { return WithCallback(*client) == "second"; }));
  EXPECT_TRUE(Within(kPatience, [&] { return client->Servers()[0].connections <= 2; })) << "the old ones are closed";
  const int accepted = second_->accepted();
  for (int i = 0; i < 5; i++) {
    EXPECT_EQ(Blocking(*client), "second");
    EXPECT_EQ(WithCallback(*client), "second");
  }
  EXPECT_EQ(second_->accepted(), accepted) << "connections to an address that stays are kept";
}

TEST_F(Names, OfAServerThatIsGoneAreLookedUpAtOnce) {
  for (const uint32_t failures_before_ejection : {0u, 3u}) {
    options_.failures_before_ejection = failures_before_ejection;
    TheResolver().Set("127.0.0.1");
    if (first_ == nullptr) first_ = std::make_unique<BadServer>(Says("first"), second_->port());
    auto client = std::move(Client::Make(options_).client);
    EXPECT_EQ(Blocking(*client), "first");
    EXPECT_EQ(WithCallback(*client), "first");
    first_.reset();
    TheResolver().Set("127.0.0.2");
    EXPECT_TRUE(Within(kPatience, [&] { return Blocking(*client) == "second"; }));
    EXPECT_TRUE(Within(kPatience, [&] { return WithCallback(*client) == "second"; }));
  }
}

TEST_F(Names, ThatNoLongerResolveKeepTheAddressTheyHad) {
  options_.resolve_interval = 20ms;
  auto client = std::move(Client::Make(options_).client);
  EXPECT_EQ(Blocking(*client), "first");
  TheResolver().Set("");
  const int before = TheResolver().Lookups();
  EXPECT_TRUE(Within(kPatience, [&] { return TheResolver().Lookups() >= before + 3; }));
  EXPECT_EQ(Blocking(*client), "first");
  EXPECT_EQ(WithCallback(*client), "first") << "on a connection of its own";
  EXPECT_EQ(first_->accepted(), 2);
}

TEST_F(Names, ThatDoNotResolveAreUnreachableUntilTheyDo) {
  TheResolver().Set("");
  options_.failures_before_ejection = 0;
  auto client = std::move(Client::Make(options_).client);
  const Status status = client->Get("k").status;
  EXPECT_EQ(status.code(), Code::kUnreachable);
  EXPECT_EQ(status.server(), options_.servers[0].address);
  EXPECT_NE(status.message().find("does not resolve"), std::string::npos) << status.message();
  EXPECT_EQ(WithCallback(*client), "");
  TheResolver().Set("127.0.0.1");
  EXPECT_TRUE(Within(kPatience, [&] { return Blocking(*client) == "first"; }));
  EXPECT_EQ(WithCallback(*client), "first");
}

}  // namespace
}  // namespace holdfast
