#include "state/marts.h"

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "state/sql.h"
#include "state/tables.h"

namespace minato::state {
namespace {

using Json = nlohmann::json;

constexpr std::string_view state_names[] = {"waiting", "queued", "running",
                                            "ok",      "failed", "invalid"};

// Only a mart with a job is queued or runs: whatever else its record says, it is to be planned.
constexpr const char* columns =
    "select m.schema_name, m.mart_name, m.sql_hash, m.built_hash, "
    "case when m.state in ('queued', 'running') and not exists (select from minato.job j where "
    "j.kind = 'refresh' and j.schema_name = m.schema_name and j.name = m.mart_name) then 'waiting' "
    "else m.state end, "
    "minato.to_us(m.last_started_at), minato.to_us(m.last_success_at), m.duration_ms, "
    "m.built_snapshot, m.failures, minato.to_us(m.next_try_at), m.error, m.why, "
    "minato.to_us(m.removed_at) from minato.mart m ";

std::vector<MartProgress> read_all(const pg::Rows& rows) {
  std::vector<MartProgress> out;
  out.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    MartProgress mart;
    mart.name = {rows.string(row, 0), rows.string(row, 1)};
    mart.hash = rows.string(row, 2);
    mart.built_hash = rows.string(row, 3);
    mart.state = enum_of<MartState>(state_names, rows.text(row, 4));
    mart.last_started_at = time_at(rows, row, 5);
    mart.last_success_at = time_at(rows, row, 6);
    mart.duration_ms = integer_at(rows, row, 7);
    mart.built_snapshot = integer_at(rows, row, 8);
    mart.failures = static_cast<int>(rows.integer(row, 9));
    mart.next_try_at = time_at(rows, row, 10);
    mart.error = rows.string(row, 11);
    mart.why = rows.string(row, 12);
    mart.removed_at = time_at(rows, row, 13);
    out.push_back(std::move(mart));
  }
  return out;
}

std::string inputs_json(const std::vector<TableName>& inputs) {
  Json json = Json::array();
  for (const TableName& input : inputs) json.push_back({input.schema, input.name});
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<TableName> parse_inputs(std::string_view text) {
  std::vector<TableName> out;
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_array()) return out;
  for (const Json& item : json) {
    if (item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string()) {
      out.push_back({item[0].get<std::string>(), item[1].get<std::string>()});
    }
  }
  return out;
}

Status record_run(pg::Connection& connection, const MartRun& run, std::string_view outcome,
                  std::optional<std::int64_t> snapshot, const std::string& error) {
  TRY(connection.query(
      "with run as (insert into minato.mart_run(schema_name, mart_name, started_at, finished_at, "
      "outcome, rows, snapshot, error) values ($1, $2, minato.from_us($3::bigint), "
      "clock_timestamp(), $4, $5::bigint, $6::bigint, $7) returning id) "
      "select pg_notify('minato_job', 'run ' || id) from run",
      {run.job.table.schema, run.job.table.name, param(run.started_at), std::string(outcome),
       snapshot ? param(run.rows) : pg::Param{}, param(snapshot), error}));
  return {};
}

}  // namespace

std::string_view name_of(MartState state) { return state_names[static_cast<std::size_t>(state)]; }

Result<std::vector<MartProgress>> mart_progress(pg::Connection& connection) {
  TRY_ASSIGN(const pg::Rows rows, connection.query(columns));
  return read_all(rows);
}

Result<std::vector<MartProgress>> mart_progress(pg::Connection& connection,
                                                const std::vector<std::int64_t>& runs) {
  TRY_ASSIGN(
      const pg::Rows rows,
      connection.query(std::string(columns) +
                           "where (schema_name, mart_name) in (select schema_name, mart_name "
                           "from minato.mart_run where id = any($1::bigint[]))",
                       {integer_array(runs, [](std::int64_t id) { return std::optional(id); })}));
  return read_all(rows);
}

Result<std::optional<MartDefinition>> mart_definition(pg::Connection& connection,
                                                      const TableName& name) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query("select file, sql_text, sql_hash, refresh_seconds, inputs "
                              "from minato.mart where schema_name = $1 and mart_name = $2",
                              {name.schema, name.name}));
  if (rows.size() == 0) return std::nullopt;
  MartDefinition mart{name, rows.string(0, 0), rows.string(0, 1), rows.string(0, 2), {}, {}};
  if (!rows.is_null(0, 3)) mart.refresh_seconds = static_cast<int>(rows.integer(0, 3));
  mart.inputs = parse_inputs(rows.text(0, 4));
  return mart;
}

