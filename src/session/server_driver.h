// server_driver.h - what the drivers for database servers share: the walk over the hosts of the URL, what must hold
// before a driver is used, and what is the same in any SQL.
//
// Threads: as driver.h.
// Owns:    the walker. Borrows URL and clock.
// Blocks:  Open and LookBack, up to connect_timeout_s for each host.
// Errors:  what a host said, with the host before it; what every host said, when none takes us. A person must mend it if
//          every one of them says so.

#ifndef HOLDFAST_SESSION_SERVER_DRIVER_H_
#define HOLDFAST_SESSION_SERVER_DRIVER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "session/database_url.h"
#include "session/driver.h"
#include "session/host_walker.h"

namespace holdfast::session {

class ServerDriver : public Driver {
 public:
  Failure Open() final;
  Failure Check() final;
  Failure PutNode(const NodeLease& lease, const NodeLease* expected, bool* done) final;
  Failure ReadIdentity(DatabaseIdentity* identity) final;
  void Idle() override {}

  // Opens, reads what it is, and checks. Nothing is changed.
  base::Status OpenAndCheck(DatabaseIdentity* identity);

 protected:
  using Meta = std::vector<std::pair<std::string, std::string>>;  // name, value

  ServerDriver(const DatabaseUrl& url, const base::Clock& clock)
      : url_(url), clock_(clock), walker_(url.hosts.size()) {}

  // A new connection to this host takes the place of the one there is, which stays if that fails.
  virtual Failure Connect(const DatabaseHost& host) = 0;
  virtual void Disconnect() = 0;
  // A statement as text, whose rows are not wanted.
  virtual Failure Execute(const std::string& sql) = 0;
  virtual Failure ReadMeta(Meta* meta) = 0;
  // As PutNode, without a look for what an earlier try may have done.
  virtual Failure TryPutNode(const NodeLease& lease, const NodeLease* expected, bool* done) = 0;

  // A driver that had to settle for a later host looks now and then whether one before it is back, so that in the end
  // all cache nodes write to the same again.
  void LookBack();
  // A failure of the host that this driver is connected to; what happened is noted for the next walk.
  Failure AtHost(Failure failure);

 private:
  Failure ConnectTo(size_t host);
  Failure CheckGrants();
  Failure CheckClock();

  const DatabaseUrl& url_;
  const base::Clock& clock_;
  HostWalker walker_;
};

// What databases on servers have in common.
class ServerDatabase : public Database {
 public:
  const DatabaseIdentity& identity() const override { return identity_; }
  std::string Describe() const override { return description_; }
  std::string local_path() const override { return ""; }
  bool is_shared() const override { return true; }

 protected:
  ServerDatabase(std::string description, DatabaseIdentity identity)
      : description_(std::move(description)), identity_(std::move(identity)) {}

 private:
  const std::string description_;
  const DatabaseIdentity identity_;
};

// What --init-schema ends with, after it found the schema of this version or made it.
base::Status OtherSchemaFound(const DatabaseUrl& url, int64_t version);
std::string SchemaDone(const DatabaseUrl& url, bool was_there);

// The first host that takes us; the error is that of the last one.
template <class Connection>
auto ConnectToAny(const DatabaseUrl& url, const std::string& password, Connection* connection) {
  auto error = connection->Connect(url, url.hosts[0], password);
  for (size_t host = 1; host < url.hosts.size() && !error.ok(); ++host) {
    error = connection->Connect(url, url.hosts[host], password);
  }
  return error;
}

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SERVER_DRIVER_H_
