#include "lake/stats.h"

#include <charconv>
#include <cstdlib>
#include <map>

namespace minato::lake {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Valid UTF-8 without NUL: what PostgreSQL stores as text.
bool storable(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return false;
  duckdb_error_data error = duckdb_valid_utf8_check(text.data(), text.size());
  const bool bad = error != nullptr && duckdb_error_data_has_error(error);
  if (error != nullptr) duckdb_destroy_error_data(&error);
  return !bad;
}

/// Dates outside the years 0 to 9999 do not order as texts.
bool ordered_as_text(std::string_view date) {
  if (date == "infinity" || date == "-infinity") return true;
  return date.size() >= 10 && is_digit(date[0]) && is_digit(date[1]) && is_digit(date[2]) &&
         is_digit(date[3]) && date[4] == '-' && date.find('(') == std::string_view::npos;
}

bool usable_bound(ColumnType type, const std::string& text) {
  switch (type.kind) {
    case TypeKind::date:
    case TypeKind::timestamp:
    case TypeKind::timestamptz: return ordered_as_text(text);
    case TypeKind::varchar:
    case TypeKind::json: return storable(text);
    default: return true;
  }
}

/// An integer, or a decimal times 10^scale (files from before a widening may have fewer digits).
Int128 number_of(std::string_view text, int scale) {
  const bool negative = text.starts_with('-');
  Int128 value = 0;
  bool fraction = false;
  for (const char c : text) {
    if (c == '.') fraction = true;
    if (!is_digit(c)) continue;
    value = value * 10 + (c - '0');
    if (fraction) --scale;
  }
  for (; scale > 0; --scale) value *= 10;
  return negative ? -value : value;
}

/// "a" or "a ""b""" as RETURN_STATS quotes a column; nullopt for a part of a nested one.
std::optional<std::string> unquoted_column(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::nullopt;
  std::string out;
  for (std::size_t n = 1; n + 1 < text.size(); ++n) {
    if (text[n] == '"') {
      if (text[n + 1] != '"' || n + 2 >= text.size()) return std::nullopt;
      ++n;
    }
    out += text[n];
  }
  return out;
}

std::int64_t integer_of(std::string_view text) {
  std::int64_t value = 0;
  const auto end = text.data() + text.size();
  CHECK(std::from_chars(text.data(), end, value).ptr == end);
  return value;
}

using Texts = std::map<std::string, std::string, std::less<>>;

Texts map_texts(const Vector& map, std::size_t row) {
  Texts out;
  const auto entry = map.get<ListEntry>(row);
  const Vector entries = map.child(0);
  const Vector keys = entries.child(0);
  const Vector values = entries.child(1);
  for (std::uint64_t n = entry.offset; n < entry.offset + entry.length; ++n) {
    if (!values.is_null(n)) out.emplace(keys.string(n), values.string(n));
  }
  return out;
}

std::optional<std::string> bound(const Texts& texts, std::string_view key, ColumnType type) {
  const auto found = texts.find(key);
  if (found == texts.end() || !usable_bound(type, found->second)) return std::nullopt;
  return found->second;
}

ColumnStats column_stats(const LakeColumn& column, const Texts& texts) {
  const auto number = [&](std::string_view key) {
    const auto found = texts.find(key);
    return found == texts.end() ? 0 : integer_of(found->second);
  };
  ColumnStats out;
  out.column_id = column.column_id;
  out.null_count = number("null_count");
  out.value_count = number("num_values") - out.null_count;
  out.size_bytes = number("column_size_bytes");
  out.min = bound(texts, "min", column.column.type);
  out.max = bound(texts, "max", column.column.type);
  if (const auto nan = texts.find("has_nan"); nan != texts.end()) {
    out.contains_nan = nan->second == "true";
  }
  // The extension prunes wrongly where a FLOAT's text is read as DOUBLE, and by <> where NaN stands
  // beside the bounds.
  const TypeKind kind = column.column.type.kind;
  if (kind == TypeKind::float32 || kind == TypeKind::blob || out.contains_nan.value_or(false)) {
    out.min.reset();
    out.max.reset();
  }
  CHECK(out.value_count >= 0 && out.null_count >= 0);
  return out;
}

}  // namespace

