// How it works: some buckets of the index at a time, with the thread online; what they have is put into lines, then the
// thread goes offline and hands the lines over. So a reader that is slow holds up no memory of the store, and nobody
// waits for the walk.

#include "command/dump.h"

#include <cinttypes>
#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include "command/key_text.h"
#include "protocol/base64.h"

namespace holdfast::command {

using protocol::ReplyCode;
using store::ItemRef;

namespace {

constexpr uint32_t kBucketsPerStep = 64;

// Calls visit(access, item, now) for all live items; `text` is what it appends to and is pushed after each step.
// visit returns false to end the walk. False: nobody reads any more.
template <class F>
bool Walk(Operations& operations, Feed& feed, std::string* text, F&& visit) {
  store::Access access(operations.store);
  uint64_t place = 0;
  for (bool all = false, wanted = true; !all && wanted;) {
    access.Online();
    const base::Seconds now = operations.clock.Now();
    all = operations.store.ForEachItem(access, now, &place, kBucketsPerStep, [&](const store::Found& found) {
      if (wanted && found.live()) wanted = visit(access, found.item, now);
    });
    access.Offline();
    if (!text->empty() && !feed.PushText(std::exchange(*text, {}))) return false;
    if (feed.cancelled()) return false;
  }
  return true;
}

bool Fits(const store::Access& access, const ItemRef& item, const std::set<uint32_t>& classes) {
  return classes.empty() || classes.contains(access.SizeClassOf(item));
}

int64_t WallSeconds(const Operations& operations) { return operations.clock.WallMicros() / 1'000'000; }

// The same however often it is asked for, unless the wall clock steps.
int64_t WallSecondsAt(const base::Clock& clock, base::Seconds second) {
  const int64_t from_now = clock.SteadyMicrosAt(second) - clock.SteadyMicros();
  return (clock.WallMicros() + from_now + 500'000) / 1'000'000;
}

void AppendMetaLine(const Operations& operations, const store::Access& access, const ItemRef& item, base::Seconds now,
                    std::string* text) {
  const int64_t wall = WallSeconds(operations);
  const int64_t expiry = item.expiry() == base::kNever ? -1 : WallSecondsAt(operations.clock, item.expiry());
  *text += "key=";
  AppendEncoded(item.key(), text);
  char rest[200];
  std::snprintf(rest, sizeof rest,
                " exp=%" PRId64 " la=%" PRId64 " cas=%" PRIu64 " fetch=%s cls=%u size=%" PRIu64 " flags=%u\n", expiry,
                wall - item.SecondsSinceAccess(now), item.cas(), item.was_fetched() ? "yes" : "no",
                access.SizeClassOf(item), access.ChunkBytesOf(item), item.client_flags());
  *text += rest;
}

void AppendGetLine(std::string_view key, std::string* text) {
  *text += "mg ";
  if (IsPlainKey(key)) {
    text->append(key).append("\r\n");
  } else {
    const size_t begin = text->size();
    text->resize(begin + protocol::Base64EncodedBytes(key.size()));
    protocol::EncodeBase64(key, text->data() + begin);
    *text += " b\r\n";
  }
}

}  // namespace

bool MayList(const Operations& operations, const ItemRef& item) {
  if (operations.settings.list_sessions) return true;
  return !item.is_session() && (operations.sessions == nullptr || operations.sessions->Match(item.key()) == nullptr);
}

Background::Work Metadump(Operations& operations, std::set<uint32_t> classes) {
  return [&operations, classes = std::move(classes)](Feed& feed) {
    std::string text;
    const bool read = Walk(operations, feed, &text, [&](store::Access& access, const ItemRef& item, base::Seconds now) {
      if (Fits(access, item, classes) && MayList(operations, item))
        AppendMetaLine(operations, access, item, now, &text);
      return true;
    });
    static_cast<void>(read && feed.PushText("END\r\n"));
    return ReplyCode::kNone;
  };
}

Background::Work Mgdump(Operations& operations, std::set<uint32_t> classes) {
  return [&operations, classes = std::move(classes)](Feed& feed) {
    std::string text;
    const bool read = Walk(operations, feed, &text, [&](store::Access& access, const ItemRef& item, base::Seconds) {
      if (Fits(access, item, classes) && MayList(operations, item)) AppendGetLine(item.key(), &text);
      return true;
    });
    static_cast<void>(read && feed.PushText("EN\r\n"));
    return ReplyCode::kNone;
  };
}

Background::Work Cachedump(Operations& operations, uint32_t size_class, uint64_t items_max) {
  return [&operations, size_class, items_max](Feed& feed) {
    std::string text;
    size_t bytes = 0;
    uint64_t items = 0;
    const bool read = Walk(operations, feed, &text, [&](store::Access& access, const ItemRef& item, base::Seconds) {
      // What cannot stand between two blanks cannot be told from what follows it.
      if (access.SizeClassOf(item) != size_class || !MayList(operations, item) || !IsPlainKey(item.key())) return true;
      const int64_t expiry = item.expiry() == base::kNever ? 0 : WallSecondsAt(operations.clock, item.expiry());
      const std::string line = "ITEM " + std::string(item.key()) + " [" + std::to_string(item.value_size()) + " b; " +
                               std::to_string(expiry) + " s]\r\n";
      if (bytes + line.size() > kCachedumpBytesMax) return false;
      bytes += line.size();
      text += line;
      return ++items != items_max;
    });
    static_cast<void>(read && feed.PushText("END\r\n"));
    return ReplyCode::kNone;
  };
}

Background::Work CountSizes(Operations& operations) {
  return [&operations](Feed& feed) {
    constexpr uint64_t kStep = 32;
    std::map<uint64_t, uint64_t> counts;
    std::string no_text;
    const bool read = Walk(operations, feed, &no_text, [&](store::Access& access, const ItemRef& item, base::Seconds) {
      ++counts[(access.ChunkBytesOf(item) + kStep - 1) / kStep * kStep];
      return true;
    });
    if (!read) return ReplyCode::kNone;
    for (const auto& [size, count] : counts) {
      if (!feed.Push({std::to_string(size), std::to_string(count)})) return ReplyCode::kNone;
    }
    return ReplyCode::kStatEnd;
  };
}

}  // namespace holdfast::command
