// instructions - the path of a request without a socket, for an instruction counter: t/bench/instruction_counts runs it
// under callgrind.
//
// How it works: a store is filled, then turns are taken as a worker takes them: the bytes of a turn are parsed in
// batches, what they will look at is fetched ahead, they are executed and their replies written into an Output, which
// is emptied as if a socket had taken it. Only MeasuredTurns is counted. Keys, values and their order are the same in
// every run; only the secret of the index's second place is not, so counts of one program differ by a few in ten
// thousand.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/block_pool.h"
#include "base/check.h"
#include "base/output.h"
#include "command/command.h"
#include "lib/binary_packets.h"
#include "lib/crc_collisions.h"
#include "lib/no_control.h"
#include "lib/virtual_clock.h"
#include "server/codec.h"

namespace holdfast::bench {
namespace {

constexpr uint32_t kBatch = 32;  // as server::WorkerState
constexpr uint32_t kItems = 10'000;
constexpr uint32_t kOperations = 6'400;

// One worker with one connection.
class Path {
 public:
  explicit Path(uint64_t memory_limit_bytes)
      : store_(MakeStore(memory_limit_bytes, clock_)),
        access_(*store_),
        context_{.access = access_, .sessions = nullptr, .clock = clock_, .control = control_, .counters = counters_} {
    context_.now = clock_.Now();
  }

  // The bytes that reach the server at once.
  void Turn(std::string_view input) {
    access_.Online();
    while (!input.empty()) input.remove_prefix(Batch(input));
    replies_bytes_ += output_.size();
    output_.Consume(output_.size());
    access_.Offline();
  }

  uint64_t replies_bytes() const { return replies_bytes_; }
  const command::CommandCounters& counters() const { return counters_; }
  const store::AccessCounters& store_counters() const { return access_.counters(); }

 private:
  static std::unique_ptr<store::Store> MakeStore(uint64_t memory_limit_bytes, const base::Clock& clock) {
    auto created = store::Store::Create({.memory_limit_bytes = memory_limit_bytes, .threads = 1}, clock);
    CHECK(created.ok());
    return std::move(created.value());
  }

  // As server::Serve::ServeBatch; the bytes that it consumed.
  size_t Batch(std::string_view input) {
    uint32_t count = 0;
    size_t offset = 0;
    for (; count < kBatch && offset < input.size(); ++count) {
      const protocol::ParseResult result = codec_.Parse(input.substr(offset), &requests_[count]);
      CHECK(result.outcome == protocol::Outcome::kRequest);
      offset += result.consumed;
    }
    if (count > 1) {
      for (uint32_t i = 0; i < count; ++i) lookups_[i] = command::LookupOf(requests_[i]);
      access_.FetchAhead(std::span(lookups_).first(count));
    }
    for (uint32_t i = 0; i < count; ++i) Answer(i, count > 1);
    return offset;
  }

  void Answer(uint32_t i, bool fetched_ahead) {
    command::Frame frame;
    if (fetched_ahead) {
      frame.key = lookups_[i].key;
      frame.ahead = lookups_[i].ahead;
    }
    protocol::Reply reply;
    while (command::Execute(context_, requests_[i], frame, &reply) != command::Progress::kDone) {
      access_.Offline();
      access_.Online();
    }
    server::WriteReply(requests_[i], reply, output_);
  }

  test::VirtualClock clock_;
  test::NoControl control_;
  command::CommandCounters counters_;
  std::unique_ptr<store::Store> store_;
  store::Access access_;
  command::Context context_;
  base::BlockBudget budget_{64u << 20};
  base::BlockPool blocks_{budget_};
  base::Output output_{blocks_};
  server::Codec codec_{server::WireProtocol::kAuto, parser_settings_};
  static constexpr protocol::ParserSettings parser_settings_{};
  protocol::Request requests_[kBatch];
  store::Lookup lookups_[kBatch];
  uint64_t replies_bytes_ = 0;
};

// Always the same numbers.
class Dice {
 public:
  uint32_t Below(uint32_t limit) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>((state_ >> 33) % limit);
  }

