// How it works: blocking sockets, one request at a time. A value's client flags are its number; its bytes follow from
// that, so damage is seen. A page that gets no answer ends, as a handler's does.

#include "faults/site_client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace holdfast::faults {

using test::Act;
using test::Operation;
using test::Said;

namespace {

constexpr int kTimeoutSeconds = 40;  // longer than every budget: a server that is stopped answers when it goes on

Said SaidOf(const std::string& line, Act act) {
  if (line.starts_with("VALUE ")) return Said::kHit;
  if (line == "END" || line == "NOT_FOUND") return Said::kMiss;
  if (line == "STORED") return act == Act::kProbe ? Said::kMiss : Said::kStored;
  if (line == "NOT_STORED") return act == Act::kRewrite ? Said::kMiss : Said::kNotStored;
  if (line == "EXISTS") return Said::kExists;
  if (line == "TOUCHED") return Said::kTouched;
  if (line == "DELETED") return Said::kDeleted;
  return Said::kNothing;
}

}  // namespace

int64_t NowMicros() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

std::string NameOf(uint32_t key) {
  static const char* const kPrefixes[] = {"php:", "web:", "dj:", "cart:"};
  return kPrefixes[static_cast<int>(HandlerOf(key))] + std::to_string(key);
}

std::string ValueOf(uint32_t key, uint32_t value) {
  std::string bytes = NameOf(key) + " " + std::to_string(value) + " ";
  bytes.resize(bytes.size() + value * 37 % 900, static_cast<char>('a' + value % 26));
  return bytes;
}

std::string Describe(const Trouble& trouble) {
  char text[256];
  std::snprintf(text, sizeof text, "%s to node %u, %.6f to %.6f: %s", trouble.request.c_str(), trouble.node,
                static_cast<double>(trouble.begun_us) / 1e6, static_cast<double>(trouble.ended_us) / 1e6,
                trouble.line.empty() ? "the connection broke" : trouble.line.c_str());
  return text;
}

uint32_t Site::NodeOf(uint32_t key) const {
  constexpr uint32_t kMix = 2'654'435'761;
  const uint32_t mixed = (key * kMix) ^ (ring.load(std::memory_order_relaxed) * 40'503);
  return (mixed * kMix >> 16) % static_cast<uint32_t>(ports.size());
}

// -- Connection -----------------------------------------------------------------------------------

bool Connection::Open(int port) {
  Close();
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval timeout{kTimeoutSeconds, 0};
  const int one = 1;
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  opened_us = NowMicros();
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return true;
  Close();
  return false;
}

void Connection::Close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  input_.clear();
  told.clear();
}

bool Connection::Fill() {
  char bytes[4096];
  const ssize_t read = ::recv(socket_, bytes, sizeof bytes, 0);
  if (read > 0) input_.append(bytes, static_cast<size_t>(read));
  return read > 0;
}

Connection::Answer Connection::Ask(const std::string& request, bool is_get) {
  Answer answer;
  bool whole = is_open() &&
               ::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size());
  size_t end = 0;
  while (whole && (end = input_.find("\r\n")) == std::string::npos) whole = Fill();
  if (whole) {
    answer.line = input_.substr(0, end);
    input_.erase(0, end + 2);
    unsigned long long cas = 0;
    size_t bytes = 0;
    if (is_get && std::sscanf(answer.line.c_str(), "VALUE %*s %u %zu %llu", &answer.flags, &bytes, &cas) >= 2) {
      answer.cas = cas;
      while (whole && input_.size() < bytes + 7) whole = Fill();
      if (whole) {
        answer.value = input_.substr(0, bytes);
        input_.erase(0, bytes + 7);
      }
    }
  }
  if (!whole) {
    answer.line.clear();
    Close();
  }
  return answer;
}

std::string Connection::NextLine() {
  size_t end = 0;
  while ((end = input_.find("\r\n")) == std::string::npos) {
    if (!Fill()) return "";
  }
  std::string line = input_.substr(0, end);
  input_.erase(0, end + 2);
  return line;
}

// -- Operations -----------------------------------------------------------------------------------

void Writer::NoteTrouble(const Connection& connection, const std::string& request, const std::string& line,
                         bool is_error, int64_t begun_us) {
  const int64_t now_us = NowMicros();
  Trouble trouble{begun_us, now_us, connection.opened_us, 0, connection.node, request.substr(0, request.find('\r')),
                  line};
  if (line.empty()) return broken.push_back(std::move(trouble));
  longest_us = std::max(longest_us, now_us - begun_us);
  if (now_us - begun_us > kAnswerMicrosMax) {
    const test::Lateness::Clock::time_point begun{std::chrono::microseconds(begun_us)};
    trouble.lateness_us = std::chrono::microseconds(site_.lateness.WorstSince(begun)).count();
    late.push_back(trouble);
  }
  if (is_error) errors.push_back(std::move(trouble));
}

