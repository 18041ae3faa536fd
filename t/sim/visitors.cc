// How it works: a value is told by its client flags, which are its number, and its bytes are made from number and key,
// so that any byte that is wrong is seen. A page is a coroutine that reads like what the handler does.

#include "sim/visitors.h"

#include <algorithm>

namespace holdfast::sim {

using protocol::ReplyCode;
using protocol::StoreMode;
using protocol::Verb;
using test::Act;
using test::Operation;
using test::Said;

namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kBudgetMicros[] = {2 * kSecond, kSecond, 8 * kSecond};  // by Handler, as in the nodes' rules
constexpr int64_t kBudgetGraceMicros = kSecond / 2;
constexpr int64_t kCacheMicrosMax = 20'000;

Said SaidOf(const Call& call, Act act) {
  if (!call.answered) return Said::kNothing;
  switch (call.code) {
    case ReplyCode::kHit:
      return Said::kHit;
    case ReplyCode::kMiss:
    case ReplyCode::kNotFound:
      return Said::kMiss;
    case ReplyCode::kStored:
      return act == Act::kProbe ? Said::kMiss : Said::kStored;
    case ReplyCode::kNotStored:
      return act == Act::kRewrite ? Said::kMiss : Said::kNotStored;
    case ReplyCode::kExists:
      return Said::kExists;
    case ReplyCode::kTouched:
      return Said::kTouched;
    case ReplyCode::kDeleted:
      return Said::kDeleted;
    default:
      return Said::kNothing;
  }
}

}  // namespace

Visitors::Visitors(World& world, std::vector<std::unique_ptr<SimNode>>& nodes, int keys, uint32_t strict)
    : world_(world), nodes_(nodes) {
  static const char* const kPrefixes[] = {"php:", "web:", "dj:"};
  value_is_empty_.push_back(false);
  for (int i = 0; i < keys; ++i) {
    const auto handler = static_cast<Handler>(world_.dice.Below(3));
    keys_.push_back({kPrefixes[static_cast<int>(handler)] + std::to_string(i), handler});
    keys_.back().strict = (strict >> static_cast<int>(handler) & 1) != 0;
    names_.push_back(keys_.back().name);
  }
}

// -- Sending --------------------------------------------------------------------------------------

void Visitors::Sent::await_suspend(std::coroutine_handle<> script) {
  World& world = visitors.world_;
  call->sent_us = world.now_us();
  call->done = [this, script] {
    visitors.Note(*this);
    script.resume();
  };
  SimNode* const node = connection->node;
  if (!connection->open) {
    world.In(1, [call = call] { call->done(); });
    return;
  }
  world.In(world.dice.Skewed(20, 3'000), [node, connection = connection, call = call] {
    // What is sent to a node that has died since gets no answer.
    if (!connection->open || connection->node_life != node->life()) return call->done();
    node->Submit(call);
  });
}

Said Visitors::Sent::await_resume() {
  connection->busy = false;
  return SaidOf(*call, operation == kNotJudged ? Act::kAdd : visitors.history_[operation].act);
}

Visitors::Sent Visitors::Begin(const ConnectionPtr& connection, uint32_t key, Act act) {
  auto call = std::make_shared<Call>();
  call->key = keys_[key].name;
  call->request.key = call->key;
  call->connection = connection->number;
  connection->busy = true;
  Operation op;
  op.act = act;
  op.key = key;
  op.node = connection->node->number();
  op.begun_us = world_.now_us();
  op.pooled = keys_[key].handler == Handler::kWeb;
  op.strict = keys_[key].strict;
  history_.push_back(op);
  return Sent{*this, connection, std::move(call), history_.size() - 1};
}

Visitors::Sent Visitors::Get(const ConnectionPtr& connection, uint32_t key) {
  Sent sent = Begin(connection, key, Act::kGet);
  sent.call->request.verb = Verb::kGet;
  return sent;
}

