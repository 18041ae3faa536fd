// A hit is the path that counts: one Reserve for head, value, line end and END when that fits, and the bytes are put
// down from left to right. All other replies are short lines.

#include "protocol/text_writer.h"

#include "protocol/decimal.h"
#include "protocol/put.h"

namespace holdfast::protocol {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kEnd = "END\r\n";

// "VALUE " key " " flags " " bytes " " cas "\r\n" ... "\r\nEND\r\n"
constexpr size_t kHitBytesMax = 6 + kKeyBytesMax + 3 * (1 + kDecimalBytesMax) + 2 + 2 + 5;
static_assert(kHitBytesMax < base::Output::kReserveMax);

char* PutHead(char* place, const Request& request, const Reply& reply) {
  place = Put(place, "VALUE ");
  place = Put(place, reply.key);
  *place++ = ' ';
  place = WriteDecimal(place, reply.client_flags);
  *place++ = ' ';
  place = WriteDecimal(place, reply.value_size);
  if (request.return_cas) {
    *place++ = ' ';
    place = WriteDecimal(place, reply.cas);
  }
  return Put(place, kLineEnd);
}

char* PutTail(char* place, const Request& request) {
  place = Put(place, kLineEnd);
  return request.last_of_batch ? Put(place, kEnd) : place;
}

void WriteHit(const Request& request, const Reply& reply, base::Output& output) {
  if (reply.value_size <= base::Output::kReserveMax - kHitBytesMax) [[likely]] {
    char* const begin = output.Reserve(kHitBytesMax + static_cast<size_t>(reply.value_size));
    char* place = PutHead(begin, request, reply);
    for (const std::string_view piece : reply.value) place = Put(place, piece);
    output.Commit(static_cast<size_t>(PutTail(place, request) - begin));
    return;
  }
  char* const head = output.Reserve(kHitBytesMax);
  output.Commit(static_cast<size_t>(PutHead(head, request, reply) - head));
  WriteValue(reply.value, output);
  char* const tail = output.Reserve(kHitBytesMax);
  output.Commit(static_cast<size_t>(PutTail(tail, request) - tail));
}

void WriteNumber(uint64_t number, base::Output& output) {
  char* const begin = output.Reserve(kDecimalBytesMax + 2);
  output.Commit(static_cast<size_t>(Put(WriteDecimal(begin, number), kLineEnd) - begin));
}

void WriteLine(std::string_view prefix, std::string_view text, base::Output& output) {
  output.Append(prefix);
  output.Append(text);
  output.Append(kLineEnd);
}

void WriteStat(const Reply& reply, base::Output& output) {
  output.Append("STAT ");
  output.Append(reply.key);
  WriteLine(" ", reply.text, output);
}

std::string_view NoMemoryLine(const Request& request) {
  if (request.verb == Verb::kStore) return "SERVER_ERROR out of memory storing object\r\n";
  if (request.syntax == Syntax::kMeta) return "SERVER_ERROR Out of memory allocating new item\r\n";
  if (request.verb == Verb::kGet) return "SERVER_ERROR out of memory writing get response\r\n";
  return "SERVER_ERROR out of memory\r\n";
}

}  // namespace

