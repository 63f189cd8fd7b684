#include "runtime/pg.h"

#include <poll.h>

#include <charconv>

#include "base/check.h"

namespace minato::pg {
namespace {

std::string trimmed(const char* text) {
  std::string out = text ? text : "";
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

Code classify(std::string_view sqlstate) {
  if (sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "23505") return Code::conflict;
  if (sqlstate == "57014") return Code::cancelled;
  const std::string_view group = sqlstate.substr(0, 2);
  if (group == "08" || group == "57") return Code::unavailable;
  if (group == "53" || group == "58") return Code::exhausted;
  if (group == "28") return Code::unauthenticated;
  if (group == "22" || group == "42") return Code::invalid;
  return Code::internal;
}

tl::unexpected<Error> failure(PGconn* connection, PGresult* result) {
  const std::string text =
      trimmed(result ? PQresultErrorMessage(result) : PQerrorMessage(connection));
  if (PQstatus(connection) != CONNECTION_OK) {
    return fail(Code::unavailable, "The connection to PostgreSQL was lost.", text);
  }
  const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  return fail(classify(state ? state : "XX000"), "PostgreSQL refused a statement.", text);
}

bool send_prepared(PGconn* handle, const Statement& statement) {
  std::vector<const char*> values;
  values.reserve(statement.params.size());
  for (const Param& param : statement.params) values.push_back(param ? param->c_str() : nullptr);
  return PQsendQueryPrepared(handle, statement.name, static_cast<int>(values.size()), values.data(),
                             nullptr, nullptr, 0) == 1;
}

bool succeeded(PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

}  // namespace

std::int64_t Rows::integer(int row, int column) const {
  const std::string_view value = text(row, column);
  if (is_null(row, column)) return 0;
  std::int64_t number = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  CHECK(parsed.ec == std::errc{} && parsed.ptr == value.data() + value.size());
  return number;
}

std::int64_t Rows::affected() const {
  const std::string_view value = PQcmdTuples(result_.get());
  std::int64_t number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return number;
}

Result<Connection> Connection::open(const std::string& conninfo) {
  PGconn* handle = PQconnectdb(conninfo.c_str());
  Connection connection(handle);
  if (PQstatus(handle) != CONNECTION_OK) {
    const std::string text = trimmed(PQerrorMessage(handle));
    const bool refused = text.find("authentication failed") != std::string::npos;
    return fail(refused ? Code::unauthenticated : Code::unavailable,
                "PostgreSQL cannot be reached.", text);
  }
  PQsetNoticeReceiver(
      handle, [](void*, const PGresult*) {}, nullptr);
  if (const char* host = PQhost(handle); host != nullptr && host[0] != '/') {
    // The server gives us up as soon as we give it up: our locks are in a successor's way.
    TRY(
        connection.script("set tcp_keepalives_idle=10; set tcp_keepalives_interval=5; "
                          "set tcp_keepalives_count=4"));
  }
  return connection;
}

Result<Rows> Connection::query(const std::string& sql, const std::vector<Param>& params) {
  std::vector<const char*> values;
  values.reserve(params.size());
  for (const Param& param : params) values.push_back(param ? param->c_str() : nullptr);
  PGresult* result = PQexecParams(handle_.get(), sql.c_str(), static_cast<int>(values.size()),
                                  nullptr, values.data(), nullptr, nullptr, 0);
  Rows rows(result);
  if (!succeeded(result)) return failure(handle_.get(), result);
  return rows;
}

Status Connection::script(const std::string& sql) {
  PGresult* result = PQexec(handle_.get(), sql.c_str());
  Rows rows(result);
  if (!succeeded(result)) return failure(handle_.get(), result);
  return {};
}

Result<std::vector<Rows>> Connection::pipeline(std::span<const Statement> statements) {
  PGconn* handle = handle_.get();
  if (PQenterPipelineMode(handle) != 1) return failure(handle, nullptr);
  std::vector<const char*> answers;  // what a PREPARE prepares; nullptr: a statement's result
  bool sent = true;
  for (const Statement& statement : statements) {
    if (!prepared_.contains(statement.name)) {
      sent = sent && PQsendPrepare(handle, statement.name, statement.sql, 0, nullptr) == 1;
      answers.push_back(statement.name);
    }
    sent = sent && send_prepared(handle, statement);
    answers.push_back(nullptr);
  }
  sent = sent && PQpipelineSync(handle) == 1;
  std::optional<Error> error;
  std::vector<Rows> out;
  for (std::size_t n = 0; sent && n < answers.size(); ++n) {
    PGresult* result = PQgetResult(handle);
    Rows rows(result);
    if (result == nullptr || !succeeded(result)) {
      if (!error) error = std::move(failure(handle, result)).value();
    } else if (answers[n] != nullptr) {
      prepared_.insert(answers[n]);  // stays so, whatever becomes of the transaction
    } else {
      out.push_back(std::move(rows));
    }
    while (PGresult* more = PQgetResult(handle)) PQclear(more);  // the end of this answer
  }
  if (sent) PQclear(PQgetResult(handle));  // of the synchronisation
  if (!sent && !error) error = std::move(failure(handle, nullptr)).value();
  if (PQexitPipelineMode(handle) != 1 && !error)
    error = std::move(failure(handle, nullptr)).value();
  if (error) return fail(std::move(*error));
  return out;
}

Status Connection::commit() {
  PGresult* result = PQexec(handle_.get(), "commit");
  Rows rows(result);
  if (!succeeded(result)) {
    if (!alive()) {
      return fail(Code::in_doubt, "The connection to PostgreSQL was lost during COMMIT.",
                  trimmed(PQerrorMessage(handle_.get())));
    }
    return failure(handle_.get(), result);
  }
  // A COMMIT of a failed transaction answers ROLLBACK without an error.
  if (std::string_view(PQcmdStatus(result)) != "COMMIT") {
    return fail(Code::conflict, "The transaction had failed and was rolled back.");
  }
  return {};
}

void Connection::rollback() { PQclear(PQexec(handle_.get(), "rollback")); }

Result<std::optional<Notification>> Connection::notification(std::chrono::milliseconds wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  for (;;) {
    if (PQconsumeInput(handle_.get()) == 0) return failure(handle_.get(), nullptr);
    if (PGnotify* notify = PQnotifies(handle_.get())) {
      Notification out{notify->relname, notify->extra};
      PQfreemem(notify);
      return out;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return std::nullopt;
    pollfd descriptor{PQsocket(handle_.get()), POLLIN, 0};
    if (poll(&descriptor, 1, static_cast<int>(left.count())) < 0 && errno != EINTR) {
      return fail(Code::internal, "poll failed");
    }
  }
}

std::string array(const std::vector<std::string>& items) {
  std::string out = "{";
  for (const std::string& item : items) {
    if (out.size() > 1) out += ',';
    out += '"';
    for (const char c : item) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

}  // namespace minato::pg
