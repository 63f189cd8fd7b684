// What a consumer of a source sees, as multisets of rows in comparable text: for tests against a
// live MariaDB.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>

#include "ingest/tests/private_server.h"

namespace minato::ingest::mysql {

using std::chrono::milliseconds;

/// A value as text, for comparisons: hexadecimal of its bytes.
inline std::string shown(const ColumnView& column, std::size_t row) {
  if (column.is_null(row)) return "NULL";
  // Integers by value, so that widening a column changes nothing.
  switch (column.type.kind) {
    case TypeKind::int8: return std::to_string(column.get<std::int8_t>(row));
    case TypeKind::int16: return std::to_string(column.get<std::int16_t>(row));
    case TypeKind::int32: return std::to_string(column.get<std::int32_t>(row));
    case TypeKind::int64: return std::to_string(column.get<std::int64_t>(row));
    default: break;
  }
  const std::string_view bytes =
      is_string(column.type)
          ? column.string(row)
          : std::string_view(reinterpret_cast<const char*>(column.data) + row * width(column.type),
                             width(column.type));
  std::string out = is_string(column.type) ? "'" : "x";
  for (const char c : bytes) {
    if (is_string(column.type) && bytes.size() < 60 && c >= ' ') {
      out += c;
    } else {
      constexpr std::string_view hex = "0123456789abcdef";
      out += hex[static_cast<unsigned char>(c) >> 4];
      out += hex[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

using Line = std::vector<std::string>;
inline Line line(const RowBatch& batch, std::size_t row) {
  Line values;
  for (const ColumnData& column : batch.columns) values.push_back(shown(column, row));
  return values;
}

/// Tables as multisets of rows, kept up by a stream.
struct Mirror {
  std::map<TableName, std::multiset<Line>> tables;
  std::vector<TableSchemaPtr> shapes;
  Position position;
  std::vector<std::string> notes;  // schema changes and lost tables

  void take(const RowBatch& batch) {
    for (std::size_t row = 0; row < batch.rows(); ++row)
      tables[batch.schema->name].insert(line(batch, row));
  }
  void take(const StreamBatch& piece) {
    for (const SchemaChange& change : piece.ddl)
      notes.push_back(std::to_string(static_cast<int>(change.kind)) + " " + display(change.table));
    for (const TableName& name : piece.lost) notes.push_back("lost " + display(name));
    for (const TableChanges& changes : piece.tables) {
      for (std::size_t row = 0; row < changes.ops.size(); ++row) {
        auto& rows = tables[changes.rows.schema->name];
        const Line values = line(changes.rows, row);
        if (changes.ops[row] == Op::insert || changes.ops[row] == Op::update_after) {
          rows.insert(values);
        } else {
          const auto found = rows.find(values);
          ASSERT_NE(found, rows.end()) << "no such row: " << testing::PrintToString(values);
          rows.erase(found);
        }
      }
    }
    position = piece.end;
  }
  void snapshot(Source& source) {
    auto listed = source.tables();
    ASSERT_TRUE(listed) << describe(listed.error());
    std::vector<TableName> names;
    for (const auto& shape : *listed) names.push_back(shape->name);
    tables.clear();
    const Status read = source.snapshot(
        names,
        [&](const View& view) -> Status {
          shapes = view.shapes;
          position = view.position;
          return {};
        },
        [&](RowBatch&& batch) -> Status {
          take(batch);
          return {};
        },
        {});
    ASSERT_TRUE(read) << describe(read.error());
  }
  /// Streams until all that is at the source now has come.
  void follow(Source& source) {
    const auto wanted = source.current_position();
    ASSERT_TRUE(wanted) << describe(wanted.error());
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!source.covers(position, *wanted)) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline)
          << position.text << " / " << wanted->text;
      auto piece = source.next(milliseconds(500));
      ASSERT_TRUE(piece) << describe(piece.error());
      if (*piece) take(**piece);
    }
  }
};

inline constexpr const char* all_types = R"(
  id INT PRIMARY KEY, ti TINYINT, tiu TINYINT UNSIGNED, si SMALLINT, siu SMALLINT UNSIGNED,
  mi MEDIUMINT,
  miu MEDIUMINT UNSIGNED, i INT, iu INT UNSIGNED ZEROFILL, bi BIGINT, biu BIGINT UNSIGNED,
  f FLOAT, d DOUBLE,
  f2 FLOAT(7,3), d2 DOUBLE(12,4), n1 DECIMAL(4,2), n2 DECIMAL(9,0), n3 DECIMAL(18,6),
  n4 DECIMAL(38,10),
  n5 DECIMAL(65,30), n6 DECIMAL(5,5), c CHAR(10), c3 CHAR(100), vc VARCHAR(300), tt TINYTEXT,
  t TEXT,
  mt MEDIUMTEXT, lt LONGTEXT, b BINARY(8), vb VARBINARY(300), tb TINYBLOB, bl BLOB, lb LONGBLOB,
  dt DATE, tm TIME,
  tm1 TIME(1), tm3 TIME(3), tm6 TIME(6), dtm DATETIME, dtm2 DATETIME(2), dtm3 DATETIME(3),
  dtm6 DATETIME(6),
  ts TIMESTAMP NULL, ts4 TIMESTAMP(4) NULL, ts6 TIMESTAMP(6) NULL, y YEAR,
  e ENUM('small','big','特大','it''s','b\\s'),
  st SET('a','b','c','ペン'), j JSON, b1 BIT(1), b20 BIT(20), b64 BIT(64), g POINT, u UUID,
  i6 INET6, i4 INET4,
  l1 VARCHAR(30) CHARACTER SET latin1, sj VARCHAR(30) CHARACTER SET sjis,
  cp VARCHAR(30) CHARACTER SET cp932,
  uj TEXT CHARACTER SET ujis, ej TEXT CHARACTER SET eucjpms, u3 VARCHAR(30) CHARACTER SET utf8mb3,
  u16 VARCHAR(30) CHARACTER SET utf16, u2 VARCHAR(30) CHARACTER SET ucs2,
  cc CHAR(5) CHARACTER SET cp932,
  gb VARCHAR(30) CHARACTER SET gbk, kr VARCHAR(30) CHARACTER SET euckr,
  vcc VARCHAR(300) COMPRESSED, tc TEXT COMPRESSED, gen INT AS (id * 2) STORED,
  virt INT AS (id + 1) VIRTUAL)";

}  // namespace minato::ingest::mysql
