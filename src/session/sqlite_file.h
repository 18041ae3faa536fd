// sqlite_file.h - the session file: that it is ours, sound and nobody else's, before a byte of it is changed.
//
// Threads: Open from the main thread; the rest is immutable, and may be asked from any.
// Owns:    a descriptor with the lock that keeps a second server off. It must be closed after the last connection
// (closing
//          any descriptor of a file drops SQLite's own locks on it), hence the connections share ownership.
// Errors:  Open: kUsage (no path), kSystem (permission, directory missing), kRefused (in use, another program's, a
// newer
//          schema), kCorrupt (not a database, damaged). In all of them the file is left as it was found.

#ifndef HOLDFAST_SESSION_SQLITE_FILE_H_
#define HOLDFAST_SESSION_SQLITE_FILE_H_

#include <sqlite3.h>

#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "session/driver.h"
#include "session/row_clock.h"

namespace holdfast::session {

struct CloseConnection {
  void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};
using SqliteConnection = std::unique_ptr<sqlite3, CloseConnection>;

class SqliteFile {
 public:
  static base::Result<std::shared_ptr<SqliteFile>> Open(std::string path, int inherited_lock = -1);
  ~SqliteFile();
  SqliteFile(const SqliteFile&) = delete;
  SqliteFile& operator=(const SqliteFile&) = delete;

  const std::string& path() const { return path_; }
  int lock() const { return descriptor_; }
  const DatabaseIdentity& identity() const { return identity_; }
  // As the file had it when it was opened; nothing: it has none yet.
  const std::optional<RowClockNote>& clock_note() const { return clock_note_; }

  // A connection with our settings. Waits for nobody who writes, unless the file is new. detail says why not.
  int Connect(SqliteConnection* connection, std::string* detail) const;
  // As the file says now.
  base::Status ReadIdentity(sqlite3* connection, DatabaseIdentity* identity) const;
  // Writes the note down, in a transaction of its own; an SQLite result code.
  int KeepClockNote(sqlite3* connection, const RowClockNote& note) const;
  // Somebody has put another file in its place, or removed it: what we write would be lost.
  bool Replaced() const;

 private:
  explicit SqliteFile(std::string path) : path_(std::move(path)) {}
  base::Status Lock();
  base::Status Inherit(int lock);
  base::Status CheckSound() const;
  base::Status CheckContents(sqlite3* connection) const;
  base::Status Initialise();
  base::Status ReadClockNote(sqlite3* connection);

  const std::string path_;
  int descriptor_ = -1;
  bool created_ = false;  // there was no file, or an empty one, and it has no schema yet
  DatabaseIdentity identity_;
  std::optional<RowClockNote> clock_note_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SQLITE_FILE_H_
