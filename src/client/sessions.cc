// How a save knows its own write. Its answer may be lost after the server has done it, and a second try would then look
// like a conflict with somebody else. So after a lost answer, and after a conflict that follows one, the session is
// read: the version unchanged, it was not done (and may be tried again: on the old version it can only be done once);
// another version with just our bytes, it was done, or somebody did the very same, which is as good; else it is a
// conflict.
//
// A write may also be on its way still, in the buffers of a server that is stopped. It carries the old version, so
// whatever is done first, the other fails.

#include <holdfast/sessions.h>

#include <algorithm>
#include <thread>

#include "client/core.h"
#include "client/deadline.h"

namespace holdfast {

namespace {

constexpr int kTriesMax = 20;
constexpr std::chrono::milliseconds kPauseMin{2};
constexpr std::chrono::milliseconds kPauseMax{100};

}  // namespace

struct HOLDFAST_HIDDEN Sessions::Turn {
  Turn(Client& client, const SessionsOptions& options)
      : when_down(options.failover ? std::nullopt : std::optional<WhenDown>(WhenDown::kFail)),
        deadline(client::Now() + client.core().TimeoutOf({.timeout = options.timeout})) {}

  bool over() const { return client::Now() >= deadline; }
  // A call that takes what time is left; with `tries` left, not all of it.
  Call Next(int share = 1) const {
    Call call;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - client::Now()) / share;
    call.timeout = std::max(left, std::chrono::milliseconds(1));
    call.when_down = when_down;
    return call;
  }
  void Pause(int tries) const {
    const auto pause = std::min(kPauseMin * (1 << std::min(tries, 10)), kPauseMax);
    std::this_thread::sleep_until(std::min<client::SteadyTime>(client::Now() + pause, deadline));
  }

  const std::optional<WhenDown> when_down;
  const client::SteadyTime deadline;
};

Sessions::Sessions(Client& client, SessionsOptions options) : client_(client), options_(std::move(options)) {}
Sessions::~Sessions() = default;

std::string Sessions::KeyOf(std::string_view id) const {
  // An empty id must not become a key of its prefix alone.
  return id.empty() ? std::string() : options_.prefix + std::string(id);
}

SessionResult Sessions::Create(std::string_view id, std::string_view data) {
  const Turn turn(client_, options_);
  const std::string key = KeyOf(id);
  const StoreResult stored = client_.Add(key, data, {.ttl = options_.ttl}, turn.Next(2));
  if (!stored.status.unknown()) return {stored.status, {}, stored.cas};
  // Added or not, what is there now decides. An id that is no secret of ours might be another's, hence the bytes.
  for (int tries = 0; !turn.over() && tries < kTriesMax; tries++) {
    const StoreResult again = client_.Add(key, data, {.ttl = options_.ttl}, turn.Next(2));
    if (again.ok()) return {Status(), {}, again.cas};
    if (again.status.code() == Code::kNotStored) {
      const SessionResult now = AskAfter(key, data, 0, turn);
      if (now.ok()) return now;
      if (now.status.answered()) return {Status(Code::kNotStored), {}, 0};
    }
    turn.Pause(tries);
  }
  return {stored.status, {}, 0};
}

SessionResult Sessions::Load(std::string_view id) {
  const Turn turn(client_, options_);
  GetResult found = client_.Gets(KeyOf(id), turn.Next());
  return {std::move(found.status), std::move(found.value), found.cas};
}

SessionResult Sessions::AskAfter(const std::string& key, std::string_view data, uint64_t version, const Turn& turn) {
  const GetResult found = client_.Gets(key, turn.Next());
  if (!found.ok()) return {found.status, {}, 0};
  if (found.cas == version) return {Status(Code::kNotStored), {}, version};
  if (found.value == data) return {Status(), {}, found.cas};
  return {Status(Code::kExists), {}, 0};
}

SessionResult Sessions::Save(std::string_view id, std::string_view data, uint64_t version) {
  if (version == 0)
    return {Status(Code::kInvalid, "", "a version of 0 was never loaded: Create makes sessions"), {}, 0};
  const Turn turn(client_, options_);
  const std::string key = KeyOf(id);
  Status lost;
  for (int tries = 0; tries < kTriesMax; tries++) {
    const StoreResult stored = client_.Cas(key, data, version, {.ttl = options_.ttl}, turn.Next(2));
    if (stored.ok()) return {Status(), {}, stored.cas};
    const bool perhaps_own = !lost.ok() && stored.status.code() == Code::kExists;
    if (!stored.status.unknown() && !perhaps_own && lost.ok()) return {stored.status, {}, 0};
    if (stored.status.unknown()) lost = stored.status;
    if (stored.status.code() == Code::kNotFound) return {stored.status, {}, 0};
    const SessionResult now = AskAfter(key, data, version, turn);
    if (now.status.answered() && now.status.code() != Code::kNotStored) return now;
    if (turn.over()) break;
    turn.Pause(tries);
  }
  return {lost, {}, 0};
}

Status Sessions::Touch(std::string_view id) {
  const Turn turn(client_, options_);
  return client_.Touch(KeyOf(id), options_.ttl, turn.Next());
}

Status Sessions::Destroy(std::string_view id) {
  const Turn turn(client_, options_);
  const std::string key = KeyOf(id);
  Status lost;
  for (int tries = 0; tries < kTriesMax; tries++) {
    Status status = client_.Remove(key, {}, turn.Next(2));
    if (status.ok() || status.code() == Code::kNotFound) return Status();
    if (status.unknown()) lost = status;
    if (lost.ok()) return status;
    if (turn.over()) break;
    turn.Pause(tries);
  }
  return lost;
}

RegenerateResult Sessions::Regenerate(std::string_view old_id, std::string_view new_id, std::string_view data) {
  if (old_id == new_id) return {Regenerated::kNothing, Status(Code::kInvalid, "", "the new id is the old one"), 0};
  const SessionResult created = Create(new_id, data);
  if (!created.ok()) {
    return {created.status.unknown() ? Regenerated::kUnknown : Regenerated::kNothing, created.status, 0};
  }
  Status destroyed = Destroy(old_id);
  if (!destroyed.ok()) return {Regenerated::kOldRemains, std::move(destroyed), created.version};
  return {Regenerated::kDone, Status(), created.version};
}

}  // namespace holdfast
