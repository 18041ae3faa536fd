// takeover.h - the new process's part of a hand-over: from knocking at the old one's door until it may serve in its
// place (handover_messages.h).
//
// Threads: the main thread.
// Owns:    the channel, and every descriptor that was received until somebody takes it.
// Blocks:  all of it, bounded: Begin kWelcomeMillis, Cut and Commit kAnswerMillis.
// Errors:  a Status in one line; then the old process goes on, and this one must end.

#ifndef HOLDFAST_SERVER_TAKEOVER_H_
#define HOLDFAST_SERVER_TAKEOVER_H_

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "network/channel.h"
#include "server/handover_messages.h"

namespace holdfast::server {

class Takeover {
 public:
  static constexpr int kWelcomeMillis = 10'000;
  static constexpr int kAnswerMillis = 10'000;

  static base::Result<std::unique_ptr<Takeover>> Begin(const std::string& door);

  // From Begin on.
  const WelcomeBody& welcome() const { return welcome_; }
  pid_t predecessor() const { return channel_->peer(); }
  network::Descriptor TakeDatabaseLock() { return std::move(database_lock_); }
  network::Descriptor TakeJournalDirectory() { return std::move(journal_directory_); }
  network::Descriptor TakeJournalRing() { return std::move(journal_ring_); }

  // The old process stops and gives everything away, for now.
  base::Status Cut();

  struct Arriving {
    network::Descriptor socket;
    network::ConnectionState state;
  };
  // From Cut on.
  struct Listening {
    network::Descriptor socket;
    bool owns_file;
  };
  std::vector<Listening>& listeners() { return listeners_; }
  network::Descriptor TakeDoor() { return std::move(door_); }
  std::vector<Arriving>& connections() { return connections_; }
  const SealedBody& sealed() const { return sealed_; }

  // Ok: the old process has ended serving, this one may begin. Nothing may fail after it.
  base::Status Commit();
  // Tells the old process why it has to go on.
  void Refuse(const base::Status& status);

 private:
  explicit Takeover(std::unique_ptr<network::Channel> channel) : channel_(std::move(channel)) {}
  base::Status ReadWelcome(network::Message message);
  base::Status Read(network::Message message);
  base::Status AwaitEndOfPredecessor() const;

  const std::unique_ptr<network::Channel> channel_;
  WelcomeBody welcome_;
  SealedBody sealed_;
  network::Descriptor database_lock_, journal_directory_, journal_ring_, door_;
  std::vector<Listening> listeners_;
  std::vector<Arriving> connections_;
};

// In builds with checks the environment can end or hang this process at a step, for tests of what the old one does
// then: TEST_TAKEOVER_DIES_AT, TEST_TAKEOVER_HANGS_AT.
void TakeoverStep(const char* step);

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_TAKEOVER_H_