std::string Writer::AskForLock(Connection& connection, const std::string& request) {
  const int64_t begun_us = NowMicros();
  const std::string line = connection.Ask(request, false).line;
  const bool is_known = line == "STORED" || line == "NOT_STORED" || line == "DELETED" || line == "NOT_FOUND";
  NoteTrouble(connection, request, line, !is_known, begun_us);
  return line;
}

Connection::Answer Writer::Send(Connection& connection, const std::string& request, Operation* op) {
  op->begun_us = NowMicros();
  const Connection::Answer answer = connection.Ask(request, op->act == Act::kGet);
  op->said = SaidOf(answer.line, op->act);
  NoteTrouble(connection, request, answer.line, op->said == Said::kNothing, op->begun_us);
  const int64_t now_us = NowMicros();
  if (op->said == Said::kNothing) return answer;
  op->ended_us = now_us;
  acknowledged_at_us.push_back(now_us);
  site_.acknowledged.fetch_add(1, std::memory_order_relaxed);
  return answer;
}

void Writer::Record(Connection& connection, Operation op) {
  op.pooled = HandlerOf(op.key) == Handler::kWeb;
  op.strict = IsStrict(op.key);
  op.node = connection.node;
  const bool read = op.act == Act::kGet && op.said != Said::kNothing;
  const bool missed = (op.act == Act::kTouch || op.act == Act::kDelete) && op.said == Said::kMiss;
  const bool added = op.act == Act::kAdd && op.said == Said::kStored;
  if (read || missed || added) {
    connection.told[op.key] = {op.begun_us, op.ended_us, op.said == Said::kMiss ? 0 : op.value};
  }
  history.push_back(op);
  if (site_.pause_us > 0) ::usleep(static_cast<useconds_t>(dice_.Between(0, 2 * site_.pause_us)));
}

Writer::Knowledge Writer::Get(Connection& connection, uint32_t key, bool is_final) {
  Operation op;
  op.act = Act::kGet;
  op.key = key;
  op.is_final = is_final;
  const Connection::Answer answer = Send(connection, "gets " + NameOf(key) + "\r\n", &op);
  if (op.said == Said::kHit) {
    op.value = answer.flags;
    op.empty = answer.value.empty();
    op.foreign = answer.flags == 0 || (!answer.value.empty() && answer.value != ValueOf(key, answer.flags));
  }
  Record(connection, op);
  return {op.said, op.value, answer.cas};
}

Said Writer::Store(Connection& connection, uint32_t key, Act act, const Knowledge& knowledge, bool empty) {
  Operation op;
  op.act = act;
  op.key = key;
  op.value = site_.values.fetch_add(1) + 1;
  op.based_on = knowledge.value;
  op.empty = empty;
  const int ttl = Ttl();
  op.ttl_us = int64_t{ttl} * 1'000'000;
  if (const auto told = connection.told.find(key); told != connection.told.end()) {
    op.told_us = told->second.begun_us;
    op.told_ended_us = told->second.ended_us;
    op.told_value = told->second.value;
  }
  const std::string value = empty ? "" : ValueOf(key, op.value);
  std::string request = act == Act::kAdd ? "add " : act == Act::kRewrite ? "cas " : "set ";
  request +=
      NameOf(key) + " " + std::to_string(op.value) + " " + std::to_string(ttl) + " " + std::to_string(value.size());
  if (act == Act::kRewrite) request += " " + std::to_string(knowledge.cas);
  Send(connection, request + "\r\n" + value + "\r\n", &op);
  Record(connection, op);
  return op.said;
}

void Writer::Touch(Connection& connection, uint32_t key) {
  Operation op;
  op.act = Act::kTouch;
  op.key = key;
  const int ttl = Ttl();
  op.ttl_us = int64_t{ttl} * 1'000'000;
  Send(connection, "touch " + NameOf(key) + " " + std::to_string(ttl) + "\r\n", &op);
  Record(connection, op);
}

void Writer::Delete(Connection& connection, uint32_t key) {
  Operation op;
  op.act = Act::kDelete;
  op.key = key;
  Send(connection, "delete " + NameOf(key) + "\r\n", &op);
  Record(connection, op);
}

