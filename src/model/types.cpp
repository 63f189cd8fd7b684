#include "model/types.h"

#include "base/check.h"

namespace minato {

std::uint32_t width(ColumnType type) {
  switch (type.kind) {
    case TypeKind::boolean:
    case TypeKind::int8:
    case TypeKind::uint8: return 1;
    case TypeKind::int16:
    case TypeKind::uint16: return 2;
    case TypeKind::int32:
    case TypeKind::uint32:
    case TypeKind::float32:
    case TypeKind::date: return 4;
    case TypeKind::int64:
    case TypeKind::uint64:
    case TypeKind::float64:
    case TypeKind::time:
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
    case TypeKind::interval_us: return 8;
    case TypeKind::varchar:
    case TypeKind::blob:
    case TypeKind::json: return 16;
    case TypeKind::decimal:
      CHECK(type.precision >= 1 && type.precision <= 38);
      if (type.precision <= 4) return 2;
      if (type.precision <= 9) return 4;
      return type.precision <= 18 ? 8 : 16;
  }
  CHECK(false);
}

bool is_string(ColumnType type) {
  return type.kind == TypeKind::varchar || type.kind == TypeKind::blob ||
         type.kind == TypeKind::json;
}

std::string sql_name(ColumnType type) {
  switch (type.kind) {
    case TypeKind::boolean: return "BOOLEAN";
    case TypeKind::int8: return "TINYINT";
    case TypeKind::int16: return "SMALLINT";
    case TypeKind::int32: return "INTEGER";
    case TypeKind::int64:
    case TypeKind::interval_us: return "BIGINT";
    case TypeKind::uint8: return "UTINYINT";
    case TypeKind::uint16: return "USMALLINT";
    case TypeKind::uint32: return "UINTEGER";
    case TypeKind::uint64: return "UBIGINT";
    case TypeKind::float32: return "FLOAT";
    case TypeKind::float64: return "DOUBLE";
    case TypeKind::decimal:
      return "DECIMAL(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
    case TypeKind::varchar:
    case TypeKind::json: return "VARCHAR";
    case TypeKind::blob: return "BLOB";
    case TypeKind::date: return "DATE";
    case TypeKind::time: return "TIME";
    case TypeKind::timestamp: return "TIMESTAMP";
    case TypeKind::timestamptz: return "TIMESTAMP WITH TIME ZONE";
  }
  CHECK(false);
}

}  // namespace minato
