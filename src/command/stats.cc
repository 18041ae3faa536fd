// How it works: most statistics are rows of some module's table, which the server walks. Those that are made when asked
// for are here: by size class, by prefix, by connection, and the lists of items. What would take longer than a worker
// may spend is made by a thread of its own and comes through a Feed.

#include <charconv>
#include <string>
#include <vector>

#include "base/text.h"
#include "command/dump.h"
#include "command/operations.h"
#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;

namespace {

struct Question {
  Context& context;
  const Request& request;
  const Frame& frame;
  const std::vector<std::string_view>& words;
  const std::function<void(const Reply&)>& write;

  Operations& operations() const { return *context.operations; }
};

Progress Say(const Question& question, ReplyCode code, std::string_view text = {}) {
  Reply reply;
  reply.code = code;
  reply.text = text;
  question.write(reply);
  return Progress::kDone;
}

void Show(const Question& question, std::string_view name, std::string_view value) {
  Reply reply;
  reply.code = ReplyCode::kStat;
  reply.key = name;
  reply.text = value;
  question.write(reply);
}

Progress InBackground(const Question& question, Background::Work work) {
  if (Begin(question.context, question.frame, Background::Kind::kQuery, std::move(work))) return Progress::kFeeds;
  return Say(question, ReplyCode::kServerError, "too many statistics are being made");
}

// -- By size class -----------------------------------------------------------------------------------

uint64_t Age(Seconds now, Seconds since) { return since == 0 || since > now ? 0 : now - since; }

// What memcached calls hot is the small queue here, what it calls warm the main one, and there is nothing cold.
void ShowItemsOf(const Question& question, const store::ClassTotals& of, Seconds now) {
  const store::ClassCounters& counters = *of.counters;
  const uint64_t in_main = of.chunks_used - std::min(of.small_chunks_used, of.chunks_used);
  const uint64_t age_small = Age(now, of.small_since), age_main = Age(now, of.main_since);
  const std::pair<const char*, uint64_t> rows[] = {
      {"number", of.chunks_used},
      {"number_hot", of.small_chunks_used},
      {"number_warm", in_main},
      {"number_cold", 0},
      {"age_hot", age_small},
      {"age_warm", age_main},
      {"age", std::max(age_small, age_main)},
      {"mem_requested", of.chunks_used * of.chunk_bytes},
      {"evicted", counters.evicted.value()},
      {"evicted_nonzero", counters.evicted_nonzero.value()},
      {"evicted_time", counters.evicted_seconds.value()},
      {"outofmemory", of.out_of_memory},
      {"tailrepairs", 0},
      {"reclaimed", counters.reclaimed.value()},
      {"expired_unfetched", counters.expired_unfetched.value()},
      {"evicted_unfetched", counters.evicted_unfetched.value()},
      {"evicted_active", counters.evicted_active.value()},
      {"crawler_reclaimed", 0},
      {"crawler_items_checked", 0},
      {"lrutail_reflocked", 0},
      {"moves_to_cold", 0},
      {"moves_to_warm", counters.moved_to_main.value()},
      {"moves_within_lru", counters.moved_in_main.value()},
      {"direct_reclaims", counters.evicted.value() + counters.reclaimed.value()},
      {"hits_to_hot", 0},
      {"hits_to_warm", 0},
      {"hits_to_cold", 0},
      {"hits_to_temp", 0},
  };
  const std::string prefix = "items:" + std::to_string(of.number) + ":";
  for (const auto& [name, value] : rows) Show(question, prefix + name, std::to_string(value));
}

Progress ShowItems(const Question& question) {
  for (const store::ClassTotals& of : question.operations().store.Classes()) {
    if (of.chunks_used > 0) ShowItemsOf(question, of, question.context.now);
  }
  return Say(question, ReplyCode::kStatEnd);
}

Progress ShowSlabs(const Question& question) {
  const std::vector<store::ClassTotals> classes = question.operations().store.Classes();
  uint64_t pages = 0;
  for (const store::ClassTotals& of : classes) {
    pages += of.pages;
    const uint64_t chunks = of.pages * of.chunks_per_page;
    const std::pair<const char*, uint64_t> rows[] = {
        {"chunk_size", of.chunk_bytes},
        {"chunks_per_page", of.chunks_per_page},
        {"total_pages", of.pages},
        {"total_chunks", chunks},
        {"used_chunks", of.chunks_used},
        {"free_chunks", chunks - std::min(chunks, of.chunks_used)},
        {"free_chunks_end", 0},
        {"get_hits", 0},
        {"cmd_set", 0},
        {"delete_hits", 0},
        {"incr_hits", 0},
        {"decr_hits", 0},
        {"cas_hits", 0},
        {"cas_badval", 0},
        {"touch_hits", 0},
    };
    const std::string prefix = std::to_string(of.number) + ":";
    for (const auto& [name, value] : rows) Show(question, prefix + name, std::to_string(value));
  }
  Show(question, "active_slabs", std::to_string(classes.size()));
  Show(question, "total_malloced", std::to_string(pages * question.operations().store.Totals().page_bytes));
  return Say(question, ReplyCode::kStatEnd);
}

Progress ShowSizes(const Question& question) {
  if (question.operations().settings.track_sizes) return InBackground(question, CountSizes(question.operations()));
  Show(question, "sizes_status", "disabled");
  return Say(question, ReplyCode::kStatEnd);
}

// -- By connection -----------------------------------------------------------------------------------

Progress ShowConnections(const Question& question) {
  Host& host = question.operations().host;
  return InBackground(question, [&host](Feed& feed) {
    bool read = true;
    host.ForEachConnection([&](const Host::ConnectionRow& row) {
      const std::string prefix = std::to_string(row.socket) + ":";
      read = read && feed.Push({prefix + "addr", row.address});
      if (!row.listen_address.empty()) read = read && feed.Push({prefix + "listen_addr", row.listen_address});
      read = read && feed.Push({prefix + "state", row.state}) &&
             feed.Push({prefix + "secs_since_last_cmd", std::to_string(row.idle_seconds)});
    });
    return ReplyCode::kStatEnd;
  });
}

// -- By prefix ---------------------------------------------------------------------------------------

Background::Work DumpPrefixes(PrefixStats& prefixes, bool binary) {
  return [&prefixes, binary](Feed& feed) {
    constexpr size_t kTextBytes = 16 << 10;
    std::string text;
    bool read = true;
    prefixes.ForEach([&](const std::string& prefix, const PrefixStats::Counts& counts) {
      text += "PREFIX " + prefix + " get " + std::to_string(counts.gets) + " hit " + std::to_string(counts.hits) +
              " set " + std::to_string(counts.sets) + " del " + std::to_string(counts.deletes) + "\r\n";
      if (!binary && text.size() >= kTextBytes) read = read && feed.PushText(std::exchange(text, {}));
    });
    if (binary) {
      static_cast<void>(feed.Push({"detail", std::move(text)}));
      return ReplyCode::kStatEnd;
    }
    text += "END\r\n";
    static_cast<void>(read && feed.PushText(std::move(text)));
    return ReplyCode::kNone;
  };
}

Progress Detail(const Question& question) {
  Operations& operations = question.operations();
  if (!operations.host.dump_allowed()) return Say(question, ReplyCode::kClientError, "stats detail not allowed");
  const std::string_view what = question.words.size() > 1 ? question.words[1] : std::string_view();
  if (what == "on" || what == "off") {
    operations.prefixes.Enable(what == "on");
    return Say(question, ReplyCode::kOk);
  }
  if (what == "dump") {
    const bool binary = question.request.syntax == protocol::Syntax::kBinary;
    return InBackground(question, DumpPrefixes(operations.prefixes, binary));
  }
  return Say(question, ReplyCode::kClientError, "usage: stats detail on|off|dump");
}

// -- Lists -------------------------------------------------------------------------------------------

template <class Number>
bool ParseNumber(std::string_view word, Number* number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *number);
  return error == std::errc() && end == word.data() + word.size();
}

