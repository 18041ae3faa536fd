// How it works: the descriptor is opened and locked first. An existing file is then looked at through a connection that
// cannot write (immutable when there is no WAL beside it, so that not even shared memory files appear), and only when
// everything is in order a writing connection is opened, which creates the schema in one transaction if there is none.
//
// The lock is flock on the file itself: it does not hinder the sqlite3 program, which uses fcntl locks, and it goes
// with the process however that ends.

#include "session/sqlite_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "session/sqlite_statement.h"

namespace holdfast::session {
namespace {

using base::ErrorKind;
using base::Result;
using base::Status;

constexpr int kApplicationId = 0x486f6c64;  // "Hold", in the file's header
constexpr int64_t kQuickCheckBytesMax = 64
                                        << 20;  // a whole check takes about 2 s a GiB; larger files are checked as read
constexpr int kBusyMillis = 500;

// Takes effect in a new file only, before it turns to WAL. In one that has it already it would wait for whoever writes.
const char* const kNewFileSettings = "PRAGMA auto_vacuum = INCREMENTAL;";

const char* const kSettings =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"  // a row called synced survives a power cut
    "PRAGMA journal_size_limit = 16777216;"
    "PRAGMA cache_size = -8192;"
    "PRAGMA temp_store = MEMORY;";

// An ordinary rowid table: WITHOUT ROWID is several times slower for values of a KiB.
// Times are microseconds since 1970 by the row clock; versions are microseconds << 10 | node.
const char* const kSchema = R"sql(
CREATE TABLE sessions (
  sid        BLOB    NOT NULL PRIMARY KEY CHECK (typeof(sid) = 'blob' AND length(sid) BETWEEN 1 AND 250),
  version    INTEGER NOT NULL,
  born       INTEGER NOT NULL,
  floor      INTEGER NOT NULL,
  touched    INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  state      INTEGER NOT NULL CHECK (state IN (0, 1)),
  flags      INTEGER NOT NULL CHECK (flags BETWEEN 0 AND 4294967295),
  owner      INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  data       BLOB    NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE TABLE nodes (
  number     INTEGER PRIMARY KEY,
  name       TEXT    NOT NULL,
  address    TEXT    NOT NULL,
  lease      INTEGER NOT NULL,
  started_at INTEGER NOT NULL
);
CREATE TABLE lease (
  name       TEXT    NOT NULL PRIMARY KEY,
  holder     INTEGER NOT NULL,
  until      INTEGER NOT NULL
);
CREATE TABLE meta (
  name       TEXT    NOT NULL PRIMARY KEY,
  value      TEXT    NOT NULL
);
)sql";

// Rows have times of the row clock (row_clock.h); the note of how far the wall clock is ahead makes UTC of them. A
// stamp is of the wall clock as it was.
const char* const kView = R"sql(
CREATE VIEW sessions_readable AS
SELECT CAST(sid AS TEXT)                                                       AS id,
       hex(sid)                                                                AS id_hex,
       CASE state WHEN 0 THEN 'live' ELSE 'deleted' END                        AS state,
       length(data)                                                            AS bytes,
       flags,
       CASE expires_at WHEN 9223372036854775807 THEN 'never'
            ELSE strftime('%Y-%m-%d %H:%M:%S', (expires_at + shift_us) / 1000000, 'unixepoch') END AS expires_utc,
       strftime('%Y-%m-%d %H:%M:%S', (updated_at + shift_us) / 1000000, 'unixepoch') AS updated_utc,
       strftime('%Y-%m-%d %H:%M:%S', (born >> 10) / 1000000, 'unixepoch')      AS born_utc,
       owner,
       version
FROM sessions, (SELECT ifnull(max(CAST(value AS INTEGER)), 0) AS shift_us FROM meta WHERE name = 'clock_shift_us');
)sql";

const char* const kViewIsOldSql =
    "SELECT instr(sql, 'clock_shift_us') = 0 FROM sqlite_schema WHERE type = 'view' AND name = 'sessions_readable'";

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// For a file: URI everything but plain characters is written as %xx.
std::string UriOf(const std::string& path, const char* parameters) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string uri = "file:";
  for (const char byte : path) {
    const auto value = static_cast<unsigned char>(byte);
    if (std::isalnum(value) != 0 || std::strchr("/._-", byte) != nullptr) {
      uri += byte;
    } else {
      uri += {'%', kHex[value >> 4], kHex[value & 15]};
    }
  }
  return uri + parameters;
}

