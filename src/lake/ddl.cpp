// Tables created, altered, renamed and dropped, through the extension: one snapshot each.
#include <algorithm>
#include <map>

#include "base/failpoint.h"
#include "lake/lake_impl.h"

namespace minato::lake {
namespace {

std::string lake_name(const TableName& name) { return "minato." + quote(name); }

std::string create_sql(const TableName& name, const std::vector<Column>& columns) {
  std::string out;
  for (const Column& column : columns) {
    if (!out.empty()) out += ", ";
    out += quote_identifier(column.name) + " " + sql_name(column.type);
  }
  return "CREATE TABLE " + lake_name(name) + " (" + out + ")";
}

/// The table with its columns as they will be; `steps` are the statements that make them so.
struct Plan {
  std::string alter;
  std::vector<std::string> names;  // now, in order
  std::map<std::string, ColumnType, std::less<>> types;
  std::vector<std::string> steps;

  explicit Plan(const LakeTable& table) : alter("ALTER TABLE " + lake_name(table.name) + " ") {
    for (const LakeColumn& column : table.columns) {
      names.push_back(column.column.name);
      types[column.column.name] = column.column.type;
    }
  }
  void rename(const std::string& from, const std::string& to) {
    const auto found = std::ranges::find(names, from);
    if (found == names.end() || types.contains(to)) return;  // done before
    *found = to;
    types[to] = types[from];
    types.erase(from);
    steps.push_back(alter + "RENAME COLUMN " + quote_identifier(from) + " TO " +
                    quote_identifier(to));
  }
  void add(const Column& column) {
    steps.push_back(alter + "ADD COLUMN " + quote_identifier(column.name) + " " +
                    sql_name(column.type));
  }
  void drop(const std::string& name) {
    steps.push_back(alter + "DROP COLUMN " + quote_identifier(name));
  }
  void widen(const Column& column) {
    steps.push_back(alter + "ALTER COLUMN " + quote_identifier(column.name) + " SET DATA TYPE " +
                    sql_name(column.type));
  }
};

std::vector<std::string> alter_steps(
    const LakeTable& table, const std::vector<Column>& columns,
    const std::vector<std::pair<std::string, std::string>>& renames) {
  Plan plan(table);
  for (const auto& [from, to] : renames) plan.rename(from, to);
  // Additions before removals: a table never has no columns.
  for (const Column& column : columns) {
    const auto found = plan.types.find(column.name);
    if (found == plan.types.end()) {
      plan.add(column);
    } else if (sql_name(found->second) != sql_name(column.type)) {
      plan.widen(column);
    }
  }
  for (const std::string& name : plan.names) {
    if (std::ranges::find(columns, name, &Column::name) == columns.end()) plan.drop(name);
  }
  return std::move(plan.steps);
}

Status run_all(Session& session, const std::vector<std::string>& steps) {
  TRY(failpoint("lake.before_ddl"));
  TRY(session.run("BEGIN"));
  for (const std::string& step : steps) {
    Status status = session.run(step);
    if (status) continue;
    (void)session.run("ROLLBACK");
    if (status.error().detail.find("type promotion") != std::string::npos) {
      return fail(Code::unsupported, "A column's new type cannot be followed in the lake.",
                  status.error().detail);
    }
    return status;
  }
  Status status = session.run("COMMIT");
  if (!status) (void)session.run("ROLLBACK");
  TRY(status);
  return failpoint("lake.after_ddl");
}

constexpr const char* kMoveTable = R"(
with old as (
  update ducklake.ducklake_table set end_snapshot = $1::bigint
  where table_id = $2::bigint and end_snapshot is null returning table_id, table_uuid
)
insert into ducklake.ducklake_table (table_id, table_uuid, begin_snapshot, end_snapshot,
  schema_id, table_name, path, path_is_relative)
select table_id, table_uuid, $1::bigint, null, s.schema_id, $4::text, $5::text, $6::boolean
from old, ducklake.ducklake_schema s
where s.schema_name = $3::text and s.end_snapshot is null)";

/// The table's row under another schema, by the specification: the extension has no statement for
/// it.
Status move_table(pg::Connection& connection, const LakeTable& table, const TableName& to,
                  const std::string& path, bool relative) {
  TRY(connection.query("select pg_advisory_xact_lock($1::bigint)", {std::to_string(kCommitLock)}));
  TRY_ASSIGN(const pg::Rows made, connection.query(R"(
insert into ducklake.ducklake_snapshot (snapshot_id, snapshot_time, schema_version,
  next_catalog_id, next_file_id)
select snapshot_id + 1, clock_timestamp(), schema_version + 1, next_catalog_id, next_file_id
from ducklake.ducklake_snapshot order by snapshot_id desc limit 1 returning snapshot_id,
  schema_version)"));
  const std::string snapshot = made.string(0, 0);
  const std::string id = std::to_string(table.table_id);
  TRY(
      connection.query("insert into ducklake.ducklake_snapshot_changes (snapshot_id, changes_made) "
                       "values ($1::bigint, $2::text)",
                       {snapshot, "altered_table:" + id}));
  TRY(connection.query(
      "insert into ducklake.ducklake_schema_versions (begin_snapshot, schema_version, table_id) "
      "values ($1::bigint, $2::bigint, $3::bigint)",
      {snapshot, made.string(0, 1), id}));
  TRY_ASSIGN(const pg::Rows moved, connection.query(kMoveTable, {snapshot, id, to.schema, to.name,
                                                                 path, relative ? "t" : "f"}));
  if (moved.affected() != 1)
    return fail(Code::conflict, display(table.name) + " changed meanwhile.");
  TRY(connection.query("select pg_notify('minato_commit', $1::text)", {snapshot}));
  return {};
}

}  // namespace

Result<LakeTable> Lake::upsert_table(
    const TableName& name, const std::vector<Column>& columns,
    const std::vector<std::pair<std::string, std::string>>& renames) {
  CHECK(!columns.empty());
  TRY_ASSIGN(const std::optional<LakeTable> known, find_table(name));
  std::vector<std::string> steps;
  if (known) {
    steps = alter_steps(*known, columns, renames);
    if (steps.empty()) return *known;
  } else {
    steps = {"CREATE SCHEMA IF NOT EXISTS minato." + quote_identifier(name.schema),
             create_sql(name, columns)};
  }
  TRY_ASSIGN(auto session, impl_->sessions.take());
  TRY(run_all(*session, steps));
  TRY_ASSIGN(std::optional<LakeTable> made, find_table(name));
  if (!made) {
    return fail(Code::exists, "The lake has a table whose name differs from " + display(name) +
                                  " only in upper and lower case.");
  }
  return std::move(*made);
}

Result<LakeTable> Lake::recreate_table(const TableName& name, const std::vector<Column>& columns) {
  TRY_ASSIGN(auto session, impl_->sessions.take());
  TRY(run_all(*session, {"CREATE SCHEMA IF NOT EXISTS minato." + quote_identifier(name.schema),
                         "DROP TABLE IF EXISTS " + lake_name(name), create_sql(name, columns)}));
  TRY_ASSIGN(std::optional<LakeTable> made, find_table(name));
  CHECK(made.has_value());
  return std::move(*made);
}

Status Lake::drop_table(const TableName& name) {
  TRY_ASSIGN(const std::optional<LakeTable> known, find_table(name));
  if (!known) return {};
  TRY_ASSIGN(auto session, impl_->sessions.take());
  return run_all(*session, {"DROP TABLE IF EXISTS " + lake_name(name)});
}

Status Lake::rename_table(const TableName& from, const TableName& to) {
  if (from == to) return {};
  TRY_ASSIGN(const std::optional<LakeTable> source, find_table(from));
  TRY_ASSIGN(const std::optional<LakeTable> target, find_table(to));
  if (!source) {
    if (target) return {};  // done before
    return fail(Code::not_found, "The lake has no table " + display(from) + ".");
  }
  TRY_ASSIGN(auto session, impl_->sessions.take());
  if (target) TRY(run_all(*session, {"DROP TABLE " + lake_name(to)}));
  if (from.schema == to.schema) {
    return run_all(*session,
                   {"ALTER TABLE " + lake_name(from) + " RENAME TO " + quote_identifier(to.name)});
  }
  TRY(run_all(*session, {"CREATE SCHEMA IF NOT EXISTS minato." + quote_identifier(to.schema)}));
  TRY_ASSIGN(auto connection, impl_->connections.take());
  return pg::transaction(*connection, [&](pg::Connection& c) {
    return move_table(c, *source, to, source->path, false);
  });
}

}  // namespace minato::lake
