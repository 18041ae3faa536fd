// bench_test.cc - that the benchmark tells right from wrong, and writes its table where it belongs.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/crc32c.h"
#include "bench/load.h"
#include "bench/report.h"
#include "bench/result.h"
#include "bench/server_process.h"
#include "bench/store_team.h"
#include "bench/workload.h"

namespace holdfast::bench {
namespace {

constexpr uint32_t kItems = 10'000;
constexpr char kEchoServer[] = "t/bench/echo_server";

// scripts/test names one of its own in the environment where none is installed.
const char* MemcachedProgram() {
  const char* named = std::getenv("MEMCACHED_BIN");
  return named != nullptr ? named : "/usr/bin/memcached";
}

const Workload& Find(std::string_view name) {
  const auto all = AllWorkloads();
  return *std::find_if(all.begin(), all.end(), [&](const Workload& workload) { return workload.name == name; });
}

std::string KeyText(const Keyspace& keyspace, uint32_t id) {
  std::string key;
  keyspace.AppendKey(key, id);
  return key;
}

Batch OneBatch(std::string_view name, CounterLedger* ledger = nullptr) {
  const Workload& workload = Find(name);
  Batch batch;
  BatchWriter(workload, workload.syntax, KeyspaceOf(workload.keys, kItems), 1, ledger).Write(batch, 0);
  return batch;
}

ServerCommand Memcached() { return {Role::kMemcached, MemcachedProgram(), {"-t", "1", "-U", "0", "-u", "root"}}; }

Measurement MeasureBriefly(ServerProcess& server, std::string_view name) {
  const Workload& workload = Find(name);
  Load load(server, workload, workload.syntax, KeyspaceOf(workload.keys, kItems), 1);
  return load.Measure(std::chrono::milliseconds(0), std::chrono::milliseconds(20));
}

std::string FailureOf(ServerProcess& server, std::string_view name) {
  try {
    MeasureBriefly(server, name);
  } catch (const BenchError& error) {
    return error.what();
  }
  return "";
}

TEST(KeyspaceTest, keys_have_thirty_bytes_and_differ) {
  std::set<std::string> seen;
  for (const Keys keys : {Keys::kSmall, Keys::kLarge, Keys::kCounter}) {
    for (const uint32_t id : {0u, 1u, 9'999'999u, 10'000'000u, kKeysMax}) {
      const std::string key = KeyText(KeyspaceOf(keys, kItems), id);
      EXPECT_EQ(key.size(), kKeyBytes);
      EXPECT_TRUE(seen.insert(key).second) << key;
    }
  }
}

TEST(KeyspaceTest, a_value_has_its_size_and_names_its_key) {
  for (const size_t bytes : {size_t{1}, size_t{10}, kKeyBytes, kKeyBytes + 1, size_t{100}, size_t{1024}}) {
    const Keyspace keyspace{"user:", bytes, kItems, false};
    std::string value;
    keyspace.AppendValue(value, 1234);
    EXPECT_EQ(value.size(), bytes);
    const size_t named = std::min(bytes, kKeyBytes);
    EXPECT_EQ(value.substr(0, named), KeyText(keyspace, 1234).substr(kKeyBytes - named));
  }
}

TEST(KeyspaceTest, attacked_keys_have_one_crc_and_fit_into_a_line) {
  Keyspace keyspace = KeyspaceOf(Keys::kSmall, kOneCrcKeysMax);
  keyspace.one_crc = true;
  std::set<std::string> seen;
  std::set<uint32_t> crcs;
  for (uint32_t id = 0; id < kOneCrcKeysMax; id += id < 1000 ? 1 : 997) {
    const std::string key = KeyText(keyspace, id);
    EXPECT_EQ(key.size(), kKeyBytes);
    EXPECT_TRUE(seen.insert(key).second) << key;
    crcs.insert(base::Crc32c(key));
    for (const char c : key) EXPECT_TRUE(static_cast<unsigned char>(c) > ' ' && c != '\x7f') << key;
  }
  EXPECT_EQ(crcs.size(), 1u);
}

TEST(KeyChooserTest, sequential_visits_every_key_and_starts_again) {
  KeyChooser chooser(Draw::kSequential, 3, 1);
  for (const uint32_t id : {0u, 1u, 2u, 0u, 1u}) EXPECT_EQ(chooser.Next(), id);
}

TEST(KeyChooserTest, draws_stay_inside_and_zipf_has_favourites) {
  constexpr uint32_t kKeys = 1000;
  constexpr int kDraws = 100'000;
  for (const Draw draw : {Draw::kUniform, Draw::kZipf}) {
    KeyChooser chooser(draw, kKeys, 7);
    std::vector<int> counts(kKeys);
    for (int i = 0; i < kDraws; ++i) ++counts.at(chooser.Next());
    const int most = *std::max_element(counts.begin(), counts.end());
    if (draw == Draw::kUniform) {
      EXPECT_LT(most, 2 * kDraws / static_cast<int>(kKeys));
    } else {
      EXPECT_GT(most, kDraws / 10);
    }
  }
}

TEST(WorkloadTest, names_are_unique_and_every_echoed_batch_has_one_size) {
  std::set<std::string_view> names;
  for (const Workload& workload : AllWorkloads()) {
    EXPECT_TRUE(names.insert(workload.name).second) << workload.name;
    CounterLedger ledger(kItems);
    BatchWriter writer(workload, workload.syntax, KeyspaceOf(workload.keys, kItems), 1, &ledger);
    Batch first, next;
    writer.Write(first, 0);
    for (int i = 0; i < 20 && workload.has_floor; ++i) {
      writer.Write(next, i % workload.connections);
      EXPECT_EQ(next.request.size(), first.request.size()) << workload.name;
      EXPECT_EQ(next.reply.size(), first.reply.size()) << workload.name;
    }
  }
}

TEST(WorkloadTest, counters_of_two_connections_are_never_the_same) {
  CounterLedger ledger(kItems);
  const Workload& workload = Find("incr32");
  BatchWriter writer(workload, workload.syntax, KeyspaceOf(workload.keys, kItems), 1, &ledger);
  std::vector<std::set<std::string>> asked(2);
  for (int i = 0; i < 200; ++i) {
    Batch batch;
    writer.Write(batch, i % 2);
    std::istringstream words(batch.request);
    for (std::string verb, key, delta; words >> verb >> key >> delta;) asked[static_cast<size_t>(i % 2)].insert(key);
  }
  for (const std::string& key : asked[0]) EXPECT_FALSE(asked[1].contains(key)) << key;
}

TEST(WorkloadTest, a_get_is_written_with_its_reply) {
  const Batch batch = OneBatch("get");
  const std::string key = batch.request.substr(4, kKeyBytes);
  EXPECT_EQ(batch.request, "get " + key + "\r\n");
  EXPECT_TRUE(batch.reply.starts_with("VALUE " + key + " 0 100\r\n" + key)) << batch.reply;
  EXPECT_TRUE(batch.reply.ends_with("\r\nEND\r\n")) << batch.reply;
}

TEST(EchoServerTest, answers_every_workload_it_is_the_floor_of) {
  ServerProcess server({Role::kEcho, kEchoServer, {}}, std::nullopt);
  for (const Workload& workload : AllWorkloads()) {
    if (!workload.has_floor) continue;
    const Measurement measured = MeasureBriefly(server, workload.name);
    EXPECT_GT(measured.operations, 0u) << workload.name;
    EXPECT_GT(measured.cpu_ns, 0u) << workload.name;
  }
}

TEST(EchoServerTest, answers_bursts_and_is_silent_while_held) {
  ServerProcess server({Role::kEcho, kEchoServer, {}}, std::nullopt);
  Workload workload = Find("get32");
  workload.connections = 100;  // more than one look at the sockets returns
  Load load(server, workload, workload.syntax, KeyspaceOf(workload.keys, kItems), 1);
  Load* const loads[] = {&load};
  const Measurement measured = Load::MeasureBursts(loads, std::chrono::milliseconds(0), std::chrono::milliseconds(20));
  EXPECT_GE(measured.operations, 3200u);
  EXPECT_EQ(measured.operations % 3200, 0u);
  EXPECT_GT(measured.cpu_ns, 0u);
  server.Hold();
  const uint64_t before_ns = server.CpuNs();
  const int fd = ConnectLoopback(server.port(), true);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(server.CpuNs(), before_ns);
  close(fd);
  server.Release();
}

TEST(EchoServerTest, closes_a_connection_without_an_order) {
  ServerProcess server({Role::kEcho, kEchoServer, {}}, std::nullopt);
  const int fd = ConnectLoopback(server.port(), true);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(write(fd, "get something\r\n", 15), 15);
  char byte;
  EXPECT_LE(read(fd, &byte, 1), 0);
  close(fd);
}

TEST(ServerProcessTest, a_program_that_cannot_run_is_named) {
  try {
    ServerProcess server({Role::kHoldfast, "/nonexistent/holdfast", {}}, std::nullopt);
    FAIL() << "it started";
  } catch (const BenchError& error) {
    EXPECT_NE(std::string(error.what()).find("/nonexistent/holdfast"), std::string::npos) << error.what();
  }
}

TEST(LoadTest, a_miss_a_wrong_value_and_a_wrong_counter_are_errors) {
  if (access(MemcachedProgram(), X_OK) != 0) GTEST_SKIP() << "no memcached";
  ServerProcess server(Memcached(), std::nullopt);
  EXPECT_NE(FailureOf(server, "get").find("got \"END"), std::string::npos);
  EXPECT_NE(FailureOf(server, "multiget100").find("got \"END"), std::string::npos);
  EXPECT_NE(FailureOf(server, "getkq32").find("wrong reply"), std::string::npos);

  Preload(server, Keys::kSmall, KeyspaceOf(Keys::kSmall, kItems));
  Preload(server, Keys::kCounter, KeyspaceOf(Keys::kCounter, kItems));
  for (const char* name : {"get", "multiget100", "mg32", "getkq32", "incr32", "mixed32"}) {
    EXPECT_EQ(FailureOf(server, name), "") << name;
  }
  for (uint32_t& raised : server.ledger()) ++raised;
  EXPECT_NE(FailureOf(server, "incr32").find("wrong reply"), std::string::npos);

  // Values one byte short, under the same keys.
  Keyspace keyspace = KeyspaceOf(Keys::kSmall, kItems);
  keyspace.value_bytes -= 1;
  Preload(server, Keys::kSmall, keyspace);
  EXPECT_NE(FailureOf(server, "get").find("wrong reply"), std::string::npos);
}

TEST(StoreTeamTest, threads_of_several_teams_carry_out_orders_together) {
  constexpr uint32_t kFew = 1000;
  StoreTeam first(kFew, {-1});
  StoreTeam both(kFew, {-1, -1});
  for (const StoreWork work : {StoreWork::kGet, StoreWork::kGetOneKey, StoreWork::kSet}) {
    const StoreOrder order{work, 0, 10};
    first.Begin(0, order);
    both.Begin(1, order);
    both.Begin(0, order);
    for (const StoreFigures& figures : {first.Finish(0), both.Finish(0), both.Finish(1)}) {
      EXPECT_GE(figures.operations, 32u);
      EXPECT_GE(figures.wall_ns, 10'000'000u);
      EXPECT_GT(figures.cpu_ns, 0u);
      EXPECT_GT(figures.per_second(), 0);
    }
  }
}

TEST(ResultTest, median_spread_and_ratio) {
  Row row;
  row.workload = &Find("multiget100");
  EXPECT_TRUE(row.has_missed_target()) << "a target that was not checked is missed";
  row.cell(Role::kHoldfast).samples = {300, 100, 200};
  row.cell(Role::kMemcached).samples = {190, 170};
  EXPECT_EQ(row.cell(Role::kHoldfast).median(), 200);
  EXPECT_EQ(row.cell(Role::kHoldfast).spread_percent(), 50);
  EXPECT_EQ(row.ratio(), 0.9);
  EXPECT_TRUE(row.has_missed_target());
  row.cell(Role::kMemcached).samples = {200 * row.workload->target};
  EXPECT_FALSE(row.has_missed_target());
  row.cell(Role::kMemcached).failed = "broken";
  EXPECT_EQ(row.ratio(), 0);
  EXPECT_TRUE(row.has_failed_cell());
  EXPECT_TRUE(row.has_missed_target());
  row.left_out = "not asked for";
  EXPECT_FALSE(row.has_missed_target());
}

TEST(ResultTest, a_finding_is_held_against_its_bound) {
  Finding most{.title = "", .bound = Bound::kAtMost, .target = 1.05};
  Finding least{.title = "", .bound = Bound::kAtLeast, .target = 1.05};
  EXPECT_TRUE(most.has_missed_target()) << "a target that was not checked is missed";
  EXPECT_TRUE(least.has_missed_target());
  for (Finding* finding : {&most, &least}) finding->holdfast.samples = {1.05};
  EXPECT_FALSE(most.has_missed_target());
  EXPECT_FALSE(least.has_missed_target());
  for (Finding* finding : {&most, &least}) finding->holdfast.samples = {1.06};
  EXPECT_TRUE(most.has_missed_target());
  EXPECT_FALSE(least.has_missed_target());
  for (Finding* finding : {&most, &least}) finding->holdfast.samples = {1.04};
  EXPECT_FALSE(most.has_missed_target());
  EXPECT_TRUE(least.has_missed_target());
  least.left_out = "not asked for";
  EXPECT_FALSE(least.has_missed_target());
  most.memcached.failed = "broken";
  EXPECT_TRUE(most.has_failed_cell());
}

TEST(ReportTest, says_target_figure_and_verdict) {
  const Options options;
  Row row;
  row.workload = &Find("multiget100");
  row.cell(Role::kHoldfast).samples = {200};
  row.cell(Role::kMemcached).samples = {1200};
  row.cell(Role::kEcho).samples = {50};
  Finding kept{.title = "kept", .target = 80, .unit = " B", .decimals = 1};
  kept.holdfast.samples = {79.44};
  kept.memcached.skipped = "no memcached";
  Finding missed{.title = "missed", .bound = Bound::kAtLeast, .target = 1.8};
  missed.holdfast.samples = {1, 1.5, 1.25};
  missed.holdfast.aside = "1 and 2 ns";
  Finding broken{.title = "broken", .target = 1};
  broken.holdfast.failed = "it broke";
  const std::string report =
      FormatReport({row}, {kept, missed, broken, {.title = "later", .left_out = "one core"}}, Circumstances{}, options);
  const auto has = [&report](std::string text) {
    std::string squeezed;
    for (const char c : report) {
      if (c != ' ' || !squeezed.ends_with(' ')) squeezed += c;
    }
    return squeezed.find(text) != std::string::npos;
  };
  EXPECT_TRUE(has("| 200 ±0 % | 1,200 ±0 % | 50 ±0 % | 4.00 / 24.00 | 6.00 | ≥ 5 | pass |")) << report;
  EXPECT_TRUE(has("| kept | 79.4 B | - | ≤ 80 B | pass |")) << report;
  EXPECT_TRUE(has("- kept: skipped, memcached: no memcached\n")) << report;
  EXPECT_TRUE(has("| missed | 1.25 ±20 % (1 and 2 ns) | - | ≥ 1.8 | **FAIL** |")) << report;
  EXPECT_TRUE(has("| broken | error | - | ≤ 1 | **FAIL** (error) |")) << report;
  EXPECT_TRUE(has("- broken: failed, Holdfast: it broke\n")) << report;
  EXPECT_TRUE(has("| later | - | - | ≤ 0 | left out: one core |")) << report;
}

class DocumentTest : public testing::Test {
 protected:
  ~DocumentTest() override { std::filesystem::remove(path_); }
  void Write(const std::string& text) { std::ofstream(path_) << text; }
  std::string Read() {
    std::stringstream stream;
    stream << std::ifstream(path_).rdbuf();
    return stream.str();
  }

  const std::string path_ = testing::TempDir() + "bench_test." + std::to_string(getpid()) + ".md";
};

TEST_F(DocumentTest, only_what_is_between_the_markers_is_replaced) {
  Write("before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(WriteBetweenMarkers(path_, "new\n"), "");
    EXPECT_EQ(Read(), "before\n<!-- bench: begin -->\n\nnew\n\n<!-- bench: end -->\nafter\n");
  }
}

TEST_F(DocumentTest, without_markers_it_is_left_alone) {
  EXPECT_NE(WriteBetweenMarkers(path_, "new\n"), "") << "there is no file";
  for (const char* text : {"", "nothing\n", "<!-- bench: end -->\n<!-- bench: begin -->\n"}) {
    Write(text);
    EXPECT_NE(WriteBetweenMarkers(path_, "new\n"), "");
    EXPECT_EQ(Read(), text);
  }
}

}  // namespace
}  // namespace holdfast::bench
