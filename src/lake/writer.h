// Writing the lake without the extension's INSERT and DELETE: files by the engine's COPY, catalogue
// rows by our SQL after the DuckLake 1.0 specification, everything of a commit in one PostgreSQL
// transaction together with Minato's own records. Promise: a commit is wholly visible or not at
// all, and its files are on disk before.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "lake/engine.h"
#include "model/batch.h"
#include "runtime/pg.h"

namespace minato::lake {

struct LakeColumn {
  std::int64_t column_id = 0;          // the Parquet field id: stays through renames and widening
  std::int64_t order = 0;              // grows from column to column
  Column column;                       // source_type is empty
  std::optional<std::string> initial;  // its value in files that lack it (as text; nothing: NULL)
  bool operator==(const LakeColumn&) const = default;
};

struct LakeTable {
  std::int64_t table_id = 0;  // negative: a draft, see Lake::draft()
  TableName name;
  std::string path;  // directory of its files, absolute or s3://…, with a slash at the end
  std::vector<LakeColumn> columns;
  std::int64_t next_column_id = 1;  // larger than that of any column that it ever had
  std::int64_t shaped_at = 0;       // the snapshot that changed its columns last
  bool plain = true;  // false: somebody else's table with column types that we do not write (shown
                      // as varchar)
};

/// Bounds are texts as DuckLake stores them; absent: unknown, nothing is pruned by them.
struct ColumnStats {
  std::int64_t column_id = 0;
  std::int64_t value_count = 0;  // NULLs not included, as the extension counts
  std::int64_t null_count = 0;
  std::int64_t size_bytes = 0;
  std::optional<std::string> min;
  std::optional<std::string> max;
  std::optional<bool> contains_nan;
};

/// Holds a file that was written and that no snapshot names yet: clean-up leaves it alone. The file
/// is removed with the last copy of its hold, unless a commit took it.
using FileHold = std::shared_ptr<class HeldFile>;

/// A written data file that no snapshot names yet.
struct DataFile {
  std::string path;
  FileHold hold;
  std::uint64_t record_count = 0;
  std::uint64_t file_size_bytes = 0;
  std::uint64_t footer_size = 0;
  std::vector<ColumnStats> columns;
};

/// A written delete file that no snapshot names yet: all deleted positions of one data file.
struct DeleteFile {
  std::string path;
  FileHold hold;
  std::uint64_t delete_count = 0;
  std::uint64_t file_size_bytes = 0;
  std::uint64_t footer_size = 0;
};

struct LiveDeletes {
  std::int64_t delete_file_id = 0;
  std::string path;
  std::uint64_t delete_count = 0;
  std::uint64_t file_size_bytes = 0;
};

struct LiveFile {
  std::int64_t data_file_id = 0;
  std::string path;
  std::uint64_t record_count = 0;  // physical rows, deleted ones included
  std::uint64_t file_size_bytes = 0;
  std::int64_t row_id_start = 0;
  std::int64_t begin_snapshot = 0;
  std::optional<LiveDeletes> deletes;
};

/// The data file's new delete file; it takes the place of the one before.
struct DeleteUpdate {
  std::optional<std::int64_t> data_file_id;  // a live file; or, when absent,
  std::size_t add_index = 0;                 // the file add[add_index] of the same commit
  DeleteFile file;
};

struct TableCommit {
  std::int64_t table_id = 0;
  std::vector<DataFile> add;
  std::vector<DeleteUpdate> deletes;
  std::vector<std::int64_t> end_files;  // data files that end, with their delete files (compaction,
                                        // a tail rewritten)
  bool replace_all = false;             // all files live until now end (TRUNCATE, replacement)
  std::int64_t live_rows_delta = 0;     // for the caller's records; not stored in DuckLake's tables
  bool compaction = false;              // the table's rows stay the same: marts need not run
};

/// A table as it is to be after the commit: name and columns. Tables are told by their ids, so that
/// renames among them need no order; what makes `table` is Lake::draft() and altered().
struct TableDdl {
  LakeTable table;
  bool drop = false;
};

struct CommittedTable {
  std::int64_t table_id = 0;                  // also of what was a draft
  std::vector<std::int64_t> data_file_ids;    // as `add`
  std::vector<std::int64_t> delete_file_ids;  // as `deletes`
};
struct Committed {
  std::int64_t snapshot_id = 0;
  std::vector<std::int64_t> ddl_table_ids;  // as `CommitRequest::ddl`
  std::vector<CommittedTable> tables;       // as `CommitRequest::tables`
};

struct CommitRequest {
  std::vector<TableDdl> ddl;        // at most one entry per table
  std::vector<TableCommit> tables;  // at most one entry per table; drafts of `ddl` by their ids
  std::string message;
  std::string extra_info;  // must not contain what should stay private: readers see it
  /// Our own rows in the same transaction, after the catalogue's. May run more than once (retries).
  std::function<Status(pg::Connection&, const Committed&)> with;
};

/// Rows for one file: all of `batch`, or those of `selection` when it is not empty.
struct RowsPart {
  const RowBatch* batch = nullptr;
  std::span<const std::uint32_t> selection;
};

struct WriterOptions {
  LakeOptions lake;
  std::string compression = "zstd";               // of data files
  std::uint64_t query_file_bytes = 512ULL << 20;  // write_query(): a new file from about here on
  int commit_attempts_max = 50;
};

enum class Contents { kept, replaced };

/// The table with exactly these columns in this order: `renames` (old → new, in order) are carried
/// out first, then columns are dropped, added and widened. Where its rows stay, a type that does
/// not hold all values of the one before is Error{unsupported}; where the commit replaces them,
/// such a column is dropped and added. `initials`: values of new columns in the rows that stay, as
/// texts that cast to the column's type; others are NULL there. NOT NULL is not enforced in the
/// lake.
Result<LakeTable> altered(const LakeTable& table, const std::vector<Column>& columns,
                          const std::vector<std::pair<std::string, std::string>>& renames,
                          Contents contents,
                          const std::map<std::string, std::string>& initials = {});

/// The lake as core and workers write it. Thread-safe; commits of all processes are serialised in
/// PostgreSQL. `engine` must have the lake attached (attach_lake, not read-only) and outlive this.
class Lake {
 public:
  static Result<std::unique_ptr<Lake>> open(Engine& engine, const WriterOptions& options);
  ~Lake();

