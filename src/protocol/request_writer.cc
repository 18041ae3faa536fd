// The mirror of the parsers: the same tables, read from the other side. A client writes few bytes beside its values, so
// this is short rather than fast.

#include "protocol/request_writer.h"

#include <algorithm>

#include "base/check.h"
#include "protocol/base64.h"
#include "protocol/binary_packet.h"
#include "protocol/decimal.h"
#include "protocol/text_writer.h"

namespace holdfast::protocol {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

void AppendNumber(uint64_t number, base::Output& output) {
  char* const begin = output.Reserve(1 + kDecimalBytesMax);
  *begin = ' ';
  output.Commit(static_cast<size_t>(WriteDecimal(begin + 1, number) - begin));
}

void AppendSigned(int64_t number, base::Output& output) {
  char* const begin = output.Reserve(1 + kDecimalBytesMax);
  *begin = ' ';
  output.Commit(static_cast<size_t>(WriteSignedDecimal(begin + 1, number) - begin));
}

void AppendWord(std::string_view word, base::Output& output) {
  output.Append(" ");
  output.Append(word);
}

void AppendLineEnd(const Request& request, base::Output& output) {
  if (request.quiet) output.Append(" noreply");
  output.Append(kLineEnd);
}

void WriteTextKeys(const Request& request, base::Output& output) {
  if (request.first_of_batch) {
    output.Append(request.has_exptime ? "gat" : "get");
    if (request.return_cas) output.Append("s");
    if (request.has_exptime) AppendSigned(request.exptime, output);
  }
  AppendWord(request.key, output);
  if (request.last_of_batch) output.Append(kLineEnd);
}

std::string_view StoreName(const Request& request) {
  if (request.has_compare_cas) return "cas";
  switch (request.mode) {
    case StoreMode::kSet:
      return "set";
    case StoreMode::kAdd:
      return "add";
    case StoreMode::kReplace:
      return "replace";
    case StoreMode::kAppend:
      return "append";
    case StoreMode::kPrepend:
      return "prepend";
  }
  return "set";
}

void WriteTextStore(const Request& request, base::Output& output) {
  output.Append(StoreName(request));
  AppendWord(request.key, output);
  AppendNumber(request.client_flags, output);
  AppendSigned(request.exptime, output);
  AppendNumber(request.value_size, output);
  if (request.has_compare_cas) AppendNumber(request.compare_cas, output);
  AppendLineEnd(request, output);
  WriteValue(request.value, output);
  output.Append(kLineEnd);
}

// Command words with at most one argument, which may be empty.
void WriteTextWords(std::string_view command, const Request& request, base::Output& output) {
  output.Append(command);
  if (!request.arguments.empty()) AppendWord(request.arguments, output);
  output.Append(kLineEnd);
}

void WriteTextRequest(const Request& request, base::Output& output) {
  switch (request.verb) {
    case Verb::kGet:
      return WriteTextKeys(request, output);
    case Verb::kStore:
      return WriteTextStore(request, output);
    case Verb::kArithmetic:
      output.Append(request.decrement ? "decr" : "incr");
      AppendWord(request.key, output);
      AppendNumber(request.delta, output);
      return AppendLineEnd(request, output);
    case Verb::kTouch:
      output.Append("touch");
      AppendWord(request.key, output);
      AppendSigned(request.exptime, output);
      return AppendLineEnd(request, output);
    case Verb::kDelete:
      output.Append("delete");
      AppendWord(request.key, output);
      return AppendLineEnd(request, output);
    case Verb::kFlushAll:
      output.Append("flush_all");
      if (request.has_exptime) AppendSigned(request.exptime, output);
      return AppendLineEnd(request, output);
    case Verb::kVerbosity:
      output.Append("verbosity");
      AppendNumber(request.level, output);
      return AppendLineEnd(request, output);
    case Verb::kVersion:
      return WriteTextWords("version", request, output);
    case Verb::kStats:
      return WriteTextWords("stats", request, output);
    case Verb::kQuit:
      return WriteTextWords("quit", request, output);
    case Verb::kShutdown:
      return WriteTextWords("shutdown", request, output);
    case Verb::kControl:
      output.Append(request.arguments);
      return output.Append(kLineEnd);
    default:
      CHECK(!"a verb of the classic text protocol");
  }
}

std::string_view MetaName(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "mg";
    case Verb::kStore:
      return "ms";
    case Verb::kDelete:
      return "md";
    case Verb::kArithmetic:
      return "ma";
    case Verb::kMetaDebug:
      return "me";
    case Verb::kNoop:
      return "mn";
    default:
      CHECK(!"a verb of the meta commands");
      return {};
  }
}