// One integer or text from the database; *text keeps its value when there is no row.
int QueryText(sqlite3* connection, const char* sql, std::string* text) {
  Statement statement;
  int code = statement.Prepare(connection, sql);
  if (code != SQLITE_OK) return code;
  Statement::Run run(statement);
  code = run.Step();
  if (code == SQLITE_ROW) *text = run.BlobAt(0);
  return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

int QueryInteger(sqlite3* connection, const char* sql, int64_t* value) {
  Statement statement;
  int code = statement.Prepare(connection, sql);
  if (code != SQLITE_OK) return code;
  Statement::Run run(statement);
  code = run.Step();
  if (code == SQLITE_ROW) *value = run.IntegerAt(0);
  return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

Status Damaged(const std::string& path, const std::string& how) {
  return Status(ErrorKind::kCorrupt, "session file " + path + ": " + how +
                                         "; it was left as found: restore it from a backup, or move it away to begin "
                                         "with an empty one");
}

Status Foreign(const std::string& path) {
  return Status(ErrorKind::kRefused, "session file " + path +
                                         ": is an SQLite database of another program; it was left as found: give "
                                         "--sessions=sqlite:PATH a path of its own");
}

std::string RandomUuid() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<unsigned char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    sqlite3_randomness(static_cast<int>(bytes.size()), bytes.data());
  }
  std::string uuid;
  for (const unsigned char byte : bytes) uuid += {kHex[byte >> 4], kHex[byte & 15]};
  return uuid;
}

}  // namespace

Result<std::shared_ptr<SqliteFile>> SqliteFile::Open(std::string path, int inherited_lock) {
  if (path.empty() || path == ":memory:") {
    return Status(ErrorKind::kUsage, "sqlite: needs the path of a file, as sqlite:/var/lib/holdfast/sessions.db");
  }
  if (path[0] == ':') path.insert(0, "./");
  std::shared_ptr<SqliteFile> file(new SqliteFile(std::move(path)));
  if (Status status = inherited_lock < 0 ? file->Lock() : file->Inherit(inherited_lock); !status.ok()) return status;
  if (!file->created_) {
    if (Status status = file->CheckSound(); !status.ok()) return status;
  }
  if (Status status = file->Initialise(); !status.ok()) return status;
  return file;
}

SqliteFile::~SqliteFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

Status SqliteFile::Lock() {
  const std::string what = "session file " + path_;
  descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor_ < 0) {
    return base::SystemError(what, errno,
                             errno == ENOENT ? "create the directory, or give another path"
                                             : "give the user of the server access, or give another path");
  }
  struct stat status;
  if (fstat(descriptor_, &status) != 0) return base::SystemError(what, errno);
  if (!S_ISREG(status.st_mode)) return Status(ErrorKind::kSystem, what + ": is not a regular file; give another path");
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return base::SystemError(what + ": cannot lock", errno);
    return Status(ErrorKind::kRefused,
                  what + ": is in use by another server; stop that one, or give --sessions=sqlite:PATH another path");
  }
  const std::string directory = DirectoryOf(path_);
  if (access(directory.c_str(), W_OK | X_OK) != 0) {
    return base::SystemError(what + ": directory " + directory, errno,
                             "SQLite keeps two more files beside it: make the directory writable");
  }
  created_ = status.st_size == 0;
  return {};
}

