#include "lake/commit_rows.h"

#include <algorithm>

#include "lake/lake_impl.h"

namespace minato::lake {
namespace {

using Integers = std::vector<std::int64_t>;
using Texts = std::vector<std::optional<std::string>>;

constexpr const char* kBegin = "begin";
constexpr const char* kLock = "select pg_advisory_xact_lock($1::bigint)";
constexpr const char* kSnapshot = R"(
select snapshot_id, schema_version, next_catalog_id, next_file_id
from ducklake.ducklake_snapshot order by snapshot_id desc limit 1)";
constexpr const char* kTableStates = R"(
select t.table_id, s.path, s.path_is_relative, t.path, t.path_is_relative,
  coalesce(st.next_row_id, 0), st.table_id is not null
from unnest($1::bigint[]) u(id)
join ducklake.ducklake_table t on t.table_id = u.id and t.end_snapshot is null
join ducklake.ducklake_schema s on s.schema_id = t.schema_id and s.end_snapshot is null
left join ducklake.ducklake_table_stats st on st.table_id = t.table_id)";
constexpr const char* kColumnStates = R"(
select c.table_id, c.column_id, c.column_type, st.table_id is not null, st.contains_null,
  st.contains_nan, st.min_value, st.max_value
from unnest($1::bigint[]) u(id)
join ducklake.ducklake_column c on c.table_id = u.id and c.end_snapshot is null
left join ducklake.ducklake_table_column_stats st on st.table_id = c.table_id and st.column_id =
  c.column_id)";

constexpr const char* kInsertSnapshot = R"(
with s as (
  insert into ducklake.ducklake_snapshot (snapshot_id, snapshot_time, schema_version,
    next_catalog_id, next_file_id)
  values ($1::bigint, clock_timestamp(), $2::bigint, $3::bigint, $4::bigint)
)
insert into ducklake.ducklake_snapshot_changes (snapshot_id, changes_made, author,
  commit_message, commit_extra_info)
values ($1::bigint, $5::text, $6::text, $7::text, $8::text))";
constexpr const char* kEndFilesById = R"(
update ducklake.ducklake_data_file set end_snapshot = $1::bigint
where data_file_id = any($2::bigint[]) and end_snapshot is null)";
constexpr const char* kEndFilesByTable = R"(
update ducklake.ducklake_data_file set end_snapshot = $1::bigint
where table_id = any($2::bigint[]) and end_snapshot is null)";
constexpr const char* kEndDeletesById = R"(
update ducklake.ducklake_delete_file set end_snapshot = $1::bigint
where data_file_id = any($2::bigint[]) and end_snapshot is null)";
constexpr const char* kEndDeletesByTable = R"(
update ducklake.ducklake_delete_file set end_snapshot = $1::bigint
where table_id = any($2::bigint[]) and end_snapshot is null)";
constexpr const char* kCountLive = R"(
select count(*) from ducklake.ducklake_data_file where data_file_id = any($1::bigint[]) and
  end_snapshot is null)";
// A delete file holds all deleted positions of its data file: one that does not grow forgot
// somebody's.
constexpr const char* kSupersede = R"(
with old as (
  update ducklake.ducklake_delete_file d set end_snapshot = $1::bigint
  from unnest($2::bigint[], $3::bigint[]) u(id, deleted)
  where d.data_file_id = u.id and d.end_snapshot is null
  returning d.delete_count >= u.deleted as stale
)
select count(*) filter (where stale) from old)";
constexpr const char* kInsertDataFiles = R"(
insert into ducklake.ducklake_data_file (data_file_id, table_id, begin_snapshot, path,
  path_is_relative, file_format,
  record_count, file_size_bytes, footer_size, row_id_start)
select id, table_id, $1::bigint, path, relative, 'parquet', rows, bytes, footer, first_row
from unnest($2::bigint[], $3::bigint[], $4::text[], $5::boolean[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::bigint[])
  u(id, table_id, path, relative, rows, bytes, footer, first_row))";
constexpr const char* kInsertDeleteFiles = R"(
insert into ducklake.ducklake_delete_file (delete_file_id, table_id, begin_snapshot,
  data_file_id, path, path_is_relative,
  format, delete_count, file_size_bytes, footer_size)
select id, table_id, $1::bigint, data_file, path, relative, 'parquet', rows, bytes, footer
from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::boolean[], $7::bigint[],
  $8::bigint[], $9::bigint[])
  u(id, table_id, data_file, path, relative, rows, bytes, footer))";
constexpr const char* kInsertFileStats = R"(
insert into ducklake.ducklake_file_column_stats (data_file_id, table_id, column_id,
  column_size_bytes, value_count, null_count,
  min_value, max_value, contains_nan)
