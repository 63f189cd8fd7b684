// Goal: a row is the same value whether the snapshot read it, the binary log brought it, or a client selects it; the
// stream has every transaction once, in order, over restarts of the source. Method: a private MariaDB.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <map>

#include "ingest/tests/private_mariadb.h"

namespace minato::ingest::mysql {
namespace {

using std::chrono::milliseconds;

/// A value as text, for comparisons: hexadecimal of its bytes.
std::string shown(const ColumnView& column, std::size_t row) {
  if (column.is_null(row)) return "NULL";
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
Line line(const RowBatch& batch, std::size_t row) {
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
    for (std::size_t row = 0; row < batch.rows(); ++row) tables[batch.schema->name].insert(line(batch, row));
  }
  void take(const StreamBatch& piece) {
    for (const SchemaChange& change : piece.ddl) notes.push_back(std::to_string(static_cast<int>(change.kind)) +
                                                                 " " + display(change.table));
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
    auto at = source.snapshot(
        names, [&](const std::vector<TableSchemaPtr>& opened) -> Status { shapes = opened; return {}; },
        [&](RowBatch&& batch) -> Status { take(batch); return {}; }, {});
    ASSERT_TRUE(at) << describe(at.error());
    position = *at;
  }
  /// Streams until all that is at the source now has come.
  void follow(Source& source) {
    const auto wanted = source.current_position();
    ASSERT_TRUE(wanted) << describe(wanted.error());
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!source.covers(position, *wanted)) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << position.text << " / " << wanted->text;
      auto piece = source.next(milliseconds(500));
      ASSERT_TRUE(piece) << describe(piece.error());
      if (*piece) take(**piece);
    }
  }
};

class MysqlLive : public testing::Test {
 protected:
  void SetUp() override {
    if (!PrivateMariaDb::installed()) GTEST_SKIP() << "no MariaDB is installed";
  }
  static PrivateMariaDb& server() {
    static PrivateMariaDb shared;
    return shared;
  }
  static void fresh_database() {
    server().run({"DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop"});
  }
};

TEST_F(MysqlLive, rows_come_by_snapshot_and_stream) {
  fresh_database();
  server().run({"CREATE TABLE shop.t (id INT PRIMARY KEY, name VARCHAR(100), at DATETIME(3), m DECIMAL(12,2))",
                "INSERT INTO shop.t SELECT seq, CONCAT('name ', seq), '2026-01-02 03:04:05.678', seq / 4 "
                "FROM seq_1_to_1000"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  EXPECT_EQ(mirror.tables[(TableName{"shop", "t"})].size(), 1000U);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  server().run({"UPDATE shop.t SET name = '長い名前です、とても長い' WHERE id % 3 = 0", "DELETE FROM shop.t WHERE id > 900",
                "INSERT INTO shop.t VALUES (5000, NULL, NULL, -0.01)"});
  mirror.follow(*source);
  Mirror again;
  again.snapshot(*source);
  EXPECT_EQ(mirror.tables, again.tables);
  source->stop();
}

TEST_F(MysqlLive, survives_restarts_of_the_source) {
  fresh_database();
  server().run({"CREATE TABLE shop.t (id INT PRIMARY KEY, s VARCHAR(100))"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  for (int round = 0; round < 2; ++round) {
    server().run({"INSERT INTO shop.t SELECT seq + " + std::to_string(round * 1000) + ", 'x' FROM seq_1_to_500",
                  "FLUSH BINARY LOGS", "UPDATE shop.t SET s = 'y' WHERE id % 2 = 0"});
    mirror.follow(*source);
    server().stop(round == 1);
    server().start();
  }
  server().run({"DELETE FROM shop.t WHERE id % 5 = 0"});
  mirror.follow(*source);
  Mirror again;
  again.snapshot(*source);
  EXPECT_EQ(mirror.tables, again.tables);
}

/// Not a bound, a figure: rows per second from the log of a backlog into columns.
TEST_F(MysqlLive, backlog_speed) {
  fresh_database();
  server().run({"CREATE TABLE shop.t (id INT PRIMARY KEY, customer INT, name VARCHAR(40), note VARCHAR(60), "
                "price DECIMAL(10,2), quantity INT, at DATETIME, changed TIMESTAMP)"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  server().run({"INSERT INTO shop.t SELECT seq, seq % 1000, CONCAT('customer ', seq % 1000), 'a note of some length', "
                "seq / 7, seq % 9, NOW(), NOW() FROM seq_1_to_300000"});
  const auto wanted = source->current_position();
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  Position reached = mirror.position;
  while (!source->covers(reached, *wanted)) {
    auto piece = source->next(milliseconds(1000));
    ASSERT_TRUE(piece) << describe(piece.error());
    if (!*piece) continue;
    rows += (*piece)->rows;
    bytes += (*piece)->bytes;
    reached = (*piece)->end;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  EXPECT_EQ(rows, 300000U);
  std::printf("backlog: %.0f rows/s, %.0f MB/s\n", static_cast<double>(rows) / seconds,
              static_cast<double>(bytes) / seconds / 1e6);
  const auto snapshot_began = std::chrono::steady_clock::now();
  std::uint64_t read = 0;
  ASSERT_TRUE(source->snapshot({{"shop", "t"}}, [](const auto&) -> Status { return {}; },
                               [&](RowBatch&& batch) -> Status { read += batch.rows(); return {}; }, {}));
  const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - snapshot_began).count();
  EXPECT_EQ(read, 300000U);
  std::printf("snapshot: %.0f rows/s\n", static_cast<double>(read) / taken);
}

}  // namespace
}  // namespace minato::ingest::mysql
