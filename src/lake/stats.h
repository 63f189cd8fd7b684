// Inside src/lake only: column statistics as DuckLake stores them, and how bounds of files become
// bounds of tables. Bounds may be too wide, never too narrow: a wrong one hides rows from queries.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lake/engine_impl.h"
#include "lake/writer.h"

namespace minato::lake {

/// DuckLake's name of a type: "int64", "decimal(18,2)", "timestamptz" … nullopt: one that we do not
/// write.
std::optional<ColumnType> parse_lake_type(std::string_view name);
/// The name that a type has in the catalogue. Several types of the source may have one.
std::string lake_type(ColumnType type);

/// Less than, as values of the type (not as texts).
bool bound_less(ColumnType type, const std::string& a, const std::string& b);

/// A row of the answer of COPY … (RETURN_STATS): file, counts and column statistics.
Result<DataFile> parse_written_file(const LakeTable& table, const Chunk& chunk, std::size_t row);

/// Statistics of a table's column over all files so far. Bounds that are absent mean "unknown" and
/// stay so.
struct TableColumnStats {
  bool contains_null = false;
  std::optional<bool> contains_nan;
  std::optional<std::string> min;
  std::optional<std::string> max;
  bool operator==(const TableColumnStats&) const = default;
};
/// The statistics of one file alone.
TableColumnStats stats_of(const ColumnStats& file);
/// What they are once `file` is added.
TableColumnStats widened(ColumnType type, TableColumnStats stats, const ColumnStats& file);

}  // namespace minato::lake
