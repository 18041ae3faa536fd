// trial.h - what both programs of this folder are made of: a server, writers at work on its sessions, all that they did
// and saw, and the judge's verdict on it. Each program brings its own harm and its own look into the database.
//
// Threads: one, beside the writers' own.
// Owns:    server, site, writers, history. The destructor ends the writers.
// Blocks:  CloseSite, until no request is under way.

#ifndef HOLDFAST_T_FAULTS_TRIAL_H_
#define HOLDFAST_T_FAULTS_TRIAL_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "faults/server_process.h"
#include "faults/site_client.h"

namespace holdfast::faults {

struct TrialOptions {
  std::string server;     // the program
  std::string sessions;   // URL of the database
  std::string directory;  // of its log
  int cycles = 100;
  int seconds = 0;  // 0: no limit
  uint64_t seed = 0;

  // Takes one of the options that both programs have; false: it is none of these.
  bool Take(const std::string& name, const std::string& value);
};

class Trial {
 protected:
  using Words = std::vector<std::string>;

  // more: what is added to the flags that both programs give the server.
  Trial(const TrialOptions& options, int port, const Words& more, ServerProcess::Environment environment = {});
  // Before Begin: one more on the same database, for which the writers look as well.
  void AddServer(int port, const Words& more);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  // False when a server does not start. From then on the writers work whenever the site is open.
  bool Begin();
  bool TimeIsUp() const;
  void Fail(const std::string& what);
  // Each cycle has keys of its own; the writers work on those of this one and of the one before.
  void SetCycle(int number, uint32_t keys);
  // An answer later than kAnswerMicrosMax: right only where we had stopped the server for so long, or where threads of
  // this machine woke so late, ours as well as the server's.
  void JudgeLate(const Trouble& late, int64_t stopped_us);
  void CloseSite();
  void Collect(std::vector<test::Operation>* from);
  // The servers have no traffic now: what each says of the keys of both cycles is what stays.
  void Look(bool is_final);
  // Operations on the keys below, which nobody works on any more, are judged and forgotten.
  void JudgeKeysBelow(uint32_t key);
  // What `stats sessions` says; empty when the server does not answer.
  static std::map<std::string, uint64_t> CountersOf(int port);
  // How many sets the servers themselves say to have answered STORED, and dropped.
  uint64_t SetsDroppedByServers() const;
  // All is quiet, has been looked at, and no server has ended since: their counters have every set of this time that
  // was.
  void JudgeDroppedSets(int64_t since_us, uint64_t counted);
  // What a program knows that the judge must know, before it judges these.
  virtual void Prepare(std::vector<test::Operation>*) {}
  virtual test::JudgeRules Rules() const;
  // SIGTERM to each server, and an end without complaint.
  void StopServers();
  // The last line, and the exit status.
  int Verdict() const;

  const TrialOptions trial_;
  sim::Dice dice_;
  Site site_;
  std::vector<std::unique_ptr<ServerProcess>> servers_;
  ServerProcess& server_;  // the first
  std::vector<std::unique_ptr<Writer>> writers_;
  Writer checker_;
  std::vector<test::Operation> history_;
  const int64_t begun_us_ = NowMicros();

  std::array<uint64_t, test::kFaults> faults_{};
  uint64_t operations_ = 0, acknowledged_ = 0, looks_ = 0, rows_ = 0;
  uint64_t dropped_ = 0, dropped_by_servers_ = 0;
  int64_t longest_answer_us_ = 0;
  int failures_ = 0;

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace holdfast::faults

#endif  // HOLDFAST_T_FAULTS_TRIAL_H_
