// verbs.h - what each verb says on the wire: the words of the meta commands, put into a OnePart.
//
// Threads: pure functions.

#ifndef HOLDFAST_CLIENT_VERBS_H_
#define HOLDFAST_CLIENT_VERBS_H_

#include <holdfast/client.h>

#include "client/one_part.h"

namespace holdfast::client {

// A verb as calls see it.
struct Verb {
  protocol::Verb verb;
  bool reads = false;  // a miss may stand for it when the server is down
};

inline constexpr Verb kRead = {protocol::Verb::kGet, true};
inline constexpr Verb kTouch = {protocol::Verb::kGet, false};
inline constexpr Verb kStore = {protocol::Verb::kStore, false};
inline constexpr Verb kCount = {protocol::Verb::kArithmetic, false};
inline constexpr Verb kRemove = {protocol::Verb::kDelete, false};

// Seconds from now as servers take them: 0 never, -1 at once, above 30 days a date.
int64_t ExptimeOf(std::chrono::seconds ttl);

void SayGet(bool with_cas, OnePart* part);
void SayGetAndTouch(std::chrono::seconds ttl, OnePart* part);
void SayTouch(std::chrono::seconds ttl, OnePart* part);
// mode: as in the word M: S set, E add, R replace, A append, P prepend. cas 0: none.
void SayStore(char mode, std::string_view value, const StoreOptions& options, uint64_t cas, OnePart* part);
void SayCount(bool decrement, uint64_t delta, const NumberOptions& options, OnePart* part);
void SayRemove(const RemoveOptions& options, OnePart* part);
// Win, or see who has won: for GetOrCompute.
void SayGetOrWin(const ComputeOptions& options, OnePart* part);

GetResult GetResultOf(Answer&& answer);
StoreResult StoreResultOf(Answer&& answer);
NumberResult NumberResultOf(Answer&& answer);

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_VERBS_H_
