#include "server/port_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

namespace holdfast::server {

namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

base::Status WritePortFile(const std::string& path, const std::vector<network::ListenSocket>& sockets) {
  const std::string what = "cannot write " + path + " (MEMCACHED_PORT_FILENAME)";
  const std::string draft = path + ".lck";
  std::unique_ptr<std::FILE, CloseFile> file(std::fopen(draft.c_str(), "we"));
  if (file == nullptr) return base::SystemError(what, errno);
  for (const network::ListenSocket& socket : sockets) {
    if (socket.port() == 0) continue;
    std::fprintf(file.get(), "TCP %s: %d\n", socket.tcp6() ? "INET6" : "INET", socket.port());
  }
  const bool written = std::fclose(file.release()) == 0;
  if (written && std::rename(draft.c_str(), path.c_str()) == 0) return {};
  const int error = errno;
  ::unlink(draft.c_str());
  return base::SystemError(what, error);
}

}  // namespace holdfast::server
