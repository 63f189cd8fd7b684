#include "lake/ddl_rows.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/check.h"
#include "lake/lake_impl.h"
#include "lake/stats.h"

namespace minato::lake {
namespace {

constexpr const char* kAddSchema = R"(
insert into ducklake.ducklake_schema (schema_id, schema_uuid, begin_snapshot, schema_name, path,
  path_is_relative)
values ($1::bigint, gen_random_uuid(), $2::bigint, $3::text, $4::text, $5::boolean))";
constexpr const char* kAddTable = R"(
insert into ducklake.ducklake_table (table_id, table_uuid, begin_snapshot, schema_id, table_name,
  path, path_is_relative)
values ($1::bigint, gen_random_uuid(), $2::bigint, $3::bigint, $4::text, $5::text, $6::boolean))";
/// Another name or schema: the row ends, and one with the same identity begins.
constexpr const char* kMoveTable = R"(
with old as (
  update ducklake.ducklake_table set end_snapshot = $2::bigint
  where table_id = $1::bigint and end_snapshot is null returning table_id, table_uuid
)
insert into ducklake.ducklake_table (table_id, table_uuid, begin_snapshot, schema_id, table_name,
  path, path_is_relative)
select table_id, table_uuid, $2::bigint, $3::bigint, $4::text, $5::text, $6::boolean from old)";
constexpr std::array<const char*, 4> kDropTable = {
    "update ducklake.ducklake_table set end_snapshot = $2::bigint "
    "where table_id = $1::bigint and end_snapshot is null",
    "update ducklake.ducklake_column set end_snapshot = $2::bigint "
    "where table_id = $1::bigint and end_snapshot is null",
    "update ducklake.ducklake_data_file set end_snapshot = $2::bigint "
    "where table_id = $1::bigint and end_snapshot is null",
    "update ducklake.ducklake_delete_file set end_snapshot = $2::bigint "
    "where table_id = $1::bigint and end_snapshot is null"};
constexpr const char* kEndColumns = R"(
update ducklake.ducklake_column set end_snapshot = $2::bigint
where table_id = $1::bigint and column_id = any($3::bigint[]) and end_snapshot is null)";
// A column keeps its default when its name, type or place changes.
constexpr const char* kAddColumns = R"(
insert into ducklake.ducklake_column (column_id, begin_snapshot, table_id, column_order,
  column_name, column_type, initial_default, default_value, nulls_allowed, parent_column,
  default_value_type, default_value_dialect)
select u.id, $2::bigint, $1::bigint, u.place, u.name, u.type,
  u.initial, coalesce(old.default_value, 'NULL'), true, null,
  coalesce(old.default_value_type, 'literal'), coalesce(old.default_value_dialect, 'duckdb')
from unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[])
  u(id, place, name, type, initial)
left join ducklake.ducklake_column old on old.table_id = $1::bigint and old.column_id = u.id and
  old.end_snapshot = $2::bigint)";
constexpr const char* kSchemaVersion = R"(
insert into ducklake.ducklake_schema_versions (begin_snapshot, schema_version, table_id)
select $1::bigint, $2::bigint, id from unnest($3::bigint[]) u(id))";
// The engine compares names without case, in ASCII.
constexpr const char* kClashes = R"(
select 1 from ducklake.ducklake_table t join ducklake.ducklake_table o
  on o.schema_id = t.schema_id and o.table_id <> t.table_id and o.end_snapshot is null
  and lower(o.table_name collate "C") = lower(t.table_name collate "C")
where t.table_id = $1::bigint and t.end_snapshot is null)";

class DdlWriter {
 public:
  DdlWriter(pg::Connection& connection, const std::string& data_path, CatalogueState& state)
      : connection_(connection),
        data_path_(data_path),
        state_(state),
        snapshot_(std::to_string(state.snapshot_id + 1)) {}

  Result<DdlRows> write(const std::vector<TableDdl>& ddl);

 private:
  struct Schema {
    std::string id;
    std::string path;
  };
  Result<Schema> schema(const std::string& name, const std::string& table_path);
  Status drop(const LakeTable& table);
  Status create(const LakeTable& table, std::int64_t id);
  Status alter(const LakeTable& table);
  Status alter_columns(const LakeTable& before, const LakeTable& after);
  Status add_columns(const std::string& id, const std::vector<LakeColumn>& columns);
  Status no_clash(const TableName& name, std::int64_t id);
  void note(const std::string& change) {
    if (!out_.changes.empty()) out_.changes += ',';
    out_.changes += change;
  }

  pg::Connection& connection_;
  const std::string& data_path_;
  CatalogueState& state_;
  const std::string snapshot_;
  std::map<std::string, Schema> schemas_;
  DdlRows out_;
};

std::pair<std::string, std::string> relative(const std::string& base, const std::string& path) {
  if (path.starts_with(base)) return {path.substr(base.size()), "t"};
  return {path, "f"};
}

/// The schema's row; a schema that is not there is made, around the directory of its first table.
Result<DdlWriter::Schema> DdlWriter::schema(const std::string& name,
                                            const std::string& table_path) {
  if (const auto known = schemas_.find(name); known != schemas_.end()) return known->second;
  TRY_ASSIGN(const pg::Rows found,
             connection_.query("select schema_id, schema_name, path, path_is_relative from "
                               "ducklake.ducklake_schema where end_snapshot is null and "
                               "lower(schema_name collate \"C\") = lower($1::text collate \"C\")",
                               {name}));
  Schema out;
  if (found.size() > 0) {
    if (found.text(0, 1) != name) {
      return fail(Code::exists, "The lake has a schema " + found.string(0, 1) +
                                    ", which differs "
                                    "from " +
                                    name + " only in upper and lower case.");
    }
    out = {found.string(0, 0), path_below(data_path_, found.text(0, 2), found.boolean(0, 3))};
  } else {
    const std::size_t end = table_path.find_last_of('/', table_path.size() - 2);
    CHECK(end != std::string::npos);
    out = {std::to_string(state_.next_catalog_id++), table_path.substr(0, end + 1)};
    const auto [path, below] = relative(data_path_, out.path);
    TRY(connection_.query(kAddSchema, {out.id, snapshot_, name, path, below}));
    note("created_schema:" + quote_identifier(name));
  }
  schemas_.emplace(name, out);
  return out;
}