void WriteMetaRequest(const Request& request, base::Output& output) {
  output.Append(MetaName(request.verb));
  if (request.verb == Verb::kNoop) return output.Append(kLineEnd);
  output.Append(" ");
  if (request.binary_key) {
    char* const begin = output.Reserve(Base64EncodedBytes(kKeyBytesMax));
    output.Commit(static_cast<size_t>(EncodeBase64(request.key, begin) - begin));
  } else {
    output.Append(request.key);
  }
  if (request.verb == Verb::kMetaDebug && request.binary_key) output.Append(" b");
  if (request.verb == Verb::kStore) AppendNumber(request.value_size, output);
  if (!request.meta_flags.empty()) AppendWord(request.meta_flags, output);
  output.Append(kLineEnd);
  if (request.verb != Verb::kStore) return;
  WriteValue(request.value, output);
  output.Append(kLineEnd);
}

char* StoreExtras(const BinaryCommand& command, const Request& request, char* place) {
  switch (request.verb) {
    case Verb::kStore:
      if (command.extras_size == 0) return place;
      place = StoreBigEndian(place, request.client_flags);
      return StoreBigEndian(place, static_cast<uint32_t>(request.exptime));
    case Verb::kArithmetic:
      place = StoreBigEndian(place, request.delta);
      place = StoreBigEndian(place, request.initial);
      return StoreBigEndian(place, request.create ? static_cast<uint32_t>(request.create_exptime) : kBinaryDoNotCreate);
    default:
      return request.has_exptime ? StoreBigEndian(place, static_cast<uint32_t>(request.exptime)) : place;
  }
}

void WriteBinaryRequest(const Request& request, base::Output& output) {
  const BinaryCommand* const command = FindBinaryCommand(request);
  CHECK(command != nullptr);
  const std::string_view key = request.verb == Verb::kStats ? request.arguments : request.key;
  char extras[20];
  const size_t extras_size = static_cast<size_t>(StoreExtras(*command, request, extras) - extras);
  BinaryHeader header;
  header.magic = kBinaryRequestMagic;
  header.opcode = command->opcode;
  header.key_size = static_cast<uint16_t>(key.size());
  header.extras_size = static_cast<uint8_t>(extras_size);
  header.body_size = static_cast<uint32_t>(extras_size + key.size() + request.value_size);
  header.opaque = request.binary_opaque;
  header.cas = request.has_compare_cas ? request.compare_cas : 0;

  char* const begin = output.Reserve(kBinaryHeaderBytes);
  header.Store(begin);
  output.Commit(kBinaryHeaderBytes);
  output.Append({extras, extras_size});
  output.Append(key);
  WriteValue(request.value, output);
}

}  // namespace

void WriteRequest(const Request& request, base::Output& output) {
  switch (request.syntax) {
    case Syntax::kText:
      return WriteTextRequest(request, output);
    case Syntax::kMeta:
      return WriteMetaRequest(request, output);
    case Syntax::kBinary:
      return WriteBinaryRequest(request, output);
  }
}

bool IsTextKey(std::string_view key) {
  const auto breaks = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; };
  return !key.empty() && key.size() <= kKeyBytesMax && std::none_of(key.begin(), key.end(), breaks);
}

}  // namespace holdfast::protocol
