// One row an opcode. The quiet forms are rows of their own: that keeps the table what it looks like, the whole list of
// what a client may send.

#include "protocol/binary_packet.h"

#include <array>
#include <iterator>

namespace holdfast::protocol {
namespace {

using enum BinaryCommand::Key;

constexpr BinaryCommand kCommands[] = {
    {.opcode = 0x00, .verb = Verb::kGet, .key = kNeeded},
    {.opcode = 0x09, .verb = Verb::kGet, .key = kNeeded, .quiet = true},
    {.opcode = 0x0c, .verb = Verb::kGet, .key = kNeeded, .return_key = true},
    {.opcode = 0x0d, .verb = Verb::kGet, .key = kNeeded, .quiet = true, .return_key = true},
    {.opcode = 0x1d, .verb = Verb::kGet, .extras_size = 4, .key = kNeeded},
    {.opcode = 0x1e, .verb = Verb::kGet, .extras_size = 4, .key = kNeeded, .quiet = true},
    {.opcode = 0x23, .verb = Verb::kGet, .extras_size = 4, .key = kNeeded, .return_key = true},
    {.opcode = 0x24, .verb = Verb::kGet, .extras_size = 4, .key = kNeeded, .quiet = true, .return_key = true},
    {.opcode = 0x1c, .verb = Verb::kTouch, .extras_size = 4, .key = kNeeded},

    {.opcode = 0x01, .verb = Verb::kStore, .extras_size = 8, .key = kNeeded, .value = true},
    {.opcode = 0x11, .verb = Verb::kStore, .extras_size = 8, .key = kNeeded, .value = true, .quiet = true},
    {.opcode = 0x02, .verb = Verb::kStore, .extras_size = 8, .key = kNeeded, .value = true, .mode = StoreMode::kAdd},
    {.opcode = 0x12,
     .verb = Verb::kStore,
     .extras_size = 8,
     .key = kNeeded,
     .value = true,
     .quiet = true,
     .mode = StoreMode::kAdd},
    {.opcode = 0x03,
     .verb = Verb::kStore,
     .extras_size = 8,
     .key = kNeeded,
     .value = true,
     .mode = StoreMode::kReplace},
    {.opcode = 0x13,
     .verb = Verb::kStore,
     .extras_size = 8,
     .key = kNeeded,
     .value = true,
     .quiet = true,
     .mode = StoreMode::kReplace},
    {.opcode = 0x0e, .verb = Verb::kStore, .key = kNeeded, .value = true, .mode = StoreMode::kAppend},
    {.opcode = 0x19, .verb = Verb::kStore, .key = kNeeded, .value = true, .quiet = true, .mode = StoreMode::kAppend},
    {.opcode = 0x0f, .verb = Verb::kStore, .key = kNeeded, .value = true, .mode = StoreMode::kPrepend},
    {.opcode = 0x1a, .verb = Verb::kStore, .key = kNeeded, .value = true, .quiet = true, .mode = StoreMode::kPrepend},

    {.opcode = 0x04, .verb = Verb::kDelete, .key = kNeeded},
    {.opcode = 0x14, .verb = Verb::kDelete, .key = kNeeded, .quiet = true},
    {.opcode = 0x05, .verb = Verb::kArithmetic, .extras_size = 20, .key = kNeeded},
    {.opcode = 0x15, .verb = Verb::kArithmetic, .extras_size = 20, .key = kNeeded, .quiet = true},
    {.opcode = 0x06, .verb = Verb::kArithmetic, .extras_size = 20, .key = kNeeded, .decrement = true},
    {.opcode = 0x16, .verb = Verb::kArithmetic, .extras_size = 20, .key = kNeeded, .quiet = true, .decrement = true},

    {.opcode = 0x07, .verb = Verb::kQuit},
    {.opcode = 0x17, .verb = Verb::kQuit, .quiet = true},
    {.opcode = 0x08, .verb = Verb::kFlushAll, .extras_size = 4, .may_lack_extras = true},
    {.opcode = 0x18, .verb = Verb::kFlushAll, .extras_size = 4, .may_lack_extras = true, .quiet = true},
    {.opcode = 0x0a, .verb = Verb::kNoop},
    {.opcode = 0x0b, .verb = Verb::kVersion},
    {.opcode = 0x10, .verb = Verb::kStats, .key = kAllowed},

    {.opcode = 0x20, .verb = Verb::kSasl},
    {.opcode = 0x21, .verb = Verb::kSasl, .key = kNeeded, .value = true},
    {.opcode = 0x22, .verb = Verb::kSasl, .key = kNeeded, .value = true},
};

// By opcode: the row's number plus one.
using RowNumbers = std::array<uint8_t, 256>;

consteval RowNumbers NumberRows() {
  RowNumbers rows = {};
  for (size_t i = 0; i < std::size(kCommands); ++i) rows[kCommands[i].opcode] = static_cast<uint8_t>(i + 1);
  return rows;
}

constexpr RowNumbers kRows = NumberRows();

bool Says(const BinaryCommand& command, const Request& request) {
  if (command.verb != request.verb || command.quiet != request.quiet) return false;
  switch (command.verb) {
    case Verb::kGet:
      return command.return_key == request.return_key && (command.extras_size == 4) == request.has_exptime;
    case Verb::kStore:
      return command.mode == request.mode;
    case Verb::kArithmetic:
      return command.decrement == request.decrement;
    case Verb::kSasl:
      return command.opcode == request.opcode;
    default:
      return true;
  }
}

}  // namespace

const BinaryCommand* FindBinaryCommand(uint8_t opcode) {
  const uint8_t row = kRows[opcode];
  return row == 0 ? nullptr : &kCommands[row - 1];
}

const BinaryCommand* FindBinaryCommand(const Request& request) {
  for (const BinaryCommand& command : kCommands) {
    if (Says(command, request)) return &command;
  }
  return nullptr;
}

}  // namespace holdfast::protocol
