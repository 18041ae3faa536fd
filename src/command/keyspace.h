// keyspace.h - one way to a key's place for all verbs, be it a cache key or a session.
//
// A verb makes a Place for its key. Look (reading, no lock) or Decide (under the slot) then says whether there is a
// live item, surely none, or that the request must wait or be refused, in which case the reply or the parking is
// already arranged:
//
//   Place place(context, request, frame);
//   Slot slot = place.Lock();
//   switch (place.Decide(slot)) {
//     case Presence::kLive: ... case Presence::kAbsent: ...
//     case Presence::kUnknown: return place.Settle(std::move(slot), reply);
//   }
//
// Threads: one worker; a Place lives for one Execute.

#ifndef HOLDFAST_COMMAND_KEYSPACE_H_
#define HOLDFAST_COMMAND_KEYSPACE_H_

#include <optional>

#include "command/command.h"

namespace holdfast::command {

enum class Presence : uint8_t { kLive, kAbsent, kUnknown };

class Place {
 public:
  Place(Context& context, const Request& request, Frame& frame)
      : context_(context),
        request_(request),
        frame_(frame),
        key_(frame.key.bytes.empty() ? store::Key::Of(request.key) : frame.key),
        rule_(context.sessions == nullptr ? nullptr : context.sessions->Match(request.key)) {}

  const store::Key& key() const { return key_; }
  bool is_session() const { return rule_ != nullptr; }
  const session::Rule* rule() const { return rule_; }

  // Reading.
  Presence Look(store::Found* found);
  store::Slot Lock() { return context_.access.Lock(key_, context_.now); }
  Presence Decide(const store::Slot& slot) { return Decide(slot.state()); }

  // After kUnknown: parks the request, or answers as the rule says. A slot must be gone before.
  Progress Settle(Reply* reply);
  // True after kUnknown when nothing more can be learned and the change may be made all the same: the database could
  // not be asked in time.
  bool unavailable() const { return verdict_ == session::Verdict::kUnavailable && !rule_->is_strict(); }
  // What the rule says for a database that cannot be asked.
  Progress Refuse(Reply* reply);

  // After kUnknown, for a blind set: it may be stored all the same; Publish then stores it provisionally.
  bool MayStoreUnknown();

  // What was answered, for telling late writers from new logins.
  void NoteHit(const store::ItemRef& item);
  void NoteMiss();

  // A draft for this key with the fields of a store command. Empty when reply says why not, or when to be retried.
  std::optional<Progress> NewDraft(uint64_t value_size, uint32_t client_flags, Seconds expiry, store::Draft* draft,
                                   Reply* reply);
  // Puts the draft in place. Empty: done.
  std::optional<Progress> Publish(store::Slot& slot, store::Draft&& draft, session::WriteKind kind,
                                  const store::Slot::PublishOptions& options, Reply* reply);
  // Changes the expiry of the live item in the slot. kRetry and kDone are for the caller to return; empty: done.
  // Gives the slot back, for it may have to be locked anew.
  std::optional<Progress> Touch(store::Slot slot, Seconds expiry, Reply* reply);
  // A stale value takes over the expiry of the one before; NewDraft has left room for it.
  void KeepExpiry(store::Slot& slot, Seconds expiry_before);
  // Removes the live (or, of a session, unknown) item. Empty: done.
  std::optional<Progress> Remove(store::Slot slot, Reply* reply);

  // After a change: ends the request with this reply, or, when the change is of a strict session, keeps it until that
  // is committed.
  Progress Done(Reply* reply, protocol::ReplyCode code) const {
    reply->code = code;
    return Ended();
  }
  Progress Ended() const { return submitted_ ? Progress::kCommits : Progress::kDone; }
  // Is the change only submitted, and the slot still as it was?
  bool is_submitted() const { return submitted_; }
  // Of what was published, or will be. 0: it has none.
  uint64_t CasOf(const store::Slot& slot) const;

  // For who asks later: this request has ended the session.
  void NoteEnd();

  // The expiry that the client's number means for this key.
  Seconds ExpiryOf(int64_t exptime, bool is_store) const;

 private:
  Presence Decide(store::ItemState state);
  session::Verdict Judge(store::ItemState state) const;
  bool IsStrict() const { return rule_ != nullptr && rule_->is_strict(); }
  session::Waiter WaiterOf() const { return {context_.worker, frame_.connection, frame_.request}; }
  std::optional<Progress> Submitted(session::WriteOutcome outcome, uint64_t stamp, Reply* reply);
  bool MayRetry();
  bool StandsInLine() const { return context_.sessions->MustAwaitRoom(frame_.waits); }
  // What a change of a session came to. Empty: it was made.
  std::optional<Progress> Settled(session::WriteOutcome outcome, Reply* reply);
  Progress AwaitRoom(Reply* reply);
  Progress NoMemory(Reply* reply);
  Progress TooLarge(Reply* reply);
  std::optional<Progress> Refused(store::Reserve reserve, Reply* reply);
  std::optional<Progress> RepublishWith(const store::ItemRef& seen, Seconds expiry, Reply* reply);

  Context& context_;
  const Request& request_;
  Frame& frame_;
  const store::Key key_;
  const session::Rule* const rule_;  // null: a cache key
  session::Verdict verdict_ = session::Verdict::kLive;
  bool provisional_ = false;
  bool submitted_ = false;
  uint64_t submitted_stamp_ = 0;
};

}  // namespace holdfast::command

#endif  // HOLDFAST_COMMAND_KEYSPACE_H_
