// The lake's catalogue: opening, tables, live files.
#include <fmt/format.h>

#include <filesystem>

#include "base/log.h"
#include "lake/lake_impl.h"
#include "lake/rows_function.h"
#include "lake/stats.h"

namespace minato::lake {
namespace {

// The extension makes primary keys only. Without these every commit and every query reads whole
// tables. The bounds are compared as the engine does, whatever the database's collation is.
constexpr const char* kPrepareCatalogue = R"(
create index if not exists minato_data_file_table on ducklake.ducklake_data_file (table_id,
  end_snapshot);
create index if not exists minato_data_file_end on ducklake.ducklake_data_file (end_snapshot)
  where end_snapshot is not null;
create index if not exists minato_delete_file_table on ducklake.ducklake_delete_file (table_id,
  end_snapshot);
create index if not exists minato_delete_file_data on ducklake.ducklake_delete_file (data_file_id);
create index if not exists minato_file_column_stats_file on ducklake.ducklake_file_column_stats
  (data_file_id);
create index if not exists minato_file_column_stats_column on ducklake.ducklake_file_column_stats
  (table_id, column_id);
create index if not exists minato_table_stats_table on ducklake.ducklake_table_stats (table_id);
create index if not exists minato_table_column_stats_table on
  ducklake.ducklake_table_column_stats (table_id);
create index if not exists minato_column_table on ducklake.ducklake_column (table_id);
create index if not exists minato_scheduled_path on
  ducklake.ducklake_files_scheduled_for_deletion (path);
create index if not exists minato_data_file_live on ducklake.ducklake_data_file (table_id)
  where end_snapshot is null;
alter table ducklake.ducklake_table_stats set (fillfactor = 50, autovacuum_vacuum_scale_factor =
  0.1);
alter table ducklake.ducklake_table_column_stats set (fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.1);
alter table ducklake.ducklake_data_file set (autovacuum_vacuum_scale_factor = 0.1);
alter table ducklake.ducklake_file_column_stats set (autovacuum_vacuum_scale_factor = 0.1);
)";

// Whoever reads does so in one REPEATABLE READ transaction, in which the newest snapshot and the
// files that have not ended are those of the same moment.
constexpr const char* kHideEnded = R"(
do $$
declare
  reader constant name := {};
  file_table name;
begin
  foreach file_table in array array['ducklake_data_file', 'ducklake_delete_file'] loop
    continue when not exists (select from pg_roles where rolname = reader)
      or not exists (select from pg_tables where schemaname = 'ducklake'
        and tablename = file_table and tableowner = current_user)
      or exists (select from pg_policies where schemaname = 'ducklake' and
        tablename = file_table and policyname = 'minato_live' and roles = array[reader]);
    execute format('drop policy if exists minato_all on ducklake.%I', file_table);
    execute format('drop policy if exists minato_live on ducklake.%I', file_table);
    execute format('create policy minato_all on ducklake.%I using (true) with check (true)',
      file_table);
    execute format('create policy minato_live on ducklake.%I as restrictive for select to %I
      using (end_snapshot is null)', file_table, reader);
    execute format('alter table ducklake.%I enable row level security', file_table);
  end loop;
end $$)";

constexpr const char* kTables = R"(
select t.table_id, s.schema_name, t.table_name, s.path, s.path_is_relative, t.path,
  t.path_is_relative,
       c.column_id, c.column_name, c.column_type, c.nulls_allowed, c.parent_column is not null,
       c.column_order,
       h.last_column, h.shaped_at, c.initial_default
from ducklake.ducklake_table t
join ducklake.ducklake_schema s on s.schema_id = t.schema_id and s.end_snapshot is null
join ducklake.ducklake_column c on c.table_id = t.table_id and c.end_snapshot is null
cross join lateral (
  select max(e.column_id) as last_column,
    greatest(max(e.begin_snapshot), max(e.end_snapshot)) as shaped_at
  from ducklake.ducklake_column e where e.table_id = t.table_id) h
where t.end_snapshot is null and )";

LakeColumn read_column(const pg::Rows& rows, int row, bool& plain) {
  LakeColumn out;
  out.column_id = rows.integer(row, 7);
  out.order = rows.integer(row, 12);
  out.column.name = rows.string(row, 8);
  out.column.nullable = rows.boolean(row, 10);
  const auto type = parse_lake_type(rows.text(row, 9));
  plain = plain && type.has_value();
  if (type) out.column.type = *type;
  if (!rows.is_null(row, 15)) out.initial = rows.string(row, 15);
  return out;
}

LiveFile read_live_file(const pg::Rows& rows, int row, const std::string& table_path) {
  const auto path = [&](int column) {
    const bool relative = rows.boolean(row, column + 1);
    return relative ? table_path + rows.string(row, column) : rows.string(row, column);
  };
  LiveFile file;
  file.data_file_id = rows.integer(row, 0);
  file.path = path(1);
  file.record_count = static_cast<std::uint64_t>(rows.integer(row, 3));
  file.file_size_bytes = static_cast<std::uint64_t>(rows.integer(row, 4));
  file.row_id_start = rows.integer(row, 5);
  file.begin_snapshot = rows.integer(row, 6);
  if (!rows.is_null(row, 7)) {
    LiveDeletes deletes;
    deletes.delete_file_id = rows.integer(row, 7);
    deletes.path = path(8);
    deletes.delete_count = static_cast<std::uint64_t>(rows.integer(row, 10));
    deletes.file_size_bytes = static_cast<std::uint64_t>(rows.integer(row, 11));
    file.deletes = std::move(deletes);
  }
  return file;
}

}  // namespace