  /// The PostgreSQL user `reader`, which reads the newest snapshot only, is shown no files that
  /// have ended: the extension asks for all files that a table ever had, those of thousands of
  /// commits. Others see everything. Nothing happens where the catalogue's tables are somebody
  /// else's.
  Status hide_ended_files(const std::string& reader);

  /// nullopt when there is no such table now. Names are compared exactly.
  Result<std::optional<LakeTable>> find_table(const TableName& name);
  Result<std::vector<LakeTable>> tables();
  /// A table that is not in the lake yet, for a commit's `ddl`: files can be written for it now.
  /// Its id is a negative number of this process; the commit gives it its own.
  Result<LakeTable> draft(const TableName& name, const std::vector<Column>& columns);
  /// A commit of its own that makes the table, or alters it as altered() says (rows stay).
  Result<LakeTable> upsert_table(const TableName& name, const std::vector<Column>& columns,
                                 const std::vector<std::pair<std::string, std::string>>& renames);
  /// A commit of its own. A table that is not there: success.
  Status drop_table(const TableName& name);

  /// Writes rows into one new file; `selection` empty: all rows. Columns are matched by name; a
  /// table column that the batch lacks has its initial value; values are cast when types differ.
  /// Error{invalid} when a batch column is not in the table.
  Result<DataFile> write_rows(const LakeTable& table, const RowBatch& batch,
                              std::span<const std::uint32_t> selection);
  Result<DataFile> write_rows(const LakeTable& table, std::span<const RowsPart> parts);
  /// Sets the next rows, which stay in place until the next call; without a batch: the end.
  using NextRows = std::function<Status(RowsPart&)>;
  /// The same, asking for rows (of the shape `schema`) as the file grows: what waits in memory is
  /// about `group_rows` rows (a multiple of 2048; 0: the engine's default, 122,880). An Error of
  /// `next` is returned as it is.
  Result<DataFile> write_stream(const LakeTable& table, const TableSchemaPtr& schema,
                                std::size_t group_rows, const NextRows& next);
  /// The columns that a table for this SELECT has in the lake: what it yields, as types that files
  /// hold exactly (HUGEINT becomes DECIMAL(38,0); lists, structures and other types without a
  /// counterpart become text).
  static Result<std::vector<Column>> columns_of(Session& session, const std::string& select);
  /// Runs `select` on `session` (an engine with the lake attached) into new files. Its columns are
  /// the table's, in order, cast when types differ. No rows: no files.
  Result<std::vector<DataFile>> write_query(const LakeTable& table, Session& session,
                                            const std::string& select);
  /// `positions`: all deleted rows of the file, ascending, without repetition, not empty.
  Result<DeleteFile> write_deletes(const LakeTable& table, const std::string& data_file_path,
                                   std::span<const std::uint32_t> positions);
  /// Files of the newest snapshot, oldest first.
  Result<std::vector<LiveFile>> live_files(std::int64_t table_id);
  /// Ascending positions.
  Result<std::vector<std::uint32_t>> read_deletes(const LiveDeletes& file);

  using Columns = std::span<const ColumnView>;
  /// All rows of one Parquet file in file order, deleted ones included; the n-th row seen is
  /// position n. Columns are found by field id and converted to the table's types; one that the
  /// file lacks has its initial value.
  Status scan_file(const LakeTable& table, const std::string& path,
                   const std::vector<std::int64_t>& column_ids,
                   const std::function<Status(Columns)>& rows);
  /// Live rows of all live files: `positions[i]` is the place in `file` of row i of `columns`.
  using FileRows = std::function<Status(const LiveFile& file,
                                        std::span<const std::uint32_t> positions, Columns)>;
  Status scan(const LakeTable& table, const std::vector<std::int64_t>& column_ids,
              const FileRows& rows);

  /// One snapshot for all of it, which from then on owns the request's files. Errors: conflict (a
  /// file to end or to delete from is no longer live, a table was altered by somebody else:
  /// reload), exists (a table's name differs from another's only in case), the error of `with`,
  /// unavailable (nothing was committed), in_doubt (only when PostgreSQL stays unreachable and it
  /// could not be found out whether the commit happened).
  Result<Committed> commit(const CommitRequest& request);
  Result<std::int64_t> newest_snapshot();

  struct Impl;
  explicit Lake(std::unique_ptr<Impl> impl);
  Impl& impl() { return *impl_; }  // for src/lake only

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace minato::lake
