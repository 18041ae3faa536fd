// doubt_walk.h - goes through memory when every copy in it is doubted for good: after the database was replaced all
// become dirty, after a stop that outlasted what the database remembers the clean ones go.
//
// Threads: one (the writer's), with its own Access.
// Limits:  kPagesAStep pages a step.

#ifndef HOLDFAST_SESSION_DOUBT_WALK_H_
#define HOLDFAST_SESSION_DOUBT_WALK_H_

#include <cstdint>

#include "store/store.h"

namespace holdfast::session {

class Sessions;

class DoubtWalk {
 public:
  explicit DoubtWalk(Sessions& sessions) : sessions_(sessions) {}

  // Does a little, if there is something to do. True: more is left.
  bool Step(store::Access& access);

 private:
  static constexpr uint32_t kPagesAStep = 16;
  static constexpr int kRounds = 2;  // items are moved between pages while we walk

  void Visit(store::Slot& slot, const store::Key& key);

  Sessions& sessions_;
  uint64_t epoch_ = 0;  // of the doubt that is walked for; 0: none
  uint32_t page_ = 0;
  int round_ = 0;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_DOUBT_WALK_H_
