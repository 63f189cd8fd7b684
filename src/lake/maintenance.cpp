// Expiry of snapshots and clean-up of files, in short transactions so that commits hardly wait.
#include "lake/maintenance.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/failpoint.h"
#include "base/log.h"
#include "lake/lake_impl.h"

namespace minato::lake {
namespace {

constexpr int kSliceRows = 2000;

// A snapshot was the newest one until its successor came: it expires `retention` after that. Kept:
// all from the answer on.
constexpr const char* kOldestKept = R"(
select coalesce(max(snapshot_id) filter (where snapshot_time < clock_timestamp() -
  make_interval(secs => $1::float8)),
                min(snapshot_id))
from ducklake.ducklake_snapshot)";
constexpr const char* kDeleteSnapshots = R"(
with gone as (
  delete from ducklake.ducklake_snapshot where snapshot_id in (
    select snapshot_id from ducklake.ducklake_snapshot where snapshot_id < $1::bigint order by
      snapshot_id limit $2::bigint)
  returning snapshot_id
), changes as (
  delete from ducklake.ducklake_snapshot_changes c using gone where c.snapshot_id = gone.snapshot_id
)
select count(*) from gone)";

// Files that no kept snapshot shows leave the catalogue …
constexpr const char* kEndedDataFiles = R"(
with gone as (
  delete from ducklake.ducklake_data_file where data_file_id in (
    select data_file_id from ducklake.ducklake_data_file
    where end_snapshot is not null and end_snapshot <= $1::bigint limit $2::bigint)
  returning data_file_id, table_id, path, path_is_relative
), deletes as (
  delete from ducklake.ducklake_delete_file d using gone where d.data_file_id = gone.data_file_id
  returning d.delete_file_id as data_file_id, d.table_id, d.path, d.path_is_relative
), stats as (
  delete from ducklake.ducklake_file_column_stats s using gone where s.data_file_id =
    gone.data_file_id
), partitions as (
  delete from ducklake.ducklake_file_partition_value p using gone where p.data_file_id =
    gone.data_file_id
), variants as (
  delete from ducklake.ducklake_file_variant_stats v using gone where v.data_file_id =
    gone.data_file_id
), files as (select * from gone union all select * from deletes))";
constexpr const char* kEndedDeleteFiles = R"(
with files as (
  delete from ducklake.ducklake_delete_file where delete_file_id in (
    select delete_file_id from ducklake.ducklake_delete_file
    where end_snapshot is not null and end_snapshot <= $1::bigint limit $2::bigint)
  returning delete_file_id as data_file_id, table_id, path, path_is_relative
))";
// … and are scheduled, relative to the lake's directory where all parts of their paths are
// relative.
constexpr const char* kSchedule = R"(
insert into ducklake.ducklake_files_scheduled_for_deletion (data_file_id, path, path_is_relative,
  schedule_start)
select f.data_file_id,
  case when not f.path_is_relative then f.path
       when not t.path_is_relative then t.path || f.path
       else s.path || t.path || f.path end,
  f.path_is_relative and t.path_is_relative and s.path_is_relative, clock_timestamp()
from files f
join lateral (select * from ducklake.ducklake_table t where t.table_id = f.table_id order by
  begin_snapshot desc limit 1) t on true
join lateral (select * from ducklake.ducklake_schema s where s.schema_id = t.schema_id order by
  begin_snapshot desc limit 1) s on true)";

// Tables and schemas that no kept snapshot shows and that no file needs any more.
constexpr const char* kDeleteTables = R"(
with gone as (
  select table_id from ducklake.ducklake_table t group by table_id
  having bool_and(end_snapshot is not null and end_snapshot <= $1::bigint)
     and not exists (select from ducklake.ducklake_data_file f where f.table_id = t.table_id)
     and not exists (select from ducklake.ducklake_delete_file f where f.table_id = t.table_id)
), columns as (delete from ducklake.ducklake_column x using gone where x.table_id = gone.table_id),
stats as (delete from ducklake.ducklake_table_stats x using gone where x.table_id = gone.table_id),
column_stats as (delete from ducklake.ducklake_table_column_stats x using gone where x.table_id =
  gone.table_id),
