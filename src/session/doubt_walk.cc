// How it works: two rounds over all pages, begun anew when a new doubt comes. What a round misses is still looked up
// when somebody asks for it, as long as the doubt lasts.

#include "session/doubt_walk.h"

#include "session/marks.h"
#include "session/session.h"

namespace holdfast::session {

bool DoubtWalk::Step(store::Access& access) {
  Verification& verification = sessions_.verification();
  const Doubt reason = verification.reason();
  if (reason != Doubt::kReplaced && reason != Doubt::kStoppedLong) return false;
  if (verification.epoch() != epoch_) {
    epoch_ = verification.epoch();
    page_ = 0;
    round_ = 0;
  }
  page_ = sessions_.store().VisitSessions(access, page_, kPagesAStep,
                                          [this](store::Slot& slot, const store::Key& key) { Visit(slot, key); });
  if (page_ != 0 || ++round_ < kRounds) return true;
  verification.NoteAllVerified(epoch_);
  epoch_ = 0;
  return false;
}

void DoubtWalk::Visit(store::Slot& slot, const store::Key& key) {
  if (slot.item().is_dirty() || IsReservation(slot.item())) return;
  if (sessions_.verification().reason() == Doubt::kReplaced) {
    sessions_.write_behind().MakeDirty(slot, key);
  } else {
    slot.Remove();
  }
}

}  // namespace holdfast::session
