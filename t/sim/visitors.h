// visitors.h - the clients of a simulated site: people, and the session handlers that send commands for them, each with
// its habits. What they send and are told goes into the history that is judged.
//
//   php      a connection for each page; a lock by `add`; get, then set or touch; a login after a miss; a delete
//   web      connections that are shared (connect-memcached); no lock
//   dj       a connection for each page; `add` for a new session
//
// Threads: one.
// Owns:    connections, and what each was told.

#ifndef HOLDFAST_T_SIM_VISITORS_H_
#define HOLDFAST_T_SIM_VISITORS_H_

#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "lib/judge.h"
#include "sim/sim_node.h"
#include "sim/world.h"

namespace holdfast::sim {

// A visitor's behaviour, as a coroutine that runs until it has to wait for an answer or for time to pass.
struct Script {
  struct promise_type {
    Script get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

enum class Handler : uint8_t { kPhp, kWeb, kDjango };

struct SessionKey {
  std::string name;
  Handler handler;
  bool strict = false;
};

class Visitors {
 public:
  // strict: a bit for each handler whose rule is.
  Visitors(World& world, std::vector<std::unique_ptr<SimNode>>& nodes, int keys, uint32_t strict);
  // What is acknowledged of a strict session is looked for there at once.
  void SetDatabase(const SimDatabase* database) { database_ = database; }

  // Each visitor comes again and again until closing time.
  void Invite(int visitors, int64_t until_us);
  bool all_gone() const { return inside_ == 0; }

  // When all is quiet: what each node, and the database, has of every key.
  void LookOnce(SimNode& node);
  void LookInto(const SimDatabase& database, bool is_final, int64_t database_up_us);
  void LookIntoKey(const SimDatabase& database, uint32_t key, bool is_final, int64_t database_up_us);

  // Who waited longer than the rule of the key allows, and who of a cache key was not answered.
  const std::vector<std::string>& left_waiting() const { return left_waiting_; }

  const std::vector<test::Operation>& history() const { return history_; }
  const std::vector<SessionKey>& keys() const { return keys_; }
  std::span<const std::string> names() const { return names_; }
  // The number of a value that the database is to refuse from now on: the next one written.
  uint32_t next_value() const { return values_ + 1; }

 private:
  struct Told {
    int64_t begun_us;
    int64_t ended_us;
    uint32_t value;  // 0: there was none
  };
  struct Connection {
    uint64_t number = 0;
    SimNode* node = nullptr;
    uint64_t node_life = 0;
    bool busy = false;
    bool open = true;
    std::unordered_map<uint32_t, Told> told;  // by key: the latest read that it was answered
  };
  using ConnectionPtr = std::shared_ptr<Connection>;

  // What a page knows of its session.
  struct Knowledge {
    test::Said said = test::Said::kNothing;
    uint32_t value = 0;  // read last
    bool empty = false;
    uint64_t cas = 0;
  };

  // One operation, sent and awaited.
  struct Sent {
    Visitors& visitors;
    ConnectionPtr connection;
    std::shared_ptr<Call> call;
    size_t operation;  // in history_; kNotJudged for locks
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> script);
    test::Said await_resume();
  };
  struct Pause {
    World& world;
    int64_t micros;
    bool await_ready() const { return micros <= 0; }
    void await_suspend(std::coroutine_handle<> script) {
      world.In(micros, [script] { script.resume(); });
    }
    void await_resume() {}
  };
  static constexpr size_t kNotJudged = static_cast<size_t>(-1);

  Script Visit(int64_t until_us);
  Script PhpPage(uint32_t key, std::shared_ptr<bool> gone);
  Script WebPage(uint32_t key, std::shared_ptr<bool> gone);
  Script DjangoPage(uint32_t key, std::shared_ptr<bool> gone);

  SimNode& AnyNode();
  ConnectionPtr Connect();
  ConnectionPtr FromPool();
  static void Close(const ConnectionPtr& connection) { connection->open = false; }

  Sent Get(const ConnectionPtr& connection, uint32_t key);
  Sent Store(const ConnectionPtr& connection, uint32_t key, test::Act act, const Knowledge& knowledge, bool empty,
             int64_t ttl_s);
  Sent Touch(const ConnectionPtr& connection, uint32_t key, int64_t ttl_s);
  Sent Delete(const ConnectionPtr& connection, uint32_t key);
  Sent Probe(const ConnectionPtr& connection, uint32_t key);
  Sent Lock(const ConnectionPtr& connection, uint32_t key);
  Sent Unlock(const ConnectionPtr& connection, uint32_t key);
  Sent Begin(const ConnectionPtr& connection, uint32_t key, test::Act act);

  void Note(const Sent& sent);
  void LookWhetherLate(const Sent& sent);
  Knowledge KnowledgeOf(const Sent& sent) const;
  void ReadValue(const Call& call, test::Operation* operation) const;
  std::string ValueOf(uint32_t key, uint32_t value) const;
  int64_t AnyTtl();
  int64_t Think() { return world_.dice.Skewed(100, 3'000'000); }

  World& world_;
  std::vector<std::unique_ptr<SimNode>>& nodes_;
  const SimDatabase* database_ = nullptr;  // null: there is no strict session
  std::vector<SessionKey> keys_;
  std::vector<std::string> names_;
  std::vector<test::Operation> history_;
  std::vector<ConnectionPtr> pool_;
  std::vector<std::string> left_waiting_;
  std::vector<bool> value_is_empty_;  // by number
  uint32_t values_ = 0;
  uint64_t connections_ = 0;
  int inside_ = 0;
};

}  // namespace holdfast::sim

#endif  // HOLDFAST_T_SIM_VISITORS_H_
