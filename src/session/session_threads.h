// session_threads.h - the threads around Sessions: a writer, a reader, and one that keeps the waiters' deadlines; where
// several servers share the database, one that looks for the others' changes and one that asks them.
//
// Each is a loop of "take, ask the database, hand back, sleep until something is due"; what is taken and what an answer
// means is decided in Sessions. The deadlines have a thread of their own because the other two may hang in the
// database.
//
// Threads: Start, Drain, Stop from the main thread. SetPace and AwaitHeld from any.
// Owns:    its threads, and a connection to the database for each that asks it. Borrows Sessions, Database and Log,
//          which must outlive it.
// Blocks:  Drain up to its timeout; Stop until calls in the database return.
// Errors:  Start: the first connection could not be opened. Later failures are retried, counted and logged once.

#ifndef HOLDFAST_SESSION_SESSION_THREADS_H_
#define HOLDFAST_SESSION_SESSION_THREADS_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "base/log.h"
#include "base/status.h"
#include "session/driver.h"
#include "session/peer_talk.h"
#include "session/session.h"

namespace holdfast::session {

class SessionThreads {
 public:
  // peers: how other servers are asked; null: they are not.
  SessionThreads(Sessions& sessions, Database& database, const base::Log& log, Peers* peers = nullptr);
  ~SessionThreads();  // Stop
  SessionThreads(const SessionThreads&) = delete;
  SessionThreads& operator=(const SessionThreads&) = delete;

  // Before Start, which then connects to nothing: the database cannot be asked yet. join is called on a thread of this,
  // with a connection, again and again until it succeeds; before that nothing is read and nothing written.
  void JoinLater(std::function<Failure(Driver&)> join);

  // Connects to the database; Start does so too, if need be.
  base::Status Open();
  base::Status Start();

  // Writes everything that is dirty, for at most timeout_ms; no client may write any more. progress is called about
  // once a second, and at the end, with what is left. Returns what is left, about; sure is it after Stop.
  // hurried: asked often; true ends it at once.
  uint64_t Drain(uint32_t timeout_ms, const std::function<void(uint64_t left)>& progress,
                 const std::function<bool()>& hurried = {});

  // How the writer goes about it while another process takes over. That one writes to the same file, and where each
  // commit takes long and one follows the other it would never find its turn.
  enum class Pace : uint8_t {
    kFull,
    kGivesWay,  // a pause behind each transaction, longer than those in which SQLite looks for its turn
    kHeld,      // nothing new is begun
  };
  void SetPace(Pace pace);
  // Held: waits until what was begun has ended. False: it takes longer.
  bool AwaitHeld(uint32_t timeout_ms);

  // Wakes nobody any more. Waiters that are still parked are forgotten. Sessions must see no further Load or Write.
  void Stop();
  // The same for who ends the process next. False: threads still hang in the database, and are left to themselves; all
  // that they use must stay.
  bool StopWithin(uint32_t timeout_ms);

 private:
  class Loops;
  std::unique_ptr<Loops> loops_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SESSION_THREADS_H_
