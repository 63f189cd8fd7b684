// PostgreSQL connections and transactions (libpq), shared by state and lake so that one transaction
// can carry both. Blocking; a connection belongs to one thread at a time.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace minato::pg {

/// A text parameter; nullopt is NULL. Numbers: std::to_string.
using Param = std::optional<std::string>;

class Rows {
 public:
  explicit Rows(PGresult* result) : result_(result, &PQclear) {}
  int size() const { return PQntuples(result_.get()); }
  int columns() const { return PQnfields(result_.get()); }
  bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  std::string_view text(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
  }
  std::string string(int row, int column) const { return std::string(text(row, column)); }
  /// CHECKs that the value is an integer; NULL is 0.
  std::int64_t integer(int row, int column) const;
  bool boolean(int row, int column) const { return text(row, column) == "t"; }
  /// Rows touched by INSERT, UPDATE, DELETE.
  std::int64_t affected() const;

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

struct Notification {
  std::string channel;
  std::string payload;
};

/// One step of Connection::pipeline(): prepared under `name` at its first use on a connection.
struct Statement {
  const char* name = "";
  const char* sql = "";
  std::vector<Param> params;
};

class Connection {
 public:
  /// `conninfo`: libpq keywords or URL. Error{unavailable|unauthenticated} without the password in
  /// its text.
  static Result<Connection> open(const std::string& conninfo);

  /// One statement with $1… parameters. Errors: conflict (serialisation, unique violation,
  /// deadlock), unavailable (connection lost: in a transaction's COMMIT this is `in_doubt`),
  /// exhausted (disk full, memory), invalid, internal.
  Result<Rows> query(const std::string& sql, const std::vector<Param>& params = {});
  /// Several statements without parameters in one round trip; stops at the first error.
  Status script(const std::string& sql);

  /// Prepared statements in one round trip; the results in order. At the first error the rest is
  /// not carried out.
  Result<std::vector<Rows>> pipeline(std::span<const Statement> statements);

  Status begin() { return script("begin"); }
  /// Error{in_doubt} when the connection is lost while waiting for the answer.
  Status commit();
  /// Never fails: a lost connection has rolled back.
  void rollback();

  /// Waits for a NOTIFY on a channel that was LISTENed to; nothing after `wait`. Error{unavailable}
  /// when lost.
  Result<std::optional<Notification>> notification(std::chrono::milliseconds wait);

  bool alive() const { return PQstatus(handle_.get()) == CONNECTION_OK; }
  PGconn* handle() { return handle_.get(); }

 private:
  explicit Connection(PGconn* handle) : handle_(handle, &PQfinish) {}
  std::unique_ptr<PGconn, decltype(&PQfinish)> handle_;
  std::set<std::string> prepared_;
};

/// Runs `body(connection)` between BEGIN and COMMIT; rolls back when it returns an error.
template <class Body>
Status transaction(Connection& connection, Body&& body) {
  TRY(connection.begin());
  if (Status status = body(connection); !status) {
    connection.rollback();
    return status;
  }
  return connection.commit();
}

/// '{…}' array text of strings for a text[] parameter.
std::string array(const std::vector<std::string>& items);

}  // namespace minato::pg