Visitors::Sent Visitors::Store(const ConnectionPtr& connection, uint32_t key, Act act, const Knowledge& knowledge,
                               bool empty, int64_t ttl_s) {
  Sent sent = Begin(connection, key, act);
  protocol::Request& request = sent.call->request;
  request.verb = Verb::kStore;
  request.mode = act == Act::kAdd ? StoreMode::kAdd : StoreMode::kSet;
  if (act == Act::kRewrite) {
    request.has_compare_cas = true;
    request.compare_cas = knowledge.cas;
  }
  request.client_flags = ++values_;
  value_is_empty_.push_back(empty);
  if (!empty) sent.call->value = ValueOf(key, values_);
  request.SetValue(sent.call->value);
  request.has_exptime = true;
  request.exptime = ttl_s;
  Operation& op = history_[sent.operation];
  op.value = values_;
  op.based_on = knowledge.value;
  op.empty = empty;
  op.ttl_us = ttl_s == 0 ? test::kForever : ttl_s * kSecond;
  if (const auto told = connection->told.find(key); told != connection->told.end()) {
    op.told_us = told->second.begun_us;
    op.told_ended_us = told->second.ended_us;
    op.told_value = told->second.value;
  }
  return sent;
}

Visitors::Sent Visitors::Touch(const ConnectionPtr& connection, uint32_t key, int64_t ttl_s) {
  Sent sent = Begin(connection, key, Act::kTouch);
  sent.call->request.verb = Verb::kTouch;
  sent.call->request.has_exptime = true;
  sent.call->request.exptime = ttl_s;
  history_[sent.operation].ttl_us = ttl_s == 0 ? test::kForever : ttl_s * kSecond;
  return sent;
}

Visitors::Sent Visitors::Delete(const ConnectionPtr& connection, uint32_t key) {
  Sent sent = Begin(connection, key, Act::kDelete);
  sent.call->request.verb = Verb::kDelete;
  return sent;
}

Visitors::Sent Visitors::Probe(const ConnectionPtr& connection, uint32_t key) {
  Sent sent = Begin(connection, key, Act::kProbe);
  sent.call->request.verb = Verb::kStore;
  sent.call->request.mode = StoreMode::kAdd;
  sent.call->request.exptime = session::kExistenceProbeExptime;
  sent.call->request.SetValue({});
  return sent;
}

Visitors::Sent Visitors::Lock(const ConnectionPtr& connection, uint32_t key) {
  auto call = std::make_shared<Call>();
  call->key = "php:lock." + keys_[key].name;
  call->request.key = call->key;
  call->request.verb = Verb::kStore;
  call->request.mode = StoreMode::kAdd;
  call->request.exptime = 3;
  call->request.SetValue("1");
  call->connection = connection->number;
  return Sent{*this, connection, std::move(call), kNotJudged};
}

Visitors::Sent Visitors::Unlock(const ConnectionPtr& connection, uint32_t key) {
  auto call = std::make_shared<Call>();
  call->key = "php:lock." + keys_[key].name;
  call->request.key = call->key;
  call->request.verb = Verb::kDelete;
  call->connection = connection->number;
  return Sent{*this, connection, std::move(call), kNotJudged};
}

// -- Hearing --------------------------------------------------------------------------------------

// What waits for the database waits no longer than its budget; cache keys wait for nothing, nor does a get of what is
// in memory. In a hand-over who waits begins to wait anew.
void Visitors::LookWhetherLate(const Sent& sent) {
  const SimNode& node = *sent.connection->node;
  if (node.paused_until_us() >= sent.call->sent_us) return;
  const int64_t took_us = world_.now_us() - std::max(sent.call->sent_us, node.handed_over_us());
  const bool is_lock = sent.operation == kNotJudged;
  const bool may_wait = !is_lock && !sent.call->in_memory;
  const int64_t most_us =
      !may_wait ? kCacheMicrosMax
                : kBudgetMicros[static_cast<int>(keys_[history_[sent.operation].key].handler)] + kBudgetGraceMicros;
  const bool may_be_lost = !sent.connection->open || node.life() != sent.connection->node_life || !node.accepts();
  const bool refused = !may_wait && !sent.call->answered && !may_be_lost;
  if (took_us <= most_us && !refused) return;
  left_waiting_.push_back("left waiting: " + sent.call->key + " at " + std::to_string(sent.call->sent_us) + " for " +
                          std::to_string(took_us) + " us" + (refused ? ", and not answered" : ""));
}