select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
  $6::bigint[], $7::text[], $8::text[], $9::boolean[]))";
// One row more than there are: the extension answers min() and max() from the bounds when this
// number equals the number of live rows, but bounds only widen and rows are deleted and files
// rewritten all the time.
constexpr const char* kUpdateTableStats = R"(
update ducklake.ducklake_table_stats s
set next_row_id = u.next_row, record_count = 1 + f.rows, file_size_bytes = f.bytes
from unnest($1::bigint[], $2::bigint[]) u(id, next_row)
cross join lateral (
  select coalesce(sum(d.record_count), 0)::bigint as rows, coalesce(sum(d.file_size_bytes),
    0)::bigint as bytes
  from ducklake.ducklake_data_file d where d.table_id = u.id and d.end_snapshot is null) f
where s.table_id = u.id)";
constexpr const char* kInsertTableStats = R"(
insert into ducklake.ducklake_table_stats (table_id, record_count, next_row_id, file_size_bytes)
select id, rows + 1, rows, bytes from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u(id,
  rows, bytes))";
constexpr const char* kUpdateColumnStats = R"(
update ducklake.ducklake_table_column_stats s
set contains_null = u.nulls, contains_nan = u.nan, min_value = u.low, max_value = u.high
from unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::boolean[], $5::text[], $6::text[])
  u(table_id, column_id, nulls, nan, low, high)
where s.table_id = u.table_id and s.column_id = u.column_id)";
constexpr const char* kInsertColumnStats = R"(
insert into ducklake.ducklake_table_column_stats (table_id, column_id, contains_null,
  contains_nan, min_value, max_value)
select * from unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::boolean[], $5::text[],
  $6::text[]))";
constexpr const char* kNotify = "select pg_notify('minato_commit', $1::text)";

std::optional<std::string> flag(bool value) { return value ? "t" : "f"; }
std::optional<std::string> flag(std::optional<bool> value) {
  return value ? flag(*value) : std::nullopt;
}

struct PathColumns {
  Texts paths;
  Texts relative;
  void add(const std::string& table_path, const std::string& path) {
    const bool below = path.starts_with(table_path);
    paths.emplace_back(below ? path.substr(table_path.size()) : path);
    relative.push_back(flag(below));
  }
};

struct DataFileColumns {
  Integers id, table, rows, bytes, footer, first_row;
  PathColumns path;
};
struct DeleteFileColumns {
  Integers id, table, data_file, rows, bytes, footer;
  PathColumns path;
};
struct FileStatsColumns {
  Integers file, table, column, bytes, values, nulls;
  Texts low, high, nan;
};
struct ColumnStatsColumns {
  Integers table, column;
  Texts nulls, nan, low, high;
  void add(std::int64_t table_id, std::int64_t column_id, const TableColumnStats& stats) {
    table.push_back(table_id);
    column.push_back(column_id);
    nulls.push_back(flag(stats.contains_null));
    nan.push_back(flag(stats.contains_nan));
    low.push_back(stats.min);
    high.push_back(stats.max);
  }
  std::vector<pg::Param> params() const {
    return {int_array(table), int_array(column), text_array(nulls),
            text_array(nan),  text_array(low),   text_array(high)};
  }
};

/// Collects the rows of all tables, then makes the statements.
class Writer {
 public:
  Writer(const CommitRequest& request, const std::vector<std::int64_t>& ids,
         const CatalogueState& state, std::string changes)
      : request_(request),
        state_(state),
        next_file_id_(state.next_file_id),
        changes_(std::move(changes)) {
    committed_.snapshot_id = state.snapshot_id + 1;
    for (std::size_t n = 0; n < request.tables.size(); ++n) {
      table_id_ = ids[n];
      add_table(request.tables[n], state.tables[n]);
    }
  }

  std::vector<pg::Statement> statements(const std::string& token);
  /// Error{conflict} when the answers show that a file was not live.
  Status verify(const std::vector<pg::Rows>& answers) const;
  Committed take() { return std::move(committed_); }

 private:
  void add_table(const TableCommit& table, const TableState& state);
  void add_data_file(const TableState& state, const DataFile& file, std::int64_t first_row);
  void add_deletes(const TableCommit& table, const TableState& state, CommittedTable& out);
  void add_column_stats(const TableCommit& table, const TableState& state);
  void add_change(const char* kind);
  template <class... Params>
  void step(const char* name, const char* sql, Params&&... params) {
    statements_.push_back({name, sql, {std::forward<Params>(params)...}});
  }
  void end_statements(const std::string& snapshot);
  void insert_statements(const std::string& snapshot);