void Writer::Look(uint32_t key, uint32_t node, bool is_final) {
  Connection connection;
  if (Open(connection, node)) Get(connection, key, is_final);
}

// A server that is gone is not asked again at once.
bool Writer::Open(Connection& connection, uint32_t node) {
  connection.node = node;
  if (connection.Open(site_.ports[node])) return true;
  ::usleep(1000);
  return false;
}

Connection* Writer::Pooled(uint32_t key) {
  const uint32_t node = site_.NodeOf(key);
  return pooled_[node].is_open() || Open(pooled_[node], node) ? &pooled_[node] : nullptr;
}

// -- Pages ----------------------------------------------------------------------------------------

void Writer::PhpPage(uint32_t key) {
  Connection connection;
  if (!Open(connection, site_.NodeOf(key))) return;
  const bool locks = dice_.OneIn(3);
  const std::string lock = "php:lock." + NameOf(key);
  if (locks) {
    if (AskForLock(connection, "add " + lock + " 0 2 1\r\n1\r\n") != "STORED") return;
  }
  const Knowledge knowledge = Get(connection, key);
  if (knowledge.said == Said::kNothing) return;
  const uint32_t what = dice_.Below(12);
  if (what == 0) {
    Delete(connection, key);
  } else if (what == 1 && knowledge.said == Said::kHit) {
    Touch(connection, key);
  } else {
    Store(connection, key, Act::kSet, knowledge, what == 2);
  }
  if (locks && connection.is_open()) AskForLock(connection, "delete " + lock + "\r\n");
}

void Writer::WebPage(uint32_t key) {
  Connection* const pooled = Pooled(key);
  if (pooled == nullptr) return;
  const Knowledge knowledge = Get(*pooled, key);
  if (knowledge.said == Said::kNothing || !pooled->is_open()) return;
  const uint32_t what = dice_.Below(10);
  if (what == 0) return Delete(*pooled, key);
  if (what <= 2 && knowledge.said == Said::kHit) return Touch(*pooled, key);
  const bool compares = what == 3 && knowledge.said == Said::kHit;
  Store(*pooled, key, compares ? Act::kRewrite : Act::kSet, knowledge, false);
}

void Writer::DjangoPage(uint32_t key) {
  Connection connection;
  if (!Open(connection, site_.NodeOf(key))) return;
  const Knowledge knowledge = Get(connection, key);
  if (knowledge.said == Said::kNothing) return;
  if (knowledge.said == Said::kMiss) {
    Store(connection, key, Act::kAdd, Knowledge(), false);
  } else if (dice_.OneIn(8)) {
    Delete(connection, key);
  } else {
    Store(connection, key, Act::kSet, knowledge, false);
  }
}

// Of a strict session: who finds none makes it, who finds one changes what he found.
void Writer::CartPage(uint32_t key) {
  Connection connection;
  if (!Open(connection, site_.NodeOf(key))) return;
  const Knowledge knowledge = Get(connection, key);
  if (knowledge.said == Said::kNothing) return;
  const uint32_t what = dice_.Below(10);
  if (what == 0) return Delete(connection, key);
  if (knowledge.said == Said::kMiss) {
    Store(connection, key, what <= 7 ? Act::kAdd : Act::kSet, knowledge, what == 1);
  } else if (what == 1) {
    Touch(connection, key);
  } else {
    Store(connection, key, what <= 7 ? Act::kRewrite : Act::kSet, knowledge, what == 2);
  }
}

void Writer::Page() {
  const uint32_t first = site_.keys_first.load(), end = site_.keys_end.load();
  const uint32_t middle = first + (end - first) / 2;
  const uint32_t key = dice_.OneIn(5) ? first + dice_.Below(middle - first + 1) : middle + dice_.Below(end - middle);
  switch (HandlerOf(key)) {
    case Handler::kPhp:
      return PhpPage(key);
    case Handler::kWeb:
      return WebPage(key);
    case Handler::kDjango:
      return DjangoPage(key);
    case Handler::kCart:
      return CartPage(key);
  }
}

void Writer::Run(const std::atomic<bool>& stop) {
  while (!stop.load()) {
    site_.writing.fetch_add(1);
    if (site_.open.load()) Page();
    site_.writing.fetch_sub(1);
    if (!site_.open.load()) ::usleep(1000);
    if (site_.open.load() && dice_.OneIn(50)) ::usleep(1000);
  }
}

}  // namespace holdfast::faults
