// driver_sqlite.h - sessions in an SQLite file: the default, for one machine.
//
// Threads: as driver.h. Each driver has a connection of its own; one of them writes.
// Owns:    drivers and database share the file (sqlite_file.h), which closes with the last of them, and its clock.
// Blocks:  a Write for one commit with fsync (ms); a Load for microseconds.
// Errors:  a full disk, a locked file: kRetry. A damaged, replaced or read-only file: kConfiguration.

#ifndef HOLDFAST_SESSION_DRIVER_SQLITE_H_
#define HOLDFAST_SESSION_DRIVER_SQLITE_H_

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "session/driver.h"
#include "session/row_clock.h"
#include "session/sqlite_file.h"

namespace holdfast::session {

class SqliteDatabase final : public Database {
 public:
  // clock is borrowed. This database's own goes by it (row_clock.h).
  static base::Result<std::unique_ptr<Database>> Open(std::string_view path, const base::Clock& clock,
                                                      int inherited_lock = -1);

  std::unique_ptr<Driver> NewDriver() override;
  const DatabaseIdentity& identity() const override { return file_->identity(); }
  std::string Describe() const override { return "SQLite file " + file_->path(); }
  std::string local_path() const override { return file_->path(); }
  bool is_shared() const override { return false; }  // the file is locked by one server
  int lock() const override { return file_->lock(); }
  const base::Clock& StepFree(const base::Clock&) const override { return *clock_; }
  uint64_t value_bytes_max() const override { return 256u << 20; }  // SQLite's own limit is 1 GB a row

 private:
  SqliteDatabase(std::shared_ptr<SqliteFile> file, std::shared_ptr<RowClock> clock)
      : file_(std::move(file)), clock_(std::move(clock)) {}

  const std::shared_ptr<SqliteFile> file_;
  const std::shared_ptr<RowClock> clock_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_DRIVER_SQLITE_H_