// The lock goes with the descriptor, into whichever process that is passed.
Status SqliteFile::Inherit(int lock) {
  descriptor_ = lock;
  struct stat theirs, ours;
  if (fstat(lock, &theirs) != 0) return base::SystemError("session file " + path_, errno);
  if (stat(path_.c_str(), &ours) == 0 && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) return {};
  return Status(ErrorKind::kRefused, "session file " + path_ +
                                         ": the server that hands over has another one; give the same "
                                         "--sessions, or stop it and start anew");
}

Status SqliteFile::CheckSound() const {
  char header[16];
  if (pread(descriptor_, header, sizeof header, 0) != sizeof header ||
      std::memcmp(header, "SQLite format 3", sizeof header) != 0) {
    return Damaged(path_, "is not an SQLite database");
  }
  struct stat wal;
  const bool has_wal = stat((path_ + "-wal").c_str(), &wal) == 0 && wal.st_size > 0;
  const std::string uri = UriOf(path_, has_wal ? "?mode=ro" : "?mode=ro&immutable=1");
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(uri.c_str(), &opened, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, nullptr);
  const SqliteConnection connection(opened);
  if (code != SQLITE_OK) {
    return Damaged(path_, std::string("cannot be opened: ") + (opened ? sqlite3_errmsg(opened) : sqlite3_errstr(code)));
  }
  sqlite3_busy_timeout(opened, kBusyMillis);
  // Looking must not change the file: without this the last connection folds the WAL into it.
  sqlite3_db_config(opened, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return CheckContents(opened);
}

Status SqliteFile::CheckContents(sqlite3* connection) const {
  int64_t application = 0;
  int64_t schema = 0;
  int64_t tables = 0;
  int code = QueryInteger(connection, "PRAGMA application_id", &application);
  if (code == SQLITE_OK) code = QueryInteger(connection, "PRAGMA user_version", &schema);
  if (code == SQLITE_OK) code = QueryInteger(connection, "SELECT count(*) FROM sqlite_schema", &tables);
  if (code != SQLITE_OK) return Damaged(path_, std::string("cannot be read: ") + sqlite3_errmsg(connection));
  if (application != kApplicationId) return tables == 0 && application == 0 ? Status() : Foreign(path_);
  if (schema != kSchemaVersion) {
    return Status(ErrorKind::kRefused, "session file " + path_ + ": has schema " + std::to_string(schema) +
                                           ", this server knows " + std::to_string(kSchemaVersion) +
                                           "; it was left as found: use the version of the server that made it");
  }

  struct stat status;
  if (fstat(descriptor_, &status) != 0) return base::SystemError("session file " + path_, errno);
  if (status.st_size > kQuickCheckBytesMax) return {};
  std::string verdict;
  code = QueryText(connection, "PRAGMA quick_check(1)", &verdict);
  if (code != SQLITE_OK) verdict = sqlite3_errmsg(connection);
  if (verdict == "ok") return {};
  for (char& byte : verdict) {
    if (byte == '\n') byte = ' ';
  }
  return Damaged(path_, "is damaged: " + verdict);
}

int SqliteFile::Connect(SqliteConnection* connection, std::string* detail) const {
  sqlite3* opened = nullptr;
  int code = sqlite3_open_v2(path_.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  SqliteConnection holder(opened);
  if (code == SQLITE_OK) {
    sqlite3_busy_timeout(opened, kBusyMillis);
    sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    if (created_) code = sqlite3_exec(opened, kNewFileSettings, nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) code = sqlite3_exec(opened, kSettings, nullptr, nullptr, nullptr);
  }
  if (code != SQLITE_OK) {
    *detail = "session file " + path_ + ": " + (opened ? sqlite3_errmsg(opened) : sqlite3_errstr(code));
    return code;
  }
  *connection = std::move(holder);
  return SQLITE_OK;
}

Status SqliteFile::Initialise() {
  SqliteConnection connection;
  std::string detail;
  if (Connect(&connection, &detail) != SQLITE_OK) return Status(ErrorKind::kSystem, detail);

  int64_t application = 0;
  int code = QueryInteger(connection.get(), "PRAGMA application_id", &application);
  if (code == SQLITE_OK && application != kApplicationId) {
    const std::string sql = "BEGIN IMMEDIATE;" + std::string(kSchema) + kView +
                            "INSERT INTO meta VALUES ('schema_version', '" + std::to_string(kSchemaVersion) +
                            "'), ('database_uuid', '" + RandomUuid() + "'), ('generation', '1');" +
                            "PRAGMA user_version = " + std::to_string(kSchemaVersion) +
                            ";PRAGMA application_id = " + std::to_string(kApplicationId) + ";COMMIT;";
    code = sqlite3_exec(connection.get(), sql.c_str(), nullptr, nullptr, nullptr);
  }
  if (code != SQLITE_OK) {
    return Status(ErrorKind::kSystem,
                  "session file " + path_ + ": cannot create its tables: " + sqlite3_errmsg(connection.get()));
  }
  created_ = false;
  if (Status status = ReadIdentity(connection.get(), &identity_); !status.ok()) return status;
  return ReadClockNote(connection.get());
}

Status SqliteFile::ReadIdentity(sqlite3* connection, DatabaseIdentity* identity) const {
  DatabaseIdentity read;
  std::string generation;
  int code = QueryText(connection, "SELECT value FROM meta WHERE name = 'database_uuid'", &read.uuid);
  if (code == SQLITE_OK) code = QueryText(connection, "SELECT value FROM meta WHERE name = 'generation'", &generation);
  if (code != SQLITE_OK || read.uuid.empty() || generation.empty()) {
    return Damaged(path_, "its meta table lacks database_uuid or generation");
  }
  read.schema_version = kSchemaVersion;
  read.generation = std::strtoull(generation.c_str(), nullptr, 10);
  *identity = std::move(read);
  return {};
}

Status SqliteFile::ReadClockNote(sqlite3* connection) {
  std::string text;
  int64_t shift_us = 0;
  int code = QueryText(connection, "SELECT value FROM meta WHERE name = 'row_clock'", &text);
  if (code == SQLITE_OK) {
    code = QueryInteger(connection, "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'clock_shift_us'", &shift_us);
  }
  if (code != SQLITE_OK) return Damaged(path_, std::string("cannot be read: ") + sqlite3_errmsg(connection));
  if (text.empty()) return {};
  clock_note_ = RowClockNote::Parse(text);
  if (!clock_note_) return Damaged(path_, "row_clock in its meta table is not a note of clocks");
  clock_note_->shift_us = shift_us;
  return {};
}

// A file from before there were notes gets the view with its first one.
int SqliteFile::KeepClockNote(sqlite3* connection, const RowClockNote& note) const {
  int64_t view_is_old = 0;
  if (const int code = QueryInteger(connection, kViewIsOldSql, &view_is_old); code != SQLITE_OK) return code;
  const std::string sql = "BEGIN IMMEDIATE; INSERT INTO meta VALUES ('row_clock', '" + note.Text() +
                          "'), ('clock_shift_us', '" + std::to_string(note.shift_us) +
                          "') ON CONFLICT (name) DO UPDATE SET value = excluded.value;" +
                          (view_is_old != 0 ? std::string("DROP VIEW sessions_readable;") + kView : "") + "COMMIT;";
  const int code = sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr);
  if (sqlite3_get_autocommit(connection) == 0) sqlite3_exec(connection, "ROLLBACK", nullptr, nullptr, nullptr);
  return code;
}

bool SqliteFile::Replaced() const {
  struct stat ours;
  struct stat theirs;
  if (fstat(descriptor_, &ours) != 0) return false;
  if (stat(path_.c_str(), &theirs) != 0) return errno == ENOENT;
  return ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev;
}

}  // namespace holdfast::session
