#include "server/successor.h"

#include <spawn.h>

#include <csignal>
#include <string_view>
#include <vector>

extern char** environ;

namespace holdfast::server {

namespace {

constexpr char kTakeoverFlag[] = "--takeover";

std::vector<char*> ArgumentsOf(const Sources& sources) {
  std::vector<char*> arguments;
  for (int i = 0; i < sources.argc; ++i) {
    if (std::string_view(sources.argv[i]) != kTakeoverFlag) arguments.push_back(const_cast<char*>(sources.argv[i]));
    if (i == 0) arguments.push_back(const_cast<char*>(kTakeoverFlag));
  }
  arguments.push_back(nullptr);
  return arguments;
}

}  // namespace

base::Status StartSuccessor(const Sources& sources) {
  std::signal(SIGCHLD, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  // Relative names on the command line were meant from there.
  int error = posix_spawn_file_actions_addchdir_np(&actions, sources.directory.c_str());
  std::vector<char*> arguments = ArgumentsOf(sources);
  pid_t child = 0;
  if (error == 0) error = posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error == 0 ? base::Status() : base::SystemError(std::string("cannot start ") + arguments[0], error);
}

}  // namespace holdfast::server
