// How it works: connections belong to their workers, so each worker is asked to write down its own; whoever asked waits
// until the last has. Shutdown is a signal, for the main thread waits for one.

#include "server/server_host.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "network/socket_name.h"

namespace holdfast::server {

namespace {

// Shared with the workers: one that answers too late finds it still there.
struct Gathering {
  std::mutex mutex;  // guards all
  std::condition_variable all_here;
  std::vector<command::Host::ConnectionRow> rows;
  size_t missing = 0;
};

}  // namespace

void ServerHost::ForEachConnection(const std::function<void(const ConnectionRow&)>& visit) {
  auto gathering = std::make_shared<Gathering>();
  gathering->missing = workers_.size();
  for (const auto& worker : workers_) {
    worker->Post([gathering, &worker = *worker] {
      std::vector<ConnectionRow> rows;
      worker.ForEachConnection([&](network::Connection& connection) {
        rows.push_back({connection.socket(), connection.PeerName(), connection.LocalName(), connection.StateName(),
                        connection.IdleSeconds()});
      });
      std::lock_guard<std::mutex> guard(gathering->mutex);
      gathering->rows.insert(gathering->rows.end(), rows.begin(), rows.end());
      if (--gathering->missing == 0) gathering->all_here.notify_one();
    });
  }
  std::vector<ConnectionRow> rows;
  for (const network::ListenSocket& socket : listener_->bound())
    rows.push_back({socket.descriptor(), network::LocalNameOf(socket.descriptor()), "", "conn_listening", 0});
  {
    std::unique_lock<std::mutex> lock(gathering->mutex);
    gathering->all_here.wait_for(lock, std::chrono::seconds(kWaitSeconds), [&] { return gathering->missing == 0; });
    rows.insert(rows.end(), gathering->rows.begin(), gathering->rows.end());
  }
  std::sort(rows.begin(), rows.end(),
            [](const ConnectionRow& a, const ConnectionRow& b) { return a.socket < b.socket; });
  for (const ConnectionRow& row : rows) visit(row);
}

void ServerHost::Shutdown(bool graceful) { kill(getpid(), graceful ? SIGUSR1 : SIGTERM); }

}  // namespace holdfast::server