Status put_marts(pg::Connection& connection, const std::vector<MartDefinition>& marts) {
  if (marts.empty()) return {};
  using D = const MartDefinition&;
  TRY(connection.query(
      "insert into minato.mart as m (schema_name, mart_name, file, sql_text, sql_hash, "
      "refresh_seconds, inputs) select schema_name, mart_name, file, sql_text, sql_hash, "
      "refresh_seconds::integer, inputs::jsonb from unnest($1::text[], $2::text[], $3::text[], "
      "$4::text[], $5::text[], $6::bigint[], $7::text[]) "
      "as d(schema_name, mart_name, file, sql_text, sql_hash, refresh_seconds, inputs) "
      "on conflict (schema_name, mart_name) do update set file = excluded.file, "
      "sql_text = excluded.sql_text, sql_hash = excluded.sql_hash, "
      "refresh_seconds = excluded.refresh_seconds, inputs = excluded.inputs, removed_at = null, "
      "failures = case when m.sql_hash = excluded.sql_hash then m.failures else 0 end, "
      "error = case when m.sql_hash = excluded.sql_hash then m.error else '' end, "
      "next_try_at = case when m.sql_hash = excluded.sql_hash then m.next_try_at end",
      {text_array(marts, [](D d) { return d.name.schema; }),
       text_array(marts, [](D d) { return d.name.name; }),
       text_array(marts, [](D d) { return d.file; }), text_array(marts, [](D d) { return d.sql; }),
       text_array(marts, [](D d) { return d.hash; }),
       integer_array(marts, [](D d) { return std::optional<std::int64_t>(d.refresh_seconds); }),
       text_array(marts, [](D d) { return inputs_json(d.inputs); })}));
  return {};
}

Status mark_removed(pg::Connection& connection, const TableName& name, bool removed) {
  TRY(
      connection.query("update minato.mart set removed_at = case when $3::boolean "
                       "then coalesce(removed_at, now()) end "
                       "where schema_name = $1 and mart_name = $2",
                       {name.schema, name.name, removed ? "t" : "f"}));
  return {};
}

Status plan_marts(pg::Connection& connection, const std::vector<MartPlan>& plans) {
  if (plans.empty()) return {};
  using P = const MartPlan&;
  TRY(connection.query(
      "update minato.mart m set state = p.state, why = p.why, error = p.error, "
      "next_try_at = minato.from_us(p.next_try_at) "
      "from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]) "
      "as p(schema_name, mart_name, state, why, error, next_try_at) "
      "where m.schema_name = p.schema_name and m.mart_name = p.mart_name and not exists "
      "(select from minato.job j where j.schema_name = m.schema_name and j.name = m.mart_name)",
      {text_array(plans, [](P p) { return p.name.schema; }),
       text_array(plans, [](P p) { return p.name.name; }),
       text_array(plans, [](P p) { return std::string(name_of(p.state)); }),
       text_array(plans, [](P p) { return p.why; }), text_array(plans, [](P p) { return p.error; }),
       integer_array(plans, [](P p) -> std::optional<std::int64_t> {
         if (!p.next_try_at) return std::nullopt;
         return p.next_try_at->time_since_epoch().count();
       })}));
  return {};
}

Status mart_succeeded(pg::Connection& connection, const MartRun& run, std::int64_t snapshot) {
  const TableName& name = run.job.table;
  TRY(complete(connection, run.job));
  TRY(put_lake_table(connection, name, "", run.table_id, TableState::mart));
  TRY(arrive(connection, snapshot, {Arrival{name, run.rows, true, {}}}));
  TRY(expect_affected(
      connection.query(
          "update minato.mart set state = 'ok', why = '', error = '', failures = 0, "
          "next_try_at = null, built_hash = $3, built_snapshot = $4::bigint, "
          "last_success_at = clock_timestamp(), "
          "last_started_at = minato.from_us($5::bigint), duration_ms = "
          "(minato.to_us(clock_timestamp()) - $5::bigint) / 1000 "
          "where schema_name = $1 and mart_name = $2",
          {name.schema, name.name, run.hash, param(run.snapshot_read), param(run.started_at)}),
      1, Code::conflict, "The mart was removed while it ran."));
  return record_run(connection, run, "ok", snapshot, "");
}

Result<int> mart_failed(pg::Connection& connection, const MartRun& run, const std::string& error,
                        std::optional<SystemTime> retry_at) {
  const TableName& name = run.job.table;
  TRY(complete(connection, run.job));
  // A definition that changed while the old one ran starts with a clean record.
  TRY_ASSIGN(
      const pg::Rows rows,
      connection.query(
          "update minato.mart set state = 'failed', why = '', error = $3, "
          "failures = failures + 1, next_try_at = minato.from_us($4::bigint), "
          "duration_ms = (minato.to_us(clock_timestamp()) - $5::bigint) / 1000 "
          "where schema_name = $1 and mart_name = $2 and sql_hash = $6 returning failures",
          {name.schema, name.name, error, param(retry_at), param(run.started_at), run.hash}));
  if (rows.size() == 0) {  // not running any more, else it would never be planned again
    TRY(
        connection.query("update minato.mart set state = 'waiting', why = '' "
                         "where schema_name = $1 and mart_name = $2",
                         {name.schema, name.name}));
  }
  TRY(record_run(connection, run, "failed", std::nullopt, error));
  return rows.size() == 0 ? 0 : static_cast<int>(rows.integer(0, 0));
}