Progress ListItems(const Question& question) {
  if (!question.operations().host.dump_allowed())
    return Say(question, ReplyCode::kClientError, "stats cachedump not allowed");
  if (question.request.syntax != protocol::Syntax::kText) return Say(question, ReplyCode::kUnknownCommand);
  if (question.words.size() < 3) return Say(question, ReplyCode::kClientError, "bad command line");
  uint32_t size_class = 0, items_max = 0;
  if (!ParseNumber(question.words[1], &size_class) || !ParseNumber(question.words[2], &items_max))
    return Say(question, ReplyCode::kClientError, "bad command line format");
  if (size_class > kClassesShown) return Say(question, ReplyCode::kClientError, "Illegal slab id");
  return InBackground(question, Cachedump(question.operations(), size_class, items_max));
}

// -- One session -------------------------------------------------------------------------------------

Progress AboutSession(const Question& question, Background::Work (*tell)(Operations& operations, std::string id)) {
  const std::string_view name = question.words[0];
  if (question.operations().inquiry == nullptr) return Say(question, ReplyCode::kUnknownCommand);
  // The key as it came: in the binary protocol it may have blanks.
  const std::string_view arguments = base::Trim(question.request.arguments);
  const std::string_view id = base::Trim(arguments.substr(name.size()));
  if (id.empty() || id.size() > store::kKeyBytesMax)
    return Say(question, ReplyCode::kClientError, "give one session id");
  return InBackground(question, tell(question.operations(), std::string(id)));
}

Progress ShowQuarantine(const Question& question) {
  if (question.operations().inquiry == nullptr) return Say(question, ReplyCode::kUnknownCommand);
  return InBackground(question, ListQuarantine(question.operations()));
}
Progress ShowSession(const Question& question) { return AboutSession(question, DescribeSession); }
Progress ShowWhy(const Question& question) { return AboutSession(question, ExplainSession); }

Progress Reset(const Question& question) {
  question.context.control.ResetStats();
  if (question.context.operations != nullptr) question.operations().prefixes.Clear();
  return Say(question, ReplyCode::kReset);
}

struct Row {
  std::string_view name;
  Progress (*run)(const Question& question);
};
constexpr Row kMade[] = {{"items", ShowItems}, {"slabs", ShowSlabs},     {"sizes", ShowSizes},
                         {"detail", Detail},   {"cachedump", ListItems}, {"conns", ShowConnections},
                         {"why", ShowWhy},     {"session", ShowSession}, {"quarantine", ShowQuarantine}};

std::vector<std::string_view> WordsOf(std::string_view text) {
  std::vector<std::string_view> words;
  for (const std::string_view word : base::Split(text, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

}  // namespace

Progress ExecuteStats(Context& context, const Request& request, Frame& frame,
                      const std::function<void(const Reply&)>& write) {
  const std::vector<std::string_view> words = WordsOf(request.arguments);
  const Question question{context, request, frame, words, write};
  const std::string_view group = words.empty() ? std::string_view() : words.front();
  if (group == "reset") return Reset(question);
  if (context.operations != nullptr) {
    for (const Row& row : kMade) {
      if (row.name == group) return row.run(question);
    }
  }
  const bool known =
      context.control.Stats(group, [&](std::string_view name, std::string_view value) { Show(question, name, value); });
  return Say(question, known ? ReplyCode::kStatEnd : ReplyCode::kUnknownCommand);
}

}  // namespace holdfast::command