  const CommitRequest& request_;
  const CatalogueState& state_;
  std::int64_t next_file_id_;
  std::int64_t table_id_ = 0;  // of the table being added: what was a draft has its own now
  std::string changes_;
  Committed committed_;
  Integers end_files_, replaced_, deleted_from_, deleted_counts_;
  DataFileColumns data_;
  DeleteFileColumns deletes_;
  FileStatsColumns file_stats_;
  ColumnStatsColumns changed_stats_, new_stats_;
  Integers stats_tables_, stats_next_row_;
  Integers new_tables_, new_rows_, new_bytes_;
  std::vector<pg::Statement> statements_;
  std::optional<std::size_t> ended_answer_, live_answer_, supersede_answer_;
};

void Writer::add_change(const char* kind) {
  if (!changes_.empty()) changes_ += ',';
  changes_ += std::string(kind) + ":" + std::to_string(table_id_);
}

void Writer::add_data_file(const TableState& state, const DataFile& file, std::int64_t first_row) {
  const std::int64_t id = next_file_id_++;
  data_.id.push_back(id);
  data_.table.push_back(table_id_);
  data_.path.add(state.path, file.path);
  data_.rows.push_back(static_cast<std::int64_t>(file.record_count));
  data_.bytes.push_back(static_cast<std::int64_t>(file.file_size_bytes));
  data_.footer.push_back(static_cast<std::int64_t>(file.footer_size));
  data_.first_row.push_back(first_row);
  for (const ColumnStats& column : file.columns) {
    file_stats_.file.push_back(id);
    file_stats_.table.push_back(table_id_);
    file_stats_.column.push_back(column.column_id);
    file_stats_.bytes.push_back(column.size_bytes);
    file_stats_.values.push_back(column.value_count);
    file_stats_.nulls.push_back(column.null_count);
    file_stats_.low.push_back(column.min);
    file_stats_.high.push_back(column.max);
    file_stats_.nan.push_back(flag(column.contains_nan));
  }
}

void Writer::add_deletes(const TableCommit& table, const TableState& state, CommittedTable& out) {
  for (const DeleteUpdate& update : table.deletes) {
    const std::int64_t id = next_file_id_++;
    std::int64_t data_file = 0;
    if (update.data_file_id) {
      data_file = *update.data_file_id;
      deleted_from_.push_back(data_file);
      deleted_counts_.push_back(static_cast<std::int64_t>(update.file.delete_count));
    } else {
      data_file = out.data_file_ids.at(update.add_index);
      CHECK(update.file.delete_count < table.add[update.add_index].record_count);
    }
    deletes_.id.push_back(id);
    deletes_.table.push_back(table_id_);
    deletes_.data_file.push_back(data_file);
    deletes_.path.add(state.path, update.file.path);
    deletes_.rows.push_back(static_cast<std::int64_t>(update.file.delete_count));
    deletes_.bytes.push_back(static_cast<std::int64_t>(update.file.file_size_bytes));
    deletes_.footer.push_back(static_cast<std::int64_t>(update.file.footer_size));
    out.delete_file_ids.push_back(id);
  }
}

/// Bounds only widen: snapshots and readers of before still see the rows of before.
void Writer::add_column_stats(const TableCommit& table, const TableState& state) {
  std::map<std::int64_t, TableColumnStats> now = state.stats;
  for (std::size_t n = 0; n < table.add.size(); ++n) {
    for (const ColumnStats& column : table.add[n].columns) {
      const auto type = state.types.find(column.column_id);
      if (type == state.types.end()) continue;  // dropped meanwhile
      const auto found = now.find(column.column_id);
      if (found != now.end()) {
        found->second = widened(type->second, found->second, column);
      } else if (!state.has_stats && n == 0) {
        now.emplace(column.column_id, stats_of(column));
      }
      // A column that came later has no row: files from before hold NULLs that no row tells of.
    }
  }
  // A file without statistics of a column makes its bounds unknown: the row must go, and it is as
  // good as NULLs.
  for (auto& [id, stats] : now) {
    for (const DataFile& file : table.add) {
      const bool told = std::ranges::any_of(
          file.columns, [&, column = id](const ColumnStats& c) { return c.column_id == column; });
      if (!told) stats = {true, std::nullopt, std::nullopt, std::nullopt};
    }
    const auto before = state.stats.find(id);
    if (before == state.stats.end()) {
      new_stats_.add(table_id_, id, stats);
    } else if (before->second != stats) {
      changed_stats_.add(table_id_, id, stats);
    }
  }
}