std::optional<ColumnType> parse_lake_type(std::string_view name) {
  static const std::map<std::string_view, TypeKind> kKinds{{"boolean", TypeKind::boolean},
                                                           {"int8", TypeKind::int8},
                                                           {"int16", TypeKind::int16},
                                                           {"int32", TypeKind::int32},
                                                           {"int64", TypeKind::int64},
                                                           {"uint8", TypeKind::uint8},
                                                           {"uint16", TypeKind::uint16},
                                                           {"uint32", TypeKind::uint32},
                                                           {"uint64", TypeKind::uint64},
                                                           {"float32", TypeKind::float32},
                                                           {"float64", TypeKind::float64},
                                                           {"varchar", TypeKind::varchar},
                                                           {"blob", TypeKind::blob},
                                                           {"json", TypeKind::json},
                                                           {"date", TypeKind::date},
                                                           {"time", TypeKind::time},
                                                           {"timestamp", TypeKind::timestamp},
                                                           {"timestamp_us", TypeKind::timestamp},
                                                           {"timestamptz", TypeKind::timestamptz}};
  ColumnType type;
  if (name.starts_with("decimal(")) {
    const std::size_t comma = name.find(',');
    if (comma == std::string_view::npos) return std::nullopt;
    type.kind = TypeKind::decimal;
    std::from_chars(name.data() + 8, name.data() + comma, type.precision);
    std::from_chars(name.data() + comma + 1, name.data() + name.size(), type.scale);
    return type;
  }
  const auto found = kKinds.find(name);
  if (found == kKinds.end()) return std::nullopt;
  type.kind = found->second;
  return type;
}

std::string lake_type(ColumnType type) {
  switch (type.kind) {
    case TypeKind::boolean: return "boolean";
    case TypeKind::int8: return "int8";
    case TypeKind::int16: return "int16";
    case TypeKind::int32: return "int32";
    case TypeKind::int64:
    case TypeKind::interval_us: return "int64";
    case TypeKind::uint8: return "uint8";
    case TypeKind::uint16: return "uint16";
    case TypeKind::uint32: return "uint32";
    case TypeKind::uint64: return "uint64";
    case TypeKind::float32: return "float32";
    case TypeKind::float64: return "float64";
    case TypeKind::decimal:
      return "decimal(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
    case TypeKind::varchar:
    case TypeKind::json: return "varchar";
    case TypeKind::blob: return "blob";
    case TypeKind::date: return "date";
    case TypeKind::time: return "time";
    case TypeKind::timestamp: return "timestamp";
    case TypeKind::timestamptz: return "timestamptz";
  }
  CHECK(false);
}

bool bound_less(ColumnType type, const std::string& a, const std::string& b) {
  switch (type.kind) {
    case TypeKind::int8:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
    case TypeKind::uint8:
    case TypeKind::uint16:
    case TypeKind::uint32:
    case TypeKind::uint64:
    case TypeKind::interval_us:
    case TypeKind::decimal: return number_of(a, type.scale) < number_of(b, type.scale);
    case TypeKind::float32:
    case TypeKind::float64:
      return std::strtod(a.c_str(), nullptr) < std::strtod(b.c_str(), nullptr);
    default:
      // Booleans (0, 1), strings, blobs (hexadecimal), dates and times (fixed width up to the
      // fraction).
      return a < b;
  }
}

Result<DataFile> parse_written_file(const LakeTable& table, const Chunk& chunk, std::size_t row) {
  DataFile file;
  CHECK(chunk.columns() >= 5);
  file.path = chunk.column(0).string(row);
  file.record_count = chunk.column(1).get<std::uint64_t>(row);
  file.file_size_bytes = chunk.column(2).get<std::uint64_t>(row);
  // The footer's size is unknown to the engine when it writes an empty file; it is a hint only.
  std::optional<std::string> footer = to_text(chunk.column(3), row);
  file.footer_size = footer ? static_cast<std::uint64_t>(integer_of(*footer)) : 0;
  const Vector stats = chunk.column(4);
  if (stats.is_null(row)) return file;
  std::map<std::string, const LakeColumn*> columns;
  for (const LakeColumn& column : table.columns) columns[column.column.name] = &column;
  const auto entry = stats.get<ListEntry>(row);
  const Vector entries = stats.child(0);
  const Vector names = entries.child(0);
  const Vector values = entries.child(1);
  for (std::uint64_t n = entry.offset; n < entry.offset + entry.length; ++n) {
    const auto name = unquoted_column(names.string(n));
    const auto found = name ? columns.find(*name) : columns.end();
    if (found == columns.end()) continue;  // part of a nested column: no statistics, nothing pruned
    file.columns.push_back(column_stats(*found->second, map_texts(values, n)));
  }
  return file;
}

TableColumnStats stats_of(const ColumnStats& file) {
  return {file.null_count > 0, file.contains_nan, file.min, file.max};
}

TableColumnStats widened(ColumnType type, TableColumnStats stats, const ColumnStats& file) {
  stats.contains_null = stats.contains_null || file.null_count > 0;
  // false only if both say so
  if (!stats.contains_nan || !file.contains_nan) {
    stats.contains_nan.reset();
  } else {
    stats.contains_nan = *stats.contains_nan || *file.contains_nan;
  }
  if (file.value_count == 0) return stats;
  if (!file.min || !stats.min) {
    stats.min.reset();
  } else if (bound_less(type, *file.min, *stats.min)) {
    stats.min = file.min;
  }
  if (!file.max || !stats.max) {
    stats.max.reset();
  } else if (bound_less(type, *stats.max, *file.max)) {
    stats.max = file.max;
  }
  return stats;
}

}  // namespace minato::lake
