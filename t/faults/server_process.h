// server_process.h - the real server as a child process, and the directory that its files lie in: on a small file
// system of its own where that may be mounted, so that the disk can be full.
//
// Threads: one.
// Owns:    the process (killed at the end) and the mount (taken down at the end).

#ifndef HOLDFAST_T_FAULTS_SERVER_PROCESS_H_
#define HOLDFAST_T_FAULTS_SERVER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <ios>
#include <string>
#include <utility>
#include <vector>

namespace holdfast::faults {

class DataDirectory {
 public:
  explicit DataDirectory(const std::string& path);
  ~DataDirectory();
  const std::string& path() const { return path_; }
  bool can_be_full() const { return mounted_; }
  // Takes all the room that is left, and gives it back.
  void Fill();
  void Empty();

 private:
  const std::string path_;
  bool mounted_ = false;
};

class ServerProcess {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;  // beside our own
  ServerProcess(std::vector<std::string> command, std::string log_path, int port, Environment environment = {})
      : command_(std::move(command)),
        environment_(std::move(environment)),
        log_path_(std::move(log_path)),
        port_(port) {}
  ~ServerProcess();

  // Waits until it answers. False: it ended, or did not answer within a minute; the log says why.
  bool Start();
  void Signal(int signal) const;
  // The exit status as of waitpid. Waits at most two minutes, then kills.
  int Wait();
  bool running() const { return process_ > 0; }
  // Starts a successor that takes over, and kills it after so long; negative: never. It may have taken over before it
  // was killed: then nobody is running.
  // False: it ended by itself, or took longer than a minute; the one before serves on.
  bool HandOver(int64_t kill_after_us);
  int64_t start_us() const { return start_us_; }  // how long the latest Start took

 private:
  pid_t Spawn(const char* further_argument);
  // Does somebody answer at the port? One that ends while it is asked does not.
  bool Serves() const;
  // Has this child ended by itself?
  static bool HasEnded(pid_t process, int* status);

  const std::vector<std::string> command_;
  const Environment environment_;
  const std::string log_path_;
  const int port_;
  pid_t process_ = -1;
  int64_t start_us_ = 0;
};

// A port that nobody listens on now.
int FreePort();

}  // namespace holdfast::faults

#endif  // HOLDFAST_T_FAULTS_SERVER_PROCESS_H_