void Writer::add_table(const TableCommit& table, const TableState& state) {
  CommittedTable out;
  out.table_id = table_id_;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  for (const DataFile& file : table.add) {
    out.data_file_ids.push_back(next_file_id_);
    add_data_file(state, file, state.next_row_id + rows);
    rows += static_cast<std::int64_t>(file.record_count);
    bytes += static_cast<std::int64_t>(file.file_size_bytes);
  }
  add_deletes(table, state, out);
  if (!table.add.empty()) add_column_stats(table, state);
  end_files_.insert(end_files_.end(), table.end_files.begin(), table.end_files.end());
  if (table.replace_all) replaced_.push_back(table_id_);
  if (table.compaction) {
    add_change("merge_adjacent");  // the name that the extension heeds
  } else {
    if (!table.add.empty()) add_change("inserted_into_table");
    if (!table.deletes.empty() || !table.end_files.empty() || table.replace_all) {
      add_change("deleted_from_table");
    }
  }
  if (state.has_stats) {
    stats_tables_.push_back(table_id_);
    stats_next_row_.push_back(state.next_row_id + rows);
  } else if (!table.add.empty()) {
    new_tables_.push_back(table_id_);
    new_rows_.push_back(rows);
    new_bytes_.push_back(bytes);
  }
  committed_.tables.push_back(std::move(out));
}

void Writer::end_statements(const std::string& snapshot) {
  if (!end_files_.empty()) {
    ended_answer_ = statements_.size();
    step("lake_end_files", kEndFilesById, snapshot, int_array(end_files_));
    step("lake_end_deletes", kEndDeletesById, snapshot, int_array(end_files_));
  }
  if (!replaced_.empty()) {
    step("lake_replace_files", kEndFilesByTable, snapshot, int_array(replaced_));
    step("lake_replace_deletes", kEndDeletesByTable, snapshot, int_array(replaced_));
  }
  if (!deleted_from_.empty()) {
    live_answer_ = statements_.size();
    step("lake_count_live", kCountLive, int_array(deleted_from_));
    supersede_answer_ = statements_.size();
    step("lake_supersede", kSupersede, snapshot, int_array(deleted_from_),
         int_array(deleted_counts_));
  }
}

void Writer::insert_statements(const std::string& snapshot) {
  if (!data_.id.empty()) {
    step("lake_data_files", kInsertDataFiles, snapshot, int_array(data_.id), int_array(data_.table),
         text_array(data_.path.paths), text_array(data_.path.relative), int_array(data_.rows),
         int_array(data_.bytes), int_array(data_.footer), int_array(data_.first_row));
  }
  if (!deletes_.id.empty()) {
    step("lake_delete_files", kInsertDeleteFiles, snapshot, int_array(deletes_.id),
         int_array(deletes_.table), int_array(deletes_.data_file), text_array(deletes_.path.paths),
         text_array(deletes_.path.relative), int_array(deletes_.rows), int_array(deletes_.bytes),
         int_array(deletes_.footer));
  }
  if (!file_stats_.file.empty()) {
    step("lake_file_stats", kInsertFileStats, int_array(file_stats_.file),
         int_array(file_stats_.table), int_array(file_stats_.column), int_array(file_stats_.bytes),
         int_array(file_stats_.values), int_array(file_stats_.nulls), text_array(file_stats_.low),
         text_array(file_stats_.high), text_array(file_stats_.nan));
  }
  if (!stats_tables_.empty()) {
    step("lake_table_stats", kUpdateTableStats, int_array(stats_tables_),
         int_array(stats_next_row_));
  }
  if (!new_tables_.empty()) {
    step("lake_new_table_stats", kInsertTableStats, int_array(new_tables_), int_array(new_rows_),
         int_array(new_bytes_));
  }
  if (!changed_stats_.table.empty()) {
    statements_.push_back({"lake_column_stats", kUpdateColumnStats, changed_stats_.params()});
  }
  if (!new_stats_.table.empty()) {
    statements_.push_back({"lake_new_column_stats", kInsertColumnStats, new_stats_.params()});
  }
}

std::vector<pg::Statement> Writer::statements(const std::string& token) {
  // Readers cache statistics by the next file id: it grows even when no file is added.
  const std::int64_t next_file_id = std::max(next_file_id_, state_.next_file_id + 1);
  const std::string snapshot = std::to_string(committed_.snapshot_id);
  step("lake_snapshot", kInsertSnapshot, snapshot, std::to_string(state_.schema_version),
       std::to_string(state_.next_catalog_id), std::to_string(next_file_id), changes_, token,
       request_.message, request_.extra_info);
  end_statements(snapshot);
  insert_statements(snapshot);
  step("lake_notify", kNotify, snapshot);
  return std::move(statements_);
}