std::string_view ErrorLine(RequestError error) {
  switch (error) {
    case RequestError::kUnknownCommand:
      return "ERROR\r\n";
    case RequestError::kDeleteUsage:
      return "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n";
    case RequestError::kBadExptime:
      return "CLIENT_ERROR invalid exptime argument\r\n";
    case RequestError::kBadDelta:
      return "CLIENT_ERROR invalid numeric delta argument\r\n";
    case RequestError::kBadDataChunk:
      return "CLIENT_ERROR bad data chunk\r\n";
    case RequestError::kTooLarge:
      return "SERVER_ERROR object too large for cache\r\n";
    case RequestError::kBadToken:
      return "CLIENT_ERROR bad token in command line format\r\n";
    case RequestError::kInvalidFlag:
      return "CLIENT_ERROR invalid flag\r\n";
    case RequestError::kDuplicateFlag:
      return "CLIENT_ERROR duplicate flag\r\n";
    case RequestError::kTooManyFlags:
      return "CLIENT_ERROR options flags are too long\r\n";
    case RequestError::kOpaqueTooLong:
      return "CLIENT_ERROR opaque token too long\r\n";
    case RequestError::kBadBase64:
      return "CLIENT_ERROR error decoding key\r\n";
    case RequestError::kBadModeStore:
      return "CLIENT_ERROR invalid mode for ms M token\r\n";
    case RequestError::kBadModeLength:
      return "CLIENT_ERROR incorrect length for M token\r\n";
    case RequestError::kBadMetaDelta:
      return "CLIENT_ERROR invalid numeric delta value\r\n";
    case RequestError::kBadInitial:
      return "CLIENT_ERROR invalid numeric initial value\r\n";
    case RequestError::kBadModeArithmetic:
      return "CLIENT_ERROR invalid mode for ma M token\r\n";
    case RequestError::kBadFlagArithmetic:
      return "CLIENT_ERROR invalid or duplicate flag\r\n";
    case RequestError::kNone:
    case RequestError::kBadLine:
    case RequestError::kInvalidArguments:
      return "CLIENT_ERROR bad command line format\r\n";
  }
  return "CLIENT_ERROR bad command line format\r\n";
}

void WriteValue(std::span<const std::string_view> pieces, base::Output& output) {
  for (const std::string_view piece : pieces) {
    if (piece.size() >= kLendBytesMin) {
      output.Lend(piece);
    } else {
      output.Append(piece);
    }
  }
}

bool WriteErrorLine(const Request& request, const Reply& reply, base::Output& output) {
  switch (reply.code) {
    case ReplyCode::kInvalid:
      output.Append(ErrorLine(reply.error != RequestError::kNone ? reply.error : request.error));
      return true;
    case ReplyCode::kTooLarge:
      output.Append(ErrorLine(RequestError::kTooLarge));
      return true;
    case ReplyCode::kNoMemory:
      output.Append(NoMemoryLine(request));
      return true;
    case ReplyCode::kNonNumeric:
      output.Append("CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
      return true;
    case ReplyCode::kClientError:
      WriteLine("CLIENT_ERROR ", reply.text, output);
      return true;
    case ReplyCode::kServerError:
      WriteLine("SERVER_ERROR ", reply.text, output);
      return true;
    case ReplyCode::kUnknownCommand:
      output.Append("ERROR\r\n");
      return true;
    case ReplyCode::kAuthError:
      output.Append("CLIENT_ERROR unauthenticated\r\n");
      return true;
    default:
      return false;
  }
}

void WriteText(const Request& request, const Reply& reply, base::Output& output) {
  if (request.quiet) return;
  switch (reply.code) {
    case ReplyCode::kHit:
      return WriteHit(request, reply, output);
    case ReplyCode::kMiss:
      if (request.last_of_batch) output.Append(kEnd);
      return;
    case ReplyCode::kStored:
      return output.Append("STORED\r\n");
    case ReplyCode::kNotStored:
      return output.Append("NOT_STORED\r\n");
    case ReplyCode::kExists:
      return output.Append("EXISTS\r\n");
    case ReplyCode::kNotFound:
      return output.Append("NOT_FOUND\r\n");
    case ReplyCode::kDeleted:
      return output.Append("DELETED\r\n");
    case ReplyCode::kTouched:
      return output.Append("TOUCHED\r\n");
    case ReplyCode::kNumber:
      return WriteNumber(reply.number, output);
    case ReplyCode::kOk:
      return output.Append("OK\r\n");
    case ReplyCode::kReset:
      return output.Append("RESET\r\n");
    case ReplyCode::kVersion:
      return WriteLine("VERSION ", reply.text, output);
    case ReplyCode::kNoop:
      return output.Append("MN\r\n");
    case ReplyCode::kStat:
      return WriteStat(reply, output);
    case ReplyCode::kStatEnd:
      return output.Append(kEnd);
    case ReplyCode::kText:
      return WriteLine("", reply.text, output);
    case ReplyCode::kNone:
    case ReplyCode::kMetaDebug:
      return;
    default:
      WriteErrorLine(request, reply, output);
  }
}

}  // namespace holdfast::protocol
