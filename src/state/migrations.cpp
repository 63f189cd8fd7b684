#include "state/migrations.h"

#include <array>
#include <string>

#include "base/log.h"

namespace minato::state {
namespace {

// Version 1. Small tables that are updated many times a second have room in their pages (HOT
// updates, no index on what changes) and are vacuumed by count instead of by share.
constexpr const char* foundation = R"sql(
create function minato.to_us(timestamptz) returns bigint language sql immutable parallel safe
  as $$ select (extract(epoch from $1) * 1000000)::bigint $$;
create function minato.from_us(bigint) returns timestamptz language sql immutable parallel safe
  as $$ select 'epoch'::timestamptz + $1 * interval '1 microsecond' $$;

-- The advisory lock of a running job; the upper half keeps clear of everybody else's keys.
create function minato.job_lock(bigint) returns bigint language sql immutable parallel safe
  as $$ select (5063233::bigint << 40) | ($1 & 1099511627775) $$;

create table minato.setting(name text primary key, value text not null);

create table minato.source(
  name text primary key,
  kind text not null default '',
  position text not null default '',
  source_time timestamptz,
  state text not null default 'starting' check (state in
    ('starting', 'snapshotting', 'streaming', 'waiting', 'error', 'removed')),
  error text,
  lag_ms bigint not null default 0,
  lag_bytes bigint not null default 0,
  transactions bigint not null default 0,
  changes bigint not null default 0,
  updated_at timestamptz not null default now()
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

create table minato.source_schema(
  source text not null references minato.source(name) on delete cascade,
  schema_name text not null,
  table_name text not null,
  shape jsonb not null,
  primary key (source, schema_name, table_name));

create table minato.lake_table(
  schema_name text not null,
  table_name text not null,
  source text,
  table_id bigint,
  state text not null check (state in
    ('snapshotting', 'streaming', 'repairing', 'dropped', 'mart')),
  rows bigint not null default 0,
  applied_at timestamptz,
  source_time timestamptz,
  last_snapshot bigint not null default 0,
  error text,
  primary key (schema_name, table_name)
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

create table minato.mart(
  schema_name text not null,
  mart_name text not null,
  file text not null default '',
  sql_text text not null default '',
  sql_hash text not null default '',
  built_hash text not null default '',
  refresh_seconds integer,
  inputs jsonb not null default '[]',
  state text not null default 'waiting' check (state in
    ('waiting', 'queued', 'running', 'ok', 'failed', 'invalid')),
  last_started_at timestamptz,
  last_success_at timestamptz,
  duration_ms bigint,
  built_snapshot bigint,
  failures integer not null default 0,
  next_try_at timestamptz,
  error text not null default '',
  why text not null default '',
  removed_at timestamptz,
  primary key (schema_name, mart_name)
) with (fillfactor = 50);

create table minato.job(
  id bigserial primary key,
  kind text not null,
  schema_name text not null,
  name text not null,
  priority integer not null default 0,
  state text not null default 'queued' check (state in ('queued', 'running')),
  enqueued_at timestamptz not null default now(),
  started_at timestamptz,
  worker text not null default '',
  attempt integer not null default 0,
  unique (kind, schema_name, name)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

create table minato.mart_run(
  id bigserial primary key,
  schema_name text not null,
  mart_name text not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  outcome text not null check (outcome in ('ok', 'failed', 'lost')),
  rows bigint,
  snapshot bigint,
  error text not null default '');
create index mart_run_mart on minato.mart_run(schema_name, mart_name, id);
create index mart_run_time on minato.mart_run(finished_at);

create table minato.account(
  name text primary key,
  verifier text not null,
  created_at timestamptz not null default now(),
  disabled boolean not null default false);

create table minato.incident(
  id bigserial primary key,
  key text not null,
  severity text not null check (severity in ('info', 'warning', 'critical')),
  title text not null,
  text text not null default '',
  state text not null default 'open' check (state in ('open', 'resolved')),
  opened_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  resolved_at timestamptz,
  occurrences bigint not null default 1);
create unique index incident_open on minato.incident(key) where state = 'open';
)sql";

// Version 2. What running marts read: maintenance keeps those snapshots.
constexpr const char* job_snapshots = "alter table minato.job add column snapshot bigint";

// Version 3. Nothing while a source cannot be asked.
constexpr const char* unknown_lag =
    "alter table minato.source alter column lag_bytes drop not null, alter column lag_bytes drop "
    "default; update minato.source set lag_bytes = null";

// Version 4. How far the reading of a table has come; nothing while it is not being read.
constexpr const char* rows_read = "alter table minato.lake_table add column rows_read bigint";

// Version 5. With which settings of minato.toml a source streams.
constexpr const char* settings =
    "alter table minato.source add column settings text not null default ''";

// Version 6. Tables that are captured no longer.
constexpr const char* stopped_tables =
    "alter table minato.lake_table drop constraint lake_table_state_check, add check (state in "
    "('snapshotting', 'streaming', 'repairing', 'dropped', 'mart', 'stopped'))";

constexpr std::array<const char*, 6> migrations = {foundation, job_snapshots, unknown_lag,
                                                   rows_read,  settings,      stopped_tables};

// A number of our own for pg_advisory_lock, so that two starting processes take turns.
constexpr const char* lock_key = "7885649201";

// A catalogue schema exists before the engine's first ATTACH, so that default privileges can be set
// on it. Default privileges belong to the role that creates the tables: the one that runs this, as
// every writer does.
constexpr const char* grants = R"sql(
create schema if not exists ducklake;
do $$
declare
  may_create constant boolean := (select rolcreaterole or rolsuper from pg_roles
                                  where rolname = current_user);
  role_name text;
begin
  foreach role_name in array array['minato_gate', 'minato_reader'] loop
    if may_create and not exists (select from pg_roles where rolname = role_name) then
      execute format('create role %I nologin', role_name);
    end if;
  end loop;
  if exists (select from pg_roles where rolname = 'minato_gate') then
    grant usage on schema minato to minato_gate;
    grant select on minato.account to minato_gate;
  end if;
  if exists (select from pg_roles where rolname = 'minato_reader') then
    grant usage on schema ducklake to minato_reader;
    grant select on all tables in schema ducklake to minato_reader;
    alter default privileges in schema ducklake grant select on tables to minato_reader;
  end if;
end $$;
)sql";

Result<int> version(pg::Connection& connection) {
  TRY_ASSIGN(const pg::Rows exists,
             connection.query("select to_regclass('minato.setting') is not null"));
  if (!exists.boolean(0, 0)) return 0;
  TRY_ASSIGN(
      const pg::Rows rows,
      connection.query("select value::int from minato.setting where name = 'schema_version'"));
  return rows.size() == 0 ? 0 : static_cast<int>(rows.integer(0, 0));
}

Status step(pg::Connection& connection, int number) {
  return pg::transaction(connection, [&](pg::Connection& c) -> Status {
    TRY(c.script(migrations[static_cast<std::size_t>(number)]));
    TRY(
        c.query("insert into minato.setting values ('schema_version', $1) "
                "on conflict (name) do update set value = excluded.value",
                {std::to_string(number + 1)}));
    return {};
  });
}

Status migrate_locked(pg::Connection& connection) {
  TRY(connection.script("create schema if not exists minato"));
  TRY_ASSIGN(const int found, version(connection));
  if (found > schema_version()) {
    return fail(Code::unsupported,
                "This platform was opened by a newer Minato: install that version or newer.",
                "schema version " + std::to_string(found));
  }
  for (int next = found; next < schema_version(); ++next) {
    TRY(step(connection, next));
    log::info("state.migrated", {{"version", next + 1}});
  }
  return pg::transaction(connection, [](pg::Connection& c) { return c.script(grants); });
}

}  // namespace

int schema_version() { return static_cast<int>(migrations.size()); }

Status migrate(pg::Connection& connection) {
  TRY(connection.query(std::string("select pg_advisory_lock(") + lock_key + ")"));
  Status status = migrate_locked(connection);
  // A lost connection has released the lock.
  (void)connection.query(std::string("select pg_advisory_unlock(") + lock_key + ")");
  return status;
}

Status grant(pg::Connection& connection) {
  return pg::transaction(connection, [](pg::Connection& c) -> Status {
    TRY(c.query(std::string("select pg_advisory_xact_lock(") + lock_key + ")"));
    return c.script(grants);
  });
}

}  // namespace minato::state
