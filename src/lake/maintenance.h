// Keeps the lake fast and small: merges small files, rewrites files with many deleted rows, expires
// old snapshots, removes files that nothing names any more. Works in bounded slices. Never the
// newest snapshot, never a file that is younger than the guard, never a table without its lane.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "base/result.h"
#include "lake/writer.h"

namespace minato::lake {

struct MaintenanceOptions {
  std::chrono::seconds retention = std::chrono::minutes(10);  // snapshots older than this expire
  std::chrono::seconds file_guard =
      std::chrono::hours(1);  // age of a file without a name before it is removed
  std::uint64_t target_file_bytes = 256ULL << 20;
  std::uint64_t slice_bytes = 64ULL << 20;  // one compaction reads about this much at most
  std::size_t small_files_min = 4;          // so many files of a similar size are merged
  double deleted_share_max = 0.1;           // a file with more deleted rows is rewritten
  std::chrono::milliseconds budget =
      std::chrono::seconds(5);          // one run() stops starting new slices after this
  std::chrono::seconds clean_every{0};  // snapshots and files of before; compaction: each run()
  std::chrono::seconds orphans_every = std::chrono::hours(1);
  /// The oldest snapshot that a reader still uses: neither it nor newer ones expire. Absent: nobody
  /// reads old ones.
  std::function<Result<std::optional<std::int64_t>>()> oldest_reader;
};

/// What a compaction did to one table: the live rows of `ended` are those of the new file now, in
/// whatever order.
struct Compacted {
  std::vector<LiveFile> ended;
  std::optional<std::int64_t> data_file_id;  // of the new file; none: no row was live
  std::string path;
  std::uint64_t rows = 0;
};

/// One slice of a table's compaction; nullopt: no file of the table was changed. After an error
/// nobody knows what the table's files are.
using CompactionSlice = std::function<Result<std::optional<Compacted>>()>;
/// Runs `slice` while no apply touches the table, lets apply know what was done, and returns it.
using WithLane = std::function<Result<std::optional<Compacted>>(const TableName& table,
                                                                const CompactionSlice& slice)>;

struct MaintenanceReport {
  std::uint64_t tables_compacted = 0;
  std::uint64_t files_in = 0;
  std::uint64_t files_out = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t conflicts = 0;  // slices given up because somebody else changed the table
  std::uint64_t snapshots_expired = 0;
  std::uint64_t files_scheduled = 0;
  std::uint64_t files_removed = 0;  // from disk or S3
  std::uint64_t orphans_removed = 0;
  bool more = false;  // the budget ended before the work did
  std::chrono::milliseconds took{0};
};

class Maintenance {
 public:
  /// `lake` must outlive this. One thread at a time; of several processes one runs at a time
  /// (advisory lock).
  Maintenance(Lake& lake, MaintenanceOptions options, WithLane with_lane);

  /// One round of everything that is due.
  Result<MaintenanceReport> run();

  /// The parts, for tests and for the command line.
  Status compact(MaintenanceReport& report);
  Status compact_table(std::int64_t table_id, MaintenanceReport& report);
  /// Snapshots older than the retention that no reader holds; never the newest.
  Status expire(MaintenanceReport& report);
  /// Files scheduled at least `file_guard` ago.
  Status remove_scheduled(MaintenanceReport& report);
  /// Parquet files below the data path that no catalogue row names and that are older than
  /// `file_guard`.
  Status remove_orphans(MaintenanceReport& report);

 private:
  bool over() const { return std::chrono::steady_clock::now() >= deadline_; }
  Status expire_snapshots(pg::Connection& connection, MaintenanceReport& report);
  Status schedule_files(pg::Connection& connection, MaintenanceReport& report);
  Status remove_scheduled_objects(pg::Connection& connection, MaintenanceReport& report);
  Result<std::vector<std::string>> old_files();
  Status schedule_orphan(pg::Connection& connection, const std::string& path);

  Lake& lake_;
  MaintenanceOptions options_;
  WithLane with_lane_;
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  std::optional<std::chrono::steady_clock::time_point> cleaned_;
  std::optional<std::chrono::steady_clock::time_point> orphans_checked_;
  std::set<std::int64_t> full_;        // files of very wide rows that are not to be merged further
  std::int64_t trimmed_snapshot_ = 0;  // files that ended up to here have no statistics any more
};

}  // namespace minato::lake
