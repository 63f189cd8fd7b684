// Expiry and clean-up: what no remaining snapshot can see leaves the catalogue at once, and the
// disk after the guard.
#include <filesystem>
#include <set>

#include "base/failpoint.h"
#include "base/log.h"
#include "lake/lake_impl.h"
#include "lake/maintenance.h"
#include "model/names.h"

namespace minato::lake {
namespace {

namespace fs = std::filesystem;

/// A file's path below the data path, as DuckLake schedules it.
constexpr const char* kPath =
    "case when not f.path_is_relative then f.path when not t.path_is_relative then t.path || "
    "f.path "
    "when not s.path_is_relative then s.path || t.path || f.path else s.path || t.path || f.path "
    "end, "
    "f.path_is_relative and t.path_is_relative and s.path_is_relative";

/// Moves the rows of `table` that ended at or before $1 to the deletion schedule.
std::string schedule(const std::string& table, const std::string& id) {
  return "with f as (delete from ducklake." + table +
         " where end_snapshot <= $1 returning *) "
         "insert into ducklake.ducklake_files_scheduled_for_deletion(data_file_id, path, "
         "path_is_relative, "
         "schedule_start) select f." +
         id + ", " + kPath +
         ", now() from f join ducklake.ducklake_table t on t.table_id = f.table_id and "
         "t.begin_snapshot = "
         "(select max(begin_snapshot) from ducklake.ducklake_table where table_id = f.table_id) "
         "join ducklake.ducklake_schema s on s.schema_id = t.schema_id and s.begin_snapshot = "
         "(select max(begin_snapshot) from ducklake.ducklake_schema where schema_id = s.schema_id)";
}

/// The first snapshot that stays: the newest, or an older one that is young enough or still read.
Result<std::int64_t> keep_from(pg::Connection& catalogue, std::chrono::seconds retention,
                               std::optional<std::int64_t> oldest_reader) {
  TRY_ASSIGN(
      const pg::Rows row,
      catalogue.query(
          "select least((select max(snapshot_id) from ducklake.ducklake_snapshot), "
          "(select min(snapshot_id) from ducklake.ducklake_snapshot where snapshot_time >= now() - "
          "make_interval(secs => $1)), $2::bigint)",
          {std::to_string(retention.count()),
           oldest_reader ? pg::Param(std::to_string(*oldest_reader)) : std::nullopt}));
  return row.integer(0, 0);
}

/// On S3 the extension removes the objects.
Status call_extension(Lake& lake, const std::string& function, std::chrono::seconds guard) {
  TRY_ASSIGN(auto session, lake.impl().sessions.take());
  return session->run("CALL " + function + "('minato', older_than => now() - to_seconds(" +
                      std::to_string(guard.count()) + "))");
}

}  // namespace

Status Maintenance::expire(MaintenanceReport& report) {
  std::optional<std::int64_t> reader;
  if (options_.oldest_reader) {
    TRY_ASSIGN(reader, options_.oldest_reader());
  }
  TRY_ASSIGN(auto catalogue, lake_.impl().connections.take());
  TRY_ASSIGN(const std::int64_t keep, keep_from(*catalogue, options_.retention, reader));
  const std::vector<pg::Param> limit{std::to_string(keep)};
  return pg::transaction(*catalogue, [&](pg::Connection& connection) -> Status {
    TRY_ASSIGN(
        const pg::Rows expired,
        connection.query("delete from ducklake.ducklake_snapshot where snapshot_id < $1", limit));
    if (expired.affected() == 0) return {};
    report.snapshots_expired += static_cast<std::uint64_t>(expired.affected());
    TRY(connection.query("delete from ducklake.ducklake_snapshot_changes where snapshot_id < $1",
                         limit));
    TRY(connection.query(
        "delete from ducklake.ducklake_file_column_stats c using ducklake.ducklake_data_file f "
        "where f.end_snapshot <= $1 and c.data_file_id = f.data_file_id",
        limit));
    // A data file's delete files end with it, at the latest.
    TRY(
        connection.query("update ducklake.ducklake_delete_file d set end_snapshot = f.end_snapshot "
                         "from ducklake.ducklake_data_file f where f.end_snapshot <= $1 "
                         "and d.data_file_id = f.data_file_id and d.end_snapshot is null",
                         limit));
    TRY_ASSIGN(const pg::Rows deletes,
               connection.query(schedule("ducklake_delete_file", "delete_file_id"), limit));
    TRY_ASSIGN(const pg::Rows files,
               connection.query(schedule("ducklake_data_file", "data_file_id"), limit));
    report.files_scheduled += static_cast<std::uint64_t>(deletes.affected() + files.affected());
    TRY(failpoint("lake.expire"));
    const std::string dropped =
        "where table_id in (select table_id from ducklake.ducklake_table t where end_snapshot <= "
        "$1 and not exists "
        "(select from ducklake.ducklake_table o where o.table_id = t.table_id and "
        "(o.end_snapshot is null or o.end_snapshot > $1)))";
    for (const char* table :
         {"ducklake_table_stats", "ducklake_table_column_stats", "ducklake_schema_versions"}) {
      TRY(connection.query("delete from ducklake." + std::string(table) + " " + dropped, limit));
    }
    for (const char* table :
         {"ducklake_column", "ducklake_table", "ducklake_view", "ducklake_schema"}) {
      TRY(connection.query(
          "delete from ducklake." + std::string(table) + " where end_snapshot <= $1", limit));
    }
    return {};
  });
}

Status Maintenance::remove_scheduled(MaintenanceReport& report) {
  const std::string& root = lake_.impl().data_path;
  if (!lake_.impl().on_disk()) {
    return call_extension(lake_, "ducklake_cleanup_old_files", options_.file_guard);
  }
  TRY_ASSIGN(auto catalogue, lake_.impl().connections.take());
  TRY_ASSIGN(
      const pg::Rows due,
      catalogue->query(
          "select data_file_id, path, path_is_relative "
          "from ducklake.ducklake_files_scheduled_for_deletion "
          "where schedule_start <= now() - make_interval(secs => $1) order by schedule_start "
          "limit 20000",
          {std::to_string(options_.file_guard.count())}));
  std::vector<std::string> paths;
  for (int n = 0; n < due.size(); ++n) {
    const fs::path path =
        due.boolean(n, 2) ? fs::path(root) / due.string(n, 1) : fs::path(due.string(n, 1));
    std::error_code error;
    fs::remove(path, error);
    if (error) {
      log::warn("file not removed", {{"path", path.string()}, {"error", error.message()}});
      continue;
    }
    paths.push_back(due.string(n, 1));
  }
  if (paths.empty()) return {};
  TRY(failpoint("lake.cleanup"));
  TRY(catalogue->query(
      "delete from ducklake.ducklake_files_scheduled_for_deletion where path = any($1::text[])",
      {pg::array(paths)}));
  report.files_removed += paths.size();
  return {};
}

Status Maintenance::remove_orphans(MaintenanceReport& report) {
  const std::string& root = lake_.impl().data_path;
  if (!lake_.impl().on_disk()) {
    return call_extension(lake_, "ducklake_delete_orphaned_files", options_.file_guard);
  }
  // The directory is listed before the catalogue is read: a file committed in between is known
  // then.
  std::vector<fs::path> old;
  const auto limit = fs::file_time_type::clock::now() - options_.file_guard;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(root, error);
       !error && entry != fs::end(entry); entry.increment(error)) {
    std::error_code gone;
    if (!entry->is_regular_file(gone) || entry->path().extension() != ".parquet") continue;
    if (entry->last_write_time(gone) <= limit && !gone) old.push_back(entry->path());
  }
  if (old.empty()) return {};
  TRY_ASSIGN(auto catalogue, lake_.impl().connections.take());
  TRY_ASSIGN(const pg::Rows rows,
             catalogue->query("select path from ducklake.ducklake_data_file union all "
                              "select path from ducklake.ducklake_delete_file union all "
                              "select path from ducklake.ducklake_files_scheduled_for_deletion"));
  // File names are unique by their UUIDs, so names suffice and no path needs to be put together.
  std::set<std::string> known;
  for (int n = 0; n < rows.size(); ++n)
    known.insert(fs::path(rows.string(n, 0)).filename().string());
  for (const fs::path& path : old) {
    if (known.contains(path.filename().string()) || lake_.impl().pending.contains(path.string()))
      continue;
    fs::remove(path, error);
    if (!error) ++report.orphans_removed;
  }
  return {};
}

}  // namespace minato::lake
