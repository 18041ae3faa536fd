// How it works: the session module is asked on the reply's own thread, for it may have to ask the database. Whoever
// knows the key of a session can take it over, so the reply calls it by a hash, as `watch` does.

#include <cstdio>
#include <utility>

#include "command/dump.h"
#include "command/key_text.h"

namespace holdfast::command {

using protocol::ReplyCode;

namespace {

session::SessionFacts Ask(Operations& operations, const std::string& id) {
  store::Access access(operations.store);
  access.Offline();
  return operations.inquiry->Ask(access, id);
}

std::string NameOf(const Operations& operations, const std::string& key) {
  std::string name;
  if (operations.settings.list_sessions) {
    AppendEncoded(key, &name);
    return name;
  }
  char hash[16];
  std::snprintf(hash, sizeof hash, "~%08x", store::Key::Of(key).hash);
  return hash;
}

}  // namespace

Background::Work DescribeSession(Operations& operations, std::string id) {
  return [&operations, id = std::move(id)](Feed& feed) {
    const session::SessionFacts facts = Ask(operations, id);
    for (auto& [name, value] : session::Describe(facts, NameOf(operations, facts.key), operations.clock.WallMicros())) {
      if (!feed.Push({std::move(name), std::move(value)})) return ReplyCode::kNone;
    }
    return ReplyCode::kStatEnd;
  };
}

Background::Work ExplainSession(Operations& operations, std::string id) {
  return [&operations, id = std::move(id)](Feed& feed) {
    const std::string why = session::Why(Ask(operations, id), operations.clock.WallMicros());
    return feed.Push({"why", why}) ? ReplyCode::kStatEnd : ReplyCode::kNone;
  };
}

Background::Work ListQuarantine(Operations& operations) {
  return [&operations](Feed& feed) {
    store::Access access(operations.store);
    access.Offline();
    const uint64_t count = operations.sessions->write_behind().quarantined();
    for (const session::SessionFacts& facts : operations.inquiry->Quarantined(access, kQuarantineShown)) {
      if (!feed.Push({NameOf(operations, facts.key), session::DescribeQuarantined(facts)})) return ReplyCode::kNone;
    }
    if (count > kQuarantineShown && !feed.Push({"more", std::to_string(count - kQuarantineShown)})) {
      return ReplyCode::kNone;
    }
    return ReplyCode::kStatEnd;
  };
}

Background::Work TellWhy(Operations& operations, std::string id) {
  return [&operations, id = std::move(id)](Feed& feed) {
    static_cast<void>(
        feed.PushText("WHY " + session::Why(Ask(operations, id), operations.clock.WallMicros()) + "\r\n"));
    return ReplyCode::kNone;
  };
}

}  // namespace holdfast::command
