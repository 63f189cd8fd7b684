// Fuzzer: rows of a binary log's row event, for tables of any mixture of column types.
// Property: any bytes decode or are refused; after success every column has a value for every row.
#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/check.h"
#include "wire/mysql_rows.h"

namespace {

using namespace minato;
using namespace minato::wire;

struct Shape {
  const char* declared;  // as in Column::source_type
  std::uint8_t type;     // as in the log
  std::uint16_t meta;
};
constexpr std::array<Shape, 36> shapes = {{
    {"tinyint(4)", type_tiny, 0},
    {"smallint(6) unsigned", type_short, 0},
    {"mediumint(9)", type_int24, 0},
    {"mediumint(8) unsigned", type_int24, 0},
    {"int(11)", type_long, 0},
    {"bigint(20) unsigned", type_longlong, 0},
    {"float", type_float, 4},
    {"double", type_double, 8},
    {"decimal(4,2)", type_newdecimal, 4 << 8 | 2},
    {"decimal(9,0)", type_newdecimal, 9 << 8},
    {"decimal(18,9)", type_newdecimal, 18 << 8 | 9},
    {"decimal(38,10)", type_newdecimal, 38 << 8 | 10},
    {"decimal(65,30)", type_newdecimal, 65 << 8 | 30},
    {"bit(1)", type_bit, 1},
    {"bit(37)", type_bit, 4 << 8 | 5},
    {"year(4)", type_year, 0},
    {"date", type_date, 0},
    {"datetime", type_datetime2, 0},
    {"datetime(6)", type_datetime2, 6},
    {"datetime", type_datetime, 0},
    {"timestamp", type_timestamp2, 0},
    {"timestamp(3)", type_timestamp2, 3},
    {"time", type_time2, 0},
    {"time(6)", type_time2, 6},
    {"time", type_time, 0},
    {"varchar(20) utf8mb4", type_varchar, 80},
    {"varchar(200) cp932", type_varchar, 400},
    {"char(10) latin1", type_string, 10},
    {"binary(16)", type_string, 16},
    {"varbinary(300)", type_varchar, 300},
    {"text utf8mb4", type_blob, 2},
    {"longblob", type_blob, 4},
    {"enum('a','b','c') utf8mb4", type_enum, 1},
    {"set('a','b','c') utf8mb4", type_set, 1},
    {"uuid", type_string, 16},
    {"inet6", type_string, 16},
}};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t width = 1 + data[0] % 12;
  const std::uint8_t kind = data[1] % 3;
  if (size < 2 + width) return 0;
  auto schema = std::make_shared<TableSchema>();
  schema->name = {"shop", "orders"};
  TableMap map;
  for (std::size_t i = 0; i < width; ++i) {
    const Shape& shape = shapes[data[2 + i] % shapes.size()];
    const auto type = parse_source_type(shape.declared);
    CHECK(type);
    schema->columns.push_back(lake_column("c" + std::to_string(i), *type, true));
    map.columns.push_back({shape.type, shape.meta, true});
  }
  const auto decoder = RowDecoder::compile(map, *schema);
  CHECK(decoder);
  RowsEvent event;
  event.kind = static_cast<RowsEvent::Kind>(kind);
  event.width = width;
  event.rows = Bytes(data + 2 + width, size - 2 - width);
  TableChanges changes(schema);
  DecodeCounts counts;
  if (!decoder->decode(event, changes, counts)) return 0;
  for (const auto& column : changes.rows.columns) CHECK(column.size() == changes.ops.size());
  return 0;
}
