// sqlite_statement.h - a prepared statement of SQLite, and one run of it.
//
// A run that is left open keeps a read transaction open and lets the WAL grow without bound; so a Run resets its
// statement when it ends, whatever happened.
//
// Threads: as the connection: one at a time.
// Owns:    Statement its sqlite3_stmt. Borrows the connection, which must outlive it.
// Errors:  SQLite's result codes, passed on.

#ifndef HOLDFAST_SESSION_SQLITE_STATEMENT_H_
#define HOLDFAST_SESSION_SQLITE_STATEMENT_H_

#include <sqlite3.h>

#include <cstdint>
#include <string_view>
#include <utility>

namespace holdfast::session {

class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(statement_, other.statement_);
    return *this;
  }
  ~Statement() { sqlite3_finalize(statement_); }

  int Prepare(sqlite3* connection, const char* sql) {
    Statement fresh;
    const int code = sqlite3_prepare_v3(connection, sql, -1, SQLITE_PREPARE_PERSISTENT, &fresh.statement_, nullptr);
    if (code == SQLITE_OK) std::swap(statement_, fresh.statement_);
    return code;
  }

  class Run {
   public:
    explicit Run(Statement& statement) : statement_(statement.statement_) {}
    ~Run() {
      sqlite3_reset(statement_);
      sqlite3_clear_bindings(statement_);
    }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    // Blobs and texts are not copied: they must live until the run ends.
    void Blob(int index, std::string_view bytes) {
      // A null pointer would bind NULL, not the empty blob.
      sqlite3_bind_blob64(statement_, index, bytes.data() == nullptr ? "" : bytes.data(), bytes.size(), SQLITE_STATIC);
    }
    void Integer(int index, int64_t value) { sqlite3_bind_int64(statement_, index, value); }
    void Integer(int index, uint64_t value) { sqlite3_bind_int64(statement_, index, static_cast<int64_t>(value)); }
    void Text(int index, std::string_view text) {
      sqlite3_bind_text64(statement_, index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
    }

    int Step() { return sqlite3_step(statement_); }

    // Of the row that Step returned (SQLITE_ROW); views until the next Step.
    int64_t IntegerAt(int column) { return sqlite3_column_int64(statement_, column); }
    uint64_t StampAt(int column) { return static_cast<uint64_t>(sqlite3_column_int64(statement_, column)); }
    std::string_view BlobAt(int column) {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
      const int size = sqlite3_column_bytes(statement_, column);
      return bytes == nullptr ? std::string_view() : std::string_view(bytes, static_cast<size_t>(size));
    }

   private:
    sqlite3_stmt* const statement_;
  };

 private:
  sqlite3_stmt* statement_ = nullptr;  // null until prepared
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SQLITE_STATEMENT_H_