 private:
  uint64_t state_ = 1;
};

std::string KeyOf(uint32_t number) {
  char key[32];
  snprintf(key, sizeof key, "key:%026u", number);
  return key;
}

std::string SetText(std::string_view key, std::string_view value) {
  return "set " + std::string(key) + " 0 0 " + std::to_string(value.size()) + "\r\n" + std::string(value) + "\r\n";
}
std::string GetText(std::string_view key) { return "get " + std::string(key) + "\r\n"; }
std::string GetMeta(std::string_view key) { return "mg " + std::string(key) + " v q\r\n"; }
std::string GetBinary(std::string_view key) {
  return protocol::Packet{.opcode = 0x0d, .key = std::string(key)}.Bytes();
}
std::string SetBinary(std::string_view key, std::string_view value) {
  return protocol::Packet{
      .opcode = 0x01, .key = std::string(key), .extras = protocol::StoreExtras(0, 0), .value = std::string(value)}
      .Bytes();
}

struct Work {
  std::string_view name;
  uint32_t a_turn;  // operations
  size_t value_bytes = 100;
  bool binary = false;
  uint64_t memory_limit_bytes = 64u << 20;
  enum class Kind { kGet, kMeta, kMultiget, kMiss, kSet, kSetNew, kIncr } kind = Kind::kGet;
  bool attacked = false;  // keys of one CRC
};

using Kind = Work::Kind;
constexpr Work kWorks[] = {
    {.name = "get", .a_turn = 1},
    {.name = "get-32", .a_turn = 32},
    {.name = "get-32-1k", .a_turn = 32, .value_bytes = 1024},
    {.name = "get-32-of-one-crc", .a_turn = 32, .attacked = true},
    {.name = "miss-32", .a_turn = 32, .kind = Kind::kMiss},
    {.name = "multiget-100", .a_turn = 100, .kind = Kind::kMultiget},
    {.name = "mg-quiet-32", .a_turn = 32, .kind = Kind::kMeta},
    {.name = "getkq-32", .a_turn = 32, .binary = true},
    {.name = "set", .a_turn = 1, .kind = Kind::kSet},
    {.name = "set-32", .a_turn = 32, .kind = Kind::kSet},
    {.name = "set-32-of-one-crc", .a_turn = 32, .kind = Kind::kSet, .attacked = true},
    {.name = "set-32-binary", .a_turn = 32, .binary = true, .kind = Kind::kSet},
    {.name = "set-32-evicting", .a_turn = 32, .memory_limit_bytes = 2u << 20, .kind = Kind::kSetNew},
    {.name = "incr-32", .a_turn = 32, .kind = Kind::kIncr},
};

std::vector<std::string> KeysOf(const Work& work) {
  if (work.attacked) {
    // Binary, since they hold any byte.
    return test::KeysWithOneCrc(kItems);
  }
  std::vector<std::string> keys;
  for (uint32_t i = 0; i < kItems; ++i) keys.push_back(KeyOf(i));
  return keys;
}

bool IsBinary(const Work& work) { return work.binary || work.attacked; }

std::string Request(const Work& work, const std::vector<std::string>& keys, uint32_t number, Dice* dice) {
  const std::string& key = keys[dice->Below(kItems)];
  const std::string value(work.value_bytes, 'v');
  switch (work.kind) {
    case Kind::kGet:
      return IsBinary(work) ? GetBinary(key) : GetText(key);
    case Kind::kMeta:
      return GetMeta(key);
    case Kind::kMultiget:
      return " " + key;
    case Kind::kMiss:
      return GetText(KeyOf(kItems + dice->Below(kItems)));
    case Kind::kSet:
      return IsBinary(work) ? SetBinary(key, value) : SetText(key, value);
    case Kind::kSetNew:
      return SetText(KeyOf(kItems + number), value);
    case Kind::kIncr:
      return "incr " + key + " 1\r\n";
  }
  abort();
}

std::vector<std::string> Turns(const Work& work, const std::vector<std::string>& keys) {
  Dice dice;
  std::vector<std::string> turns;
  for (uint32_t number = 0; number < kOperations;) {
    std::string turn;
    for (uint32_t i = 0; i < work.a_turn; ++i) turn += Request(work, keys, number++, &dice);
    turns.push_back(work.kind == Kind::kMultiget ? "get" + turn + "\r\n" : turn);
  }
  return turns;
}

void Fill(const Work& work, const std::vector<std::string>& keys, Path* path) {
  const std::string value = work.kind == Kind::kIncr ? "1000000" : std::string(work.value_bytes, 'v');
  for (const std::string& key : keys) path->Turn(IsBinary(work) ? SetBinary(key, value) : SetText(key, value));
  if (work.kind != Kind::kSetNew) return;
  for (uint32_t i = 0; path->store_counters().evictions.value() == 0; ++i)
    path->Turn(SetText(KeyOf(10 * kItems + i), value));
}

}  // namespace

// What the counter counts. Not inlined, so that it has a name.
extern "C" [[gnu::noinline]] void MeasuredTurns(Path* path, const std::vector<std::string>* turns) {
  for (const std::string& turn : *turns) path->Turn(turn);
}

namespace {

int Run(std::string_view name) {
  for (const Work& work : kWorks) {
    if (work.name != name) continue;
    const std::vector<std::string> keys = KeysOf(work);
    const std::vector<std::string> turns = Turns(work, keys);
    Path path(work.memory_limit_bytes);
    Fill(work, keys, &path);
    const uint64_t hits = path.counters().get_hits.value(), stored = path.counters().cmd_set.value();
    MeasuredTurns(&path, &turns);
    CHECK(path.replies_bytes() > 0);
    const bool reads = work.kind == Kind::kGet || work.kind == Kind::kMeta || work.kind == Kind::kMultiget;
    const uint64_t operations = turns.size() * work.a_turn;
    if (reads) CHECK(path.counters().get_hits.value() - hits == operations);
    if (work.kind == Kind::kSet || work.kind == Kind::kSetNew) {
      CHECK(path.counters().cmd_set.value() - stored == operations);
    }
    printf("%lu operations\n", static_cast<unsigned long>(operations));
    return 0;
  }
  fprintf(stderr, "no work is called %.*s\n", static_cast<int>(name.size()), name.data());
  return 64;
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  using holdfast::bench::kWorks;
  if (argc != 2) {
    fprintf(stderr, "Usage: instructions WORK | --list | --build\n");
    return 64;
  }
  const std::string_view argument = argv[1];
  if (argument == "--list") {
    for (const auto& work : kWorks) printf("%.*s\n", static_cast<int>(work.name.size()), work.name.data());
    return 0;
  }
  if (argument == "--build") {
#ifdef NDEBUG
    printf("optimised\n");
#else
    printf("with checks\n");
#endif
    return 0;
  }
  return holdfast::bench::Run(argument);
}
