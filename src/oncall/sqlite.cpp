#include "oncall/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "base/check.h"

namespace minato::oncall {
namespace {

Error error_of(sqlite3* db, std::string_view what) {
  const int code = sqlite3_errcode(db) & 0xFF;
  const std::string text = sqlite3_errmsg(db);
  switch (code) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
      return {Code::exhausted, "The journal of on-call cannot be written: is the disk full?", text};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Code::unavailable, "The journal of on-call is in use by another program.", text};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {
          Code::internal,
          "The journal of on-call is damaged. Move it away, start again, and raise what is open "
          "anew.",
          text};
    default: return {Code::internal, std::string(what), text};
  }
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)), bound_(other.bound_) {}

Statement::~Statement() {
  if (!statement_) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::bind(std::int64_t value) {
  return bound(sqlite3_bind_int64(statement_, bound_ + 1, value));
}
Statement& Statement::bind(std::string_view text) {
  const char* data = text.data() ? text.data() : "";
  return bound(sqlite3_bind_text64(statement_, bound_ + 1, data, text.size(), SQLITE_TRANSIENT,
                                   SQLITE_UTF8));
}
Statement& Statement::bind(SystemTime time) {
  return bind(static_cast<std::int64_t>(time.time_since_epoch().count()));
}
Statement& Statement::bind(const std::optional<SystemTime>& time) {
  if (time) return bind(*time);
  return bound(sqlite3_bind_null(statement_, bound_ + 1));
}
Statement& Statement::bound(int code) {
  CHECK(code == SQLITE_OK);
  ++bound_;
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return fail(error_of(db_, "The journal of on-call refused a statement."));
}

Status Statement::run() {
  while (true) {
    TRY_ASSIGN(const bool row, step());
    if (!row) return {};
  }
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}
std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return bytes ? std::string(bytes,
                             static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)))
               : std::string();
}
SystemTime Statement::time(int column) const {
  return SystemTime(std::chrono::microseconds(integer(column)));
}
std::optional<SystemTime> Statement::maybe_time(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return time(column);
}

Result<Database> Database::open(const std::filesystem::path& file, Mode mode) {
  std::error_code error;
  if (mode == Mode::read && !std::filesystem::exists(file, error)) {
    return fail(Code::not_found,
                "Nothing was recorded yet: `minato oncall serve` makes " + file.string() + ".");
  }
  sqlite3* raw = nullptr;
  const int flags =
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | (mode == Mode::write ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
  Database db(raw);
  if (code != SQLITE_OK) {
    return fail(Code::unavailable, "The journal of on-call cannot be opened: " + file.string(),
                raw ? sqlite3_errmsg(raw) : "out of memory");
  }
  sqlite3_busy_timeout(raw, 5000);
  if (mode == Mode::write) {
    TRY(db.script(
        "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on"));
  } else {
    TRY(db.script("pragma query_only = on"));
  }
  return db;
}

Database::Database(Database&& other) noexcept
    : db_(std::exchange(other.db_, nullptr)), statements_(std::move(other.statements_)) {
  other.statements_.clear();
}
Database& Database::operator=(Database&& other) noexcept {
  std::swap(db_, other.db_);
  std::swap(statements_, other.statements_);
  return *this;
}
Database::~Database() {
  for (const auto& [text, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

Result<Statement> Database::statement(std::string_view sql) {
  auto found = statements_.find(std::string(sql));
  if (found == statements_.end()) {
    sqlite3_stmt* made = nullptr;
    if (sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                           &made, nullptr) != SQLITE_OK) {
      return fail(error_of(db_, "The journal of on-call does not understand a statement."));
    }
    found = statements_.emplace(sql, made).first;
  }
  return Statement(db_, found->second);
}

Status Database::script(std::string_view sql) {
  if (sqlite3_exec(db_, std::string(sql).c_str(), nullptr, nullptr, nullptr) == SQLITE_OK)
    return {};
  return fail(error_of(db_, "The journal of on-call refused a statement."));
}

std::int64_t Database::last_id() const { return sqlite3_last_insert_rowid(db_); }
std::int64_t Database::changes() const { return sqlite3_changes64(db_); }

}  // namespace minato::oncall