void Visitors::Note(const Sent& sent) {
  LookWhetherLate(sent);
  if (!sent.call->answered) Close(sent.connection);
  if (sent.operation == kNotJudged) return;
  Operation& op = history_[sent.operation];
  op.said = SaidOf(*sent.call, op.act);
  if (op.said != Said::kNothing) op.ended_us = world_.now_us();
  op.uncertain = sent.call->provisional;
  if (op.act == Act::kGet && op.said == Said::kHit) ReadValue(*sent.call, &op);
  const bool read = op.act == Act::kGet && op.said != Said::kNothing;
  const bool missed = (op.act == Act::kTouch || op.act == Act::kDelete) && op.said == Said::kMiss;
  const bool added = op.act == Act::kAdd && op.said == Said::kStored;
  if (read || missed || added) {
    sent.connection->told[op.key] = {op.begun_us, op.ended_us, op.said == Said::kMiss ? 0 : op.value};
  }
  if (op.strict && op.said != Said::kNothing && op.act != Act::kGet) {
    // A moment later, so that it is surely later.
    world_.In(1, [this, key = op.key] { LookIntoKey(*database_, key, false, test::kForever); });
  }
  if (!world_.tells()) return;
  world_.Tell("connection %llu: %s", static_cast<unsigned long long>(sent.connection->number), Describe(op).c_str());
}

void Visitors::ReadValue(const Call& call, Operation* op) const {
  op->value = call.client_flags;
  op->foreign = call.client_flags == 0 || call.client_flags > values_ ||
                call.read != (value_is_empty_[call.client_flags] ? "" : ValueOf(op->key, call.client_flags));
  op->empty = call.read.empty();
}

Visitors::Knowledge Visitors::KnowledgeOf(const Sent& sent) const {
  const Operation& op = history_[sent.operation];
  Knowledge knowledge;
  knowledge.said = op.said;
  if (op.said != Said::kHit) return knowledge;
  knowledge.value = op.value;
  knowledge.empty = op.empty;
  knowledge.cas = sent.call->cas;
  return knowledge;
}

std::string Visitors::ValueOf(uint32_t key, uint32_t value) const {
  std::string bytes = keys_[key].name + " " + std::to_string(value) + " ";
  bytes.resize(bytes.size() + value * 37 % 300, static_cast<char>('a' + value % 26));
  return bytes;
}

// -- Connections ----------------------------------------------------------------------------------

SimNode& Visitors::AnyNode() { return *nodes_[world_.dice.Below(static_cast<uint32_t>(nodes_.size()))]; }

Visitors::ConnectionPtr Visitors::Connect() {
  SimNode& node = AnyNode();
  if (!node.accepts()) return nullptr;
  auto connection = std::make_shared<Connection>();
  connection->number = ++connections_;
  connection->node = &node;
  connection->node_life = node.life();
  return connection;
}

Visitors::ConnectionPtr Visitors::FromPool() {
  std::erase_if(pool_, [](const ConnectionPtr& connection) {
    return !connection->open || connection->node_life != connection->node->life();
  });
  for (const ConnectionPtr& connection : pool_) {
    if (!connection->busy && world_.dice.OneIn(2)) return connection;
  }
  ConnectionPtr fresh = Connect();
  if (fresh != nullptr) pool_.push_back(fresh);
  return fresh;
}

