// Each verb twice: on the calling thread, and with a callback. What is said on the wire is in verbs.cc.

#include <holdfast/client.h>

#include <algorithm>

#include "client/core.h"

namespace holdfast {

using client::Answer;
using client::OnePart;

namespace {

Answer RunGet(Client::Core& core, std::string_view key, bool with_cas, const Call& call) {
  OnePart part(client::kRead.verb, {});
  client::SayGet(with_cas, &part);
  core.RunOne(client::kRead, key, call, &part);
  return std::move(part.answer());
}

StoreResult RunStore(Client::Core& core, char mode, std::string_view key, std::string_view value, uint64_t cas,
                     const StoreOptions& options, const Call& call) {
  if (value.size() > core.options.value_bytes_max) return {core.TooLarge(value), 0};
  OnePart part(client::kStore.verb, {});
  client::SayStore(mode, value, options, cas, &part);
  core.RunOne(client::kStore, key, call, &part);
  return client::StoreResultOf(std::move(part.answer()));
}

NumberResult RunCount(Client::Core& core, bool decrement, std::string_view key, uint64_t delta,
                      const NumberOptions& options, const Call& call) {
  OnePart part(client::kCount.verb, {});
  client::SayCount(decrement, delta, options, &part);
  core.RunOne(client::kCount, key, call, &part);
  return client::NumberResultOf(std::move(part.answer()));
}

void StartGet(Client::Core& core, std::string_view key, bool with_cas, const Call& call, Callback<GetResult> done) {
  core.StartOne(
      client::kRead, key, {}, call, [&](std::string_view, OnePart* part) { client::SayGet(with_cas, part); },
      [done = std::move(done)](Answer answer) { done(client::GetResultOf(std::move(answer))); });
}

void StartStore(Client::Core& core, char mode, std::string_view key, std::string_view value, uint64_t cas,
                const StoreOptions& options, const Call& call, Callback<StoreResult> done) {
  core.StartOne(
      client::kStore, key, value, call,
      [&](std::string_view kept, OnePart* part) { client::SayStore(mode, kept, options, cas, part); },
      [done = std::move(done)](Answer answer) { done(client::StoreResultOf(std::move(answer))); });
}

void StartCount(Client::Core& core, bool decrement, std::string_view key, uint64_t delta, const NumberOptions& options,
                const Call& call, Callback<NumberResult> done) {
  core.StartOne(
      client::kCount, key, {}, call,
      [&](std::string_view, OnePart* part) { client::SayCount(decrement, delta, options, part); },
      [done = std::move(done)](Answer answer) { done(client::NumberResultOf(std::move(answer))); });
}

Status CasMissing() { return Status(Code::kInvalid, "", "a cas value of 0 belongs to no item"); }

}  // namespace

// -- On the calling thread --

GetResult Client::Get(std::string_view key, const Call& call) {
  return client::GetResultOf(RunGet(*core_, key, false, call));
}

GetResult Client::Gets(std::string_view key, const Call& call) {
  return client::GetResultOf(RunGet(*core_, key, true, call));
}

GetResult Client::GetAndTouch(std::string_view key, std::chrono::seconds ttl, const Call& call) {
  OnePart part(client::kTouch.verb, {});
  client::SayGetAndTouch(ttl, &part);
  core_->RunOne(client::kRead, key, call, &part);
  return client::GetResultOf(std::move(part.answer()));
}

StoreResult Client::Set(std::string_view key, std::string_view value, const StoreOptions& options, const Call& call) {
  return RunStore(*core_, 'S', key, value, 0, options, call);
}

StoreResult Client::Add(std::string_view key, std::string_view value, const StoreOptions& options, const Call& call) {
  return RunStore(*core_, 'E', key, value, 0, options, call);
}

StoreResult Client::Replace(std::string_view key, std::string_view value, const StoreOptions& options,
                            const Call& call) {
  return RunStore(*core_, 'R', key, value, 0, options, call);
}

StoreResult Client::Append(std::string_view key, std::string_view value, const Call& call) {
  return RunStore(*core_, 'A', key, value, 0, {}, call);
}

StoreResult Client::Prepend(std::string_view key, std::string_view value, const Call& call) {
  return RunStore(*core_, 'P', key, value, 0, {}, call);
}

StoreResult Client::Cas(std::string_view key, std::string_view value, uint64_t cas, const StoreOptions& options,
                        const Call& call) {
  if (cas == 0) return {CasMissing(), 0};
  return RunStore(*core_, 'S', key, value, cas, options, call);
}

NumberResult Client::Increment(std::string_view key, uint64_t delta, const NumberOptions& options, const Call& call) {
  return RunCount(*core_, false, key, delta, options, call);
}

NumberResult Client::Decrement(std::string_view key, uint64_t delta, const NumberOptions& options, const Call& call) {
  return RunCount(*core_, true, key, delta, options, call);
}

Status Client::Touch(std::string_view key, std::chrono::seconds ttl, const Call& call) {
  OnePart part(client::kTouch.verb, {});
  client::SayTouch(ttl, &part);
  core_->RunOne(client::kTouch, key, call, &part);
  return std::move(part.answer().status);
}

Status Client::Remove(std::string_view key, const RemoveOptions& options, const Call& call) {
  OnePart part(client::kRemove.verb, {});
  client::SayRemove(options, &part);
  core_->RunOne(client::kRemove, key, call, &part);
  return std::move(part.answer().status);
}

// -- With a callback --

void Client::Get(std::string_view key, const Call& call, Callback<GetResult> done) {
  StartGet(*core_, key, false, call, std::move(done));
}

void Client::Gets(std::string_view key, const Call& call, Callback<GetResult> done) {
  StartGet(*core_, key, true, call, std::move(done));
}

void Client::GetAndTouch(std::string_view key, std::chrono::seconds ttl, const Call& call, Callback<GetResult> done) {
  core_->StartOne(
      client::kRead, key, {}, call, [&](std::string_view, OnePart* part) { client::SayGetAndTouch(ttl, part); },
      [done = std::move(done)](Answer answer) { done(client::GetResultOf(std::move(answer))); });
}

void Client::Set(std::string_view key, std::string_view value, const StoreOptions& options, const Call& call,
                 Callback<StoreResult> done) {
  StartStore(*core_, 'S', key, value, 0, options, call, std::move(done));
}

void Client::Add(std::string_view key, std::string_view value, const StoreOptions& options, const Call& call,
                 Callback<StoreResult> done) {
  StartStore(*core_, 'E', key, value, 0, options, call, std::move(done));
}

void Client::Replace(std::string_view key, std::string_view value, const StoreOptions& options, const Call& call,
                     Callback<StoreResult> done) {
  StartStore(*core_, 'R', key, value, 0, options, call, std::move(done));
}

void Client::Append(std::string_view key, std::string_view value, const Call& call, Callback<StoreResult> done) {
  StartStore(*core_, 'A', key, value, 0, {}, call, std::move(done));
}

void Client::Prepend(std::string_view key, std::string_view value, const Call& call, Callback<StoreResult> done) {
  StartStore(*core_, 'P', key, value, 0, {}, call, std::move(done));
}

void Client::Cas(std::string_view key, std::string_view value, uint64_t cas, const StoreOptions& options,
                 const Call& call, Callback<StoreResult> done) {
  if (cas == 0) return done({CasMissing(), 0});
  StartStore(*core_, 'S', key, value, cas, options, call, std::move(done));
}

void Client::Increment(std::string_view key, uint64_t delta, const NumberOptions& options, const Call& call,
                       Callback<NumberResult> done) {
  StartCount(*core_, false, key, delta, options, call, std::move(done));
}

void Client::Decrement(std::string_view key, uint64_t delta, const NumberOptions& options, const Call& call,
                       Callback<NumberResult> done) {
  StartCount(*core_, true, key, delta, options, call, std::move(done));
}

void Client::Touch(std::string_view key, std::chrono::seconds ttl, const Call& call, Callback<Status> done) {
  core_->StartOne(
      client::kTouch, key, {}, call, [&](std::string_view, OnePart* part) { client::SayTouch(ttl, part); },
      [done = std::move(done)](Answer answer) { done(std::move(answer.status)); });
}

void Client::Remove(std::string_view key, const RemoveOptions& options, const Call& call, Callback<Status> done) {
  core_->StartOne(
      client::kRemove, key, {}, call, [&](std::string_view, OnePart* part) { client::SayRemove(options, part); },
      [done = std::move(done)](Answer answer) { done(std::move(answer.status)); });
}

}  // namespace holdfast
