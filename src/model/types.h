// Column types and table schemas: what a value is, in the lake's terms.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/names.h"

namespace minato {

/// The physical layout in ColumnData is the engine's (DuckDB): little-endian, fixed width.
enum class TypeKind : std::uint8_t {
  boolean,  // 1 byte, 0 or 1
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  float32,
  float64,
  decimal,    // int16/int32/int64/int128 by precision (≤4, ≤9, ≤18, ≤38), value × 10^scale
  varchar,    // StringRef, UTF-8
  blob,       // StringRef, bytes
  json,       // StringRef, UTF-8; VARCHAR in the lake
  date,       // int32 days since 1970-01-01
  time,       // int64 microseconds of the day
  timestamp,  // int64 microseconds since 1970-01-01, without zone
  timestamptz,  // int64 microseconds since 1970-01-01 UTC
  interval_us,  // int64 microseconds, for durations that exceed a day; BIGINT in the lake
};

struct ColumnType {
  TypeKind kind = TypeKind::varchar;
  std::uint8_t precision = 0;  // decimal only, 1..38
  std::uint8_t scale = 0;      // decimal only
  bool operator==(const ColumnType&) const = default;
};

/// Bytes of one value in ColumnData: 1, 2, 4, 8 or 16.
std::uint32_t width(ColumnType type);
bool is_string(ColumnType type);
/// As in the lake's DDL: "BIGINT", "DECIMAL(18,4)", "TIMESTAMP WITH TIME ZONE" …
std::string sql_name(ColumnType type);

struct Column {
  std::string name;
  ColumnType type;
  bool nullable = true;
  std::string source_type;  // as the source declares it, for its adapter only ("varchar(20) cp932")
  bool operator==(const Column&) const = default;
};

/// A source table's shape at one moment. Immutable and shared: batches point to the schema they
/// were read with.
struct TableSchema {
  TableName name;
  std::vector<Column> columns;
  std::vector<std::uint32_t> key;  // indexes into columns, primary key order; empty: no key
  // Of text columns to come whose definition names none, as the source says; empty: not known.
  std::string charset;
  bool operator==(const TableSchema&) const = default;
};
using TableSchemaPtr = std::shared_ptr<const TableSchema>;

}  // namespace minato
