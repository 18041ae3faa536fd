// How it works: memory first, under the key's lock, then, if memory does not know for sure, the database, by a
// connection that is opened for this question. Whoever asks is a person, so a connection each time is cheap enough, and
// the module's own connections are not in the way.

#include "session/inquiry.h"

#include <algorithm>

#include "session/marks.h"
#include "session/session.h"

namespace holdfast::session {

using Memory = SessionFacts::Memory;
using store::ItemState;
using store::Key;

namespace {

constexpr int64_t kSecondMicros = 1'000'000;

Memory MemoryOf(ItemState state) {
  switch (state) {
    case ItemState::kLive:
      return Memory::kLive;
    case ItemState::kExpired:
      return Memory::kExpired;
    case ItemState::kTombstone:
      return Memory::kDeleted;
    case ItemState::kAbsent:
    case ItemState::kFlushed:
      break;
  }
  return Memory::kNothing;
}

}  // namespace

int64_t Inquiry::WallOf(int64_t steady_us) const {
  if (steady_us == kNeverMicros) return kNeverMicros;
  const base::Clock& clock = sessions_.clock();
  return clock.WallMicros() + (steady_us - clock.SteadyMicros());
}

std::vector<std::string> Inquiry::KeysOf(std::string_view id) const {
  std::vector<std::string> keys;
  if (sessions_.Match(id) != nullptr) keys.emplace_back(id);
  const Rules& rules = sessions_.rules();
  for (size_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = rules.rule(static_cast<uint8_t>(i));
    std::string key = rule.prefix + std::string(id) + rule.suffix;
    if (key.size() > store::kKeyBytesMax || sessions_.Match(key) != &rule) continue;
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(std::move(key));
  }
  return keys;
}

SessionFacts Inquiry::LookIntoMemory(store::Access& access, const std::string& bytes) const {
  const base::Clock& clock = sessions_.clock();
  SessionFacts facts;
  facts.key = bytes;
  facts.rule = sessions_.Match(bytes);
  facts.end = sessions_.recent_ends().Find(bytes);
  facts.own_node = sessions_.stamp_clock().node();
  access.Online();
  {
    const store::Slot slot = access.Lock(Key::Of(bytes), clock.Now());
    if (slot.item() && slot.item().is_session()) {
      facts.memory = MemoryOf(slot.state());
      facts.stamps = slot.item().stamps();
      facts.size = slot.item().value_size();
      facts.client_flags = slot.item().client_flags();
      facts.dirty = slot.item().is_dirty();
      const base::Seconds expiry = ExpiryOf(slot.item(), facts.stamps);
      if (expiry != base::kNever) facts.expires_wall_us = WallOf(clock.SteadyMicrosAt(expiry));
      if (facts.stamps.synced_at != 0) facts.synced_wall_us = WallOf(clock.SteadyMicrosAt(facts.stamps.synced_at));
    }
  }
  access.Offline();
  return facts;
}

std::vector<SessionFacts> Inquiry::Quarantined(store::Access& access, size_t count) const {
  std::vector<SessionFacts> all;
  for (const std::string& key : sessions_.write_behind().QuarantinedAfter("", count)) {
    SessionFacts facts = LookIntoMemory(access, key);
    // It may have been lifted meanwhile.
    if (facts.rule != nullptr && facts.dirty && Has(facts.stamps, kMarkQuarantined)) all.push_back(std::move(facts));
  }
  return all;
}

void Inquiry::TakeRow(const Row& row, SessionFacts* facts) const {
  const bool live = row.state == RowState::kLive;
  const bool expired = live && row.expires_us <= sessions_.clock().SteadyMicros();
  facts->database = !live     ? SessionFacts::Database::kDeleted
                    : expired ? SessionFacts::Database::kExpired
                              : SessionFacts::Database::kLive;
  // What memory has and the database lacks is later; otherwise memory asked because it is not sure.
  if (facts->memory != Memory::kNothing && facts->dirty) return;
  facts->memory = Memory::kNothing;
  facts->dirty = false;
  facts->stamps = {};
  facts->stamps.version = row.version;
  facts->stamps.touched = row.touched;
  facts->stamps.born = row.born;
  facts->stamps.floor = row.floor;
  facts->size = row.data.size();
  facts->client_flags = row.client_flags;
  facts->expires_wall_us = WallOf(row.expires_us);
  facts->synced_wall_us = WallOf(row.changed_us / kSecondMicros * kSecondMicros);
}

void Inquiry::AskDatabase(std::vector<SessionFacts>* all) {
  const bool shared = sessions_.settings().shared;
  std::vector<std::string_view> keys;
  for (const SessionFacts& facts : *all) {
    const bool sure = facts.memory == Memory::kLive || facts.memory == Memory::kDeleted ||
                      (facts.memory == Memory::kExpired && !shared);
    if (!sure || sessions_.verification().Doubts(facts.key)) keys.push_back(facts.key);
  }
  if (keys.empty() && !shared) return;
  std::vector<Row> rows;
  std::vector<NodeLease> nodes;
  const std::unique_ptr<Driver> driver = database_.NewDriver();
  Failure failure = driver->Open();
  if (failure.ok() && !keys.empty()) failure = driver->Load(keys, &rows);
  int64_t database_now_us = 0;
  if (failure.ok() && shared && !driver->ReadNodes(&nodes, &database_now_us).ok()) nodes.clear();
  for (SessionFacts& facts : *all) {
    facts.nodes = nodes;
    if (std::find(keys.begin(), keys.end(), facts.key) == keys.end()) continue;
    facts.away = failure.detail;
    facts.database = failure.ok() ? SessionFacts::Database::kNothing : SessionFacts::Database::kAway;
    for (const Row& row : rows) {
      if (row.key == facts.key) TakeRow(row, &facts);
    }
  }
}

SessionFacts Inquiry::Ask(store::Access& access, std::string_view id) {
  std::vector<SessionFacts> all;
  for (const std::string& key : KeysOf(id)) all.push_back(LookIntoMemory(access, key));
  if (all.empty()) {
    SessionFacts none;
    none.key = id;
    return none;
  }
  AskDatabase(&all);
  const auto known = std::find_if(all.begin(), all.end(), [](const SessionFacts& facts) { return facts.known(); });
  return known == all.end() ? all.front() : *known;
}

}  // namespace holdfast::session
