// A multiget is where a client's processor time goes, so its two ends have short cuts: a key that a line can hold is
// written without the general writer, and a hit in its usual form, "VA size fFLAGS [cCAS] Otoken", is read without the
// general parser. Everything else, an error or a word that is not expected included, is left to these.

#include "client/multiget_part.h"

#include <cstring>

#include "protocol/decimal.h"
#include "protocol/put.h"
#include "protocol/request_writer.h"

namespace holdfast::client {
namespace {

constexpr std::string_view kWords = " v f q O";
constexpr std::string_view kWordsWithCas = " v f c q O";

// What stands behind the keys, "words" and a token and the end of the line, with the token counting up from line to
// line: mostly one digit changes.
class LineEnd {
 public:
  static constexpr size_t kBytes = 32;  // copied as a whole, which is quicker than to look how many there are

  LineEnd(std::string_view words, uint32_t token) : digits_(words.size()) {
    std::memcpy(text_, words.data(), words.size());
    SetToken(token);
  }

  // token: one more than the one before.
  void CountTo(uint32_t token) {
    size_t place = digits_end_;
    while (place > digits_ && text_[place - 1] == '9') text_[--place] = '0';
    if (place == digits_ || token == 0) return SetToken(token);
    text_[place - 1]++;
  }

  char* Put(char* place) const {
    std::memcpy(place, text_, kBytes);
    return place + digits_end_ + 2;
  }

 private:
  void SetToken(uint32_t token) {
    digits_end_ = static_cast<size_t>(protocol::WriteDecimal(text_ + digits_, token) - text_);
    text_[digits_end_] = '\r';
    text_[digits_end_ + 1] = '\n';
  }

  const size_t digits_;  // where they begin in text_
  size_t digits_end_ = 0;
  char text_[kBytes] = {};
};

constexpr size_t kTokenDigitsMax = 10;
static_assert(kWordsWithCas.size() + kTokenDigitsMax + 2 <= LineEnd::kBytes);
constexpr size_t kLineBytesMax = 3 + protocol::kKeyBytesMax + LineEnd::kBytes;
static_assert(kLineBytesMax <= base::Output::kReserveMax);

void WriteKey(std::string_view key, const LineEnd& end, base::Output& output) {
  char* const begin = output.Reserve(kLineBytesMax);
  char* const place = end.Put(protocol::Put(protocol::Put(begin, "mg "), key));
  output.Commit(static_cast<size_t>(place - begin));
}

constexpr int kDigitsMax = 19;  // any more might not fit

// Reads from the front of text, or fails for good.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : place_(text.data()), end_(text.data() + text.size()) {}

  // Of a size that the compiler knows, so that it is one comparison.
  template <size_t kSize>
  bool Skip(const char (&word)[kSize]) {
    constexpr size_t kBytes = kSize - 1;  // without the zero
    if (static_cast<size_t>(end_ - place_) < kBytes || std::memcmp(place_, word, kBytes) != 0) return false;
    place_ += kBytes;
    return true;
  }

  template <class Number>
  bool ReadNumber(uint64_t max, Number* number) {
    uint64_t value = 0;
    const char* place = place_;
    const char* const stop = end_ - place > kDigitsMax ? place + kDigitsMax : end_;
    for (; place < stop; place++) {
      const unsigned digit = static_cast<unsigned char>(*place) - unsigned{'0'};
      if (digit > 9) break;
      value = value * 10 + digit;
    }
    *number = static_cast<Number>(value);
    if (place == place_ || value > max) return false;
    place_ = place;
    return true;
  }

  bool ReadBytes(size_t size, std::string_view* bytes) {
    if (static_cast<size_t>(end_ - place_) < size) return false;
    *bytes = {place_, size};
    place_ += size;
    return true;
  }

  const char* place() const { return place_; }

 private:
  const char* place_;
  const char* const end_;
};

}  // namespace

void MultigetPart::Write(uint32_t token, base::Output& output) {
  token_ = token;
  next_ = 0;
  gap_ = Status(Code::kNotFound);
  LineEnd end(multiget_.with_cas ? kWordsWithCas : kWords, token);
  for (uint32_t index : order_) {
    const std::string_view key = multiget_.keys[index];
    if (multiget_.any_key && !protocol::IsTextKey(key)) {
      WriteOddKey(key, token, output);
    } else {
      WriteKey(key, end, output);
    }
    end.CountTo(++token);
  }
  output.Append("mn\r\n");
}

void MultigetPart::WriteOddKey(std::string_view key, uint32_t token, base::Output& output) {
  protocol::Request request;
  request.verb = protocol::Verb::kGet;
  request.syntax = protocol::Syntax::kMeta;
  request.key = key;
  request.binary_key = true;
  FlagWords words;
  words.Add('b').Add('v').Add('f').Add('q');
  if (multiget_.with_cas) words.Add('c');
  words.Add('O', token);
  request.meta_flags = words.text();
  protocol::WriteRequest(request, output);
}

size_t MultigetPart::TakeUsual(std::string_view input) {
  if (!gap_.answered()) return 0;
  const char* taken = input.data();
  Scanner scanner(input);
  while (true) {
    uint64_t size = 0, cas = 0;
    uint32_t flags = 0, token = 0;
    std::string_view value;
    const bool whole = scanner.Skip("VA ") && scanner.ReadNumber(protocol::kReplyValueBytesMax, &size) &&
                       scanner.Skip(" f") && scanner.ReadNumber(UINT32_MAX, &flags) &&
                       (!multiget_.with_cas || (scanner.Skip(" c") && scanner.ReadNumber(UINT64_MAX, &cas))) &&
                       scanner.Skip(" O") && scanner.ReadNumber(UINT32_MAX, &token) && scanner.Skip("\r\n") &&
                       scanner.ReadBytes(size, &value) && scanner.Skip("\r\n");
    if (!whole || !Hit(token, value, flags, cas)) return static_cast<size_t>(taken - input.data());
    taken = scanner.place();
  }
}

// False if no key that still waits has this token.
bool MultigetPart::Hit(uint32_t token, std::string_view value, uint32_t flags, uint64_t cas) {
  const size_t place = token - token_;  // wraps to something huge for a token from before
  if (place < next_ || place >= order_.size()) return false;
  if (place > next_) SetUpTo(place, gap_);
  if (!gap_.answered()) gap_ = Status(Code::kNotFound);
  Found& found = multiget_.found[order_[next_++]];
  if (!found.status.ok()) found.status = Status();
  found.value = multiget_.bytes->Keep(value);
  found.flags = flags;
  found.cas = cas;
  return true;
}

void MultigetPart::SetUpTo(size_t end, const Status& status) {
  for (; next_ < end; next_++) multiget_.found[order_[next_]].status = status;
}

Verdict MultigetPart::Take(const protocol::ParsedReply& reply) {
  if (reply.code == protocol::ReplyCode::kNoop) {
    SetUpTo(order_.size(), gap_);
    return Verdict::kDone;
  }
  if (Status error; ErrorStatus(reply, server_, &error)) {
    gap_ = error;
    if (error.code() != Code::kRejected) return Verdict::kMore;
    SetUpTo(order_.size(), gap_);
    return Verdict::kDoneAndClose;
  }
  uint32_t token = 0;
  if (reply.code != protocol::ReplyCode::kHit || !ParseToken(reply.opaque, &token)) return Verdict::kSurprise;
  const bool mine = Hit(token, reply.piece, reply.client_flags, reply.cas);
  return mine ? Verdict::kMore : Verdict::kSurprise;
}

}  // namespace holdfast::client
