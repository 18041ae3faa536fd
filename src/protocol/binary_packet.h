// binary_packet.h - the binary protocol's fixed part: header, opcodes, status codes. Parsers and writers of both
// directions share it.
//
// Source: memcached's protocol_binary.txt as summed up in the project's compatibility notes.
//
// Threads: values and a constant table.

#ifndef HOLDFAST_PROTOCOL_BINARY_PACKET_H_
#define HOLDFAST_PROTOCOL_BINARY_PACKET_H_

#include <cstddef>
#include <cstdint>

#include "protocol/big_endian.h"
#include "protocol/request.h"

namespace holdfast::protocol {

inline constexpr size_t kBinaryHeaderBytes = 24;
inline constexpr uint8_t kBinaryRequestMagic = 0x80;
inline constexpr uint8_t kBinaryReplyMagic = 0x81;
inline constexpr uint32_t kBinaryBodyBytesMax = 1u << 30;
inline constexpr size_t kBinaryMechanismBytesMax = 32;
inline constexpr size_t kBinarySaslBytesMax = 8192;         // what a client says in one step: never an upload
inline constexpr uint32_t kBinaryDoNotCreate = 0xffffffff;  // expiry of incr and decr

struct BinaryHeader {
  uint8_t magic = 0;
  uint8_t opcode = 0;
  uint16_t key_size = 0;
  uint8_t extras_size = 0;
  uint16_t status = 0;  // reserved in requests
  uint32_t body_size = 0;
  uint32_t opaque = 0;
  uint64_t cas = 0;

  static BinaryHeader Load(const char* from) {
    BinaryHeader header;
    header.magic = LoadBigEndian<uint8_t>(from);
    header.opcode = LoadBigEndian<uint8_t>(from + 1);
    header.key_size = LoadBigEndian<uint16_t>(from + 2);
    header.extras_size = LoadBigEndian<uint8_t>(from + 4);
    header.status = LoadBigEndian<uint16_t>(from + 6);
    header.body_size = LoadBigEndian<uint32_t>(from + 8);
    header.opaque = LoadBigEndian<uint32_t>(from + 12);
    header.cas = LoadBigEndian<uint64_t>(from + 16);
    return header;
  }

  // Returns where the body goes.
  char* Store(char* to) const {
    to = StoreBigEndian(to, magic);
    to = StoreBigEndian(to, opcode);
    to = StoreBigEndian(to, key_size);
    to = StoreBigEndian(to, extras_size);
    to = StoreBigEndian(to, uint8_t{0});  // data type
    to = StoreBigEndian(to, status);
    to = StoreBigEndian(to, body_size);
    to = StoreBigEndian(to, opaque);
    return StoreBigEndian(to, cas);
  }
};

namespace binary_status {
inline constexpr uint16_t kOk = 0;
inline constexpr uint16_t kNotFound = 1;
inline constexpr uint16_t kExists = 2;
inline constexpr uint16_t kTooLarge = 3;
inline constexpr uint16_t kInvalid = 4;
inline constexpr uint16_t kNotStored = 5;
inline constexpr uint16_t kNonNumeric = 6;
inline constexpr uint16_t kAuthError = 0x20;
inline constexpr uint16_t kUnknownCommand = 0x81;
inline constexpr uint16_t kNoMemory = 0x82;
inline constexpr uint16_t kInternal = 0x84;
}  // namespace binary_status

// What a packet of one opcode must look like.
struct BinaryCommand {
  enum class Key : uint8_t { kNone, kNeeded, kAllowed };

  uint8_t opcode;
  Verb verb;
  uint8_t extras_size = 0;
  Key key = Key::kNone;
  bool may_lack_extras = false;
  bool value = false;  // the rest of the body
  bool quiet = false;
  bool return_key = false;
  bool decrement = false;
  StoreMode mode = StoreMode::kSet;
};

// Null for opcodes that are not implemented.
const BinaryCommand* FindBinaryCommand(uint8_t opcode);

// Which packet says a request; null when none does. kSasl is told apart by request.opcode.
const BinaryCommand* FindBinaryCommand(const Request& request);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_BINARY_PACKET_H_
