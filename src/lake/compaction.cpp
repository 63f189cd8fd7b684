// Small files into larger ones, and files with many deleted rows anew: written by ourselves, one
// commit a slice.
#include <algorithm>
#include <map>

#include "base/failpoint.h"
#include "base/log.h"
#include "lake/lake_impl.h"
#include "lake/maintenance.h"
#include "lake/maintenance_plan.h"

namespace minato::lake {
namespace {

// The engine keeps a row group in memory until it is full, and a group has at least 2048 rows.
constexpr std::uint64_t group_bytes = 48ULL << 20;
constexpr std::uint64_t group_step = 2048;
constexpr std::uint64_t group_rows_max = 122'880;

/// Bytes of the rows before compression.
Result<std::map<std::string, std::uint64_t>> plain_bytes(Session& session,
                                                         const std::vector<LiveFile>& files) {
  std::string list;
  for (const LiveFile& file : files) list += (list.empty() ? "" : ", ") + quote_literal(file.path);
  TRY_ASSIGN(const Rows rows,
             session.query("SELECT file_name, sum(total_uncompressed_size)::BIGINT "
                           "FROM parquet_metadata([" +
                           list + "]) GROUP BY 1"));
  std::map<std::string, std::uint64_t> bytes;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    bytes[rows.text(n, 0)] = static_cast<std::uint64_t>(rows.integer(n, 1));
  }
  return bytes;
}

/// What of `chosen` fits into memory when written as one, and in row groups of how many rows.
struct Slice {
  std::vector<LiveFile> files;
  std::uint64_t bytes = 0;
  std::uint64_t rows = 0;

  bool fits(const LiveFile& file, std::uint64_t size) const {
    const std::uint64_t width = (bytes + size) / std::max(rows + file.record_count, one) + 1;
    return bytes + size <= group_bytes || width * group_step <= group_bytes;
  }
  void add(LiveFile file, std::uint64_t size) {
    bytes += size;
    rows += file.record_count;
    files.push_back(std::move(file));
  }
  std::size_t group_rows() const {
    const std::uint64_t fitting = group_bytes / (bytes / std::max(rows, one) + 1);
    return std::clamp(fitting / group_step * group_step, group_step, group_rows_max);
  }
  static constexpr std::uint64_t one = 1;
};

/// `full` receives the files that had better stay as they are: one group of very wide rows. Worn
/// ones among them are rewritten alone.
Result<Slice> fitting(Session& session, std::vector<LiveFile> chosen, double deleted_share_max,
                      std::set<std::int64_t>& full) {
  TRY_ASSIGN(const auto bytes, plain_bytes(session, chosen));
  Slice slice;
  for (LiveFile& file : chosen) {
    const auto found = bytes.find(file.path);
    const std::uint64_t size = found == bytes.end() ? 0 : found->second;
    const bool half = size > group_bytes / 2 && !Slice{}.fits(file, 2 * size);
    if (half && worn(file, deleted_share_max)) {
      if (!slice.files.empty()) continue;  // next time
      slice.add(std::move(file), size);
      return slice;
    }
    if (half) {
      full.insert(file.data_file_id);
    } else if (slice.fits(file, size)) {
      slice.add(std::move(file), size);
    }
  }
  if (slice.files.size() == 1 && !worn(slice.files[0], deleted_share_max)) {
    full.insert(slice.files[0].data_file_id);
    slice.files.clear();
  }
  return slice;
}

/// Rewrites `slice` as one file; commits.
Result<Compacted> rewrite(Lake& lake, const LakeTable& table, const Slice& slice,
                          MaintenanceReport& report) {
  const std::vector<LiveFile>& files = slice.files;
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
    TRY_ASSIGN(DataFile written,
               write_one(lake.impl(), table, session, select, slice.group_rows()));
    if (written.record_count != rows) {
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
  TRY_ASSIGN(const Committed committed, lake.commit(request));
  report.files_in += files.size();
  Compacted done{files, std::nullopt, "", rows};
  if (rows > 0) {
    done.data_file_id = committed.tables.at(0).data_file_ids.at(0);
    done.path = request.tables[0].add[0].path;
  }
  return done;
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
    const auto slice_done = with_lane_(found[0].name, [&]() -> Result<std::optional<Compacted>> {
      TRY_ASSIGN(std::vector<LiveFile> live, lake_.live_files(table_id));
      std::erase_if(live, [&](const LiveFile& file) {
        return full_.contains(file.data_file_id) && !worn(file, options_.deleted_share_max);
      });
      std::vector<LiveFile> chosen = plan_compaction(live, options_);
      if (chosen.empty()) return std::nullopt;
      done = false;
      TRY_ASSIGN(Session session, lake_.impl().engine.connect());
      TRY_ASSIGN(const Slice slice,
                 fitting(session, std::move(chosen), options_.deleted_share_max, full_));
      if (slice.files.empty()) return std::nullopt;
      return rewrite(lake_, found[0], slice, report);
    });
    if (!slice_done &&
        (slice_done.error().code == Code::conflict || slice_done.error().code == Code::not_found)) {
      ++report.conflicts;  // somebody without a lane (an administrator's statement) came first
      return {};
    }
    TRY(slice_done);
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
    Status status = compact_table(table, report);
    if (status) continue;
    // One table's trouble must not keep the others, nor what is to be removed.
    if (status.error().code == Code::unavailable) return status;
    log::warn("a table cannot be compacted", {{"table_id", table}, {"error", status.error()}});
  }
  return {};
}

}  // namespace minato::lake
