// workload.h - the rows of the benchmark's table, and the bytes they put on the wire.
//
// A workload repeats one kind of batch on some connections: so many requests sent in one go, and the exact reply they
// must get. A row is added by adding a line to the table in workload.cc.
//
// Threads: one thread.

#ifndef HOLDFAST_BENCH_WORKLOAD_H_
#define HOLDFAST_BENCH_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/keyspace.h"

namespace holdfast::bench {

enum class Syntax { kText, kMeta, kBinary };
enum class Verb { kGet, kSet, kMultiget, kIncrement, kMixed };
enum class Keys { kSmall, kLarge, kCounter };          // 100 B values, 1 KiB values, counters
enum class Scale { kUsual, kBusyPoll, kHuge };         // 1 M items; with --busy-poll; 8 M items, past every CPU cache
enum class Quantity { kCpuPerOperation, kRoundTrip };  // server CPU; the median wall-clock time of one batch

struct Workload {
  std::string_view name;   // for --only
  std::string_view title;  // for the table
  Verb verb;
  Syntax syntax;
  Syntax memcached_syntax;  // differs where Debian's memcached is known to be slow at `syntax`, see workload.cc
  Keys keys;
  Draw draw;
  int connections;
  int depth;      // requests in a batch; keys in a multiget
  double target;  // memcached / Holdfast must reach this; 0: only printed
  Scale scale = Scale::kUsual;
  Quantity quantity = Quantity::kCpuPerOperation;
  bool has_floor = true;        // the batches have one size, so the echo server can answer them
  bool memcached_only = false;  // a figure shown for comparison
};

std::span<const Workload> AllWorkloads();

// The keys that `keys` means when the table is run with `items` small items.
Keyspace KeyspaceOf(Keys keys, uint32_t items);

// Batch - what goes out in one send, and what must come back.
struct Batch {
  std::string request;
  std::string reply;
  uint32_t operations = 0;
  // Binary replies carry a cas that cannot be foretold: 8 bytes at each of these offsets of the reply are not compared.
  std::vector<size_t> cas_offsets;

  void Clear();
};

// CounterLedger - how often each counter of one server has been raised, which makes the reply to incr predictable.
using CounterLedger = std::vector<uint32_t>;

// BatchWriter - fills batches of one workload in one syntax.
//
// Borrows: the ledger, which may be null unless the workload is kIncrement.
class BatchWriter {
 public:
  BatchWriter(const Workload& workload, Syntax syntax, Keyspace keyspace, uint64_t seed, CounterLedger* ledger);

  // The batch for one connection. Counters are dealt out among the connections: two never raise the same one, since
  // nobody can say whose increment comes first.
  void Write(Batch& batch, int connection);

 private:
  void AppendGet(Batch& batch, uint32_t id);
  void AppendSet(Batch& batch, uint32_t id);
  void AppendIncrement(Batch& batch, int connection);
  void AppendMultiget(Batch& batch);
  void AppendEndOfQuiet(Batch& batch);
  void AppendTextValue(std::string& out, uint32_t id);

  const Workload& workload_;
  const Syntax syntax_;
  const Keyspace keyspace_;
  const std::string value_bytes_text_;
  KeyChooser chooser_;
  uint32_t mix_turn_ = 0;
  CounterLedger* const ledger_;
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_WORKLOAD_H_
