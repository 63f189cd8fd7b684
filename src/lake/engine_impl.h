// Inside src/lake only: what the types of engine.h hold, and small owners for the engine's handles.
#pragma once

#include <duckdb.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lake/engine.h"

namespace minato::lake {

struct Engine::Impl {
  duckdb_database database = nullptr;
  ~Impl() { duckdb_close(&database); }
};

/// A connection that sessions, results and prepared statements share: the last one closes it.
struct Link {
  std::shared_ptr<Engine::Impl> engine;
  duckdb_connection connection = nullptr;
  ~Link() { duckdb_disconnect(&connection); }
};

struct Session::Impl {
  std::shared_ptr<Link> link;
};

struct PreparedHandle {
  duckdb_prepared_statement statement = nullptr;
  PreparedHandle() = default;
  PreparedHandle(const PreparedHandle&) = delete;
  PreparedHandle& operator=(const PreparedHandle&) = delete;
  ~PreparedHandle() { duckdb_destroy_prepare(&statement); }
};

struct ResultStream::Impl {
  std::shared_ptr<Link> link;
  std::shared_ptr<PreparedHandle> prepared;  // may be nothing
  duckdb_result result{};
  std::vector<ResultColumn> columns;
  StatementKind kind = StatementKind::other;
  ~Impl() { duckdb_destroy_result(&result); }
};

struct Prepared::Impl {
  std::shared_ptr<Link> link;
  std::shared_ptr<PreparedHandle> prepared;
  std::vector<ResultColumn> columns;
  std::vector<Type> parameters;
  StatementKind kind = StatementKind::other;
};

/// Owns a logical type while it is described or made.
struct LogicalType {
  duckdb_logical_type handle;
  explicit LogicalType(duckdb_logical_type type) : handle(type) {}
  LogicalType(const LogicalType&) = delete;
  LogicalType& operator=(const LogicalType&) = delete;
  ~LogicalType() { duckdb_destroy_logical_type(&handle); }
};

Type describe_type(duckdb_logical_type type);
StatementKind describe_kind(duckdb_statement_type type);
/// An engine error by the class that its text begins with ("Binder Error: …").
tl::unexpected<Error> engine_error(std::string_view text);

}  // namespace minato::lake
