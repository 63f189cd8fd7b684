#include "lake/maintenance.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "lake/lake_impl.h"
#include "lake/maintenance_plan.h"

namespace minato::lake {

using std::chrono::steady_clock;

namespace {

/// The live rows of these files as one SELECT, with the table's columns in order.
std::string live_rows(const LakeTable& table, const std::vector<LiveFile>& files) {
  std::vector<std::int64_t> ids;
  std::string columns;
  for (const LakeColumn& column : table.columns) {
    ids.push_back(column.column_id);
    columns += (columns.empty() ? "c" : ", c") + std::to_string(column.column_id);
  }
  const std::string schema = ", schema = " + schema_by_id(table, ids) + ")";
  std::string whole;
  std::string out;
  for (const LiveFile& file : files) {
    if (!file.deletes) {
      whole += (whole.empty() ? "" : ", ") + quote_literal(file.path);
      continue;
    }
    out += (out.empty() ? "SELECT " : " UNION ALL SELECT ") + columns + " FROM read_parquet(" +
           quote_literal(file.path) + ", file_row_number = true" + schema +
           " f ANTI JOIN read_parquet(" + quote_literal(file.deletes->path) +
           ") d ON d.pos = f.file_row_number";
  }
  if (whole.empty()) return out;
  return out + (out.empty() ? "SELECT " : " UNION ALL SELECT ") + columns + " FROM read_parquet([" +
         whole + "]" + schema;
}

/// The lock belongs to a pooled connection: it must not go back with it.
struct Unlock {
  pg::Connection& connection;
  ~Unlock() {
    (void)connection.query("select pg_advisory_unlock($1::bigint)",
                           {std::to_string(kMaintenanceLock)});
  }
};

}  // namespace

Maintenance::Maintenance(Lake& lake, MaintenanceOptions options, WithLane with_lane)
    : lake_(lake), options_(std::move(options)), with_lane_(std::move(with_lane)) {}

Result<MaintenanceReport> Maintenance::run() {
  MaintenanceReport report;
  const auto begun = steady_clock::now();
  TRY_ASSIGN(auto guard, lake_.impl().connections.take());
  TRY_ASSIGN(const pg::Rows mine, guard->query("select pg_try_advisory_lock($1::bigint)",
                                               {std::to_string(kMaintenanceLock)}));
  if (!mine.boolean(0, 0)) return report;
  const Unlock unlock{*guard};
  TRY(compact(report));
  TRY(expire(report));
  TRY(remove_scheduled(report));
  if (begun - orphans_checked_ >= options_.orphans_every) {
    TRY(remove_orphans(report));
    orphans_checked_ = begun;
  }
  report.took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begun);
  return report;
}

Status Maintenance::compact(MaintenanceReport& report) {
  const auto end = steady_clock::now() + options_.budget;
  TRY_ASSIGN(const std::vector<LakeTable> tables, lake_.tables());
  for (const LakeTable& table : tables) {
    if (steady_clock::now() >= end) {
      report.more = true;
      break;
    }
    TRY(compact_table(table, report));
  }
  return {};
}

Status Maintenance::compact_table(const LakeTable& table, MaintenanceReport& report) {
  // Without the lane first: most tables have nothing to do, and asking must not hold up their
  // applies.
  TRY_ASSIGN(const std::vector<LiveFile> look, lake_.live_files(table.table_id));
  if (plan_compaction(look, options_).empty()) return {};
  Status status = with_lane_(table.name, [&]() -> Status {
    TRY_ASSIGN(const std::vector<LiveFile> files, lake_.live_files(table.table_id));
    const std::vector<LiveFile> chosen = plan_compaction(files, options_);
    if (chosen.empty()) return {};
    TRY_ASSIGN(auto session, lake_.impl().sessions.take());
    TableCommit change;
    change.table_id = table.table_id;
    change.compaction = true;
    TRY_ASSIGN(change.add, lake_.write_query(table, *session, live_rows(table, chosen)));
    TRY(failpoint("lake.compaction_written"));
    std::uint64_t rows_before = 0;
    for (const LiveFile& file : chosen) {
      change.end_files.push_back(file.data_file_id);
      rows_before += file.record_count - (file.deletes ? file.deletes->delete_count : 0);
      report.bytes_in += file.file_size_bytes;
    }
    std::uint64_t rows_after = 0;
    for (const DataFile& file : change.add) {
      rows_after += file.record_count;
      report.bytes_out += file.file_size_bytes;
    }
    if (rows_before != rows_after) {
      return fail(Code::internal, "A compaction of " + display(table.name) + " read " +
                                      std::to_string(rows_after) + " rows instead of " +
                                      std::to_string(rows_before) + "; it was given up.");
    }
    report.files_in += chosen.size();
    report.files_out += change.add.size();
    ++report.tables_compacted;
    CommitRequest request;
    request.tables.push_back(std::move(change));
    request.message = "compaction";
    TRY(lake_.commit(request));
    return {};
  });
  if (!status && status.error().code == Code::conflict) {
    ++report.conflicts;  // the next round sees the table as it is then
    return {};
  }
  return status;
}

}  // namespace minato::lake