std::string path_below(const std::string& base, std::string_view path, bool relative) {
  std::string out = relative ? base + std::string(path) : std::string(path);
  if (!out.ends_with('/')) out += '/';
  return out;
}

Result<std::vector<LakeTable>> read_tables(pg::Connection& connection, const std::string& data_path,
                                           const std::string& where,
                                           const std::vector<pg::Param>& params) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query(kTables + where + " order by t.table_id, c.column_order", params));
  std::vector<LakeTable> tables;
  for (int row = 0; row < rows.size(); ++row) {
    const std::int64_t id = rows.integer(row, 0);
    if (tables.empty() || tables.back().table_id != id) {
      LakeTable table;
      table.table_id = id;
      table.name = {rows.string(row, 1), rows.string(row, 2)};
      const std::string schema_path =
          path_below(data_path, rows.text(row, 3), rows.boolean(row, 4));
      table.path = path_below(schema_path, rows.text(row, 5), rows.boolean(row, 6));
      table.next_column_id = rows.integer(row, 13) + 1;
      table.shaped_at = rows.integer(row, 14);
      tables.push_back(std::move(table));
    }
    const bool nested = rows.boolean(row, 11);
    LakeColumn column = read_column(rows, row, tables.back().plain);
    if (!nested) tables.back().columns.push_back(std::move(column));
  }
  return tables;
}

std::string int_array(const std::vector<std::int64_t>& values) {
  std::string out = "{";
  for (const std::int64_t value : values) {
    if (out.size() > 1) out += ',';
    out += std::to_string(value);
  }
  return out + "}";
}

std::string text_array(const std::vector<std::optional<std::string>>& values) {
  std::string out = "{";
  for (const auto& value : values) {
    if (out.size() > 1) out += ',';
    if (!value) {
      out += "NULL";
      continue;
    }
    out += '"';
    for (const char c : *value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

Lake::Lake(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Lake::~Lake() = default;

Result<std::unique_ptr<Lake>> Lake::open(Engine& engine, const WriterOptions& options) {
  auto impl = std::make_unique<Impl>(engine, options);
  impl->data_path = path_below("", options.lake.data_path, true);
  TRY_ASSIGN(auto session, impl->sessions.take());
  TRY(register_row_functions(*session));
  TRY_ASSIGN(auto connection, impl->connections.take());
  // Two processes that start together must not create the same index at the same time.
  TRY(pg::transaction(*connection, [](pg::Connection& c) -> Status {
    TRY(c.query("select pg_advisory_xact_lock($1::bigint)", {std::to_string(kCommitLock)}));
    TRY_ASSIGN(const pg::Rows known,
               c.query("select 1 from pg_indexes where schemaname = 'ducklake' and "
                       "indexname = 'minato_data_file_live'"));
    return known.size() > 0 ? Status() : c.script(kPrepareCatalogue);
  }));
  return std::make_unique<Lake>(std::move(impl));
}

Status Lake::hide_ended_files(const std::string& reader) {
  TRY_ASSIGN(auto connection, impl_->connections.take());
  return pg::transaction(*connection, [&](pg::Connection& c) -> Status {
    TRY(c.query("select pg_advisory_xact_lock($1::bigint)", {std::to_string(kCommitLock)}));
    return c.script(fmt::format(kHideEnded, quote_literal(reader)));
  });
}

Result<std::optional<LakeTable>> Lake::find_table(const TableName& name) {
  TRY_ASSIGN(auto connection, impl_->connections.take());
  TRY_ASSIGN(std::vector<LakeTable> found,
             read_tables(*connection, impl_->data_path,
                         "s.schema_name = $1::text and t.table_name = $2::text",
                         {name.schema, name.name}));
  if (found.empty()) return std::nullopt;
  CHECK(found.size() == 1);
  return std::move(found.front());
}

Result<std::vector<LakeTable>> Lake::tables() {
  TRY_ASSIGN(auto connection, impl_->connections.take());
  return read_tables(*connection, impl_->data_path, "true", {});
}

Result<std::vector<LiveFile>> Lake::live_files(std::int64_t table_id) {
  static constexpr const char* kFiles = R"(
select f.data_file_id, f.path, f.path_is_relative, f.record_count, f.file_size_bytes,
       coalesce(f.row_id_start, 0), f.begin_snapshot,
       d.delete_file_id, d.path, d.path_is_relative, d.delete_count, d.file_size_bytes
from ducklake.ducklake_data_file f
left join ducklake.ducklake_delete_file d on d.data_file_id = f.data_file_id and d.end_snapshot
  is null
where f.table_id = $1::bigint and f.end_snapshot is null
order by f.data_file_id)";
  if (table_id < 0) return std::vector<LiveFile>{};  // a draft
  TRY_ASSIGN(auto connection, impl_->connections.take());
  const std::vector<pg::Param> id{std::to_string(table_id)};
  TRY_ASSIGN(const auto tables,
             read_tables(*connection, impl_->data_path, "t.table_id = $1::bigint", id));
  if (tables.empty()) return fail(Code::not_found, "The lake has no table " + *id[0] + ".");
  TRY_ASSIGN(const pg::Rows rows, connection->query(kFiles, id));
  std::vector<LiveFile> files;
  for (int row = 0; row < rows.size(); ++row) {
    files.push_back(read_live_file(rows, row, tables.front().path));
  }
  return files;
}

Result<std::int64_t> Lake::newest_snapshot() {
  TRY_ASSIGN(auto connection, impl_->connections.take());
  TRY_ASSIGN(const pg::Rows rows,
             connection->query("select max(snapshot_id) from ducklake.ducklake_snapshot"));
  return rows.integer(0, 0);
}

}  // namespace minato::lake
