// Column types of MySQL and MariaDB: how they are declared, what they are in the lake, their codes
// in the binary log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/types.h"

namespace minato::wire {

// Codes in TABLE_MAP events.
inline constexpr std::uint8_t type_tiny = 1, type_short = 2, type_long = 3, type_float = 4,
                              type_double = 5, type_timestamp = 7, type_longlong = 8,
                              type_int24 = 9, type_date = 10, type_time = 11, type_datetime = 12,
                              type_year = 13, type_newdate = 14, type_varchar = 15, type_bit = 16,
                              type_timestamp2 = 17, type_datetime2 = 18, type_time2 = 19,
                              type_blob_compressed = 140, type_varchar_compressed = 141,
                              type_vector = 242, type_json = 245, type_newdecimal = 246,
                              type_enum = 247, type_set = 248, type_blob = 252,
                              type_var_string = 253, type_string = 254, type_geometry = 255;

enum class MysqlKind : std::uint8_t {
  tinyint,
  smallint,
  mediumint,
  integer,
  bigint,
  float32,
  float64,
  decimal,
  bit,
  year,
  date,
  datetime,
  timestamp,
  time,
  character,
  varchar,
  text,
  binary,
  varbinary,
  blob,
  enumeration,
  set,
  json,
  geometry,
  uuid,
  inet4,
  inet6,
};

/// A declared type, independent of how it was written.
struct MysqlType {
  MysqlKind kind = MysqlKind::integer;
  bool is_unsigned = false;
  bool compressed = false;          // MariaDB's COMPRESSED attribute
  std::uint32_t length = 0;         // characters, bytes or bits; 0: not given
  std::uint8_t precision = 0;       // decimal
  std::uint8_t scale = 0;           // decimal
  std::uint8_t fraction = 0;        // digits of a second
  std::vector<std::string> values;  // enumeration and set, UTF-8
  std::string charset;              // character, varchar, text; empty: not known yet
  bool operator==(const MysqlType&) const = default;
};
bool has_charset(MysqlKind kind);

/// From a type's name (any case) and its arguments; numbers as text, members of ENUM and SET as
/// they are.
Result<MysqlType> mysql_type(std::string_view name, const std::vector<std::string>& arguments);

/// Column::source_type: information_schema's COLUMN_TYPE, then the character set where there is one
/// ("varchar(20) cp932", "int(10) unsigned", "enum('a','b') utf8mb4").
Result<MysqlType> parse_source_type(std::string_view text);
std::string source_type(const MysqlType& type);

/// What a value becomes in the lake: exact, never rounded (DECIMAL beyond 38 digits and ENUM become
/// text).
ColumnType lake_type(const MysqlType& type);
/// The lake's column of a source column. Dates may be NULL whatever the source says: '0000-00-00'
/// is.
Column lake_column(std::string name, const MysqlType& type, bool nullable);

/// True when every value of `from` is the same value in `to` (widening): the rows need not be read
/// anew.
bool keeps_values(const MysqlType& from, const MysqlType& to);

}  // namespace minato::wire
