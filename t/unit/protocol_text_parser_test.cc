#include "protocol/text_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lib/parse_stream.h"
#include "protocol/text_commands.h"

namespace holdfast::protocol {
namespace {

using Lines = std::vector<std::string>;

const std::string kLongestKey(kKeyBytesMax, 'k');
const std::string kTooLongKey(kKeyBytesMax + 1, 'k');

std::string Repeat(const std::string& text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

Lines Parse(const std::string& stream, const ParserSettings& settings = {}) {
  TextParser parser(settings);
  Lines lines = ParseStream(parser, stream);
  // However it is cut, the result is the same.
  for (const size_t bytes_a_call : {1, 2, 3, 7, 1000}) {
    TextParser again(settings);
    EXPECT_EQ(ParseStream(again, stream, bytes_a_call), lines) << "in pieces of " << bytes_a_call;
  }
  return lines;
}

// The one request of a stream that is nothing else.
std::string One(const std::string& stream) {
  Lines lines = Parse(stream);
  EXPECT_EQ(lines.size(), 2u) << stream;
  EXPECT_EQ(lines.back(), "unread 0") << stream;
  return lines.front();
}

std::string Refused(RequestError error) { return "invalid error=" + std::to_string(static_cast<int>(error)); }

RequestError ErrorOf(const std::string& stream) {
  const std::string line = Parse(stream).front();
  const size_t at = line.find("error=");
  return at == std::string::npos ? RequestError::kNone : static_cast<RequestError>(std::stoi(line.substr(at + 6)));
}

TEST(TextParserTest, Get) {
  EXPECT_EQ(One("get a\r\n"), "get key=a return_key");
  EXPECT_EQ(One("gets a\r\n"), "get key=a return_key return_cas");
  EXPECT_EQ(One("gat 100 a\r\n"), "get key=a return_key exptime=100");
  EXPECT_EQ(One("gats -1 a\r\n"), "get key=a return_key return_cas exptime=-1");
  EXPECT_EQ(One("get " + kLongestKey + "\r\n"), "get key=" + kLongestKey + " return_key");
}

TEST(TextParserTest, BareLineFeedEndsALine) { EXPECT_EQ(One("get a\n"), "get key=a return_key"); }

TEST(TextParserTest, SpacesAroundWordsDoNotMatter) {
  EXPECT_EQ(One("   get    a   \r\n"), "get key=a return_key");
  EXPECT_EQ(One("  gat   5    a \r\n"), "get key=a return_key exptime=5");
  EXPECT_EQ(One("  delete   a  \r\n"), "delete key=a");
}

TEST(TextParserTest, OnlySpacesSeparate) {
  EXPECT_EQ(One("get a\tb\r\n"), "get key=a\tb return_key");
  EXPECT_EQ(One(std::string("get a\0b\r\n", 9)), std::string("get key=a\0b return_key", 22));
  EXPECT_EQ(One("get a\rb\r\n"), "get key=a\rb return_key");
  EXPECT_EQ(ErrorOf("get\ta\r\n"), RequestError::kUnknownCommand);
}

TEST(TextParserTest, MultigetIsARequestAKey) {
  EXPECT_EQ(Parse("get a bb  c \r\nget d\r\n"),
            (Lines{"get key=a not_last return_key", "get key=bb not_first not_last return_key",
                   "get key=c not_first return_key", "get key=d return_key", "unread 0"}));
  EXPECT_EQ(Parse("gats 9 a b\n"), (Lines{"get key=a not_last return_key return_cas exptime=9",
                                          "get key=b not_first return_key return_cas exptime=9", "unread 0"}));
}

TEST(TextParserTest, MultigetOfAnyLengthIsTakenKeyByKey) {
  std::string stream = "gets";
  for (int i = 0; i < 20000; ++i) stream += " key:" + std::to_string(i);
  const Lines lines = Parse(stream + "\r\n");
  ASSERT_EQ(lines.size(), 20001u);
  EXPECT_EQ(lines[0], "get key=key:0 not_last return_key return_cas");
  EXPECT_EQ(lines[9999], "get key=key:9999 not_first not_last return_key return_cas");
  EXPECT_EQ(lines[19999], "get key=key:19999 not_first return_key return_cas");
  EXPECT_EQ(lines[20000], "unread 0");
}

TEST(TextParserTest, ALongGetEndsWhereverItsLineEndFalls) {
  for (size_t pad = 0; pad < 300; ++pad) {
    const std::string keys = Repeat(" 0123456789", 745);  // a little over kWholeLineBytesMax with the pad
    const Lines lines =
        Parse("get " + std::string(pad % 250 + 1, 'p') + keys + (pad % 3 == 0 ? "\n" : " \r\n") + "quit\r\n");
    ASSERT_EQ(lines.size(), 748u) << pad;
    EXPECT_EQ(lines[745], "get key=0123456789 not_first return_key");
    EXPECT_EQ(lines[746], "quit close");
  }
}

TEST(TextParserTest, AWrongKeyFailsTheWholeGet) {
  EXPECT_EQ(Parse("get a " + kTooLongKey + " b\r\nget c\r\n"),
            (Lines{Refused(RequestError::kBadLine), "get key=c return_key", "unread 0"}));
  EXPECT_EQ(One("get " + kTooLongKey + "\r\n"), Refused(RequestError::kBadLine));
  EXPECT_EQ(Parse("get " + kLongestKey + " " + kLongestKey + "\r\n").size(), 3u);
}

TEST(TextParserTest, AWrongKeyInAVeryLongGetEndsItThere) {
  const std::string begin = "get " + Repeat("0123456789 ", 1000);
  const Lines lines = Parse(begin + kTooLongKey + " " + Repeat("x ", 9000) + "\r\nget c\r\n");
  ASSERT_EQ(lines.size(), 1003u);
  EXPECT_EQ(lines[999], "get key=0123456789 not_first not_last return_key");
  EXPECT_EQ(lines[1000], Refused(RequestError::kBadLine));
  EXPECT_EQ(lines[1001], "get key=c return_key");
  // The longest right one is right at the end, too, where its carriage return could be taken for a part of it.
  const Lines good = Parse(begin + kLongestKey + "\r\n");
  EXPECT_EQ(good[1000], "get key=" + kLongestKey + " not_first return_key");
}

TEST(TextParserTest, RetrievalsThatAreRefused) {
  for (const char* stream : {"get\r\n", "get \r\n", "gets\r\n", "gat\r\n", "gat 10\r\n", "gats 10 \r\n"}) {
    EXPECT_EQ(One(stream), Refused(RequestError::kBadLine)) << stream;
  }
  for (const char* stream : {"gat x k\r\n", "gats 1x k\r\n", "gat 99999999999999999999 k\r\n", "gat a\r\n"}) {
    EXPECT_EQ(One(stream), Refused(RequestError::kBadExptime)) << stream;
  }
}

TEST(TextParserTest, AbandonedBatchSkipsToTheNextLine) {
  const ParserSettings settings;
  TextParser parser(settings);
  Request request;
  const std::string stream = "get a b c\r\nget d\r\n";
  ParseResult result = parser.Parse(stream, &request);
  EXPECT_EQ(request.key, "a");
  EXPECT_TRUE(parser.InBatch());
  parser.AbandonBatch();
  result = parser.Parse(std::string_view(stream).substr(result.consumed), &request);
  EXPECT_EQ(result.outcome, Outcome::kRequest);
  EXPECT_EQ(request.key, "d");
  EXPECT_FALSE(parser.InBatch());
  parser.AbandonBatch();
  EXPECT_EQ(parser.Parse("version\r\n", &request).outcome, Outcome::kRequest) << "nothing to abandon";
}

TEST(TextParserTest, Store) {
  EXPECT_EQ(One("set a 5 10 3\r\nxyz\r\n"), "store key=a client_flags=5 exptime=10 value_size=3 value=xyz");
  EXPECT_EQ(One("add a 0 0 0\r\n\r\n"), "store key=a mode=1 exptime=0 value");
  EXPECT_EQ(One("replace a 0 -1 1\nx\r\n"), "store key=a mode=2 exptime=-1 value_size=1 value=x");
  EXPECT_EQ(One("append a 0 0 2 noreply\r\n\r\n\r\n"), "store key=a quiet mode=3 exptime=0 value_size=2 value=\r\n");
  EXPECT_EQ(One("prepend a 4294967295 0 1\r\nx\r\n"),
            "store key=a mode=4 client_flags=4294967295 exptime=0 value_size=1 value=x");
  EXPECT_EQ(One("cas a 0 0 1 18446744073709551615\r\nx\r\n"),
            "store key=a exptime=0 compare_cas=18446744073709551615 value_size=1 value=x");
  EXPECT_EQ(One("cas a 0 0 1 7 noreply\r\nx\r\n"), "store key=a quiet exptime=0 compare_cas=7 value_size=1 value=x");
  EXPECT_EQ(One("set a +1 +2 +3\r\nxyz\r\n"), "store key=a client_flags=1 exptime=2 value_size=3 value=xyz");
  EXPECT_EQ(One("set a 0 0 1 stray\r\nx\r\n"), "store key=a exptime=0 value_size=1 value=x");
  EXPECT_EQ(One("set a 0 0 1 noreply \r\nx\r\n"), "store key=a quiet exptime=0 value_size=1 value=x");
  EXPECT_EQ(One("set " + kLongestKey + " 0 0 1\r\nx\r\n"),
            "store key=" + kLongestKey + " exptime=0 value_size=1 value=x");
}

TEST(TextParserTest, StoreLinesThatAreRefused) {
  const std::string bad_line = Refused(RequestError::kBadLine);
  for (const std::string stream : {"set\r\n",
                                   "set a\r\n",
                                   "set a 0\r\n",
                                   "set a 0 0\r\n",
                                   "set a 0 0 -1\r\n",
                                   "set a 0 0 x\r\n",
                                   "set a x 0 1\r\n",
                                   "set a 0 x 1\r\n",
                                   "set a -1 0 1\r\n",
                                   "set a 4294967296 0 1\r\n",
                                   "set a 0 0 2147483646\r\n",
                                   "set a 0 0 2147483647\r\n",
                                   "set a 0 0 18446744073709551615\r\n",
                                   "set a 0 0 18446744073709551617\r\n",
                                   "set a 0 9223372036854775808 1\r\n",
                                   "cas a 0 0 1\r\n",
                                   "cas a 0 0 1 x\r\n",
                                   "cas a 0 0 1 -1\r\n",
                                   "cas a 0 0 1 18446744073709551616\r\n",
                                   "add a 0 0\r\n",
                                   "replace a\r\n",
                                   "append\r\n",
                                   "prepend a 1 1 1.5\r\n"}) {
    EXPECT_EQ(ErrorOf(stream), RequestError::kBadLine) << stream;
  }
  EXPECT_EQ(ErrorOf("set " + kTooLongKey + " 0 0 1\r\n"), RequestError::kBadLine);
  // The value of a refused line is taken for a command, as memcached does.
  EXPECT_EQ(Parse("set a 0 x 4\r\nquit\r\n"), (Lines{bad_line + " key=a", "quit close", "unread 0"}));
  // noreply silences it wherever the error is.
  EXPECT_EQ(One("set a x 0 1 noreply\r\n"), bad_line + " key=a quiet");
  EXPECT_EQ(One("set a 0 0 noreply\r\n"), bad_line + " key=a quiet");
}

TEST(TextParserTest, BadDataChunk) {
  const std::string bad_chunk = Refused(RequestError::kBadDataChunk) + " key=a";
  EXPECT_EQ(Parse("set a 0 0 1\r\nabc\r\nget b\r\n"),
            (Lines{bad_chunk + " exptime=0 value_size=1", Refused(RequestError::kBadLine), "get key=b return_key",
                   "unread 0"}));
  EXPECT_EQ(ErrorOf("set a 0 0 1\r\nx\n\nget b\r\n"), RequestError::kBadDataChunk);
  EXPECT_EQ(ErrorOf("set a 0 0 1\r\nx\r\r\n"), RequestError::kBadDataChunk);
  EXPECT_EQ(ErrorOf("set a 0 0 0\r\nx\r\n"), RequestError::kBadDataChunk);
  EXPECT_EQ(Parse("set a 0 0 1 noreply\r\nxyz\r\n").front(), bad_chunk + " quiet exptime=0 value_size=1");
}

TEST(TextParserTest, ValuesOfEverySizeAroundTheInputBlock) {
  const std::string head = "set a 0 0 ";
  for (const size_t size : {kInputBytesMax - 100, kInputBytesMax - 20, kInputBytesMax - 19, kInputBytesMax - 18,
                            kInputBytesMax, 2 * kInputBytesMax, 10 * kInputBytesMax + 1}) {
    const std::string value = std::string(size - 1, 'v') + "!";
    const Lines lines = Parse(head + std::to_string(size) + "\r\n" + value + "\r\nget b\r\n");
    ASSERT_EQ(lines.size(), 3u) << size;
    EXPECT_EQ(lines[0], "store key=a exptime=0 value_size=" + std::to_string(size) + " value=" + std::string(20, 'v') +
                            ".." + std::string(19, 'v') + "!");
    EXPECT_EQ(lines[1], "get key=b return_key");
    EXPECT_EQ(ErrorOf(head + std::to_string(size) + "\r\n" + value + "xx"), RequestError::kBadDataChunk) << size;
  }
}

TEST(TextParserTest, UploadBeginsExactlyWhereTheInputBlockEnds) {
  const ParserSettings settings;
  const std::string head = "set a 0 0 16367\r\n";
  ASSERT_EQ(head.size() + 16367 + 2, kInputBytesMax + 2);
  Request request;
  {
    TextParser parser(settings);
    const ParseResult result = parser.Parse(head, &request);
    EXPECT_EQ(result.outcome, Outcome::kUpload);
    EXPECT_EQ(result.consumed, head.size());
    EXPECT_EQ(UploadBytes(request), 16369u);
    EXPECT_EQ(request.key, "a");
  }
  TextParser parser(settings);
  EXPECT_EQ(parser.Parse("set a 0 0 16365\r\n", &request).outcome, Outcome::kNeedMore);
}

TEST(TextParserTest, SkipsWhatTheCallerHasNoRoomFor) {
  const ParserSettings settings;
  TextParser parser(settings);
  Request request;
  ASSERT_EQ(parser.Parse("set a 0 0 20000\r\n", &request).outcome, Outcome::kUpload);
  parser.Skip(UploadBytes(request));
  const std::string value(20002, 'v');
  EXPECT_EQ(ParseStream(parser, value + "get b\r\n", 999), (Lines{"get key=b return_key", "unread 0"}));
}

TEST(TextParserTest, TooLargeByTheAccountingOfMemcached) {
  // Sizes seen to be the largest that a memcached with its default settings takes.
  const auto outcome = [](const std::string& line) {
    const ParserSettings settings;
    TextParser parser(settings);
    Request request;
    const ParseResult result = parser.Parse(line + "\r\n", &request);
    return result.outcome == Outcome::kUpload ? RequestError::kNone : request.error;
  };
  EXPECT_EQ(outcome("set a 0 0 1048516"), RequestError::kNone);
  EXPECT_EQ(outcome("set a 0 0 1048517"), RequestError::kTooLarge);
  EXPECT_EQ(outcome("set a 1 0 1048512"), RequestError::kNone);
  EXPECT_EQ(outcome("set a 1 0 1048513"), RequestError::kTooLarge);
  EXPECT_EQ(outcome("set " + kLongestKey + " 0 0 1048267"), RequestError::kNone);
  EXPECT_EQ(outcome("set " + kLongestKey + " 0 0 1048268"), RequestError::kTooLarge);
}

TEST(TextParserTest, ATooLargeValueIsPassedOver) {
  const ParserSettings settings{.item_bytes_max = 1024};
  const std::string value(2000, 'v');
  EXPECT_EQ(Parse("set a 0 0 2000\r\n" + value + "\r\nget b\r\n", settings),
            (Lines{Refused(RequestError::kTooLarge) + " key=a exptime=0 value_size=2000", "get key=b return_key",
                   "unread 0"}));
  EXPECT_EQ(Parse("append a 0 0 2000 noreply\r\n" + value + "xxget b\r\n", settings),
            (Lines{Refused(RequestError::kTooLarge) + " key=a quiet mode=3 exptime=0 value_size=2000",
                   "get key=b return_key", "unread 0"}));
  EXPECT_EQ(Parse("set a 0 0 2147483645\r\nx", settings).front(),
            Refused(RequestError::kTooLarge) + " key=a exptime=0 value_size=2147483645");
}

TEST(TextParserTest, Delete) {
  EXPECT_EQ(One("delete a\r\n"), "delete key=a");
  EXPECT_EQ(One("delete a noreply\r\n"), "delete key=a quiet");
  EXPECT_EQ(One("delete a 0\r\n"), "delete key=a");
  EXPECT_EQ(One("delete a 0 noreply\r\n"), "delete key=a quiet");
  EXPECT_EQ(One("delete noreply\r\n"), "delete key=noreply");
  EXPECT_EQ(One("delete noreply noreply\r\n"), "delete key=noreply quiet");
  EXPECT_EQ(ErrorOf("delete\r\n"), RequestError::kBadLine);
  for (const std::string rest : {"5", "00", "b", "0 0", "0 b", "noreply 0", "noreply noreply", "b c", "b noreply"}) {
    EXPECT_EQ(ErrorOf("delete a " + rest + "\r\n"), RequestError::kDeleteUsage) << rest;
  }
  EXPECT_EQ(ErrorOf("delete " + kTooLongKey + "\r\n"), RequestError::kBadLine);
}

TEST(TextParserTest, Arithmetic) {
  EXPECT_EQ(One("incr a 1\r\n"), "arithmetic key=a delta=1");
  EXPECT_EQ(One("decr a 18446744073709551615 noreply\r\n"),
            "arithmetic key=a quiet decrement delta=18446744073709551615");
  for (const char* stream :
       {"incr a x\r\n", "incr a -1\r\n", "incr a 18446744073709551616\r\n", "decr a 1.5\r\n", "incr a noreply\r\n"}) {
    EXPECT_EQ(ErrorOf(stream), RequestError::kBadDelta) << stream;
  }
  for (const std::string stream : {"incr\r\n", "incr a\r\n", "decr noreply\r\n"}) {
    EXPECT_EQ(ErrorOf(stream), RequestError::kBadLine) << stream;
  }
  EXPECT_EQ(ErrorOf("incr " + kTooLongKey + " 1\r\n"), RequestError::kBadLine);
}

TEST(TextParserTest, Touch) {
  EXPECT_EQ(One("touch a 10\r\n"), "touch key=a exptime=10");
  EXPECT_EQ(One("touch a -1 noreply\r\n"), "touch key=a quiet exptime=-1");
  EXPECT_EQ(One("touch a x noreply\r\n"), Refused(RequestError::kBadExptime) + " key=a quiet");
  EXPECT_EQ(ErrorOf("touch a x\r\n"), RequestError::kBadExptime);
  EXPECT_EQ(ErrorOf("touch a\r\n"), RequestError::kBadLine);
  EXPECT_EQ(ErrorOf("touch " + kTooLongKey + " 1\r\n"), RequestError::kBadLine);
}

TEST(TextParserTest, FlushAll) {
  EXPECT_EQ(One("flush_all\r\n"), "flush_all");
  EXPECT_EQ(One("flush_all noreply\r\n"), "flush_all quiet");
  EXPECT_EQ(One("flush_all 0\r\n"), "flush_all exptime=0");
  EXPECT_EQ(One("flush_all -1\r\n"), "flush_all exptime=-1");
  EXPECT_EQ(One("flush_all 10 noreply\r\n"), "flush_all quiet exptime=10");
  EXPECT_EQ(ErrorOf("flush_all x\r\n"), RequestError::kBadExptime);
}

TEST(TextParserTest, Verbosity) {
  EXPECT_EQ(One("verbosity 1\r\n"), "verbosity level=1");
  EXPECT_EQ(One("verbosity 0 noreply\r\n"), "verbosity quiet");
  EXPECT_EQ(One("verbosity noreply\r\n"), Refused(RequestError::kBadLine) + " quiet");
  for (const char* stream : {"verbosity\r\n", "verbosity x\r\n", "verbosity -1\r\n"}) {
    EXPECT_EQ(ErrorOf(stream), RequestError::kBadLine) << stream;
  }
}

TEST(TextParserTest, OneWordMoreMayStandAtTheEndTwoAreNoCommand) {
  for (const std::string line :
       {"set a 0 0 1", "add a 0 0 1", "append a 0 0 1", "cas a 0 0 1 1", "incr a 1", "touch a 0", "delete a 0"}) {
    EXPECT_NE(Parse(line + " noreply\r\nx\r\n").front(), Refused(RequestError::kUnknownCommand)) << line;
    EXPECT_EQ(Parse(line + " more noreply\r\nx\r\n").front(), Refused(RequestError::kUnknownCommand)) << line;
  }
  EXPECT_EQ(One("flush_all 0 more\r\n"), "flush_all exptime=0");
  EXPECT_EQ(ErrorOf("flush_all 0 more noreply\r\n"), RequestError::kUnknownCommand);
  EXPECT_EQ(One("verbosity 1 more\r\n"), "verbosity level=1");
  EXPECT_EQ(ErrorOf("verbosity foo bar my\r\n"), RequestError::kUnknownCommand);
}

TEST(TextParserTest, TheOtherCommands) {
  EXPECT_EQ(One("version\r\n"), "version");
  EXPECT_EQ(One("version foo\r\n"), "version arguments=[foo]");
  EXPECT_EQ(One("quit\r\n"), "quit close");
  EXPECT_EQ(One("stats\r\n"), "stats");
  EXPECT_EQ(One("stats  detail  on \r\n"), "stats arguments=[detail  on]");
  EXPECT_EQ(One("shutdown graceful\r\n"), "shutdown arguments=[graceful]");
  EXPECT_EQ(One(" lru_crawler metadump all\r\n"), "control arguments=[lru_crawler metadump all]");
  EXPECT_EQ(One("cache_memlimit 100 noreply\r\n"), "control arguments=[cache_memlimit 100 noreply] quiet");
  EXPECT_EQ(One("slabs\r\n"), "control arguments=[slabs]");
}

TEST(TextParserTest, EveryCommandIsFoundAndNothingElse) {
  for (const TextCommand& command : TextCommands()) {
    EXPECT_EQ(FindTextCommand(command.name), &command);
    EXPECT_EQ(FindTextCommand(std::string(command.name) + "x"), nullptr);
    EXPECT_EQ(FindTextCommand(std::string(command.name) + std::string(1, '\0')), nullptr);
  }
  for (const char* stream : {"GET a\r\n", "ge a\r\n", "flush_al\r\n", "flush_all_\r\n", "cache_memlimix\r\n", "xx\r\n",
                             "\x16\x03\x01\r\n"}) {
    EXPECT_EQ(One(stream), Refused(RequestError::kUnknownCommand)) << stream;
  }
  for (const char* stream : {"\r\n", "\n", "a\r\n", "a b\r\n", "   \r\n", "\r\r\n"}) {
    EXPECT_EQ(One(stream), Refused(RequestError::kBadLine)) << stream;
  }
}

TEST(TextParserTest, HttpIsShownTheDoor) {
  EXPECT_EQ(Parse("GET / HTTP/1.1\r\nHost: x\r\n"), (Lines{"close"}));
  EXPECT_EQ(Parse("POST /x HTTP/1.0\r\n"), (Lines{"close"}));
  EXPECT_EQ(One("foo HTTP/1.1 bar\r\n"), Refused(RequestError::kUnknownCommand));
}

TEST(TextParserTest, LinesWithoutEndAreGivenUp) {
  const std::string limit(kLineBytesMax, 'x');
  EXPECT_EQ(Parse(limit), (Lines{"unread 2048"}));
  EXPECT_EQ(One(limit + "\n"), Refused(RequestError::kUnknownCommand));
  EXPECT_EQ(Parse(limit + "x"), (Lines{"close"}));
  EXPECT_EQ(Parse(limit + "x\r\n"), (Lines{"close"}));
  EXPECT_EQ(Parse("delete " + limit + "\r\n"), (Lines{"close"}));
}

TEST(TextParserTest, OnlyRetrievalsMayBeLong) {
  const std::string keys = Repeat("k ", 1100);
  EXPECT_EQ(Parse(std::string(100, ' ') + "get " + keys), (Lines{"unread 2304"}));
  EXPECT_EQ(Parse(std::string(101, ' ') + "get " + keys), (Lines{"close"}));
  for (const char* command : {"get ", "gets ", "gat 0 ", "gats 0 "}) {
    EXPECT_EQ(Parse(command + keys + "\r\n").size(), 1101u) << command;
  }
}

TEST(TextParserTest, SpacesWithoutEndAreGivenUp) {
  const std::string limit(kLineBytesMax, ' ');
  EXPECT_EQ(Parse("get" + limit + "a" + limit + "b" + limit + "\r\n").size(), 3u);
  EXPECT_EQ(Parse("get a" + limit + " b\r\n"), (Lines{"close"}));
  EXPECT_EQ(Parse("get " + limit + "a\r\n"), (Lines{"close"}));
  EXPECT_EQ(Parse("gat" + limit + " 10 a\r\n"), (Lines{"close"}));
  EXPECT_EQ(Parse("get a b" + limit + " \r\n"), (Lines{"get key=a not_last return_key", "close"}));
  const std::string begin = "get " + Repeat("0123456789 ", 1000);
  EXPECT_EQ(Parse(begin + limit + "b\r\n").back(), "close");
  EXPECT_EQ(Parse(begin + limit.substr(1) + "b" + limit + "\r\n").size(), 1002u);
  EXPECT_EQ(Parse("get " + std::string(100000, 'x')).back(), "unread 0");
  EXPECT_EQ(Parse("gat " + std::string(100000, '0') + " k\r\n").front(), Refused(RequestError::kBadExptime));
}

TEST(TextParserTest, APipelineOfEverything) {
  const Lines lines = Parse(
      "set a 0 0 1\r\nx\r\nget a b\r\nincr n 1\r\nbogus\r\nset a 0 0 1\r\nxyz\r\n\r\ndelete a noreply\r\ntouch a "
      "5\r\nversion\r\n"
      "gat 5 a\r\nset big 0 0 20000\r\n" +
      std::string(20000, 'b') + "\r\nquit\r\nget");
  EXPECT_EQ(lines.size(), 15u);
  EXPECT_EQ(lines.back(), "unread 3");
}

TEST(RequestTest, CopiesFollowTheirOwnStorage) {
  Request request;
  request.key_storage[0] = 'k';
  request.key = {request.key_storage, 1};
  request.SetValue("abc");
  const Request copy = request;
  EXPECT_EQ(copy.key.data(), copy.key_storage);
  EXPECT_EQ(copy.key, "k");
  EXPECT_EQ(copy.value.data(), &copy.piece);
  EXPECT_EQ(copy.value[0], "abc");
}

TEST(RequestTest, KeptTextOutlivesTheInput) {
  std::string input = "key arguments flags", storage;
  Request request;
  request.key = std::string_view(input).substr(0, 3);
  request.arguments = std::string_view(input).substr(4, 9);
  request.meta_flags = std::string_view(input).substr(14);
  request.KeepText(&storage);
  input.assign(input.size(), '#');
  EXPECT_EQ(request.key, "key");
  EXPECT_EQ(request.arguments, "arguments");
  EXPECT_EQ(request.meta_flags, "flags");
}

}  // namespace
}  // namespace holdfast::protocol