Status DdlWriter::drop(const LakeTable& table) {
  const std::string id = std::to_string(table.table_id);
  bool first = true;
  for (const char* statement : kDropTable) {
    TRY_ASSIGN(const pg::Rows done, connection_.query(statement, {id, snapshot_}));
    if (std::exchange(first, false) && done.affected() != 1) {
      return fail(Code::conflict, display(table.name) + " is no longer in the lake.");
    }
  }
  note("dropped_table:" + id);
  return {};
}

Status DdlWriter::add_columns(const std::string& id, const std::vector<LakeColumn>& columns) {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> places;
  std::vector<std::optional<std::string>> names;
  std::vector<std::optional<std::string>> types;
  std::vector<std::optional<std::string>> initials;
  for (const LakeColumn& column : columns) {
    ids.push_back(column.column_id);
    places.push_back(column.order);
    names.emplace_back(column.column.name);
    types.emplace_back(lake_type(column.column.type));
    initials.push_back(column.initial);
  }
  TRY(connection_.query(kAddColumns, {id, snapshot_, int_array(ids), int_array(places),
                                      text_array(names), text_array(types), text_array(initials)}));
  return {};
}

Status DdlWriter::create(const LakeTable& table, std::int64_t id) {
  TRY_ASSIGN(const Schema in, schema(table.name.schema, table.path));
  const auto [path, below] = relative(in.path, table.path);
  TRY(connection_.query(kAddTable,
                        {std::to_string(id), snapshot_, in.id, table.name.name, path, below}));
  note("created_table:" + quote(table.name));
  return add_columns(std::to_string(id), table.columns);
}

Status DdlWriter::alter_columns(const LakeTable& before, const LakeTable& after) {
  std::vector<std::int64_t> ended;
  std::vector<LakeColumn> begun;
  for (const LakeColumn& column : before.columns) {
    const auto same = std::ranges::find(after.columns, column.column_id, &LakeColumn::column_id);
    if (same == after.columns.end() || *same != column) ended.push_back(column.column_id);
  }
  for (const LakeColumn& column : after.columns) {
    const auto same = std::ranges::find(before.columns, column.column_id, &LakeColumn::column_id);
    if (same != before.columns.end() && *same == column) continue;
    begun.push_back(column);
  }
  if (ended.empty() && begun.empty()) return {};
  const std::string id = std::to_string(after.table_id);
  TRY(connection_.query(kEndColumns, {id, snapshot_, int_array(ended)}));
  TRY(add_columns(id, begun));
  note("altered_table:" + id);
  return {};
}

Status DdlWriter::alter(const LakeTable& table) {
  const std::string id = std::to_string(table.table_id);
  TRY_ASSIGN(const auto found,
             read_tables(connection_, data_path_, "t.table_id = $1::bigint", {id}));
  if (found.size() != 1) {
    return fail(Code::conflict, display(table.name) + " is no longer in the lake.");
  }
  const LakeTable& before = found.front();
  if (before.shaped_at != table.shaped_at) {
    return fail(Code::conflict, display(table.name) + " was altered meanwhile.");
  }
  TRY(alter_columns(before, table));
  if (before.name == table.name) return {};
  // A table that moves keeps its files where they are.
  TRY_ASSIGN(const Schema in,
             schema(table.name.schema,
                    data_path_ + directory_name(table.name.schema) + table.name.name + "/"));
  const auto [path, below] = relative(in.path, before.path);
  TRY(connection_.query(kMoveTable, {id, snapshot_, in.id, table.name.name, path, below}));
  note("created_table:" + quote(table.name));  // as the extension notes a new name
  return {};
}

Status DdlWriter::no_clash(const TableName& name, std::int64_t id) {
  TRY_ASSIGN(const pg::Rows clash, connection_.query(kClashes, {std::to_string(id)}));
  if (clash.size() == 0) return {};
  return fail(Code::exists, "The lake has a table whose name differs from " + display(name) +
                                " at most in upper and lower case.");
}

Result<DdlRows> DdlWriter::write(const std::vector<TableDdl>& ddl) {
  const std::string version = std::to_string(++state_.schema_version);
  std::vector<std::int64_t> shaped;
  for (const TableDdl& change : ddl) {
    std::int64_t id = change.table.table_id;
    if (change.drop) {
      CHECK(id > 0);
      TRY(drop(change.table));
    } else if (id < 0) {
      id = state_.next_catalog_id++;
      TRY(create(change.table, id));
    } else {
      TRY(alter(change.table));
    }
    if (!change.drop) shaped.push_back(id);
    out_.table_ids.push_back(id);
  }
  // Only now: tables may have exchanged their names.
  for (std::size_t n = 0; n < ddl.size(); ++n) {
    if (!ddl[n].drop) TRY(no_clash(ddl[n].table.name, out_.table_ids[n]));
  }
  TRY(connection_.query(kSchemaVersion, {snapshot_, version, int_array(shaped)}));
  return std::move(out_);
}

}  // namespace

Result<DdlRows> write_ddl(pg::Connection& connection, const CommitRequest& request,
                          const std::string& data_path, CatalogueState& state) {
  return DdlWriter(connection, data_path, state).write(request.ddl);
}

}  // namespace minato::lake
