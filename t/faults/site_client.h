// site_client.h - the clients of a real server under faults: threads that send what session handlers send, as fast as
// they are told, and write down what they were answered.
//
// Threads: Writer::Run on a thread of its own; the other members once that has ended or waits.
// Owns:    its connections and its part of the history.

#ifndef HOLDFAST_T_FAULTS_SITE_CLIENT_H_
#define HOLDFAST_T_FAULTS_SITE_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lib/judge.h"
#include "lib/lateness.h"
#include "sim/dice.h"

namespace holdfast::faults {

int64_t NowMicros();

// What all writers share.
struct Site {
  std::vector<int> ports;               // of the servers
  std::atomic<uint32_t> ring{0};        // another number sends half of the keys and more elsewhere
  std::atomic<bool> open{false};        // writers write
  std::atomic<uint32_t> keys_first{0};  // the keys of this cycle and the one before
  std::atomic<uint32_t> keys_end{0};
  std::atomic<uint32_t> values{0};
  std::atomic<uint64_t> acknowledged{0};
  std::atomic<int> writing{0};  // writers in the middle of a page
  int64_t pause_us = 3'000;     // of a writer between two operations
  test::Lateness lateness;      // of this machine's threads

  // The server that the clients ask for this key now.
  uint32_t NodeOf(uint32_t key) const;
};

enum class Handler : uint8_t { kPhp, kWeb, kDjango, kCart };
inline Handler HandlerOf(uint32_t key) { return static_cast<Handler>(key % 4); }
inline bool IsStrict(uint32_t key) { return HandlerOf(key) == Handler::kCart; }
std::string NameOf(uint32_t key);
// The bytes of a value, from its number.
std::string ValueOf(uint32_t key, uint32_t value);

class Connection {
 public:
  ~Connection() { Close(); }
  bool Open(int port);
  void Close();
  bool is_open() const { return socket_ >= 0; }
  // The answer's first line; of a hit also the value. Empty when the connection broke.
  struct Answer {
    std::string line;
    uint32_t flags = 0;
    uint64_t cas = 0;
    std::string value;
  };
  Answer Ask(const std::string& request, bool is_get);
  // Of an answer of several lines the one behind the last read; empty when the connection broke.
  std::string NextLine();

  struct Told {
    int64_t begun_us;
    int64_t ended_us;
    uint32_t value;
  };
  std::map<uint32_t, Told> told;
  uint32_t node = 0;  // whose it is, as numbered by the site
  int64_t opened_us = 0;

 private:
  bool Fill();
  int socket_ = -1;
  std::string input_;
};

// The longest budget of a rule, and half a second: no answer takes longer.
inline constexpr int64_t kAnswerMicrosMax = 4'500'000;

// What became of a request that was not answered as its command is.
struct Trouble {
  int64_t begun_us = 0;
  int64_t ended_us = 0;
  int64_t opened_us = 0;    // the connection
  int64_t lateness_us = 0;  // late ones: how late a thread of ours woke meanwhile, at worst
  uint32_t node = 0;
  std::string request;  // its first line
  std::string line;     // the answer's; empty: the connection broke
};
std::string Describe(const Trouble& trouble);

class Writer {
 public:
  Writer(Site& site, uint64_t seed) : site_(site), dice_(seed), pooled_(site.ports.size()) {}
  // Pages, one after the other, until stop is set; between them it waits while the site is closed.
  void Run(const std::atomic<bool>& stop);
  // One get of a key from one server, for the checker.
  void Look(uint32_t key, uint32_t node, bool is_final);

  std::vector<test::Operation> history;
  std::vector<int64_t> acknowledged_at_us;
  int64_t longest_us = 0;       // that an operation has waited for its answer
  std::vector<Trouble> errors;  // answers that are none of the command's own, SERVER_ERROR above all
  std::vector<Trouble> broken;  // the connection broke before the answer
  std::vector<Trouble> late;    // answers after more than kAnswerMicrosMax

 private:
  struct Knowledge {
    test::Said said = test::Said::kNothing;
    uint32_t value = 0;
    uint64_t cas = 0;
  };

  bool Open(Connection& connection, uint32_t node);
  Connection* Pooled(uint32_t key);
  void Page();
  void PhpPage(uint32_t key);
  void WebPage(uint32_t key);
  void DjangoPage(uint32_t key);
  void CartPage(uint32_t key);
  Knowledge Get(Connection& connection, uint32_t key, bool is_final = false);
  test::Said Store(Connection& connection, uint32_t key, test::Act act, const Knowledge& knowledge, bool empty);
  void Touch(Connection& connection, uint32_t key);
  void Delete(Connection& connection, uint32_t key);
  Connection::Answer Send(Connection& connection, const std::string& request, test::Operation* op);
  // Of the lock, which is no session: its answer is all that counts.
  std::string AskForLock(Connection& connection, const std::string& request);
  void NoteTrouble(const Connection& connection, const std::string& request, const std::string& line, bool is_error,
                   int64_t begun_us);
  void Record(Connection& connection, test::Operation op);
  int Ttl() { return static_cast<int>(dice_.OneIn(8) ? dice_.Between(1, 4) : dice_.Between(300, 3000)); }

  Site& site_;
  sim::Dice dice_;
  std::vector<Connection> pooled_;  // one a server
};

}  // namespace holdfast::faults

#endif  // HOLDFAST_T_FAULTS_SITE_CLIENT_H_