versions as (delete from ducklake.ducklake_schema_versions x using gone where x.table_id =
  gone.table_id)
delete from ducklake.ducklake_table x using gone where x.table_id = gone.table_id)";
// The statistics of files that ended serve nobody but pruning for readers of old snapshots.
constexpr const char* kTrimStats = R"(
delete from ducklake.ducklake_file_column_stats s using ducklake.ducklake_data_file f
where f.end_snapshot > $1::bigint and f.end_snapshot <= $2::bigint and s.data_file_id =
  f.data_file_id)";

std::string seconds(std::chrono::seconds value) { return std::to_string(value.count()); }

/// Runs `slice` in transactions under the commit lock until it touches nothing more.
Status in_slices(pg::Connection& connection, const std::function<bool()>& over,
                 const std::function<Result<std::int64_t>(pg::Connection&)>& slice) {
  for (;;) {
    std::int64_t touched = 0;
    TRY(pg::transaction(connection, [&](pg::Connection& c) -> Status {
      TRY(c.query("select pg_advisory_xact_lock($1::bigint)", {std::to_string(kCommitLock)}));
      TRY_ASSIGN(touched, slice(c));
      return failpoint("lake.expire_slice");
    }));
    if (touched == 0 || over()) return {};
  }
}

Result<std::int64_t> oldest_kept(pg::Connection& connection, const MaintenanceOptions& options) {
  TRY_ASSIGN(const pg::Rows rows, connection.query(kOldestKept, {seconds(options.retention)}));
  std::int64_t kept = rows.integer(0, 0);
  if (options.oldest_reader) {
    TRY_ASSIGN(const std::optional<std::int64_t> reader, options.oldest_reader());
    if (reader) kept = std::min(kept, *reader);
  }
  return kept;
}

std::string normal(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

/// All files that the catalogue names, as normal absolute paths.
Result<std::set<std::string>> known_files(pg::Connection& connection,
                                          const std::string& data_path) {
  static constexpr const char* kAll = R"(
with files as (
  select table_id, path, path_is_relative from ducklake.ducklake_data_file
  union all select table_id, path, path_is_relative from ducklake.ducklake_delete_file)
select case when not f.path_is_relative then f.path
            when not t.path_is_relative then t.path || f.path
            when not s.path_is_relative then s.path || t.path || f.path
            else $1::text || s.path || t.path || f.path end
from files f
join ducklake.ducklake_table t on t.table_id = f.table_id
join ducklake.ducklake_schema s on s.schema_id = t.schema_id
union all
select case when path_is_relative then $1::text || path else path end
from ducklake.ducklake_files_scheduled_for_deletion)";
  TRY_ASSIGN(const pg::Rows rows, connection.query(kAll, {data_path}));
  std::set<std::string> out;
  for (int row = 0; row < rows.size(); ++row) out.insert(normal(rows.string(row, 0)));
  return out;
}

}  // namespace

Status Maintenance::expire_snapshots(pg::Connection& connection, MaintenanceReport& report) {
  TRY_ASSIGN(const std::int64_t kept, oldest_kept(connection, options_));
  return in_slices(
      connection, [this] { return over(); },
      [&](pg::Connection& c) -> Result<std::int64_t> {
        TRY_ASSIGN(const pg::Rows gone,
                   c.query(kDeleteSnapshots, {std::to_string(kept), std::to_string(kSliceRows)}));
        report.snapshots_expired += static_cast<std::uint64_t>(gone.integer(0, 0));
        return gone.integer(0, 0);
      });
}

Status Maintenance::schedule_files(pg::Connection& connection, MaintenanceReport& report) {
  TRY_ASSIGN(const pg::Rows oldest,
             connection.query("select min(snapshot_id) from ducklake.ducklake_snapshot"));
  const std::vector<pg::Param> limits{oldest.string(0, 0), std::to_string(kSliceRows)};
  for (const char* ended : {kEndedDataFiles, kEndedDeleteFiles}) {
    const std::string sql = std::string(ended) + kSchedule;
    TRY(in_slices(
        connection, [this] { return over(); },
        [&](pg::Connection& c) -> Result<std::int64_t> {
          TRY_ASSIGN(const pg::Rows gone, c.query(sql, limits));
          report.files_scheduled += static_cast<std::uint64_t>(gone.affected());
          return gone.affected();
        }));
  }
  TRY(connection.query(kDeleteTables, {limits[0]}));
  return {};
}

