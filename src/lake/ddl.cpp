// Tables drafted, altered and dropped: what a table is to be, computed beforehand. The catalogue
// rows are in ddl_rows.cpp.

#include <fmt/format.h>

#include <xxhash.h>

#include <algorithm>
#include <atomic>

#include "base/check.h"
#include "lake/lake_impl.h"
#include "lake/stats.h"

namespace minato::lake {
namespace {

int bits(TypeKind kind) {
  switch (kind) {
    case TypeKind::int8:
    case TypeKind::uint8: return 8;
    case TypeKind::int16:
    case TypeKind::uint16: return 16;
    case TypeKind::int32:
    case TypeKind::uint32: return 32;
    case TypeKind::int64:
    case TypeKind::uint64:
    case TypeKind::interval_us: return 64;
    default: return 0;
  }
}

bool is_unsigned(TypeKind kind) { return kind >= TypeKind::uint8 && kind <= TypeKind::uint64; }

/// Decimal digits that an integer of so many bits may have.
int digits(int bits) { return bits == 8 ? 3 : bits == 16 ? 5 : bits == 32 ? 10 : 20; }

/// True when every value of `from` has the same value in `to`, so that files and bounds of before
/// are read rightly. Narrower than what the extension lets pass, which also rounds (BIGINT →
/// DOUBLE) and reads times in the engine's zone (TIMESTAMP → TIMESTAMPTZ).
bool widens(ColumnType from, ColumnType to) {
  const int have = bits(from.kind);
  if (have > 0 && bits(to.kind) > 0) {
    if (is_unsigned(to.kind) && !is_unsigned(from.kind)) return false;
    return bits(to.kind) > have;
  }
  if (have > 0 && to.kind == TypeKind::decimal) return to.precision - to.scale >= digits(have);
  if (have > 0 && to.kind == TypeKind::float64) return have <= 32;
  if (from.kind == TypeKind::float32) return to.kind == TypeKind::float64;
  if (from.kind == TypeKind::decimal && to.kind == TypeKind::decimal) {
    return to.scale >= from.scale && to.precision - to.scale >= from.precision - from.scale;
  }
  return from.kind == TypeKind::date && to.kind == TypeKind::timestamp;
}

/// One new name takes effect after the other, as the source's statement says.
void rename(std::vector<LakeColumn>& columns, const std::string& from, const std::string& to) {
  const auto named = [&](const std::string& name) {
    return std::ranges::find_if(columns,
                                [&](const LakeColumn& c) { return c.column.name == name; });
  };
  const auto column = named(from);
  if (column == columns.end() || named(to) != columns.end()) return;  // done before
  column->column.name = to;
}

/// As few as possible get another number.
void put_in_order(std::vector<LakeColumn>& columns) {
  std::int64_t last = 0;
  for (LakeColumn& column : columns) {
    if (column.order <= last) column.order = last + 1;
    last = column.order;
  }
}

LakeColumn new_column(LakeTable& table, const Column& column) {
  LakeColumn out{table.next_column_id++, 0, column, {}};
  out.column.type = parse_lake_type(lake_type(column.type)).value();  // as it is read back
  out.column.nullable = true;
  out.column.source_type.clear();
  return out;
}

}  // namespace

std::string directory_name(const std::string& name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  if (!name.empty() && name.size() <= 100 && std::ranges::all_of(name, plain)) return name + "/";
  const XXH128_hash_t hash = XXH3_128bits(name.data(), name.size());
  return fmt::format("~{:016x}{:016x}/", hash.high64, hash.low64);
}

Result<LakeTable> altered(const LakeTable& table, const std::vector<Column>& columns,
                          const std::vector<std::pair<std::string, std::string>>& renames,
                          Contents contents, const std::map<std::string, std::string>& initials) {
  CHECK(!columns.empty());
  LakeTable out = table;
  out.columns.clear();
  std::vector<LakeColumn> before = table.columns;
  for (const auto& [from, to] : renames) rename(before, from, to);
  for (const Column& column : columns) {
    const auto found = std::ranges::find_if(
        before, [&](const LakeColumn& c) { return c.column.name == column.name; });
    if (found == before.end()) {
      out.columns.push_back(new_column(out, column));
      const auto initial = initials.find(column.name);
      if (initial != initials.end()) out.columns.back().initial = initial->second;
      continue;
    }
    const std::string type = lake_type(column.type);
    if (type == lake_type(found->column.type)) {
      out.columns.push_back(*found);
    } else if (contents == Contents::replaced) {
      out.columns.push_back(new_column(out, column));
    } else if (widens(found->column.type, column.type)) {
      out.columns.push_back(*found);
      out.columns.back().column.type = column.type;
    } else {
      return fail(Code::unsupported, "A column's new type cannot be followed in the lake.",
                  display(table.name) + "." + column.name + ": " + lake_type(found->column.type) +
                      " → " + type);
    }
  }
  put_in_order(out.columns);
  out.plain = true;
  return out;
}

Result<LakeTable> Lake::draft(const TableName& name, const std::vector<Column>& columns) {
  CHECK(!columns.empty());
  static std::atomic<std::int64_t> drafts{0};
  LakeTable table;
  table.table_id = --drafts;
  table.name = name;
  table.next_column_id = 1;
  for (const Column& column : columns) table.columns.push_back(new_column(table, column));
  put_in_order(table.columns);
  TRY_ASSIGN(auto connection, impl_->connections.take());
  TRY_ASSIGN(const pg::Rows schema,
             connection->query("select path, path_is_relative from ducklake.ducklake_schema "
                               "where schema_name = $1::text and end_snapshot is null",
                               {name.schema}));
  table.path = schema.size() == 0
                   ? impl_->data_path + directory_name(name.schema)
                   : path_below(impl_->data_path, schema.text(0, 0), schema.boolean(0, 1));
  table.path += directory_name(name.name);
  return table;
}

Result<LakeTable> Lake::upsert_table(
    const TableName& name, const std::vector<Column>& columns,
    const std::vector<std::pair<std::string, std::string>>& renames) {
  TRY_ASSIGN(const std::optional<LakeTable> known, find_table(name));
  LakeTable wanted;
  if (known) {
    TRY_ASSIGN(wanted, altered(*known, columns, renames, Contents::kept));
    if (wanted.columns == known->columns) return *known;
  } else {
    TRY_ASSIGN(wanted, draft(name, columns));
  }
  CommitRequest request;
  request.ddl.push_back({wanted});
  TRY_ASSIGN(const Committed committed, commit(request));
  wanted.table_id = committed.ddl_table_ids.front();
  wanted.shaped_at = committed.snapshot_id;
  return wanted;
}

Status Lake::drop_table(const TableName& name) {
  TRY_ASSIGN(const std::optional<LakeTable> known, find_table(name));
  if (!known) return {};
  CommitRequest request;
  request.ddl.push_back({*known, true});
  TRY(commit(request));
  return {};
}

}  // namespace minato::lake
