// SQLite, as much as the journal needs: statements that are prepared once, values bound and read by
// type. One connection belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "model/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace minato::oncall {

class Database;

/// A statement that runs: bind in order, then step through its rows. Resets itself at its end.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view text);
  Statement& bind(SystemTime time);                        // microseconds since 1970
  Statement& bind(const std::optional<SystemTime>& time);  // NULL when there is none

  /// True: a row is there; false: the end.
  Result<bool> step();
  /// To the end; rows are not looked at.
  Status run();

  std::int64_t integer(int column) const;
  std::string text(int column) const;
  SystemTime time(int column) const;
  std::optional<SystemTime> maybe_time(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  /// The answer of a bind function of SQLite for parameter bound_ + 1.
  Statement& bound(int code);
  sqlite3* db_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

class Database {
 public:
  enum class Mode { write, read };

  /// `write`: made when missing, WAL, synchronous = FULL, so that what was committed survives a
  /// power cut. Errors: unavailable (cannot be opened), not_found (read and missing).
  static Result<Database> open(const std::filesystem::path& file, Mode mode);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  /// Prepared once per text and kept. Error{internal} for SQL that is wrong.
  Result<Statement> statement(std::string_view sql);
  /// Prepares, binds `values` in order, runs to the end.
  template <class... Values>
  Status run(std::string_view sql, const Values&... values) {
    TRY_ASSIGN(Statement made, statement(sql));
    (made.bind(values), ...);
    return made.run();
  }
  /// One or more statements without parameters.
  Status script(std::string_view sql);
  std::int64_t last_id() const;
  /// Rows that the last statement changed.
  std::int64_t changes() const;

 private:
  explicit Database(sqlite3* db) : db_(db) {}
  sqlite3* db_;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

}  // namespace minato::oncall