Status Writer::verify(const std::vector<pg::Rows>& answers) const {
  const auto stale = [](const char* what) {
    return fail(Code::conflict, std::string("The lake's files changed meanwhile: ") + what + ".");
  };
  if (ended_answer_ &&
      answers[*ended_answer_].affected() != static_cast<std::int64_t>(end_files_.size())) {
    return stale("a file to be ended is not live");
  }
  if (live_answer_ &&
      answers[*live_answer_].integer(0, 0) != static_cast<std::int64_t>(deleted_from_.size())) {
    return stale("a file to delete from is not live");
  }
  if (supersede_answer_ && answers[*supersede_answer_].integer(0, 0) != 0) {
    return stale("rows of a file were deleted by somebody else");
  }
  return {};
}

Status read_tables_of(const pg::Rows& rows, const std::string& data_path,
                      const std::map<std::int64_t, std::size_t>& places, CatalogueState& state) {
  if (rows.size() != static_cast<int>(places.size())) {
    return fail(Code::conflict, "A table to be written is no longer in the lake.");
  }
  for (int row = 0; row < rows.size(); ++row) {
    TableState& table = state.tables[places.at(rows.integer(row, 0))];
    const std::string schema = path_below(data_path, rows.string(row, 1), rows.boolean(row, 2));
    table.path = path_below(schema, rows.string(row, 3), rows.boolean(row, 4));
    table.next_row_id = rows.integer(row, 5);
    table.has_stats = rows.boolean(row, 6);
  }
  return {};
}

void read_column_states(const pg::Rows& rows, const std::map<std::int64_t, std::size_t>& places,
                        CatalogueState& state) {
  for (int row = 0; row < rows.size(); ++row) {
    TableState& table = state.tables[places.at(rows.integer(row, 0))];
    const std::int64_t column = rows.integer(row, 1);
    table.types[column] = parse_lake_type(rows.text(row, 2)).value_or(ColumnType{});
    if (!rows.boolean(row, 3)) continue;
    TableColumnStats stats;
    stats.contains_null = rows.is_null(row, 4) || rows.boolean(row, 4);
    if (!rows.is_null(row, 5)) stats.contains_nan = rows.boolean(row, 5);
    if (!rows.is_null(row, 6)) stats.min = rows.string(row, 6);
    if (!rows.is_null(row, 7)) stats.max = rows.string(row, 7);
    table.stats[column] = std::move(stats);
  }
}

}  // namespace

Result<CatalogueState> begin_commit(pg::Connection& connection) {
  const pg::Statement statements[] = {{"lake_begin", kBegin, {}},
                                      {"lake_lock", kLock, {std::to_string(kCommitLock)}},
                                      {"lake_newest", kSnapshot, {}}};
  TRY_ASSIGN(const std::vector<pg::Rows> answers, connection.pipeline(statements));
  CatalogueState state;
  if (answers[2].size() != 1) {
    return fail(Code::internal, "The lake's catalogue has no snapshot.");
  }
  state.snapshot_id = answers[2].integer(0, 0);
  state.schema_version = answers[2].integer(0, 1);
  state.next_catalog_id = answers[2].integer(0, 2);
  state.next_file_id = answers[2].integer(0, 3);
  return state;
}

Status read_table_states(pg::Connection& connection, const std::vector<std::int64_t>& ids,
                         const std::string& data_path, CatalogueState& state) {
  if (ids.empty()) return {};
  std::map<std::int64_t, std::size_t> places;
  for (std::size_t n = 0; n < ids.size(); ++n) places[ids[n]] = n;
  const pg::Statement statements[] = {{"lake_table_states", kTableStates, {int_array(ids)}},
                                      {"lake_column_states", kColumnStates, {int_array(ids)}}};
  TRY_ASSIGN(const std::vector<pg::Rows> answers, connection.pipeline(statements));
  state.tables.resize(ids.size());
  TRY(read_tables_of(answers[0], data_path, places, state));
  read_column_states(answers[1], places, state);
  return {};
}

Result<Committed> write_rows_of(pg::Connection& connection, const CommitRequest& request,
                                const std::vector<std::int64_t>& ids, const CatalogueState& state,
                                const std::string& changes, const std::string& token) {
  Writer writer(request, ids, state, changes);
  const std::vector<pg::Statement> statements = writer.statements(token);
  TRY_ASSIGN(const std::vector<pg::Rows> answers, connection.pipeline(statements));
  TRY(writer.verify(answers));
  return writer.take();
}

}  // namespace minato::lake
