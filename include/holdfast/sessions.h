// sessions.h - sessions over a Client: what an application would otherwise write by hand, and get wrong.
//
//     holdfast::Sessions sessions(client, {.prefix = "session:", .ttl = std::chrono::minutes(30)});
//     auto session = sessions.Load(id);                        // kNotFound: not logged in, or no more
//     session.data = Changed(session.data);
//     auto saved = sessions.Save(id, session.data, session.version);
//     if (saved.status.code() == Code::kExists) ...            // another request saved meanwhile: load again, merge
//
// Three rules are behind it. Save never creates: a session that was destroyed (logout) stays so, however late a slow
// request saves. Save never overwrites what it has not seen: it takes the version that Load gave. And a failure is
// never a miss: kNotFound means that a working server has no such session; when the server cannot be asked the status
// says so, and the user must not be taken for logged out. For the same reason keys do not move to another server while
// theirs is down, whatever the client's WhenDown, unless failover is set.
//
// Threads: any number share one, as with the Client.
// Owns:    its options. Borrows the Client, which must outlive it.
// Blocks:  each call, until its deadline.
// Errors:  Status, as of Client. unknown() remains only when the time was too short to find out.

#ifndef HOLDFAST_SESSIONS_H_
#define HOLDFAST_SESSIONS_H_

#include <holdfast/client.h>

namespace holdfast {

struct SessionsOptions {
  std::string prefix = "session:";                     // before every id
  std::chrono::seconds ttl{std::chrono::minutes(30)};  // from each Create, Save, Touch
  std::chrono::milliseconds timeout{0};                // of each call; 0: the client's
  bool failover = false;  // let another server stand in, if the client has WhenDown::kNextServer
};

struct SessionResult {
  Status status;
  std::string data;
  uint64_t version = 0;  // to be given to Save; 0 when there is none
  bool ok() const { return status.ok(); }
};

// How far Regenerate came.
enum class Regenerated {
  kDone,        // the session has its new id, the old one is gone
  kOldRemains,  // both exist: the new one is good, the old one could not be destroyed (status says why) and should be
  kNothing,     // as before: no new session was made
  kUnknown,     // nobody knows whether the new session exists; the old one does
};

struct RegenerateResult {
  Regenerated outcome = Regenerated::kNothing;
  Status status;         // ok exactly with kDone
  uint64_t version = 0;  // of the new session, with kDone and kOldRemains
  bool ok() const { return outcome == Regenerated::kDone; }
};

class HOLDFAST_API Sessions {
 public:
  explicit Sessions(Client& client, SessionsOptions options = {});
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  // kNotStored: the id is taken. data in the result is not set.
  SessionResult Create(std::string_view id, std::string_view data);
  // kNotFound: there is none.
  SessionResult Load(std::string_view id);
  // version: as loaded, created or saved last. kExists: somebody else saved meanwhile. kNotFound: it was destroyed or
  // has expired. A save whose answer was lost is asked after and, if need be, repeated while there is time.
  SessionResult Save(std::string_view id, std::string_view data, uint64_t version);
  // The session lives on for another ttl; its version stays.
  Status Touch(std::string_view id);
  // ok too when there was none: it is gone.
  Status Destroy(std::string_view id);
  // The same session under a new id, against fixation: made new first, then the old one destroyed.
  RegenerateResult Regenerate(std::string_view old_id, std::string_view new_id, std::string_view data);

 private:
  struct HOLDFAST_HIDDEN Turn;  // the time that one call has
  HOLDFAST_HIDDEN std::string KeyOf(std::string_view id) const;
  // What has become of a write of data whose answer was lost. kOk: it took effect.
  HOLDFAST_HIDDEN SessionResult AskAfter(const std::string& key, std::string_view data, uint64_t version,
                                         const Turn& turn);

  Client& client_;
  const SessionsOptions options_;
};

}  // namespace holdfast

#endif  // HOLDFAST_SESSIONS_H_