Status Maintenance::expire(MaintenanceReport& report) {
  TRY_ASSIGN(auto connection, lake_.impl().connections.take());
  TRY(expire_snapshots(*connection, report));
  TRY(schedule_files(*connection, report));
  TRY_ASSIGN(const pg::Rows newest,
             connection->query("select max(snapshot_id) from ducklake.ducklake_snapshot"));
  TRY(connection->query(kTrimStats, {std::to_string(trimmed_snapshot_), newest.string(0, 0)}));
  trimmed_snapshot_ = newest.integer(0, 0);
  report.more = report.more || over();
  return {};
}

/// In an object store: by the extension, as many at a time as a slice may last.
Status Maintenance::remove_scheduled_objects(pg::Connection& connection,
                                             MaintenanceReport& report) {
  static constexpr const char* kUpTo = R"(
select count(*), to_char(max(schedule_start) at time zone 'UTC' + interval '1 microsecond',
  'YYYY-MM-DD HH24:MI:SS.US') || '+00'
from (select schedule_start from ducklake.ducklake_files_scheduled_for_deletion
      where schedule_start < clock_timestamp() - make_interval(secs => $1::float8)
      order by schedule_start limit 500) due)";
  TRY_ASSIGN(Session session, lake_.impl().engine.connect());
  while (!over()) {
    TRY_ASSIGN(const pg::Rows due, connection.query(kUpTo, {seconds(options_.file_guard)}));
    if (due.integer(0, 0) == 0) return {};
    TRY_ASSIGN(
        const Rows gone,
        session.query("CALL ducklake_cleanup_old_files('minato', older_than => TIMESTAMPTZ " +
                      quote_literal(due.string(0, 1)) + ")"));
    report.files_removed += gone.size();
    if (gone.size() == 0) {
      return fail(Code::internal, "Files that are due are not removed from the object store.");
    }
  }
  return {};
}

Status Maintenance::remove_scheduled(MaintenanceReport& report) {
  TRY_ASSIGN(auto connection, lake_.impl().connections.take());
  if (!lake_.impl().on_disk()) return remove_scheduled_objects(*connection, report);
  while (!over()) {
    TRY_ASSIGN(const pg::Rows due, connection->query(R"(
select path, path_is_relative from ducklake.ducklake_files_scheduled_for_deletion
where schedule_start < clock_timestamp() - make_interval(secs => $1::float8) order by
  schedule_start limit 1000)",
                                                     {seconds(options_.file_guard)}));
    if (due.size() == 0) return {};
    std::vector<std::string> paths;
    for (int row = 0; row < due.size(); ++row) {
      const std::string path = due.string(row, 0);
      const std::string full = due.boolean(row, 1) ? lake_.impl().data_path + path : path;
      std::error_code error;
      if (std::filesystem::remove(full, error)) ++report.files_removed;
      if (!error) paths.push_back(path);  // gone before is gone, too
    }
    TRY(failpoint("lake.removed_files"));
    TRY(
        connection->query("delete from ducklake.ducklake_files_scheduled_for_deletion "
                          "where path = any($1::text[])",
                          {pg::array(paths)}));
    if (paths.empty()) {
      return fail(Code::unavailable,
                  "Old files of the lake cannot be removed: check the permissions of " +
                      lake_.impl().data_path + ".");
    }
  }
  return {};
}

