#include "ingest/apply/key.h"

#include <xxhash.h>

#include <numeric>

namespace minato::ingest {
namespace {

constexpr std::uint64_t kIntegerTag = 1;
constexpr std::uint64_t kNullTag = 2;

/// The value of a column of up to 64 bits, widened; floats by their bits.
std::int64_t widened(const ColumnView& column, std::size_t row) {
  switch (column.type.kind) {
    case TypeKind::int8: return column.get<std::int8_t>(row);
    case TypeKind::int16: return column.get<std::int16_t>(row);
    case TypeKind::int32:
    case TypeKind::date: return column.get<std::int32_t>(row);
    default: break;
  }
  if (column.type.kind == TypeKind::decimal) {
    switch (width(column.type)) {
      case 2: return column.get<std::int16_t>(row);
      case 4: return column.get<std::int32_t>(row);
      default: return column.get<std::int64_t>(row);
    }
  }
  switch (width(column.type)) {
    case 1: return column.get<std::uint8_t>(row);
    case 2: return column.get<std::uint16_t>(row);
    case 4: return column.get<std::uint32_t>(row);
    default: return column.get<std::int64_t>(row);
  }
}

Key hashed(const void* bytes, std::size_t size) {
  const XXH128_hash_t hash = XXH3_128bits(bytes, size);
  // The tags of integer keys stay apart from hashes in practice: a hash with hi = 1 or 2 has odds
  // of 2^-63.
  return {hash.low64, hash.high64};
}

/// Encodes one value so that different rows have different encodings: tag, then length or fixed
/// width.
void encode(const ColumnView& column, std::size_t row, std::vector<char>& out) {
  const auto put = [&out](const void* bytes, std::size_t size) {
    const char* begin = static_cast<const char*>(bytes);
    out.insert(out.end(), begin, begin + size);
  };
  if (column.is_null(row)) {
    out.push_back(0);
    return;
  }
  out.push_back(1);
  if (is_string(column.type)) {
    const std::string_view text = column.string(row);
    const auto length = static_cast<std::uint32_t>(text.size());
    put(&length, sizeof length);
    put(text.data(), text.size());
  } else if (width(column.type) == 16) {
    const __int128 value = column.get<__int128>(row);
    put(&value, sizeof value);
  } else if (column.type.kind == TypeKind::decimal) {
    const __int128 value = widened(column, row);
    put(&value, sizeof value);
  } else {
    const std::int64_t value = widened(column, row);
    put(&value, sizeof value);
  }
}

}  // namespace

void append_keys(std::span<const ColumnView> columns, std::vector<Key>& keys) {
  CHECK(!columns.empty());
  const std::size_t rows = columns.front().size;
  keys.reserve(keys.size() + rows);
  if (columns.size() == 1 && is_string(columns[0].type)) {
    for (std::size_t row = 0; row < rows; ++row) {
      const std::string_view text = columns[0].string(row);
      keys.push_back(columns[0].is_null(row) ? Key{0, kNullTag} : hashed(text.data(), text.size()));
    }
    return;
  }
  if (columns.size() == 1 && width(columns[0].type) <= 8) {
    for (std::size_t row = 0; row < rows; ++row) {
      keys.push_back(columns[0].is_null(row)
                         ? Key{0, kNullTag}
                         : Key{static_cast<std::uint64_t>(widened(columns[0], row)), kIntegerTag});
    }
    return;
  }
  std::vector<char> buffer;
  for (std::size_t row = 0; row < rows; ++row) {
    buffer.clear();
    for (const ColumnView& column : columns) encode(column, row, buffer);
    keys.push_back(hashed(buffer.data(), buffer.size()));
  }
}

std::vector<std::uint32_t> key_column_indexes(const TableSchema& schema) {
  if (!schema.key.empty()) return schema.key;
  std::vector<std::uint32_t> all(schema.columns.size());
  std::iota(all.begin(), all.end(), 0U);
  return all;
}

std::vector<ColumnView> key_columns(const RowBatch& rows) {
  std::vector<ColumnView> views;
  for (const std::uint32_t index : key_column_indexes(*rows.schema))
    views.emplace_back(rows.columns[index]);
  return views;
}

}  // namespace minato::ingest
