// How it works: the table below is the benchmark. BatchWriter writes each request next to the reply it must get, so
// that the load generator has only to compare bytes.
//
// Pipelined text gets: memcached 1.6.18, which Debian ships, spends three times on them what 1.6.45 does, while its
// meta commands cost the same in both. To be compared with the newest memcached, such rows send memcached the same gets
// as quiet meta commands, which is what memcached_syntax says.
#include "bench/workload.h"

#include <array>

namespace holdfast::bench {
namespace {

constexpr auto kT = Syntax::kText;
constexpr auto kM = Syntax::kMeta;
constexpr auto kB = Syntax::kBinary;
constexpr auto kUniform = Draw::kUniform;

// One request in this many is a set in the mixed workload.
constexpr uint32_t kMixedSetEvery = 10;
constexpr uint32_t kLargeItemsShare = 5;  // 1 KiB items are a fifth as many as small ones, to fit the same memory

// Columns: name, title, verb, syntax, memcached's syntax, keys, draw, connections, depth, target[, scale, quantity].
constexpr std::array kWorkloads = {
    Workload{"get", "GET, one at a time", Verb::kGet, kT, kT, Keys::kSmall, kUniform, 50, 1, 1.15},
    Workload{"set", "SET, one at a time", Verb::kSet, kT, kT, Keys::kSmall, kUniform, 50, 1, 1.15},
    Workload{"get32", "GET text pipelined 32 (1)", Verb::kGet, kT, kM, Keys::kSmall, kUniform, 16, 32, 4},
    Workload{.name = "get32-own-text",
             .title = "GET text pipelined 32, memcached's own text",
             .verb = Verb::kGet,
             .syntax = kT,
             .memcached_syntax = kT,
             .keys = Keys::kSmall,
             .draw = kUniform,
             .connections = 16,
             .depth = 32,
             .target = 0,
             .memcached_only = true},
    Workload{"mg32", "GET meta quiet pipelined 32", Verb::kGet, kM, kM, Keys::kSmall, kUniform, 16, 32, 4},
    Workload{"getkq32", "GET binary getkq pipelined 32", Verb::kGet, kB, kB, Keys::kSmall, kUniform, 16, 32, 4},
    Workload{"set32", "SET text pipelined 32", Verb::kSet, kT, kT, Keys::kSmall, kUniform, 16, 32, 3},
    Workload{"incr32", "incr text pipelined 32", Verb::kIncrement, kT, kT, Keys::kCounter, kUniform, 16, 32, 3},
    Workload{"multiget100", "multiget of 100, a key", Verb::kMultiget, kT, kT, Keys::kSmall, kUniform, 16, 100, 5},
    Workload{"get32-1k", "1 KiB: GET text pipelined 32 (1)", Verb::kGet, kT, kM, Keys::kLarge, kUniform, 16, 32, 4},
    Workload{"multiget100-1k", "1 KiB: multiget of 100, a key", Verb::kMultiget, kT, kT, Keys::kLarge, kUniform, 16,
             100, 4},
    Workload{.name = "mixed32",
             .title = "9:1 GET/SET Zipf, text pipelined 32 (1)",
             .verb = Verb::kMixed,
             .syntax = kT,
             .memcached_syntax = kM,
             .keys = Keys::kSmall,
             .draw = Draw::kZipf,
             .connections = 16,
             .depth = 32,
             .target = 3.5,
             .has_floor = false},
    Workload{"round-trip", "GET, one connection alone: wall-clock p50", Verb::kGet, kT, kT, Keys::kSmall, kUniform, 1,
             1, 0, Scale::kUsual, Quantity::kRoundTrip},
    Workload{"round-trip-polled", "the same with --busy-poll=50", Verb::kGet, kT, kT, Keys::kSmall, kUniform, 1, 1, 1.5,
             Scale::kBusyPoll, Quantity::kRoundTrip},
    Workload{.name = "multiget100-8m",
             .title = "8 M items: multiget of 100, a key",
             .verb = Verb::kMultiget,
             .syntax = kT,
             .memcached_syntax = kT,
             .keys = Keys::kSmall,
             .draw = kUniform,
             .connections = 16,
             .depth = 100,
             .target = 6,
             .scale = Scale::kHuge},
};

constexpr size_t kBinaryHeaderBytes = 24;
constexpr size_t kBinaryCasOffset = 16;
constexpr char kBinaryRequest = '\x80';
constexpr char kBinaryReply = '\x81';
constexpr char kBinaryNoop = '\x0a';
constexpr char kBinaryGetkq = '\x0d';

void AppendBinaryHeader(std::string& out, char magic, char opcode, size_t key, size_t extras, size_t body) {
  char header[kBinaryHeaderBytes] = {magic, opcode};
  header[2] = static_cast<char>(key >> 8);
  header[3] = static_cast<char>(key);
  header[4] = static_cast<char>(extras);
  for (int i = 0; i < 4; ++i) header[8 + i] = static_cast<char>(body >> (24 - 8 * i));
  out.append(header, sizeof header);
}

}  // namespace

std::span<const Workload> AllWorkloads() { return kWorkloads; }

Keyspace KeyspaceOf(Keys keys, uint32_t items) {
  switch (keys) {
    case Keys::kSmall:
      return {"user:", 100, items, false};
    case Keys::kLarge:
      return {"page:", 1024, items / kLargeItemsShare, false};
    case Keys::kCounter:
      break;
  }
  return {"hits:", kCounterDigits, items / kLargeItemsShare, true};
}

void Batch::Clear() {
  request.clear();
  reply.clear();
  cas_offsets.clear();
  operations = 0;
}

BatchWriter::BatchWriter(const Workload& workload, Syntax syntax, Keyspace keyspace, uint64_t seed,
                         CounterLedger* ledger)
    : workload_(workload),
      syntax_(syntax),
      keyspace_(keyspace),
      value_bytes_text_(std::to_string(keyspace.value_bytes)),
      chooser_(workload.draw, keyspace.keys, seed),
      ledger_(ledger) {}

void BatchWriter::Write(Batch& batch, int connection) {
  batch.Clear();
  batch.operations = static_cast<uint32_t>(workload_.depth);
  if (workload_.verb == Verb::kMultiget) return AppendMultiget(batch);
  for (int i = 0; i < workload_.depth; ++i) {
    if (workload_.verb == Verb::kIncrement) {
      AppendIncrement(batch, connection);
    } else if (workload_.verb == Verb::kSet) {
      AppendSet(batch, chooser_.Next());
    } else if (workload_.verb == Verb::kMixed && ++mix_turn_ % kMixedSetEvery == 0) {
      AppendSet(batch, chooser_.Next());
    } else {
      AppendGet(batch, chooser_.Next());
    }
  }
  AppendEndOfQuiet(batch);
}

void BatchWriter::AppendGet(Batch& batch, uint32_t id) {
  switch (syntax_) {
    case Syntax::kText:
      batch.request += "get ";
      keyspace_.AppendKey(batch.request, id);
      batch.request += "\r\n";
      AppendTextValue(batch.reply, id);
      batch.reply += "END\r\n";
      return;
    case Syntax::kMeta:
      batch.request += "mg ";
      keyspace_.AppendKey(batch.request, id);
      batch.request += " k v q\r\n";
      batch.reply += "VA " + value_bytes_text_ + " k";
      keyspace_.AppendKey(batch.reply, id);
      batch.reply += "\r\n";
      keyspace_.AppendValue(batch.reply, id);
      batch.reply += "\r\n";
      return;
    case Syntax::kBinary:
      AppendBinaryHeader(batch.request, kBinaryRequest, kBinaryGetkq, kKeyBytes, 0, kKeyBytes);
      keyspace_.AppendKey(batch.request, id);
      batch.cas_offsets.push_back(batch.reply.size() + kBinaryCasOffset);
      AppendBinaryHeader(batch.reply, kBinaryReply, kBinaryGetkq, kKeyBytes, 4, 4 + kKeyBytes + keyspace_.value_bytes);
      batch.reply.append(4, '\0');  // the client flags
      keyspace_.AppendKey(batch.reply, id);
      keyspace_.AppendValue(batch.reply, id);
      return;
  }
}

// There is no binary form: no row needs one.
void BatchWriter::AppendSet(Batch& batch, uint32_t id) {
  const bool is_meta = syntax_ == Syntax::kMeta;
  batch.request += is_meta ? "ms " : "set ";
  keyspace_.AppendKey(batch.request, id);
  if (!is_meta) (batch.request += " 0 ") += keyspace_.life;
  batch.request += ' ';
  batch.request += value_bytes_text_;
  batch.request += "\r\n";
  keyspace_.AppendValue(batch.request, id);
  batch.request += "\r\n";
  batch.reply += is_meta ? "HD\r\n" : "STORED\r\n";
}

void BatchWriter::AppendIncrement(Batch& batch, int connection) {
  const auto connections = static_cast<uint32_t>(workload_.connections);
  const uint32_t share = keyspace_.keys / connections;
  const uint32_t id = chooser_.Next() % share * connections + static_cast<uint32_t>(connection);
  batch.request += "incr ";
  keyspace_.AppendKey(batch.request, id);
  batch.request += " 1\r\n";
  batch.reply += std::to_string(kCounterStart + ++(*ledger_)[id]);
  batch.reply += "\r\n";
}

void BatchWriter::AppendMultiget(Batch& batch) {
  batch.request += "get";
  for (int i = 0; i < workload_.depth; ++i) {
    const uint32_t id = chooser_.Next();
    batch.request += ' ';
    keyspace_.AppendKey(batch.request, id);
    AppendTextValue(batch.reply, id);
  }
  batch.request += "\r\n";
  batch.reply += "END\r\n";
}

// Quiet requests are closed by a request that is always answered, as clients do.
void BatchWriter::AppendEndOfQuiet(Batch& batch) {
  if (syntax_ == Syntax::kMeta) {
    batch.request += "mn\r\n";
    batch.reply += "MN\r\n";
  } else if (syntax_ == Syntax::kBinary) {
    AppendBinaryHeader(batch.request, kBinaryRequest, kBinaryNoop, 0, 0, 0);
    AppendBinaryHeader(batch.reply, kBinaryReply, kBinaryNoop, 0, 0, 0);
  }
}

void BatchWriter::AppendTextValue(std::string& out, uint32_t id) {
  out += "VALUE ";
  keyspace_.AppendKey(out, id);
  out += " 0 ";
  out += value_bytes_text_;
  out += "\r\n";
  keyspace_.AppendValue(out, id);
  out += "\r\n";
}

}  // namespace holdfast::bench
