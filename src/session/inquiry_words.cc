// How it works: first what stands now (a session, a tombstone, an expired one), else what is remembered of its end.
// Who deleted it is in the record of ends if the delete came through this server lately; the stamp of the delete always
// names the server.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "session/inquiry.h"
#include "session/marks.h"
#include "session/stamp.h"

namespace holdfast::session {

using store::SessionStamps;
using Memory = SessionFacts::Memory;
using InDatabase = SessionFacts::Database;

namespace {

constexpr int64_t kSecondMicros = 1'000'000;
// The stamp of a delete and its entry in the record of ends are made one after the other.
constexpr int64_t kSameMomentMicros = 5 * kSecondMicros;
constexpr const char* kNothingKnown =
    "Nothing is known of it: it never was here, or it ended so long ago that it is forgotten.";

std::string Utc(int64_t wall_us) {
  const auto seconds = static_cast<time_t>(wall_us / kSecondMicros);
  std::tm parts{};
  char text[32];
  if (::gmtime_r(&seconds, &parts) == nullptr || std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
    return "an unknown time";
  return text;
}

std::string UtcOf(uint64_t stamp) { return Utc(StampClock::MicrosOf(stamp)); }

std::string ServerOf(const SessionFacts& facts, uint64_t stamp) {
  const uint32_t node = StampClock::NodeOf(stamp);
  if (node == facts.own_node) return "this server";
  for (const NodeLease& lease : facts.nodes) {
    if (lease.number == node && !lease.name.empty()) return "server " + std::to_string(node) + " (" + lease.name + ")";
  }
  return "server " + std::to_string(node);
}

std::string Lifetime(const SessionFacts& facts) {
  return facts.expires_wall_us == kNeverMicros ? "it does not expire" : "it expires at " + Utc(facts.expires_wall_us);
}

std::string Written(const SessionFacts& facts) {
  return "begun at " + UtcOf(facts.stamps.born) + ", last written at " + UtcOf(facts.stamps.version) + " on " +
         ServerOf(facts, facts.stamps.version);
}

bool IsOf(const std::optional<RecentEnd>& end, uint64_t floor) {
  return end && (end->how == End::kDeleted || end->how == End::kExpiredByClient) &&
         std::llabs(end->at_us - StampClock::MicrosOf(floor)) < kSameMomentMicros;
}

std::string Client(const RecentEnd& end) {
  return "by a request from " + end.client.Text() +
         (end.how == End::kExpiredByClient ? " that gave it an expiry in the past" : "");
}

std::string Deleted(const SessionFacts& facts) {
  const uint64_t floor = facts.stamps.floor;
  std::string text = "It was deleted at " + UtcOf(floor) + " ";
  text += IsOf(facts.end, floor) ? Client(*facts.end)
                                 : "by a request to " + ServerOf(facts, floor) + "; from where is not remembered";
  return text + (facts.dirty ? "; the database has not been told yet." : ".");
}

std::string Live(const SessionFacts& facts) {
  if (Has(facts.stamps, kMarkReservation)) {
    return "There is no session: an empty value stands here in memory, as PHP makes it for a visitor who has stored "
           "nothing.";
  }
  std::string text = "It is live, in memory";
  if (facts.dirty && Has(facts.stamps, kMarkProvisional)) {
    text += ": stored while the database could not be asked, which has still to be settled";
  } else if (facts.dirty && Has(facts.stamps, kMarkQuarantined)) {
    text += ", but the database does not take it as it is (quarantined)";
  } else if (facts.dirty) {
    text += "; its latest change is not in the database yet";
  } else {
    text += " and in the database";
  }
  return text + "; " + Written(facts) + "; " + Lifetime(facts) + ".";
}

std::string Remembered(const SessionFacts& facts) {
  const RecentEnd& end = *facts.end;
  switch (end.how) {
    case End::kDeleted:
    case End::kExpiredByClient:
      return "It was deleted at " + Utc(end.at_us) + " " + Client(end) + ", and the database has forgotten it.";
    case End::kExpired:
      return "It had expired when a client asked for it at " + Utc(end.at_us) + ".";
    case End::kProvisionalDropped:
      return "What was stored while the database could not be asked was dropped at " + Utc(end.at_us) +
             ", for the database had something that goes before it.";
    case End::kNone:
    case End::kRefused:
      break;
  }
  return kNothingKnown;
}

std::string Expired(const SessionFacts& facts) {
  return "It expired at " + Utc(facts.expires_wall_us) + "; " + Written(facts) + ".";
}

// Over for all who ask, but not expired.
bool IsHeldBack(const SessionFacts& facts) {
  return facts.memory == Memory::kExpired && facts.dirty && Has(facts.stamps, kMarkNoRow) &&
         facts.database <= InDatabase::kNothing;
}

std::string WhatStands(const SessionFacts& facts) {
  if (facts.memory == Memory::kLive) return Live(facts);
  if (facts.memory == Memory::kDeleted) return Deleted(facts);
  if (IsHeldBack(facts)) {
    return "It is held back (quarantined): this server or its journal was away from the database for longer than "
           "--tombstone-life, and there is no row of it, so another server may have deleted it; " +
           Written(facts) + "; " + Lifetime(facts) + ".";
  }
  switch (facts.database) {
    case InDatabase::kLive:
      return "It is live in the database and not in memory here (evicted, or not asked for since the start), and the "
             "next request brings it back; " +
             Written(facts) + "; " + Lifetime(facts) + ".";
    case InDatabase::kDeleted:
      return Deleted(facts);
    case InDatabase::kExpired:
      return Expired(facts);
    case InDatabase::kNotAsked:
    case InDatabase::kNothing:
    case InDatabase::kAway:
      break;
  }
  if (facts.memory == Memory::kExpired) return Expired(facts);
  if (facts.end && facts.end->how != End::kRefused) return Remembered(facts);
  if (facts.database == InDatabase::kAway) {
    return "It is not in memory, and the database cannot be asked (" + facts.away + ").";
  }
  return kNothingKnown;
}

const char* StateOf(const SessionFacts& facts) {
  if (facts.memory == Memory::kLive) return Has(facts.stamps, kMarkReservation) ? "reservation" : "live";
  if (facts.memory == Memory::kDeleted) return "deleted";
  if (IsHeldBack(facts)) return "quarantined";
  switch (facts.database) {
    case InDatabase::kLive:
      return "live";
    case InDatabase::kDeleted:
      return "deleted";
    case InDatabase::kExpired:
      return "expired";
    case InDatabase::kAway:
      return facts.memory == Memory::kExpired ? "expired" : "unknown";
    case InDatabase::kNotAsked:
    case InDatabase::kNothing:
      break;
  }
  return facts.memory == Memory::kExpired ? "expired" : "absent";
}

const char* PlaceOf(const SessionFacts& facts) {
  if (facts.memory != Memory::kNothing) return "memory";
  return facts.database > InDatabase::kNothing ? "database" : "nowhere";
}

const char* OriginOf(const SessionFacts& facts) {
  if (facts.memory == Memory::kNothing) return "database";
  if (Has(facts.stamps, kMarkProvisional)) return "client, while the database could not be asked";
  switch (facts.stamps.origin) {
    case kOriginDatabase:
      return "database";
    case kOriginJournal:
      return "journal";
    default:
      return "client";
  }
}

}  // namespace

std::string Why(const SessionFacts& facts, int64_t now_wall_us) {
  if (facts.rule == nullptr) return "It is no session: no rule fits this key, so it is an ordinary cache key.";
  std::string text = WhatStands(facts);
  // The place of an earlier life under the same id is of interest when somebody is logged in again.
  const bool live = facts.memory == Memory::kLive || facts.database == InDatabase::kLive;
  if (!facts.end || facts.end->at_us > now_wall_us) return text;
  if (facts.end->how == End::kRefused) {
    text += " At " + Utc(facts.end->at_us) + " a request for it was told that the database cannot be asked.";
  } else if (live && (facts.end->how == End::kDeleted || facts.end->how == End::kExpiredByClient)) {
    text += " One before it under this id was deleted at " + Utc(facts.end->at_us) + " " + Client(*facts.end) + ".";
  }
  return text;
}

std::string DescribeQuarantined(const SessionFacts& facts) {
  const auto word = [](std::string utc) {
    std::replace(utc.begin(), utc.end(), ' ', '_');
    return utc;
  };
  const bool never = facts.expires_wall_us == kNeverMicros;
  return std::string("reason=") + (Has(facts.stamps, kMarkNoRow) ? "without_row" : "unwritable") +
         " rule=" + facts.rule->name + " size=" + std::to_string(facts.size) +
         " written=" + word(UtcOf(facts.stamps.version)) +
         " expires=" + (never ? std::string("never") : word(Utc(facts.expires_wall_us)));
}

std::vector<std::pair<std::string, std::string>> Describe(const SessionFacts& facts, const std::string& id,
                                                          int64_t now_wall_us) {
  std::vector<std::pair<std::string, std::string>> rows;
  const auto add = [&rows](const char* name, std::string value) { rows.emplace_back(name, std::move(value)); };
  add("id", id);
  if (facts.rule == nullptr) {
    add("state", "no session");
    return rows;
  }
  add("rule", facts.rule->name);
  add("policy", facts.rule->is_strict() ? "strict" : "session");
  add("state", StateOf(facts));
  add("place", PlaceOf(facts));
  if (facts.memory != Memory::kNothing || facts.database > InDatabase::kNothing) {
    const SessionStamps& stamps = facts.stamps;
    add("origin", OriginOf(facts));
    add("size", std::to_string(facts.size));
    add("flags", std::to_string(facts.client_flags));
    for (const auto& [name, stamp] : {std::pair<const char*, uint64_t>{"version", stamps.version},
                                      {"touched", stamps.touched},
                                      {"born", stamps.born},
                                      {"floor", stamps.floor}}) {
      add(name, std::to_string(stamp));
      if (stamp != 0) add((std::string(name) + "_utc").c_str(), UtcOf(stamp));
    }
    add("written_on", ServerOf(facts, stamps.version));
    add("synced", facts.dirty ? "no" : "yes");
    if (facts.synced_wall_us != 0) add("synced_utc", Utc(facts.synced_wall_us));
    if (facts.dirty) add("quarantined", Has(stamps, kMarkQuarantined) ? "yes" : "no");
    const bool never = facts.expires_wall_us == kNeverMicros;
    add("expires_utc", never ? "never" : Utc(facts.expires_wall_us));
    if (!never) add("expires_in", std::to_string((facts.expires_wall_us - now_wall_us) / kSecondMicros));
  }
  if (!facts.away.empty()) add("database", facts.away);
  add("why", Why(facts, now_wall_us));
  return rows;
}

}  // namespace holdfast::session