Result<int> mart_failures(pg::Connection& connection, const TableName& name) {
  TRY_ASSIGN(const pg::Rows rows, connection.query("select failures from minato.mart where "
                                                   "schema_name = $1 and mart_name = $2",
                                                   {name.schema, name.name}));
  return rows.size() == 0 ? 0 : static_cast<int>(rows.integer(0, 0));
}

Result<bool> mart_removed(pg::Connection& connection, const TableName& name) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query("select removed_at is not null from minato.mart where "
                              "schema_name = $1 and mart_name = $2",
                              {name.schema, name.name}));
  return rows.size() == 0 || rows.boolean(0, 0);
}

Status mart_dropped(pg::Connection& connection, const Job& job) {
  TRY(complete(connection, job));
  TRY(remove_lake_table(connection, job.table));
  TRY(
      connection.query("delete from minato.mart where schema_name = $1 and mart_name = $2 "
                       "and removed_at is not null",
                       {job.table.schema, job.table.name}));
  // Its file came back while the table went: build it anew.
  TRY(
      connection.query("update minato.mart set built_hash = '', built_snapshot = null "
                       "where schema_name = $1 and mart_name = $2",
                       {job.table.schema, job.table.name}));
  TRY(connection.query("select pg_notify('minato_job', 'dropped')"));
  return {};
}

Result<int> requeue_lost(pg::Connection& connection, int attempts_max, SystemTime retry_at) {
  int count = 0;
  TRY(pg::transaction(connection, [&](pg::Connection& c) -> Status {
    // The lock of a job whose worker lives cannot be had. A worker lets go of it after its commit:
    // only a statement that begins with the lock held sees whether the job is still there.
    TRY_ASSIGN(const pg::Rows free,
               c.query("with running as materialized (select id from minato.job where state = "
                       "'running') select id from running "
                       "where pg_try_advisory_xact_lock(minato.job_lock(id))"));
    if (free.size() == 0) return {};
    std::vector<std::int64_t> ids;
    for (int row = 0; row < free.size(); ++row) ids.push_back(free.integer(row, 0));
    TRY_ASSIGN(
        const pg::Rows rows,
        c.query(
            "with lost as materialized (select id, kind, schema_name, name, started_at, attempt "
            "from minato.job where state = 'running' and id = any($3::bigint[])), "
            "history as (insert into minato.mart_run(schema_name, mart_name, started_at, "
            "finished_at, outcome, error) select schema_name, name, started_at, clock_timestamp(), "
            "'lost', 'Its worker ended while it ran.' from lost where kind = 'refresh' returning "
            "id), "
            "again as (update minato.job j set state = 'queued', started_at = null, worker = '' "
            "from lost l where j.id = l.id and (l.attempt < $1::int or l.kind = 'drop')), "
            "over as (delete from minato.job j using lost l where j.id = l.id "
            "and l.attempt >= $1::int and l.kind = 'refresh'), "
            "marked as (update minato.mart m set "
            "state = case when l.attempt < $1::int then 'queued' else 'failed' end, "
            "why = case when l.attempt < $1::int then 'waits for a free worker' else '' end, "
            "failures = m.failures + case when l.attempt < $1::int then 0 else 1 end, "
            "next_try_at = case when l.attempt < $1::int then null "
            "else minato.from_us($2::bigint) end, "
            "error = case when l.attempt < $1::int then m.error else "
            "'Its worker ended ' || l.attempt || ' times while it ran: most likely it needs more "
            "memory than the worker has.' end "
            "from lost l where m.schema_name = l.schema_name and m.mart_name = l.name "
            "and l.kind = 'refresh'), "
            "told as (select pg_notify('minato_job', 'run ' || id) from history) "
            "select (select count(*) from lost), (select count(*) from told)",
            {param(std::int64_t{attempts_max}), param(retry_at),
             integer_array(ids, [](std::int64_t id) { return std::optional(id); })}));
    count = static_cast<int>(rows.integer(0, 0));
    if (count > 0) TRY(c.query("select pg_notify('minato_job', 'queued')"));
    return {};
  }));
  return count;
}

Status prune_runs(pg::Connection& connection, std::chrono::hours age) {
  TRY(
      connection.query("delete from minato.mart_run where finished_at < now() - "
                       "$1::bigint * interval '1 hour'",
                       {param(std::int64_t{age.count()})}));
  return {};
}

}  // namespace minato::state