/// Parquet files below the data path that were written before the guard, by their full names.
Result<std::vector<std::string>> Maintenance::old_files() {
  const std::string& data_path = lake_.impl().data_path;
  std::vector<std::string> old;
  if (!lake_.impl().on_disk()) {
    const auto limit = std::chrono::time_point_cast<std::chrono::seconds>(
        std::chrono::system_clock::now() - options_.file_guard);
    TRY_ASSIGN(Session session, lake_.impl().engine.connect());
    TRY_ASSIGN(const Rows found, session.query("SELECT filename FROM read_blob(" +
                                               quote_literal(data_path + "**/*.parquet") +
                                               ") WHERE epoch(last_modified) < " +
                                               std::to_string(limit.time_since_epoch().count())));
    for (std::size_t row = 0; row < found.size(); ++row) old.push_back(found.text(row, 0));
    return old;
  }
  const auto limit = std::filesystem::file_time_type::clock::now() - options_.file_guard;
  std::error_code error;
  auto walk = std::filesystem::recursive_directory_iterator(data_path, error);
  for (; !error && walk != std::filesystem::recursive_directory_iterator(); walk.increment(error)) {
    std::error_code ignored;
    if (!walk->is_regular_file(ignored) || walk->path().extension() != ".parquet") continue;
    const auto written = walk->last_write_time(ignored);
    if (!ignored && written < limit) old.push_back(walk->path().string());
  }
  return old;
}

/// Objects are removed as those that the catalogue named once: the next round does it.
Status Maintenance::schedule_orphan(pg::Connection& connection, const std::string& path) {
  // The extension strikes them off by their number: one that no file has.
  static  // … and are scheduled, relative to the lake's directory where all parts of their paths
          // are relative.
      constexpr const char* kSchedule = R"(
insert into ducklake.ducklake_files_scheduled_for_deletion (data_file_id, path, path_is_relative,
  schedule_start)
select greatest(1::bigint << 62, max(data_file_id) + 1), $1::text, true,
  clock_timestamp() - make_interval(secs => $2::float8)
from ducklake.ducklake_files_scheduled_for_deletion)";
  const std::string& data_path = lake_.impl().data_path;
  CHECK(path.starts_with(data_path));
  TRY(connection.query(kSchedule, {path.substr(data_path.size()), seconds(options_.file_guard)}));
  return {};
}

Status Maintenance::remove_orphans(MaintenanceReport& report) {
  // The files first: one that is committed in between is then known.
  TRY_ASSIGN(const std::vector<std::string> old, old_files());
  if (old.empty()) return {};
  TRY_ASSIGN(auto connection, lake_.impl().connections.take());
  TRY_ASSIGN(const std::set<std::string> known, known_files(*connection, lake_.impl().data_path));
  for (const std::string& path : old) {
    if (known.contains(normal(path)) || lake_.impl().held->contains(path)) continue;
    std::error_code error;
    if (!lake_.impl().on_disk()) {
      TRY(schedule_orphan(*connection, path));
    } else if (!std::filesystem::remove(path, error)) {
      continue;
    }
    ++report.orphans_removed;
    log::info("orphan file removed", {{"path", path}});
  }
  return {};
}

Result<MaintenanceReport> Maintenance::run() {
  using std::chrono::steady_clock;
  const auto begun = steady_clock::now();
  deadline_ = begun + options_.budget;
  MaintenanceReport report;
  TRY_ASSIGN(auto connection, lake_.impl().connections.take());
  TRY_ASSIGN(const pg::Rows lock, connection->query("select pg_try_advisory_lock($1::bigint)",
                                                    {std::to_string(kMaintenanceLock)}));
  if (!lock.boolean(0, 0)) return report;
  const auto work = [&]() -> Status {
    if (!cleaned_ || begun - *cleaned_ >= options_.clean_every) {
      TRY(expire(report));
      TRY(remove_scheduled(report));
      cleaned_ = begun;
    }
    TRY(compact(report));
    if (!orphans_checked_ || begun - *orphans_checked_ >= options_.orphans_every) {
      TRY(remove_orphans(report));
      orphans_checked_ = begun;
    }
    return {};
  };
  const Status status = work();
  (void)connection->query("select pg_advisory_unlock($1::bigint)",
                          {std::to_string(kMaintenanceLock)});
  TRY(status);
  report.took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begun);
  return report;
}

}  // namespace minato::lake
