#include "lake/publish.h"

#include <array>

#include "base/check.h"

namespace minato::lake {
namespace {

constexpr const char* kFindOld = R"(
select t.table_id from ducklake.ducklake_table t
join ducklake.ducklake_schema s on s.schema_id = t.schema_id and s.end_snapshot is null
where s.schema_name = $1::text and t.table_name = $2::text and t.end_snapshot is null)";

/// What the extension ends when it drops a table.
constexpr std::array<const char*, 4> kEndOld = {
    "update ducklake.ducklake_table set end_snapshot = $1::bigint "
    "where table_id = $2::bigint and end_snapshot is null",
    "update ducklake.ducklake_column set end_snapshot = $1::bigint "
    "where table_id = $2::bigint and end_snapshot is null",
    "update ducklake.ducklake_data_file set end_snapshot = $1::bigint "
    "where table_id = $2::bigint and end_snapshot is null",
    "update ducklake.ducklake_delete_file set end_snapshot = $1::bigint "
    "where table_id = $2::bigint and end_snapshot is null"};

/// And what it writes when it renames one: the row ends, one with the new name begins.
constexpr const char* kRename = R"(
with old as (
  update ducklake.ducklake_table set end_snapshot = $1::bigint
  where table_id = $2::bigint and end_snapshot is null
  returning table_id, table_uuid, schema_id, path, path_is_relative
)
insert into ducklake.ducklake_table
  (table_id, table_uuid, begin_snapshot, end_snapshot, schema_id, table_name, path,
   path_is_relative)
select table_id, table_uuid, $1::bigint, null, schema_id, $3::text, path, path_is_relative
from old)";

constexpr const char* kSchemaVersion = R"(
with s as (
  update ducklake.ducklake_snapshot set schema_version = schema_version + 1
  where snapshot_id = $1::bigint returning schema_version
)
insert into ducklake.ducklake_schema_versions (begin_snapshot, schema_version, table_id)
select $1::bigint, schema_version, $2::bigint from s)";

constexpr const char* kChanges = R"(
update ducklake.ducklake_snapshot_changes
set changes_made = concat_ws(',', nullif(changes_made, ''), $2::text)
where snapshot_id = $1::bigint)";

Status touches_one(const Result<pg::Rows>& rows) {
  if (!rows) return fail(rows.error());
  if (rows->affected() == 1) return {};
  return fail(Code::conflict, "The table to be published changed meanwhile.");
}

}  // namespace

Status publish_table(pg::Connection& connection, std::int64_t snapshot, const LakeTable& built,
                     const TableName& to) {
  CHECK(built.name.schema == to.schema && built.name != to);
  const std::string at = std::to_string(snapshot);
  const std::string id = std::to_string(built.table_id);
  std::string changes;
  TRY_ASSIGN(const pg::Rows old, connection.query(kFindOld, {to.schema, to.name}));
  if (old.size() > 0) {
    const std::string old_id = old.string(0, 0);
    for (const char* statement : kEndOld) TRY(connection.query(statement, {at, old_id}));
    changes = "dropped_table:" + old_id + ",";
  }
  TRY(touches_one(connection.query(kRename, {at, id, to.name})));
  TRY(touches_one(connection.query(kSchemaVersion, {at, id})));
  return touches_one(connection.query(kChanges, {at, changes + "created_table:" + quote(to)}));
}

}  // namespace minato::lake
