// How it works: until_ is a coarse filter (the latest end of a writer window among the keys of a slot), so that the
// common case, a session that nobody deleted lately, costs one load. Behind it each recently deleted key has an entry:
// the floor of its delete and the connections answered since. An answer counts only if what it was answered from is not
// older than the delete; a hit that raced with the delete and lost is therefore not noted. A delete on another server
// may be heard of when a session that came after it has been answered here already: so beside each connection stands
// the birth of the latest session it was told of. The version would not do, for the deleted session may have been
// written once more by who had not heard of its end.

#include "session/answer_book.h"

#include <algorithm>

namespace holdfast::session {

void AnswerBook::DropOld(Shard& shard, base::Seconds now) {
  while (!shard.order.empty()) {
    const auto oldest = shard.entries.find(shard.order.front());
    if (oldest != shard.entries.end()) {
      if (now < oldest->second.until && shard.order.size() < kEntriesMax / kShards) return;
      shard.entries.erase(oldest);
    }
    shard.order.pop_front();
  }
}

void AnswerBook::NoteDelete(const store::Key& key, uint64_t floor, base::Seconds now, base::Seconds until) {
  {
    Shard& shard = ShardOf(key);
    const std::lock_guard lock(shard.mutex);
    DropOld(shard, now);
    Entry& entry = shard.entries[std::string(key.bytes)];
    if (floor > entry.floor) {
      entry.floor = floor;
      std::erase_if(entry.connections, [floor](const Told& told) { return told.born < floor; });
    }
    entry.window_until = std::max(entry.window_until, until);
    entry.until = std::max(entry.until, until);
    shard.order.emplace_back(key.bytes);
  }
  Extend(key, until);
}

void AnswerBook::Extend(const store::Key& key, base::Seconds until) {
  std::atomic<base::Seconds>& slot = until_[key.hash % kUntilSlots];
  base::Seconds old = slot.load(std::memory_order_relaxed);
  while (old < until && !slot.compare_exchange_weak(old, until, std::memory_order_relaxed)) {
  }
}

std::vector<AnswerBook::Told>::iterator AnswerBook::Find(Entry& entry, uint64_t connection) {
  return std::find_if(entry.connections.begin(), entry.connections.end(),
                      [connection](const Told& told) { return told.connection == connection; });
}

void AnswerBook::NoteAnswer(const store::Key& key, const AnsweredFrom& from, uint64_t connection,
                            base::Seconds keep_until) {
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(std::string(key.bytes));
  if (found == shard.entries.end() || from.version < found->second.floor) return;
  if (keep_until > found->second.until) {
    found->second.until = keep_until;
    Extend(key, keep_until);
  }
  std::vector<Told>& connections = found->second.connections;
  if (const auto told = Find(found->second, connection); told != connections.end()) {
    told->born = std::max(told->born, from.born);
    return;
  }
  if (connections.size() == kConnectionsMax) connections.erase(connections.begin());
  connections.push_back({connection, from.born});
}

uint64_t AnswerBook::FloorOf(const store::Key& key) {
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(std::string(key.bytes));
  return found == shard.entries.end() ? 0 : found->second.floor;
}

Answered AnswerBook::Ask(const store::Key& key, uint64_t connection, base::Seconds now) {
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(std::string(key.bytes));
  if (found == shard.entries.end() || now >= found->second.until) return Answered::kUnknown;
  if (Find(found->second, connection) != found->second.connections.end()) return Answered::kYes;
  return now < found->second.window_until ? Answered::kNo : Answered::kUnknown;
}

// Seconds are each process's own; steady microseconds are the machine's.
void AnswerBook::Save(const base::Clock& clock, base::Packer* to) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [key, entry] : shard.entries) {
      to->PutString(key).Put(entry.floor);
      to->Put(clock.SteadyMicrosAt(entry.window_until)).Put(clock.SteadyMicrosAt(entry.until));
      to->Put(static_cast<uint32_t>(entry.connections.size()));
      for (const Told& told : entry.connections) to->Put(told.connection).Put(told.born);
    }
  }
}

void AnswerBook::Restore(const base::Clock& clock, base::Unpacker* from) {
  const base::Seconds now = clock.Now();
  const auto second_of = [&clock, now](int64_t steady_us) {
    const int64_t left_us = std::max<int64_t>(steady_us - clock.SteadyMicros(), 0);
    return now + static_cast<base::Seconds>((left_us + 999'999) / 1'000'000);
  };
  while (from->ok() && !from->at_end()) {
    const store::Key key = store::Key::Of(from->TakeString());
    const auto floor = from->Take<uint64_t>();
    const base::Seconds window_until = second_of(from->Take<int64_t>());
    const base::Seconds until = second_of(from->Take<int64_t>());
    const auto count = from->Take<uint32_t>();
    if (!from->ok()) return;
    NoteDelete(key, floor, now, window_until);
    for (uint32_t i = 0; i < count; ++i) {
      const auto connection = from->Take<uint64_t>();
      NoteAnswer(key, {floor, from->Take<uint64_t>()}, connection, until);
    }
  }
}

}  // namespace holdfast::session
