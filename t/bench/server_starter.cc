#include "bench/server_starter.h"

#include <unistd.h>

#include <fstream>

namespace holdfast::bench {

ServerStarter::ServerStarter(const Options& options)
    : options_(options), cpus_(AllowedCpus()), server_cpu_(options.is_smoke ? std::nullopt : PinToSecondCpu()) {
  circumstances_.is_pinned = server_cpu_.has_value();
}

std::unique_ptr<ServerProcess> ServerStarter::Start(Role role, const ServerShape& shape) {
  const bool is_memcached = role == Role::kMemcached;
  const std::string& program = role == Role::kHoldfast ? options_.holdfast
                               : is_memcached          ? options_.memcached
                                                       : options_.echo_server;
  try {
    auto server = std::make_unique<ServerProcess>(ServerCommand{role, program, Arguments(role, shape)}, server_cpu_);
    if (role == Role::kHoldfast) circumstances_.holdfast_version = server->version();
    if (is_memcached) circumstances_.memcached_version = server->version();
    return server;
  } catch (const BenchError& error) {
    if (!is_memcached) throw;
    circumstances_.memcached_missing = error.what();
    return nullptr;
  }
}

std::vector<std::string> ServerStarter::Arguments(Role role, const ServerShape& shape) const {
  if (role == Role::kEcho) return {};
  std::vector<std::string> arguments{
      "-t", std::to_string(shape.threads),         "-m", std::to_string(shape.memory_mib),
      "-c", std::to_string(shape.connections_max), "-U", "0"};
  if (geteuid() == 0) arguments.insert(arguments.end(), {"-u", "root"});
  if (role != Role::kHoldfast) return arguments;
  if (shape.busy_poll) arguments.emplace_back("--busy-poll=50");
  arguments.insert(arguments.end(), options_.holdfast_arguments.begin(), options_.holdfast_arguments.end());
  return arguments;
}

uint64_t AvailableMemoryMib() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("MemAvailable:")) return std::stoull(line.substr(13)) / 1024;
  }
  return 0;
}

}  // namespace holdfast::bench
