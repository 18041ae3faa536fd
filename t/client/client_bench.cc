// client_bench.cc - libholdfast beside libmemcached, in one run, against the same three servers.
//
// The two take turns, many short ones, so that what else happens on the machine hits both. Figures are processor time
// of this process (with the client's own thread) and wall time, medians over the turns; ratios are libmemcached over
// libholdfast, above 1 is better for us.
//
//     t/client/client_bench [--server PROGRAM] [--turns N]

#include <holdfast/client.h>
#include <libmemcached/memcached.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/server_process.h"

namespace holdfast {
namespace {

constexpr size_t kValueBytes = 100;
constexpr int kKeys = 100;
constexpr int kServers = 3;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "client_bench: %s\n", why.c_str());
  std::exit(1);
}

double Micros(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

struct Cost {
  double cpu = 0;
  double wall = 0;
};

Cost CostOf(int times, const std::function<void()>& call) {
  const Cost begin = {Micros(CLOCK_PROCESS_CPUTIME_ID), Micros(CLOCK_MONOTONIC)};
  for (int i = 0; i < times; i++) call();
  return {(Micros(CLOCK_PROCESS_CPUTIME_ID) - begin.cpu) / times, (Micros(CLOCK_MONOTONIC) - begin.wall) / times};
}

double Median(std::vector<double> numbers) {
  std::nth_element(numbers.begin(), numbers.begin() + static_cast<ptrdiff_t>(numbers.size() / 2), numbers.end());
  return numbers[numbers.size() / 2];
}

// -- libmemcached -- plain get, results into one result object that is used again: its fastest way --

class Libmemcached {
 public:
  explicit Libmemcached(const std::vector<uint16_t>& ports) : memc_(memcached_create(nullptr)) {
    memcached_behavior_set(memc_, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    memcached_behavior_set(memc_, MEMCACHED_BEHAVIOR_KETAMA, 1);
    for (const uint16_t port : ports) memcached_server_add(memc_, "127.0.0.1", port);
    memcached_result_create(memc_, &result_);
  }
  ~Libmemcached() {
    memcached_result_free(&result_);
    memcached_free(memc_);
  }
  Libmemcached(const Libmemcached&) = delete;
  Libmemcached& operator=(const Libmemcached&) = delete;

  void Get(const std::string& key) {
    size_t bytes = 0;
    uint32_t flags = 0;
    memcached_return_t code;
    char* const value = memcached_get(memc_, key.data(), key.size(), &bytes, &flags, &code);
    if (code != MEMCACHED_SUCCESS || bytes != kValueBytes) Die("libmemcached: get failed");
    free(value);
  }

  void Set(const std::string& key, const std::string& value) {
    if (memcached_set(memc_, key.data(), key.size(), value.data(), value.size(), 0, 0) != MEMCACHED_SUCCESS) {
      Die("libmemcached: set failed");
    }
  }

  void GetMany(const std::vector<const char*>& keys, const std::vector<size_t>& sizes, const std::string& master) {
    const memcached_return_t begun = master.empty() ? memcached_mget(memc_, keys.data(), sizes.data(), keys.size())
                                                    : memcached_mget_by_key(memc_, master.data(), master.size(),
                                                                            keys.data(), sizes.data(), keys.size());
    if (begun != MEMCACHED_SUCCESS) Die("libmemcached: mget failed");
    size_t hits = 0;
    memcached_return_t code;
    while (memcached_fetch_result(memc_, &result_, &code) != nullptr) hits += memcached_result_length(&result_) > 0;
    if (hits != keys.size()) Die("libmemcached: keys are missing");
  }

 private:
  memcached_st* const memc_;
  memcached_result_st result_;
};

// -- The comparison --

class Bench {
 public:
  Bench(const std::string& program, int turns) : turns_(turns) {
    const bool memcached = program.find("memcached") != std::string::npos;
    ClientOptions options;
    options.ring = "ketama";
    for (int i = 0; i < kServers; i++) {
      std::vector<std::string> words = {"-t", "2"};
      if (getuid() == 0) words.insert(words.end(), {"-u", memcached ? "nobody" : "root"});
      const bench::ServerCommand command = {memcached ? bench::Role::kMemcached : bench::Role::kHoldfast, program,
                                            words};
      servers_.push_back(std::make_unique<bench::ServerProcess>(command, std::nullopt));
      ports_.push_back(servers_.back()->port());
      options.servers.push_back({"127.0.0.1:" + std::to_string(ports_.back()), "", 1});
    }
    options.timeout = std::chrono::seconds(10);
    MakeResult made = Client::Make(options);
    if (!made.ok()) Die(made.status.message());
    ours_ = std::move(made.client);
    theirs_ = std::make_unique<Libmemcached>(ports_);
    MakeKeys(kKeys, &keys_);
  }

  void Run() {
    std::printf("%-44s %9s %9s %6s   %9s %9s %6s\n", "", "CPU us", "libmemc.", "ratio", "wall us", "libmemc.", "ratio");
    const std::string value(kValueBytes, 'v');
    Compare(
        "set, 100 bytes", 200, [&] { ours_->Set(keys_.texts[7], value); },
        [&] { theirs_->Set(keys_.texts[7], value); });
    Compare(
        "get, 100 bytes", 200, [&] { OurGet(); }, [&] { theirs_->Get(keys_.texts[7]); });
    Compare(
        "multiget, 100 keys over 3 servers", 50, [&] { OurGetMany(keys_, {}); },
        [&] { theirs_->GetMany(keys_.pointers, keys_.sizes, ""); });
    for (const std::string& key : keys_.texts) ours_->Set(key, value, {}, {.master = "user:5"});
    Compare(
        "multiget, 100 keys by master key, 1 server", 50, [&] { OurGetMany(keys_, {.master = "user:5"}); },
        [&] { theirs_->GetMany(keys_.pointers, keys_.sizes, "user:5"); });
    std::printf(
        "\nA multiget spread over 3 servers and by master key to one, libholdfast, us:\n%8s %12s %12s %12s %12s\n",
        "keys", "CPU, spread", "CPU, master", "wall, spread", "wall, master");
    for (const int count : {2, 5, 10, 30, 100, 1000}) Spread(count);
    std::printf("\nA multiget of 100,000 keys in pieces, libholdfast, ms:\n%14s %10s %10s\n", "keys a piece", "CPU",
                "wall");
    for (const uint32_t keys_max : {100u, 1000u, 10'000u, 100'000u}) Pieces(keys_max);
  }

 private:
  struct Keys {
    std::vector<std::string> texts;
    std::vector<std::string_view> views;
    std::vector<const char*> pointers;
    std::vector<size_t> sizes;
  };

  void MakeKeys(int count, Keys* keys) {
    for (int i = 0; i < count; i++) keys->texts.push_back("user:profile:" + std::to_string(1'000'000 + i));
    const std::string value(kValueBytes, 'v');
    for (const std::string& key : keys->texts) {
      keys->views.push_back(key);
      keys->pointers.push_back(key.data());
      keys->sizes.push_back(key.size());
      if (!ours_->Set(key, value).ok()) Die("set failed");
    }
  }

  void OurGet() {
    if (ours_->Get(keys_.texts[7]).value.size() != kValueBytes) Die("get failed");
  }

  void OurGetMany(const Keys& keys, const Call& call) {
    const GetManyResult found = ours_->GetMany(keys.views, call);
    if (found.hits() != keys.views.size()) Die("keys are missing: " + found.status().message());
  }

  void Compare(const char* what, int times, const std::function<void()>& ours, const std::function<void()>& theirs) {
    std::vector<double> cpu, wall, their_cpu, their_wall;
    ours();
    theirs();
    for (int turn = 0; turn < turns_; turn++) {
      const Cost us = CostOf(times, ours), them = CostOf(times, theirs);
      cpu.push_back(us.cpu);
      wall.push_back(us.wall);
      their_cpu.push_back(them.cpu);
      their_wall.push_back(them.wall);
    }
    std::printf("%-44s %9.1f %9.1f %5.2fx   %9.1f %9.1f %5.2fx\n", what, Median(cpu), Median(their_cpu),
                Median(their_cpu) / Median(cpu), Median(wall), Median(their_wall), Median(their_wall) / Median(wall));
  }

  Cost MedianOf(int turns, int times, const std::function<void()>& call) {
    std::vector<double> cpu, wall;
    for (int turn = 0; turn < turns; turn++) {
      const Cost cost = CostOf(times, call);
      cpu.push_back(cost.cpu);
      wall.push_back(cost.wall);
    }
    return {Median(cpu), Median(wall)};
  }

  void Spread(int count) {
    Keys keys;
    MakeKeys(count, &keys);
    const std::string value(kValueBytes, 'v');
    for (const std::string& key : keys.texts) ours_->Set(key, value, {}, {.master = "user:5"});
    const Cost spread = MedianOf(turns_, 20, [&] { OurGetMany(keys, {}); });
    const Cost master = MedianOf(turns_, 20, [&] { OurGetMany(keys, {.master = "user:5"}); });
    std::printf("%8d %12.1f %12.1f %12.1f %12.1f\n", count, spread.cpu, master.cpu, spread.wall, master.wall);
  }

  void Pieces(uint32_t keys_max) {
    if (many_.texts.empty()) MakeKeys(100'000, &many_);
    ClientOptions options;
    options.ring = "ketama";
    options.multiget_keys_max = keys_max;
    options.timeout = std::chrono::seconds(30);
    for (const uint16_t port : ports_) options.servers.push_back({"127.0.0.1:" + std::to_string(port), "", 1});
    const MakeResult made = Client::Make(options);
    const Cost cost = MedianOf(5, 1, [&] {
      if (made->GetMany(many_.views).hits() != many_.views.size()) Die("keys are missing");
    });
    std::printf("%14u %10.1f %10.1f\n", keys_max, cost.cpu / 1000, cost.wall / 1000);
  }

  const int turns_;
  std::vector<std::unique_ptr<bench::ServerProcess>> servers_;
  std::vector<uint16_t> ports_;
  std::unique_ptr<Client> ours_;
  std::unique_ptr<Libmemcached> theirs_;
  Keys keys_;
  Keys many_;  // empty until Pieces
};

}  // namespace
}  // namespace holdfast

namespace {

// Clients and servers on one processor. On two it is chance whether one sleeps deeply before it is woken, which costs
// ten times what is measured here.
void PinToOneCpu() {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  int cpu = CPU_SETSIZE - 1;
  while (cpu > 0 && !CPU_ISSET(cpu, &allowed)) --cpu;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) std::fprintf(stderr, "client_bench: not pinned to one processor\n");
}

}  // namespace

int main(int count, char** words) {
  std::string program = "./holdfast";
  int turns = 41;
  for (int i = 1; i + 1 < count; i += 2) {
    if (std::strcmp(words[i], "--server") == 0) program = words[i + 1];
    if (std::strcmp(words[i], "--turns") == 0) turns = std::max(1, std::atoi(words[i + 1]));
  }
  PinToOneCpu();
  try {
    holdfast::Bench(program, turns).Run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "client_bench: %s\n", error.what());
    return 1;
  }
}
