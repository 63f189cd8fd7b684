#include "state/tables.h"

#include "base/check.h"
#include "state/sql.h"

namespace minato::state {
namespace {

constexpr std::string_view state_names[] = {"snapshotting", "streaming", "repairing",
                                            "dropped",      "mart",      "stopped"};

constexpr const char* columns =
    "select schema_name, table_name, coalesce(source, ''), coalesce(table_id, 0), state, rows, "
    "minato.to_us(applied_at), minato.to_us(source_time), last_snapshot, coalesce(error, ''), "
    "rows_read from minato.lake_table ";

LakeTable read(const pg::Rows& rows, int row) {
  LakeTable table;
  table.name = {rows.string(row, 0), rows.string(row, 1)};
  table.source = rows.string(row, 2);
  table.table_id = rows.integer(row, 3);
  table.state = enum_of<TableState>(state_names, rows.text(row, 4));
  table.rows = rows.integer(row, 5);
  table.applied_at = time_at(rows, row, 6);
  table.source_time = time_at(rows, row, 7);
  table.last_snapshot = rows.integer(row, 8);
  table.error = rows.string(row, 9);
  if (!rows.is_null(row, 10)) table.rows_read = rows.integer(row, 10);
  return table;
}

std::vector<LakeTable> read_all(const pg::Rows& rows) {
  std::vector<LakeTable> out;
  out.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) out.push_back(read(rows, row));
  return out;
}

constexpr const char* unknown = "This table is not known to Minato.";

}  // namespace

bool is_readable(TableState state) {
  return state == TableState::streaming || state == TableState::mart ||
         state == TableState::stopped;
}

std::string_view name_of(TableState state) { return state_names[static_cast<std::size_t>(state)]; }

Result<std::optional<LakeTable>> lake_table(pg::Connection& connection, const TableName& table) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query(std::string(columns) + "where schema_name = $1 and table_name = $2",
                              {table.schema, table.name}));
  if (rows.size() == 0) return std::nullopt;
  return read(rows, 0);
}

Result<std::vector<LakeTable>> lake_tables(pg::Connection& connection) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query(std::string(columns) + "order by schema_name, table_name"));
  return read_all(rows);
}

Result<std::vector<LakeTable>> lake_tables_since(pg::Connection& connection,
                                                 std::int64_t snapshot) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query(std::string(columns) + "where last_snapshot > $1::bigint or "
                                                     "state not in ('streaming', 'mart')",
                              {param(snapshot)}));
  return read_all(rows);
}

Status put_lake_table(pg::Connection& connection, const TableName& table, const std::string& source,
                      std::int64_t table_id, TableState state) {
  TRY(connection.query(
      "insert into minato.lake_table(schema_name, table_name, source, table_id, state) "
      "values ($1, $2, nullif($3, ''), $4::bigint, $5) on conflict (schema_name, table_name) "
      "do update set source = excluded.source, table_id = excluded.table_id, "
      "state = excluded.state, error = '', "
      "rows = case when lake_table.table_id = excluded.table_id then lake_table.rows else 0 end",
      {table.schema, table.name, source, param(table_id), std::string(name_of(state))}));
  return {};
}

Status set_table_state(pg::Connection& connection, const TableName& table, TableState state,
                       const std::string& error) {
  return expect_affected(
      connection.query("update minato.lake_table set state = $3, error = $4 "
                       "where schema_name = $1 and table_name = $2",
                       {table.schema, table.name, std::string(name_of(state)), error}),
      1, Code::not_found, unknown);
}

Status rename_lake_table(pg::Connection& connection, const TableName& from, const TableName& to) {
  if (from == to) return {};
  TRY(remove_lake_table(connection, to));
  return expect_affected(
      connection.query("update minato.lake_table set schema_name = $3, table_name = $4 "
                       "where schema_name = $1 and table_name = $2",
                       {from.schema, from.name, to.schema, to.name}),
      1, Code::not_found, unknown);
}

Status remove_lake_table(pg::Connection& connection, const TableName& table) {
  TRY(connection.query("delete from minato.lake_table where schema_name = $1 and table_name = $2",
                       {table.schema, table.name}));
  return {};
}

Status arrive(pg::Connection& connection, std::int64_t snapshot,
              const std::vector<Arrival>& arrivals) {
  if (arrivals.empty()) return {};
  CHECK(snapshot > 0);
  using A = const Arrival&;
  const auto rows = connection.query(
      "update minato.lake_table t set "
      "rows = a.rows + case when a.reset = 1 then 0 else t.rows end, "
      "last_snapshot = $1::bigint, applied_at = clock_timestamp(), "
      "source_time = coalesce(minato.from_us(a.source_time), t.source_time) "
      "from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[]) "
      "as a(schema_name, table_name, rows, reset, source_time) "
      "where t.schema_name = a.schema_name and t.table_name = a.table_name",
      {param(snapshot), text_array(arrivals, [](A a) { return a.table.schema; }),
       text_array(arrivals, [](A a) { return a.table.name; }),
       integer_array(arrivals, [](A a) { return std::optional(a.rows); }),
       integer_array(arrivals, [](A a) { return std::optional<std::int64_t>(a.reset); }),
       integer_array(arrivals, [](A a) -> std::optional<std::int64_t> {
         if (a.source_time == SystemTime{}) return std::nullopt;
         return a.source_time.time_since_epoch().count();
       })});
  return expect_affected(rows, static_cast<std::int64_t>(arrivals.size()), Code::internal,
                         "A table of this commit has no record.");
}

}  // namespace minato::state
