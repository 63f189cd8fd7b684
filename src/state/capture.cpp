#include "state/capture.h"

#include "state/incidents.h"
#include "state/shape.h"

namespace minato::state {
namespace {

/// Microseconds since 1970 as a parameter of to_timestamp($n::float8 / 1e6); NULL for "never".
pg::Param micros(SystemTime time) {
  if (time == SystemTime{}) return std::nullopt;
  return std::to_string(time.time_since_epoch().count());
}

pg::Param bytes_of(const SourceLag& lag) {
  if (!lag.bytes) return std::nullopt;
  return std::to_string(*lag.bytes);
}

std::string gap_key(const std::string& source) { return "source/" + source; }

Status done(Result<pg::Rows> rows) {
  if (!rows) return fail(std::move(rows).error());
  return {};
}

/// Names of tables as two parameters for unnest().
struct NameArrays {
  std::vector<std::string> schemas;
  std::vector<std::string> names;
  void add(const TableName& table) {
    schemas.push_back(table.schema);
    names.push_back(table.name);
  }
};

/// Of minato.lake_table: source $1 may fill it, since no other one does.
constexpr const char* is_free =
    " (lake_table.source is null or lake_table.source = $1 or lake_table.state in ('dropped', "
    "'stopped') or not exists (select from minato.source o where o.name = lake_table.source and "
    "o.state <> 'removed'))";

/// Error{conflict} when another source fills one of the tables.
Status claim(pg::Connection& connection, const std::string& source, const NameArrays& tables) {
  TRY_ASSIGN(
      const pg::Rows taken,
      connection.query(std::string("select schema_name, table_name, source from minato.lake_table "
                                   "where (schema_name, table_name) in (select * from "
                                   "unnest($2::text[], $3::text[])) and not") +
                           is_free + " order by 1, 2 limit 1",
                       {source, pg::array(tables.schemas), pg::array(tables.names)}));
  if (taken.size() == 0) return {};
  return fail(Code::conflict,
              "The table " + display({taken.string(0, 0), taken.string(0, 1)}) +
                  " is captured from the source " + taken.string(0, 2) +
                  " already: two sources cannot fill one table of the lake. Leave it out of "
                  "`tables` of one of them in minato.toml.");
}

std::string incident_of(const TableName& table) { return "capture/" + display(table); }

}  // namespace

Status source_starts(pg::Connection& connection, const std::string& source) {
  return done(connection.query(
      "insert into minato.source(name, state, updated_at) values ($1, 'starting', now()) "
      "on conflict (name) do update set state = case when source.state = 'error' then 'error' else "
      "'starting' end, lag_bytes = null, updated_at = now()",
      {source}));
}

Result<StoredSource> load_source(pg::Connection& connection, const std::string& source) {
  StoredSource out;
  TRY_ASSIGN(const pg::Rows row,
             connection.query("select position from minato.source where name = $1", {source}));
  if (row.size() == 1) out.position.text = row.string(0, 0);
  TRY_ASSIGN(
      const pg::Rows shapes,
      connection.query("select s.shape from minato.source_schema s join minato.lake_table t "
                       "using (schema_name, table_name) where s.source = $1 and t.source = $1 and "
                       "t.state = 'streaming' "
                       "order by schema_name, table_name",
                       {source}));
  for (int n = 0; n < shapes.size(); ++n) {
    TRY_ASSIGN(TableSchemaPtr shape, shape_from_json(shapes.text(n, 0)));
    out.shapes.push_back(std::move(shape));
  }
  return out;
}

Status source_streams(pg::Connection& connection, const std::string& source,
                      const std::string& settings) {
  TRY(done(
      connection.query("update minato.source set state = 'streaming', error = null, settings = $2, "
                       "updated_at = now() where name = $1",
                       {source, settings})));
  return source_gap_ends(connection, source);
}

Status source_failed(pg::Connection& connection, const std::string& source, const Error& error) {
  const std::string text = error.message + (error.detail.empty() ? "" : " (" + error.detail + ")");
  return done(connection.query(
      "update minato.source set state = 'error', error = $2, lag_bytes = null, updated_at = now() "
      "where name = $1",
      {source, text}));
}

Status source_gap(pg::Connection& connection, const std::string& source, const Error& error) {
  return pg::transaction(connection, [&](pg::Connection& c) -> Status {
    TRY(source_failed(c, source, error));
    TRY(c.query("update minato.source set position = '' where name = $1", {source}));
    TRY(
        c.query("update minato.lake_table set state = 'repairing', error = $2 where source = $1 "
                "and state not in ('dropped', 'stopped')",
                {source, error.message}));
    TRY(open_incident(c, gap_key(source), Severity::warning,
                      "Source " + source + ": its binary log has a gap",
                      error.message + " All its tables are being read anew. Keep binary logs "
                                      "longer than the longest downtime (expire_logs_days)."));
    return {};
  });
}

Status source_gap_ends(pg::Connection& connection, const std::string& source) {
  TRY_ASSIGN(
      const pg::Rows left,
      connection.query(
          "select 1 from minato.lake_table where source = $1 and state = 'repairing' limit 1",
          {source}));
  if (left.size() == 0) TRY(resolve_incident(connection, gap_key(source)));
  return {};
}

Status source_lag(pg::Connection& connection, const std::string& source, const SourceLag& lag,
                  const std::string& error) {
  return done(connection.query(
      "update minato.source set lag_ms = $2, lag_bytes = $3, error = nullif($4, ''), updated_at = "
      "now(), "
      "state = case when $4 = '' then 'streaming' else 'waiting' end where name = $1",
      {source, std::to_string(lag.ms), bytes_of(lag), error}));
}

Status source_falls_behind(pg::Connection& connection, const std::string& source,
                           const SourceLag& lag) {
  return done(connection.query(
      "update minato.source set lag_ms = $2, lag_bytes = $3, updated_at = now() where name = $1",
      {source, std::to_string(lag.ms), bytes_of(lag)}));
}

Status source_reached(pg::Connection& connection, const std::string& source, const Position& before,
                      const Position& position, SystemTime source_time, std::uint64_t transactions,
                      std::uint64_t changes) {
  TRY_ASSIGN(
      const pg::Rows done,
      connection.query("update minato.source set position = $2, source_time = "
                       "coalesce(to_timestamp($3::float8 / 1e6), source_time), "
                       "transactions = coalesce(transactions, 0) + $4, changes = coalesce(changes, "
                       "0) + $5, updated_at = now() "
                       "where name = $1 and position = $6",
                       {source, position.text, micros(source_time), std::to_string(transactions),
                        std::to_string(changes), before.text}));
  if (done.affected() == 1) return {};
  return fail(Code::conflict, "The position of " + source + " was moved by another process.",
              "expected " + (before.text.empty() ? "the beginning" : before.text));
}

Status tables_await_reading(pg::Connection& connection, const std::string& source,
                            const std::vector<TableName>& tables) {
  if (tables.empty()) return {};
  NameArrays names;
  for (const TableName& table : tables) names.add(table);
  // A table that had been read before keeps its last good rows until the new ones are in.
  TRY(done(connection.query(
      std::string("insert into minato.lake_table(schema_name, table_name, source, state, rows, "
                  "rows_read) "
                  "select s, n, $1, 'snapshotting', 0, 0 from unnest($2::text[], $3::text[]) as "
                  "t(s, n) "
                  "on conflict (schema_name, table_name) do update set source = excluded.source, "
                  "rows_read = 0, "
                  "state = case when minato.lake_table.state = 'repairing' then 'repairing' else "
                  "'snapshotting' end where") +
          is_free,
      {source, pg::array(names.schemas), pg::array(names.names)})));
  return claim(connection, source, names);
}

Status tables_snapshotting(pg::Connection& connection, const std::string& source,
                           const std::vector<TableName>& tables) {
  return pg::transaction(connection, [&](pg::Connection& c) -> Status {
    TRY(tables_await_reading(c, source, tables));
    return done(c.query(
        "update minato.source set state = 'snapshotting', updated_at = now() where name = $1",
        {source}));
  });
}

Status tables_stopped(pg::Connection& connection, const std::vector<TableName>& tables) {
  if (tables.empty()) return {};
  NameArrays names;
  for (const TableName& table : tables) {
    names.add(table);
    TRY(resolve_incident(connection, incident_of(table)));
  }
  return done(connection.query(
      "update minato.lake_table t set state = 'stopped', error = null, rows_read = null "
      "from unnest($1::text[], $2::text[]) as c(s, n) "
      "where t.schema_name = c.s and t.table_name = c.n and t.state not in ('dropped', 'stopped')",
      {pg::array(names.schemas), pg::array(names.names)}));
}

Status tables_read(pg::Connection& connection, const std::vector<RowsRead>& tables) {
  if (tables.empty()) return {};
  NameArrays names;
  std::vector<std::string> rows;
  for (const RowsRead& read : tables) {
    names.add(read.table);
    rows.push_back(std::to_string(read.rows));
  }
  return done(
      connection.query("update minato.lake_table t set rows_read = r.rows "
                       "from unnest($1::text[], $2::text[], $3::bigint[]) as r(s, n, rows) "
                       "where t.schema_name = r.s and t.table_name = r.n and t.rows_read <> r.rows",
                       {pg::array(names.schemas), pg::array(names.names), pg::array(rows)}));
}

Status table_streams(pg::Connection& connection, const std::string& source,
                     const TableSchema& shape) {
  TRY(done(connection.query(
      "insert into minato.source_schema(source, schema_name, table_name, shape) values ($1, $2, "
      "$3, $4) "
      "on conflict (source, schema_name, table_name) do update set shape = excluded.shape",
      {source, shape.name.schema, shape.name.name, to_json(shape)})));
  TRY(done(
      connection.query(std::string("insert into minato.lake_table(schema_name, table_name, "
                                   "source, state, rows) values ($2, $3, $1, 'streaming', 0) "
                                   "on conflict (schema_name, table_name) do update set source "
                                   "= excluded.source, state = 'streaming', error = null, "
                                   "rows_read = null where") +
                           is_free,
                       {source, shape.name.schema, shape.name.name})));
  NameArrays names;
  names.add(shape.name);
  TRY(claim(connection, source, names));
  TRY(resolve_incident(connection, incident_of(shape.name)));
  return {};
}

Status table_lost(pg::Connection& connection, const std::string& source, const TableName& table,
                  const std::string& why) {
  const std::string text =
      !why.empty() ? why
                   : "Changes of " + display(table) +
                         " did not fit the rows in the lake. The table is being read anew.";
  TRY(done(connection.query(
      std::string(
          "insert into minato.lake_table(schema_name, table_name, source, state, rows, "
          "error) values ($2, $3, $1, 'repairing', 0, $4) on conflict (schema_name, "
          "table_name) do update set source = excluded.source, state = 'repairing', error = "
          "excluded.error, rows_read = null where") +
          is_free,
      {source, table.schema, table.name, text})));
  NameArrays names;
  names.add(table);
  TRY(claim(connection, source, names));
  TRY(open_incident(connection, incident_of(table), Severity::warning,
                    "Table " + display(table) + " is being repaired", text));
  return {};
}

Status table_dropped(pg::Connection& connection, const std::string& source,
                     const TableName& table) {
  TRY(done(connection.query(
      "delete from minato.source_schema where source = $1 and schema_name = $2 and table_name = $3",
      {source, table.schema, table.name})));
  TRY(resolve_incident(connection, incident_of(table)));
  return done(
      connection.query("delete from minato.lake_table where schema_name = $1 and table_name = $2",
                       {table.schema, table.name}));
}

Status table_renamed(pg::Connection& connection, const std::string& source, const TableName& from,
                     const TableSchema& shape) {
  NameArrays names;
  names.add(shape.name);
  TRY(claim(connection, source, names));
  TRY(done(
      connection.query("delete from minato.lake_table where schema_name = $1 and table_name = $2",
                       {shape.name.schema, shape.name.name})));
  TRY(
      done(connection.query("update minato.lake_table set schema_name = $3, table_name = $4 where "
                            "schema_name = $1 and table_name = $2",
                            {from.schema, from.name, shape.name.schema, shape.name.name})));
  TRY(done(connection.query(
      "delete from minato.source_schema where source = $1 and schema_name = $2 and table_name = $3",
      {source, from.schema, from.name})));
  return table_streams(connection, source, shape);
}

Status tables_changed(pg::Connection& connection, const std::vector<TableChange>& changes,
                      std::int64_t snapshot, SystemTime source_time) {
  if (changes.empty()) return {};
  NameArrays names;
  std::vector<std::string> rows;
  std::vector<std::string> resets;
  for (const TableChange& change : changes) {
    names.add(change.table);
    rows.push_back(std::to_string(change.rows));
    resets.emplace_back(change.reset ? "t" : "f");
  }
  return done(connection.query(
      "insert into minato.lake_table(schema_name, table_name, state, rows, applied_at, "
      "source_time, last_snapshot) "
      "select c.s, c.n, 'streaming', "
      "c.rows + case when c.reset then 0 else coalesce(t.rows, 0) end, now(), "
      "to_timestamp($6::float8 / 1e6), $5::bigint "
      "from unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[]) as c(s, n, rows, reset) "
      "left join minato.lake_table t on t.schema_name = c.s and t.table_name = c.n "
      "order by c.s, c.n "
      "on conflict (schema_name, table_name) do update set "
      "rows = excluded.rows, "
      "applied_at = now(), last_snapshot = excluded.last_snapshot, "
      "source_time = coalesce(excluded.source_time, minato.lake_table.source_time)",
      {pg::array(names.schemas), pg::array(names.names), pg::array(rows), pg::array(resets),
       std::to_string(snapshot), micros(source_time)}));
}

}  // namespace minato::state