// -- Pages ----------------------------------------------------------------------------------------

int64_t Visitors::AnyTtl() { return world_.dice.OneIn(4) ? world_.dice.Between(1, 8) : world_.dice.Between(100, 2000); }

Script Visitors::PhpPage(uint32_t key, std::shared_ptr<bool> gone) {
  const ConnectionPtr connection = Connect();
  if (connection == nullptr) {
    *gone = true;
    co_return;
  }
  const bool locks = world_.dice.OneIn(2);
  bool locked = !locks;
  for (int tries = 0; !locked && tries < 10; ++tries) {
    Sent lock = Lock(connection, key);
    const Said said = co_await lock;
    if (said == Said::kNothing) {
      *gone = true;
      co_return;
    }
    locked = said == Said::kStored;
    if (!locked) co_await Pause{world_, 100'000};
  }
  if (world_.dice.OneIn(8)) {
    Sent probe = Probe(connection, key);
    co_await probe;
  }
  Sent get = Get(connection, key);
  co_await get;
  Knowledge knowledge = KnowledgeOf(get);
  if (knowledge.said == Said::kNothing) {
    *gone = true;
    co_return;
  }
  if (knowledge.said == Said::kMiss && world_.dice.OneIn(3)) {
    // Strict mode and read-only pages reserve an id.
    Sent reserve = Store(connection, key, Act::kSet, knowledge, true, AnyTtl());
    if (co_await reserve == Said::kStored) {
      Sent again = Get(connection, key);
      co_await again;
      if (history_[again.operation].said != Said::kNothing) knowledge = KnowledgeOf(again);
    }
  }
  co_await Pause{world_, world_.dice.OneIn(6) ? world_.dice.Between(0, 8'000'000) : world_.dice.Skewed(0, 300'000)};
  const uint32_t what = world_.dice.Below(12);
  if (what == 0) {
    Sent logout = Delete(connection, key);
    co_await logout;
  } else if (what <= 2 && knowledge.said == Said::kHit) {
    Sent touch = Touch(connection, key, AnyTtl());
    co_await touch;
  } else if (what == 3) {
    Sent clear = Store(connection, key, Act::kSet, knowledge, true, AnyTtl());
    co_await clear;
  } else if (knowledge.said == Said::kHit || world_.dice.OneIn(2)) {
    Sent set = Store(connection, key, Act::kSet, knowledge, false, AnyTtl());
    co_await set;
  }
  if (locks && locked) {
    Sent unlock = Unlock(connection, key);
    co_await unlock;
  }
  Close(connection);
  *gone = true;
}

Script Visitors::WebPage(uint32_t key, std::shared_ptr<bool> gone) {
  ConnectionPtr connection = FromPool();
  if (connection == nullptr) {
    *gone = true;
    co_return;
  }
  Sent get = Get(connection, key);
  co_await get;
  Knowledge knowledge = KnowledgeOf(get);
  co_await Pause{world_, world_.dice.Skewed(0, 2'000'000)};
  connection = FromPool();
  if (connection == nullptr || knowledge.said == Said::kNothing) {
    *gone = true;
    co_return;
  }
  const uint32_t what = world_.dice.Below(10);
  if (what == 0) {
    Sent logout = Delete(connection, key);
    co_await logout;
  } else if (what <= 3 && knowledge.said == Said::kHit) {
    Sent touch = Touch(connection, key, AnyTtl());
    co_await touch;
  } else if ((what == 4 || (what >= 7 && keys_[key].strict)) && knowledge.said == Said::kHit) {
    Sent cas = Store(connection, key, Act::kRewrite, knowledge, false, AnyTtl());
    co_await cas;
  } else {
    Sent set = Store(connection, key, Act::kSet, knowledge, false, AnyTtl());
    co_await set;
  }
  *gone = true;
}

Script Visitors::DjangoPage(uint32_t key, std::shared_ptr<bool> gone) {
  const ConnectionPtr connection = Connect();
  if (connection == nullptr) {
    *gone = true;
    co_return;
  }
  Sent get = Get(connection, key);
  co_await get;
  const Knowledge knowledge = KnowledgeOf(get);
  if (knowledge.said == Said::kNothing) {
    *gone = true;
    co_return;
  }
  co_await Pause{world_, world_.dice.Skewed(0, 4'000'000)};
  if (knowledge.said == Said::kMiss) {
    Sent login = Store(connection, key, Act::kAdd, Knowledge(), false, AnyTtl());
    co_await login;
  } else if (world_.dice.OneIn(6)) {
    Sent logout = Delete(connection, key);
    co_await logout;
  } else {
    Sent set = Store(connection, key, Act::kSet, knowledge, false, AnyTtl());
    co_await set;
  }
  Close(connection);
  *gone = true;
}

Script Visitors::Visit(int64_t until_us) {
  co_await Pause{world_, world_.dice.Between(1, 1'000'000)};
  while (world_.now_us() < until_us) {
    const uint32_t key = world_.dice.Below(static_cast<uint32_t>(keys_.size()));
    // A page may ask for the session twice at the same time.
    const int parallel = world_.dice.OneIn(4) ? 2 : 1;
    std::vector<std::shared_ptr<bool>> pages;
    for (int i = 0; i < parallel; ++i) {
      pages.push_back(std::make_shared<bool>(false));
      switch (keys_[key].handler) {
        case Handler::kPhp:
          PhpPage(key, pages.back());
          break;
        case Handler::kWeb:
          WebPage(key, pages.back());
          break;
        case Handler::kDjango:
          DjangoPage(key, pages.back());
          break;
      }
    }
    while (!std::all_of(pages.begin(), pages.end(), [](const auto& gone) { return *gone; })) {
      co_await Pause{world_, 50'000};
    }
    co_await Pause{world_, Think()};
  }
  --inside_;
}

void Visitors::Invite(int visitors, int64_t until_us) {
  inside_ += visitors;
  for (int i = 0; i < visitors; ++i) Visit(until_us);
}

// -- The checker's own looks ----------------------------------------------------------------------

void Visitors::LookOnce(SimNode& node) {
  for (uint32_t key = 0; key < keys_.size(); ++key) {
    auto connection = std::make_shared<Connection>();
    connection->number = ++connections_;
    connection->node = &node;
    connection->node_life = node.life();
    Sent get = Get(connection, key);
    history_[get.operation].is_final = true;
    [](Sent sent) -> Script { co_await sent; }(std::move(get));
  }
}

void Visitors::LookInto(const SimDatabase& database, bool is_final, int64_t database_up_us) {
  for (uint32_t key = 0; key < keys_.size(); ++key) LookIntoKey(database, key, is_final, database_up_us);
}

void Visitors::LookIntoKey(const SimDatabase& database, uint32_t key, bool is_final, int64_t database_up_us) {
  Operation op;
  op.strict = keys_[key].strict;
  op.act = Act::kRow;
  op.said = Said::kMiss;
  op.key = key;
  op.node = test::kDatabaseNode;
  op.is_final = is_final;
  op.begun_us = op.ended_us = world_.now_us();
  op.database_up_us = database_up_us;
  const session::Row* const row = database.Find(keys_[key].name);
  if (row != nullptr && row->state == session::RowState::kLive && row->expires_us > world_.now_us()) {
    op.said = Said::kHit;
    op.value = row->client_flags;
    if (row->expires_us != session::kNeverMicros) op.ttl_us = row->expires_us - world_.now_us();
    Call call;
    call.client_flags = row->client_flags;
    call.read = row->data;
    ReadValue(call, &op);
  }
  history_.push_back(op);
  if (world_.tells()) world_.Tell("the checker: %s", Describe(op).c_str());
}

}  // namespace holdfast::sim
