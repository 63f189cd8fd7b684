// Reading files for key indexes: columns found by field id, rows in file order, positions of
// deleted rows.
#include <algorithm>

#include "lake/lake_impl.h"

namespace minato::lake {
namespace {

/// The columns as a Parquet schema by field id: renamed, widened and missing columns are put right
/// by the reader.
std::string schema_by_id(const LakeTable& table, const std::vector<std::int64_t>& ids) {
  std::string out;
  for (const std::int64_t id : ids) {
    const auto found = std::ranges::find(table.columns, id, &LakeColumn::column_id);
    CHECK(found != table.columns.end());
    if (!out.empty()) out += ", ";
    out += std::to_string(id) + ": {name: 'c" + std::to_string(id) + "', type: '" +
           engine_type(*found) + "', default_value: " + initial_literal(*found) + "}";
  }
  return "MAP {" + out + "}";
}

std::vector<ColumnView> views(const LakeTable& table, const std::vector<std::int64_t>& ids,
                              const Chunk& chunk) {
  std::vector<ColumnView> out;
  for (std::size_t n = 0; n < ids.size(); ++n) {
    const auto found = std::ranges::find(table.columns, ids[n], &LakeColumn::column_id);
    const Vector vector = chunk.column(n);
    out.emplace_back(found->column.type, vector.data(), vector.validity(), chunk.rows());
  }
  return out;
}

/// Rows of a chunk that stay, as a copy of fixed-width values; strings still point into the chunk.
struct Kept {
  std::vector<std::uint32_t> positions;
  std::vector<std::vector<std::byte>> values;
  std::vector<std::vector<std::uint64_t>> validity;
  std::vector<ColumnView> columns;
};

void keep_column(const ColumnView& column, const std::vector<std::uint32_t>& rows, Kept& kept) {
  const std::size_t size = width(column.type);
  auto& values = kept.values.emplace_back(rows.size() * size);
  auto& valid = kept.validity.emplace_back((rows.size() + 63) / 64);
  for (std::size_t n = 0; n < rows.size(); ++n) {
    std::memcpy(values.data() + n * size, column.data + rows[n] * size, size);
    if (!column.is_null(rows[n])) valid[n >> 6] |= std::uint64_t{1} << (n & 63);
  }
  kept.columns.emplace_back(column.type, values.data(), valid.data(), rows.size());
}

/// Visits the rows of `columns`, which stand at `first`…, that are not in `deleted` (from `next`
/// on).
Status visit_live(const LiveFile& file, std::uint32_t first, std::span<const ColumnView> columns,
                  const std::vector<std::uint32_t>& deleted, std::size_t& next,
                  const Lake::FileRows& visit) {
  const std::size_t count = columns.empty() ? 0 : columns.front().size;
  const bool whole = next == deleted.size() || deleted[next] >= first + count;
  Kept kept;
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < count; ++row) {
    if (!whole && next < deleted.size() && deleted[next] == first + row) {
      ++next;
      continue;
    }
    rows.push_back(row);
    kept.positions.push_back(first + row);
  }
  if (whole) return visit(file, kept.positions, columns);
  if (rows.empty()) return {};
  for (const ColumnView& column : columns) keep_column(column, rows, kept);
  return visit(file, kept.positions, kept.columns);
}

}  // namespace

std::string select_live(const LakeTable& table, const std::string& path,
                        const std::string& delete_path) {
  std::vector<std::int64_t> ids;
  std::string columns;
  for (const LakeColumn& column : table.columns) {
    ids.push_back(column.column_id);
    if (!columns.empty()) columns += ", ";
    columns +=
        "c" + std::to_string(column.column_id) + " AS " + quote_identifier(column.column.name);
  }
  std::string sql = "SELECT " + columns + " FROM read_parquet(" + quote_literal(path) +
                    ", file_row_number = true, schema = " + schema_by_id(table, ids) + ")";
  if (!delete_path.empty()) {
    sql += " WHERE file_row_number NOT IN (SELECT pos FROM read_parquet(" +
           quote_literal(delete_path) + "))";
  }
  return sql;
}

Result<std::vector<std::uint32_t>> Lake::read_deletes(const LiveDeletes& file) {
  TRY_ASSIGN(auto session, impl_->sessions.take());
  TRY_ASSIGN(ResultStream stream,
             session->stream("SELECT pos FROM read_parquet(" + quote_literal(file.path) + ")"));
  std::vector<std::uint32_t> positions;
  positions.reserve(file.delete_count);
  for (;;) {
    TRY_ASSIGN(const std::optional<Chunk> chunk, stream.next());
    if (!chunk) break;
    const Vector column = chunk->column(0);
    for (std::size_t row = 0; row < chunk->rows(); ++row) {
      const auto position = column.get<std::int64_t>(row);
      CHECK(position >= 0 && position <= UINT32_MAX);
      positions.push_back(static_cast<std::uint32_t>(position));
    }
  }
  std::ranges::sort(positions);
  if (positions.size() != file.delete_count ||
      std::ranges::adjacent_find(positions) != positions.end()) {
    return fail(Code::internal, "A delete file of the lake does not hold what its catalogue says.",
                file.path);
  }
  return positions;
}

Status Lake::scan_file(const LakeTable& table, const std::string& path,
                       const std::vector<std::int64_t>& column_ids,
                       const std::function<Status(Columns)>& rows) {
  CHECK(!column_ids.empty());
  TRY_ASSIGN(auto session, impl_->sessions.take());
  std::string names;
  for (const std::int64_t id : column_ids)
    names += (names.empty() ? "c" : ", c") + std::to_string(id);
  TRY_ASSIGN(ResultStream stream,
             session->stream("SELECT " + names + " FROM read_parquet(" + quote_literal(path) +
                             ", schema = " + schema_by_id(table, column_ids) + ")"));
  for (;;) {
    TRY_ASSIGN(const std::optional<Chunk> chunk, stream.next());
    if (!chunk) return {};
    TRY(rows(views(table, column_ids, *chunk)));
  }
}

Status Lake::scan(const LakeTable& table, const std::vector<std::int64_t>& column_ids,
                  const FileRows& rows) {
  TRY_ASSIGN(const std::vector<LiveFile> files, live_files(table.table_id));
  for (const LiveFile& file : files) {
    std::vector<std::uint32_t> deleted;
    if (file.deletes) {
      TRY_ASSIGN(deleted, read_deletes(*file.deletes));
    }
    std::size_t next = 0;
    std::uint32_t first = 0;
    TRY(scan_file(table, file.path, column_ids, [&](Columns columns) -> Status {
      TRY(visit_live(file, first, columns, deleted, next, rows));
      first += static_cast<std::uint32_t>(columns.front().size);
      return {};
    }));
    if (first != file.record_count) {
      return fail(Code::internal, "A data file of the lake does not hold what its catalogue says.",
                  file.path);
    }
  }
  return {};
}

}  // namespace minato::lake
