// The server decides who computes. A get that asks for it (mg with N) makes an empty item for a key that is not there,
// and tells one caller that it has won (W), all others that somebody has (Z). The winner stores under the cas value it
// was given, so that what others have stored meanwhile is not overwritten. The empty item has a short life: if the
// winner dies, another wins. An item that is about to expire (R) or was marked stale (X) has one winner too, and a
// value that the others take meanwhile.
//
// The others wait by asking again, at intervals that grow.

#include <holdfast/client.h>

#include <algorithm>
#include <thread>

#include "client/core.h"

namespace holdfast {

using client::Answer;
using client::OnePart;

namespace {

constexpr std::chrono::milliseconds kPauseMin{1};
constexpr std::chrono::milliseconds kPauseMax{50};

// One of several who wait: somebody else computes, and there is nothing to take meanwhile.
bool MustWait(const Answer& answer) {
  return answer.status.ok() && answer.won_by_other && !answer.stale && answer.value.empty() && answer.flags == 0;
}

std::optional<std::string> Try(const Compute& compute, Status* status) {
  std::optional<std::string> value;
  try {
    value = compute();
  } catch (const std::exception& thrown) {
    *status = Status(Code::kComputeFailed, "", thrown.what());
    return std::nullopt;
  } catch (...) {
    *status = Status(Code::kComputeFailed, "", "something was thrown");
    return std::nullopt;
  }
  if (!value.has_value()) *status = Status(Code::kComputeFailed, "", "there is no value");
  return value;
}

}  // namespace

// The caller has won: the value is made, and stored if the item is still the one that was won.
static ComputeResult ComputeAndStore(Client& client, std::string_view key, const Compute& compute,
                                     const ComputeOptions& options, const Call& call, const Answer& won) {
  ComputeResult result;
  std::optional<std::string> value = Try(compute, &result.status);
  result.computed = true;
  const bool placeholder = won.value.empty() && won.flags == 0 && !won.stale;
  if (!value.has_value()) {
    // Others need not wait for what will not come. An item that has a value is left to its readers.
    if (placeholder && won.cas != 0) result.stored = client.Remove(key, {.cas = won.cas}, call);
    return result;
  }
  result.value = std::move(*value);
  result.flags = options.flags;
  const StoreOptions store = {.ttl = options.ttl, .flags = options.flags};
  result.stored = won.cas == 0 ? client.Set(key, result.value, store, call).status
                               : client.Cas(key, result.value, won.cas, store, call).status;
  return result;
}

ComputeResult Client::GetOrCompute(std::string_view key, const Compute& compute, const ComputeOptions& options,
                                   const Call& call) {
  if (options.compute_ttl.count() <= 0) {
    return {Status(Code::kInvalid, "", "compute_ttl must be above 0"), {}, 0, false, false, Status()};
  }
  const client::SteadyTime deadline = client::Now() + core_->TimeoutOf(call);
  auto pause = kPauseMin;
  while (true) {
    OnePart part(client::kRead.verb, {});
    client::SayGetOrWin(options, &part);
    Call next = call;
    next.timeout =
        std::max(std::chrono::ceil<std::chrono::milliseconds>(deadline - client::Now()), std::chrono::milliseconds(1));
    core_->RunOne(client::kRead, key, next, &part);
    Answer& answer = part.answer();
    if (answer.won || answer.status.code() == Code::kNotFound) {
      return ComputeAndStore(*this, key, compute, options, call, answer);
    }
    if (!MustWait(answer)) {
      return {std::move(answer.status), std::move(answer.value), answer.flags, false, answer.stale, Status()};
    }
    if (client::Now() + pause >= deadline) {
      return {Status(Code::kTimeout, ServerOf(key, call), "another caller is still computing the value"),
              {},
              0,
              false,
              false,
              Status()};
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
  }
}

}  // namespace holdfast
