// keeper.h - where a simulated site keeps its sessions: in Holdfast, in the database alone, or in the hybrid made by
// hand (read the cache, then the database; write the cache always and the database every N).
//
// A Keeper is what one process of the application has open. All three use the same table; the two that go to the
// database themselves do so with the product's own driver and statements, so that only the caching differs.
//
// Threads: Storage::Connect and figures from any; a Keeper belongs to one.
// Owns:    Storage: the cache server and the directory; it outlives its keepers.
// Errors:  BenchError. A database that is busy is asked again, as often as need be.
// Blocks:  every function of a Keeper, for as long as cache or database take.

#ifndef HOLDFAST_BENCH_KEEPER_H_
#define HOLDFAST_BENCH_KEEPER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "bench/session_options.h"

namespace holdfast::bench {

enum class StorageKind { kHoldfast, kDatabase, kHybrid };
const char* NameOf(StorageKind kind);

// What the database was asked, since the storage was made.
struct DatabaseFigures {
  uint64_t reads = 0;          // ids looked up
  uint64_t reads_found = 0;    // of these, live sessions
  uint64_t rows_written = 0;   // deletes too
  uint64_t server_cpu_ns = 0;  // cache and database; of an SQLite file that the site opens itself, its calls
};

class Keeper {
 public:
  virtual ~Keeper() = default;
  // The view of one user's session: Load first, then any of the others for the same id.
  virtual std::optional<std::string> Load(const std::string& id) = 0;
  virtual void Save(const std::string& id, const std::string& value) = 0;
  // False: there is no such session.
  [[nodiscard]] virtual bool Touch(const std::string& id) = 0;
  [[nodiscard]] virtual bool Delete(const std::string& id) = 0;
};

class Storage {
 public:
  virtual ~Storage() = default;
  virtual std::unique_ptr<Keeper> Connect() = 0;
  // Waits until all has been written that is to be.
  virtual void Settle() {}
  virtual DatabaseFigures Figures() = 0;
};

std::unique_ptr<Storage> MakeStorage(StorageKind kind, const SessionOptions& options);

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_KEEPER_H_
