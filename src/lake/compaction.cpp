// Small files into larger ones, and files with many deleted rows anew: written by ourselves, one
// commit a slice.
#include "base/failpoint.h"
#include "base/log.h"
#include "lake/lake_impl.h"
#include "lake/maintenance.h"
#include "lake/maintenance_plan.h"

namespace minato::lake {
namespace {

/// Rewrites `files` as one; commits.
Status rewrite(Lake& lake, const LakeTable& table, const std::vector<LiveFile>& files,
               MaintenanceReport& report) {
  TableCommit change;
  change.table_id = table.table_id;
  change.compaction = true;
  std::uint64_t rows = 0;
  std::string select;
  for (const LiveFile& file : files) {
    change.end_files.push_back(file.data_file_id);
    report.bytes_in += file.file_size_bytes;
    rows += file.record_count - (file.deletes ? file.deletes->delete_count : 0);
    if (!select.empty()) select += " UNION ALL ";
    select += select_live(table, file.path, file.deletes ? file.deletes->path : "");
  }
  if (rows > 0) {
    TRY_ASSIGN(Session session, lake.impl().engine.connect());
    TRY_ASSIGN(DataFile written, write_one(lake.impl(), table, session, select));
    if (written.record_count != rows) {
      lake.discard({written.path});
      return fail(Code::internal, "Compaction of " + display(table.name) + " read " +
                                      std::to_string(written.record_count) + " rows instead of " +
                                      std::to_string(rows) + "; nothing was changed.");
    }
    report.bytes_out += written.file_size_bytes;
    report.files_out += 1;
    change.add.push_back(std::move(written));
  }
  TRY(failpoint("lake.compaction_written"));
  CommitRequest request;
  request.message = "compaction of " + display(table.name);
  request.tables.push_back(std::move(change));
  const Result<Committed> committed = lake.commit(request);
  if (committed) {
    report.files_in += files.size();
    return {};
  }
  // In doubt: the file may be live.
  if (committed.error().code != Code::in_doubt) {
    for (const DataFile& file : request.tables[0].add) lake.discard({file.path});
  }
  return fail(committed.error());
}

constexpr const char* kCandidates = R"(
select f.table_id, count(*) from ducklake.ducklake_data_file f
left join ducklake.ducklake_delete_file d
  on d.data_file_id = f.data_file_id and d.end_snapshot is null
where f.end_snapshot is null
group by f.table_id
having count(*) >= $1::bigint or bool_or(d.delete_count > f.record_count * $2::float8)
order by count(*) desc)";

}  // namespace

Maintenance::Maintenance(Lake& lake, MaintenanceOptions options, WithLane with_lane)
    : lake_(lake), options_(std::move(options)), with_lane_(std::move(with_lane)) {}

Status Maintenance::compact_table(std::int64_t table_id, MaintenanceReport& report) {
  bool touched = false;
  while (!over()) {
    TRY_ASSIGN(auto connection, lake_.impl().connections.take());
    TRY_ASSIGN(const auto found,
               read_tables(*connection, lake_.impl().data_path, "t.table_id = $1::bigint",
                           {std::to_string(table_id)}));
    if (found.empty() || !found[0].plain) return {};
    bool done = true;
    const Status status = with_lane_(found[0].name, [&]() -> Status {
      TRY_ASSIGN(const std::vector<LiveFile> live, lake_.live_files(table_id));
      const std::vector<LiveFile> chosen = plan_compaction(live, options_);
      if (chosen.empty()) return {};
      done = false;
      return rewrite(lake_, found[0], chosen, report);
    });
    if (!status &&
        (status.error().code == Code::conflict || status.error().code == Code::not_found)) {
      ++report.conflicts;  // somebody without a lane (an administrator's statement) came first
      return {};
    }
    TRY(status);
    if (done) break;
    if (!touched) ++report.tables_compacted;
    touched = true;
  }
  report.more = report.more || over();
  return {};
}

Status Maintenance::compact(MaintenanceReport& report) {
  std::vector<std::int64_t> tables;
  {
    TRY_ASSIGN(auto connection, lake_.impl().connections.take());
    TRY_ASSIGN(const pg::Rows rows,
               connection->query(kCandidates, {std::to_string(options_.small_files_min),
                                               std::to_string(options_.deleted_share_max)}));
    for (int row = 0; row < rows.size(); ++row) tables.push_back(rows.integer(row, 0));
  }
  for (const std::int64_t table : tables) {
    if (over()) {
      report.more = true;
      break;
    }
    TRY(compact_table(table, report));
  }
  return {};
}

}  // namespace minato::lake
