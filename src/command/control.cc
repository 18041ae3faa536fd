// How it works: a table from the name of a command to its function, which gets the words behind the name. What tunes
// memcached's LRU and slabs is taken and has no effect, for there are none here; doc/compatibility.md says so.

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "base/text.h"
#include "command/dump.h"
#include "command/operations.h"
#include "command/verbs.h"
#include "session/peer_talk.h"

namespace holdfast::command {

using protocol::ReplyCode;

namespace {

struct Call {
  Context& context;
  Operations& operations;
  const Frame& frame;
  const std::vector<std::string_view>& words;  // behind the command's name
  Reply* reply;
};

Progress Say(Call& call, std::string_view line) {
  call.context.text = line;
  call.reply->text = call.context.text;
  return Done(call.reply, ReplyCode::kText);
}
Progress SayOk(Call& call) { return Done(call.reply, ReplyCode::kOk); }
Progress Unknown(Call& call) { return Done(call.reply, ReplyCode::kUnknownCommand); }
Progress BadFormat(Call& call) { return Say(call, "CLIENT_ERROR bad command line format"); }

template <class Number>
bool ParseNumber(std::string_view word, Number* number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *number);
  return error == std::errc() && end == word.data() + word.size();
}

std::vector<std::string_view> WordsOf(std::string_view line) {
  std::vector<std::string_view> words;
  for (const std::string_view word : base::Split(line, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  if (!words.empty() && words.back() == "noreply") words.pop_back();
  return words;
}

// -- Memory ------------------------------------------------------------------------------------------

Progress MemoryLimit(Call& call) {
  constexpr uint32_t kLeastMegabytes = 8, kMostMegabytes = 1'000'000'000;
  uint64_t megabytes = 0;
  if (call.words.empty() || call.words.size() > 2 || !ParseNumber(call.words[0], &megabytes)) return Unknown(call);
  if (megabytes < kLeastMegabytes) return Say(call, "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m");
  if (megabytes > kMostMegabytes) return Say(call, "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes");
  if (!call.operations.store.SetMemoryLimit(megabytes << 20))
    return Say(call, "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust");
  return SayOk(call);
}

// -- lru_crawler -------------------------------------------------------------------------------------

// "all" or "1,2,3". False: there is no such class.
bool ParseClasses(std::string_view word, std::set<uint32_t>* classes) {
  if (word == "all" || word == "hash") return true;
  for (const std::string_view part : base::Split(word, ',')) {
    uint32_t number = 0;
    if (!ParseNumber(part, &number) || number == 0 || number > kClassesShown) return false;
    classes->insert(number);
  }
  return true;
}

Progress Dump(Call& call, bool for_get) {
  if (!call.operations.host.dump_allowed())
    return Say(call, for_get ? "ERROR key dump not allowed" : "ERROR metadump not allowed");
  if (!call.operations.knobs.crawler_enabled) return Say(call, "CLIENT_ERROR lru crawler disabled");
  std::set<uint32_t> classes;
  if (!ParseClasses(call.words[1], &classes)) return Say(call, "BADCLASS invalid class id");
  Background::Work work =
      for_get ? Mgdump(call.operations, std::move(classes)) : Metadump(call.operations, std::move(classes));
  if (Begin(call.context, call.frame, Background::Kind::kDump, std::move(work))) return Progress::kFeeds;
  return Say(call, "BUSY currently processing crawler request");
}

// Walks all pages once for what has expired; nobody waits for it.
Progress Crawl(Call& call) {
  if (!call.operations.knobs.crawler_enabled) return Say(call, "CLIENT_ERROR lru crawler disabled");
  std::set<uint32_t> classes;
  if (!ParseClasses(call.words[1], &classes)) return Say(call, "BADCLASS invalid class id");
  Operations& operations = call.operations;
  const auto started = operations.background.Start(
      Background::Kind::kDump, [] {},
      [&operations](Feed& feed) {
        constexpr uint32_t kPagesPerStep = 16;
        store::Access access(operations.store);
        // From wherever the upkeep is to the last page, and once all round.
        for (int rounds = 0; rounds < 2 && !feed.cancelled();) {
          access.Online();
          rounds += operations.store.Upkeep(access, operations.clock.Now(), kPagesPerStep).round_over ? 1 : 0;
          access.Offline();
        }
        return ReplyCode::kNone;
      });
  return started != nullptr ? SayOk(call) : Say(call, "BUSY currently processing crawler request");
}

Progress Crawler(Call& call) {
  if (call.words.empty()) return Unknown(call);
  const std::string_view what = call.words[0];
  if (what == "enable" || what == "disable") {
    const bool was_enabled = call.operations.knobs.crawler_enabled.exchange(what == "enable");
    if (what == "enable" && was_enabled) return Say(call, "ERROR failed to start lru crawler thread");
    return SayOk(call);
  }
  if (call.words.size() < 2) return Unknown(call);
  if (what == "metadump") return Dump(call, false);
  if (what == "mgdump") return Dump(call, true);
  if (what == "crawl") return Crawl(call);
  uint32_t number = 0;
  if (what == "sleep") {
    if (!ParseNumber(call.words[1], &number)) return BadFormat(call);
    if (number > 1'000'000) return Say(call, "CLIENT_ERROR sleep must be one second or less");
    return SayOk(call);
  }
  if (what == "tocrawl") return ParseNumber(call.words[1], &number) ? SayOk(call) : BadFormat(call);
  return Unknown(call);
}

// -- What memcached's LRU and slabs have to be told --------------------------------------------------

Progress Lru(Call& call) {
  const std::vector<std::string_view>& words = call.words;
  if (words.size() < 2) return Unknown(call);
  if (words[0] == "mode") return words[1] == "flat" || words[1] == "segmented" ? SayOk(call) : Unknown(call);
  int64_t seconds = 0;
  if (words[0] == "temp_ttl") return ParseNumber(words[1], &seconds) ? SayOk(call) : Unknown(call);
  uint32_t hot = 0, warm = 0;
  double hot_factor = 0, warm_factor = 0;
  if (words[0] != "tune" || words.size() < 5 || !ParseNumber(words[1], &hot) || !ParseNumber(words[2], &warm) ||
      !ParseNumber(words[3], &hot_factor) || !ParseNumber(words[4], &warm_factor)) {
    return Unknown(call);
  }
  if (hot + warm > 80) return Say(call, "ERROR hot and warm pcts must not exceed 80");
  if (hot_factor <= 0 || warm_factor <= 0) return Say(call, "ERROR hot/warm age factors must be greater than 0");
  return SayOk(call);
}

Progress Reassign(Call& call) {
  int32_t from = 0, to = 0;
  if (call.words.size() < 3) return Unknown(call);
  if (!ParseNumber(call.words[1], &from) || !ParseNumber(call.words[2], &to)) return BadFormat(call);
  if (from == to) return Say(call, "SAME src and dst class are identical");
  constexpr auto kMost = static_cast<int32_t>(kClassesShown);
  if (from < -1 || from == 0 || from > kMost || to < 1 || to > kMost)
    return Say(call, "BADCLASS invalid src or dst class id");
  // Pages go where they are needed by themselves; none is spare.
  return Say(call, "NOSPARE source class has no spare pages");
}

Progress Automove(Call& call) {
  const std::vector<std::string_view>& words = call.words;
  if (words.size() < 2) return Unknown(call);
  if (words.size() == 2) {
    uint32_t mode = 0;
    if (!ParseNumber(words[1], &mode)) return BadFormat(call);
    return mode <= 2 ? SayOk(call) : Unknown(call);
  }
  double number = 0;
  if (!ParseNumber(words[2], &number)) return BadFormat(call);
  if (words[1] == "ratio" || words[1] == "freeratio") return SayOk(call);
  if (words[1] != "window") return Unknown(call);
  if (number < 3 || number > 1800) return Say(call, "CLIENT_ERROR automove window too low or too high");
  return SayOk(call);
}

Progress Slabs(Call& call) {
  if (call.words.empty()) return Unknown(call);
  if (call.words[0] == "reassign") return Reassign(call);
  return call.words[0] == "automove" ? Automove(call) : Unknown(call);
}

// -- Others ------------------------------------------------------------------------------------------

Progress StartWatch(Call& call) {
  if (!call.operations.host.watch_allowed()) return Say(call, "CLIENT_ERROR watch commands not allowed");
  uint32_t kinds = call.words.empty() ? uint32_t{kWatchFetchers} : 0;
  for (const std::string_view word : call.words) {
    const uint32_t kind = WatchKindOf(word);
    if (kind == 0) return Unknown(call);
    kinds |= kind;
  }
  call.context.feed = call.operations.watch.Add(kinds, call.context.waker(call.frame.connection));
  if (call.context.feed != nullptr) return Progress::kFeeds;
  return Say(call, "WATCHER_TOO_MANY log watcher limit reached");
}

Progress TellWhyOf(Call& call) {
  if (call.operations.inquiry == nullptr) return Unknown(call);
  if (call.words.size() != 1 || call.words[0].size() > store::kKeyBytesMax)
    return Say(call, "CLIENT_ERROR give one session id");
  Background::Work work = TellWhy(call.operations, std::string(call.words[0]));
  if (Begin(call.context, call.frame, Background::Kind::kQuery, std::move(work))) return Progress::kFeeds;
  return Say(call, "SERVER_ERROR too many statistics are being made");
}

Progress RefreshCertificates(Call& call) { return Say(call, "Error TLS not enabled"); }

// p, r, or seconds to jump. A clock that goes back is none, so that no number is negative.
Progress DebugTime(Call& call) {
  base::DebugClock* const clock = call.operations.host.debug_clock();
  if (clock == nullptr || call.words.size() != 1) return Unknown(call);
  uint32_t seconds = 0;
  if (call.words[0] == "p") {
    clock->Pause();
  } else if (call.words[0] == "r") {
    clock->Resume();
  } else if (ParseNumber(call.words[0], &seconds)) {
    clock->Jump(seconds);
  } else {
    return Unknown(call);
  }
  call.context.now = clock->Now();  // for what stands behind it in the same packet
  return SayOk(call);
}

struct Row {
  std::string_view name;
  Progress (*run)(Call& call);
};
constexpr Row kRows[] = {
    {"cache_memlimit", MemoryLimit}, {"lru", Lru},
    {"lru_crawler", Crawler},        {"slabs", Slabs},
    {"watch", StartWatch},           {"refresh_certs", RefreshCertificates},
    {"debugtime", DebugTime},        {"why", TellWhyOf},
};

}  // namespace

bool Begin(Context& context, const Frame& frame, Background::Kind kind, Background::Work work) {
  context.feed = context.operations->background.Start(kind, context.waker(frame.connection), std::move(work));
  return context.feed != nullptr;
}

Progress FlushAll(Context& context, const Request& request, Reply* reply) {
  context.counters.cmd_flush.Add();
  if (!context.control.flush_allowed()) {
    if (request.syntax == protocol::Syntax::kBinary) return Done(reply, ReplyCode::kAuthError);
    reply->text = "flush_all not allowed";
    return Done(reply, ReplyCode::kClientError);
  }
  Seconds at = 0;  // at once
  // A number beyond 32 bits is a time that has passed, to memcached.
  if (request.has_exptime && request.exptime > 0 && request.exptime <= std::numeric_limits<int32_t>::max()) {
    int64_t seconds = request.exptime;
    if (seconds > protocol::kRelativeExptimeMax) {
      seconds -= context.clock.WallMicros() / 1'000'000;
      // A time before the server began: no item is that old.
      if (seconds + context.now < 0) return Done(reply, ReplyCode::kOk);
    }
    if (seconds > 0) at = context.now + static_cast<Seconds>(seconds);
  }
  context.access.store().Flush(context.access, at);
  return Done(reply, ReplyCode::kOk);
}

Progress Shutdown(Context& context, const Request& request, Reply* reply) {
  if (context.operations == nullptr || !context.operations->host.shutdown_allowed()) {
    reply->text = "SERVER_ERROR: shutdown not enabled";
    return Done(reply, ReplyCode::kText);
  }
  const std::string_view mode = base::Trim(request.arguments);
  if (!mode.empty() && mode != "graceful") {
    reply->text = "invalid shutdown mode";
    return Done(reply, ReplyCode::kClientError);
  }
  context.operations->host.Shutdown(mode == "graceful");
  reply->close = true;
  return Done(reply, ReplyCode::kNone);
}

Progress RunControl(Context& context, const Request& request, Frame& frame, Reply* reply) {
  if (context.sessions != nullptr && request.arguments.starts_with(session::kYieldCommand)) {
    context.text = session::AnswerPeer(*context.sessions, request.arguments);
    reply->text = context.text;
    return Done(reply, ReplyCode::kText);
  }
  std::vector<std::string_view> words = WordsOf(request.arguments);
  if (context.operations == nullptr || words.empty()) return Done(reply, ReplyCode::kUnknownCommand);
  const std::string_view name = words.front();
  words.erase(words.begin());
  Call call{context, *context.operations, frame, words, reply};
  for (const Row& row : kRows) {
    if (row.name == name) return row.run(call);
  }
  return Unknown(call);
}

}  // namespace holdfast::command
