// handover_messages.h - what the process that hands over and the one that takes over say to each other, in this order:
//
//   new  Hello     which form of this conversation it speaks
//   old  Welcome   who it is; the locks of database and journal. The new one opens both, reads the journal meanwhile
//   new  Cut       it is ready to go on at once. The old one stops reading from clients
//   old  Listener, Connection   one each, as many as there are
//   old  Sealed    the rest; nothing more is written to the journal
//   new  Ready     it has everything and lacks nothing
//   old  Committed from here on the new one serves, and the old one never again
//
// Refused, from either, ends it at any time before Committed; so does a closed channel. Then the old one goes on.
//
// Threads: plain values.

#ifndef HOLDFAST_SERVER_HANDOVER_MESSAGES_H_
#define HOLDFAST_SERVER_HANDOVER_MESSAGES_H_

#include <cstdint>
#include <string>

#include "base/packing.h"
#include "network/departure.h"

namespace holdfast::server {

// Changes with anything below, and with what connections and sessions save of themselves.
inline constexpr uint32_t kHandoverForm = 3;

enum class HandoverMessage : uint32_t {
  kHello = 1,
  kWelcome,
  kCut,
  kListener,
  kConnection,
  kSealed,
  kReady,
  kCommitted,
  kRefused,
};

struct HelloBody {
  uint32_t form = kHandoverForm;
  std::string version;

  std::string Pack() const { return base::Packer().Put(form).PutString(version).Take(); }
  bool Unpack(std::string_view bytes) {
    base::Unpacker from(bytes);
    form = from.Take<uint32_t>();
    version = from.TakeString();
    return from.ok();
  }
};

// Its descriptors: the database's lock if has_database_lock, then the journal's directory and ring if has_journal.
struct WelcomeBody {
  std::string version;
  std::string database_uuid;  // empty: no sessions
  bool has_database_lock = false;
  bool has_journal = false;
  std::string notify_address;  // of the service manager

  std::string Pack() const {
    base::Packer packer;
    packer.PutString(version).PutString(database_uuid).Put(uint8_t{has_database_lock}).Put(uint8_t{has_journal});
    return packer.PutString(notify_address).Take();
  }
  bool Unpack(std::string_view bytes) {
    base::Unpacker from(bytes);
    version = from.TakeString();
    database_uuid = from.TakeString();
    has_database_lock = from.Take<uint8_t>() != 0;
    has_journal = from.Take<uint8_t>() != 0;
    notify_address = from.TakeString();
    return from.ok();
  }
};

enum class ListenerRole : uint8_t { kClients, kDoor };

// Its descriptor: the socket.
struct ListenerBody {
  ListenerRole role = ListenerRole::kClients;
  bool owns_file = false;

  std::string Pack() const { return base::Packer().Put(static_cast<uint8_t>(role)).Put(uint8_t{owns_file}).Take(); }
  bool Unpack(std::string_view bytes) {
    base::Unpacker from(bytes);
    role = static_cast<ListenerRole>(from.Take<uint8_t>());
    owns_file = from.Take<uint8_t>() != 0;
    return from.ok();
  }
};

// Of a Connection; its descriptor is the socket.
inline std::string PackConnection(const network::ConnectionState& state) {
  base::Packer packer;
  packer.Put(state.id).Put(uint8_t{state.closing}).PutString(state.unread).PutString(state.unsent);
  return packer.PutString(state.handler).Take();
}
inline bool UnpackConnection(std::string_view bytes, network::ConnectionState* state) {
  base::Unpacker from(bytes);
  state->id = from.Take<uint64_t>();
  state->closing = from.Take<uint8_t>() != 0;
  state->unread = from.TakeString();
  state->unsent = from.TakeString();
  state->handler = from.TakeString();
  return from.ok();
}

struct SealedBody {
  int64_t stopped_us = 0;    // CLOCK_MONOTONIC: since then nobody is answered
  uint64_t cas = 0;          // the highest that was given out
  uint64_t left_behind = 0;  // connections that cannot move
  std::string sessions;      // Sessions::SaveState

  std::string Pack() const {
    return base::Packer().Put(stopped_us).Put(cas).Put(left_behind).PutString(sessions).Take();
  }
  bool Unpack(std::string_view bytes) {
    base::Unpacker from(bytes);
    stopped_us = from.Take<int64_t>();
    cas = from.Take<uint64_t>();
    left_behind = from.Take<uint64_t>();
    sessions = from.TakeString();
    return from.ok();
  }
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_HANDOVER_MESSAGES_H_
