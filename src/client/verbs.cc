#include "client/verbs.h"

#include <ctime>

namespace holdfast::client {

int64_t ExptimeOf(std::chrono::seconds ttl) {
  const int64_t seconds = ttl.count();
  if (seconds < 0) return -1;
  if (seconds <= protocol::kRelativeExptimeMax) return seconds;
  return static_cast<int64_t>(std::time(nullptr)) + seconds;
}

void SayGet(bool with_cas, OnePart* part) {
  part->words().Add('v').Add('f');
  if (with_cas) part->words().Add('c');
  part->set_repeatable();
}

void SayGetAndTouch(std::chrono::seconds ttl, OnePart* part) {
  part->words().Add('v').Add('f').AddSigned('T', ExptimeOf(ttl));
  part->set_repeatable();
}

void SayTouch(std::chrono::seconds ttl, OnePart* part) {
  part->words().AddSigned('T', ExptimeOf(ttl));
  part->set_repeatable();
}

void SayStore(char mode, std::string_view value, const StoreOptions& options, uint64_t cas, OnePart* part) {
  part->set_value(value);
  FlagWords& words = part->words();
  words.Add('c');
  if (mode != 'S') words.AddWord('M', mode);
  if (cas != 0) words.Add('C', cas);
  if (options.flags != 0) words.Add('F', options.flags);
  if (options.ttl.count() != 0) words.AddSigned('T', ExptimeOf(options.ttl));
  if (mode == 'S' && cas == 0) part->set_repeatable();
}

void SayCount(bool decrement, uint64_t delta, const NumberOptions& options, OnePart* part) {
  FlagWords& words = part->words();
  words.Add('v').Add('D', delta);
  if (decrement) words.AddWord('M', 'D');
  if (options.initial.has_value()) words.AddSigned('N', ExptimeOf(options.ttl)).Add('J', *options.initial);
}

void SayRemove(const RemoveOptions& options, OnePart* part) {
  FlagWords& words = part->words();
  if (options.cas != 0) words.Add('C', options.cas);
  if (options.make_stale) words.Add('I').AddSigned('T', ExptimeOf(options.stale_ttl));
}

void SayGetOrWin(const ComputeOptions& options, OnePart* part) {
  FlagWords& words = part->words();
  words.Add('v').Add('f').Add('c').AddSigned('N', ExptimeOf(options.compute_ttl));
  if (options.recache.count() > 0) words.Add('R', static_cast<uint64_t>(options.recache.count()));
}

GetResult GetResultOf(Answer&& answer) {
  return {std::move(answer.status), std::move(answer.value), answer.flags, answer.cas, answer.skipped};
}

StoreResult StoreResultOf(Answer&& answer) { return {std::move(answer.status), answer.cas}; }

NumberResult NumberResultOf(Answer&& answer) { return {std::move(answer.status), answer.number}; }

}  // namespace holdfast::client
