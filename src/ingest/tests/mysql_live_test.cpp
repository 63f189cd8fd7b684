// Goal: a row is the same value whether the snapshot read it, the binary log brought it, or a
// client selects it; the stream has every transaction once, in order, over restarts of the source.
// Method: a private MariaDB.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "ingest/tests/private_mariadb.h"

namespace minato::ingest::mysql {
namespace {

using std::chrono::milliseconds;

/// A value as text, for comparisons: hexadecimal of its bytes.
std::string shown(const ColumnView& column, std::size_t row) {
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
    auto at = source.snapshot(
        names,
        [&](const std::vector<TableSchemaPtr>& opened) -> Status {
          shapes = opened;
          return {};
        },
        [&](RowBatch&& batch) -> Status {
          take(batch);
          return {};
        },
        {});
    ASSERT_TRUE(at) << describe(at.error());
    position = *at;
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
  server().run(
      {"CREATE TABLE shop.t (id INT PRIMARY KEY, name VARCHAR(100), at DATETIME(3), m "
       "DECIMAL(12,2))",
       "INSERT INTO shop.t SELECT seq, CONCAT('name ', seq), '2026-01-02 03:04:05.678', seq / 4 "
       "FROM seq_1_to_1000"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  EXPECT_EQ(mirror.tables[(TableName{"shop", "t"})].size(), 1000U);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  server().run({"UPDATE shop.t SET name = '長い名前です、とても長い' WHERE id % 3 = 0",
                "DELETE FROM shop.t WHERE id > 900",
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
    server().run({"INSERT INTO shop.t SELECT seq + " + std::to_string(round * 1000) +
                      ", 'x' FROM seq_1_to_500",
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

constexpr const char* all_types = R"(
  id INT PRIMARY KEY, ti TINYINT, tiu TINYINT UNSIGNED, si SMALLINT, siu SMALLINT UNSIGNED, mi MEDIUMINT,
  miu MEDIUMINT UNSIGNED, i INT, iu INT UNSIGNED ZEROFILL, bi BIGINT, biu BIGINT UNSIGNED, f FLOAT, d DOUBLE,
  f2 FLOAT(7,3), d2 DOUBLE(12,4), n1 DECIMAL(4,2), n2 DECIMAL(9,0), n3 DECIMAL(18,6), n4 DECIMAL(38,10),
  n5 DECIMAL(65,30), n6 DECIMAL(5,5), c CHAR(10), c3 CHAR(100), vc VARCHAR(300), tt TINYTEXT, t TEXT,
  mt MEDIUMTEXT, lt LONGTEXT, b BINARY(8), vb VARBINARY(300), tb TINYBLOB, bl BLOB, lb LONGBLOB, dt DATE, tm TIME,
  tm1 TIME(1), tm3 TIME(3), tm6 TIME(6), dtm DATETIME, dtm2 DATETIME(2), dtm3 DATETIME(3), dtm6 DATETIME(6),
  ts TIMESTAMP NULL, ts4 TIMESTAMP(4) NULL, ts6 TIMESTAMP(6) NULL, y YEAR, e ENUM('small','big','特大','it''s'),
  st SET('a','b','c','ペン'), j JSON, b1 BIT(1), b20 BIT(20), b64 BIT(64), g POINT, u UUID, i6 INET6, i4 INET4,
  l1 VARCHAR(30) CHARACTER SET latin1, sj VARCHAR(30) CHARACTER SET sjis, cp VARCHAR(30) CHARACTER SET cp932,
  uj TEXT CHARACTER SET ujis, ej TEXT CHARACTER SET eucjpms, u3 VARCHAR(30) CHARACTER SET utf8mb3,
  u16 VARCHAR(30) CHARACTER SET utf16, u2 VARCHAR(30) CHARACTER SET ucs2, cc CHAR(5) CHARACTER SET cp932,
  gb VARCHAR(30) CHARACTER SET gbk, kr VARCHAR(30) CHARACTER SET euckr,
  vcc VARCHAR(300) COMPRESSED, tc TEXT COMPRESSED, gen INT AS (id * 2) STORED, virt INT AS (id + 1) VIRTUAL)";

/// One INSERT of random values; now and then NULL or an edge.
std::string random_row(int id, std::mt19937_64& random) {
  const auto pick = [&](std::vector<std::string> from) { return from[random() % from.size()]; };
  const auto number = [&](std::int64_t low, std::int64_t high) {
    const auto span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    const std::uint64_t offset = span == ~std::uint64_t{0} ? random() : random() % (span + 1);
    if (random() % 8 == 0) return std::to_string(random() % 2 == 0 ? low : high);
    return std::to_string(static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + offset));
  };
  const auto digits = [&](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += static_cast<char>('0' + random() % 10);
    return text;
  };
  const auto decimal = [&](int precision, int scale) {
    const int whole =
        precision - scale == 0 ? 0 : static_cast<int>(random() % (precision - scale + 1));
    return pick({"", "-"}) + (whole == 0 ? "0" : digits(whole)) +
           (scale > 0 ? "." + digits(scale) : "");
  };
  const auto text = [&](int most) {
    static const std::vector<std::string> pieces = {"a", "Z",   "é",   "東京", "ソ",      "🍵",
                                                    " ", "\\'", "\\n", "0",    "漢字かな"};
    std::string out;
    for (int n = static_cast<int>(random() % (most / 5 + 1)); n > 0; --n)
      out += pieces[random() % pieces.size()];
    return "'" + out + "'";
  };
  const auto bytes = [&](int most) {
    std::string out = "X'";
    for (int n = static_cast<int>(random() % (most + 1)); n > 0; --n)
      out += pick({"00", "ff", "27", "5c", "c3", "41"});
    return out + "'";
  };
  const auto day = [&] {
    return number(1000, 9999) + pick({"-01", "-02", "-12"}) + pick({"-01", "-28", "-15"});
  };
  const auto clock = [&](int fraction) {
    return pick({"00", "23", "11"}) + ":" + pick({"00", "59", "30"}) + ":" +
           pick({"00", "59", "07"}) + (fraction > 0 ? "." + digits(fraction) : "");
  };
  const auto moment = [&](int fraction) { return "'" + day() + " " + clock(fraction) + "'"; };
  const auto time = [&](int fraction) {
    return "'" + pick({"", "-"}) + number(0, 837) + ":" + pick({"00", "59"}) + ":" +
           pick({"00", "59"}) + (fraction > 0 ? "." + digits(fraction) : "") + "'";
  };
  const auto stamp = [&](int fraction) {
    return "'" + number(1971, 2037) + pick({"-01", "-07", "-12"}) + pick({"-01", "-28"}) + " " +
           clock(fraction) + "'";
  };
  const auto japanese = [&] {
    return pick({"''", "'東京ﾄｳｷｮｳ'", "'ソ表能'", "'abc  '", "'かな漢字'", "'\\\\'"});
  };
  const std::vector<std::string> values = {
      number(-128, 127),
      number(0, 255),
      number(-32768, 32767),
      number(0, 65535),
      number(-8388608, 8388607),
      number(0, 16777215),
      number(-2147483648LL, 2147483647),
      number(0, 4294967295LL),
      number(INT64_MIN, INT64_MAX),
      pick({"18446744073709551615", "0", "9223372036854775808"}),
      pick({"0.1", "-3.4e38", "1e-30", number(-1000, 1000)}),
      pick({"0.1", "1.7e308", "-5e-324", decimal(15, 7)}),
      decimal(7, 3),
      decimal(12, 4),
      decimal(4, 2),
      decimal(9, 0),
      decimal(18, 6),
      decimal(38, 10),
      decimal(65, 30),
      "0." + digits(5),
      text(10),
      text(100),
      text(300),
      text(60),
      text(300),
      text(400),
      text(4000),
      bytes(8),
      bytes(300),
      bytes(255),
      bytes(300),
      bytes(3000),
      pick({"'" + day() + "'", "'0000-00-00'", "'2024-00-10'"}),
      time(0),
      time(1),
      time(3),
      time(6),
      pick({moment(0), "'0000-00-00 00:00:00'"}),
      moment(2),
      moment(3),
      moment(6),
      pick({stamp(0), "'0000-00-00 00:00:00'"}),
      stamp(4),
      stamp(6),
      pick({"1901", "2155", "2026", "0"}),
      pick({"'small'", "'特大'", "'it''s'", "0"}),
      pick({"''", "'a'", "'a,ペン'", "'a,b,c,ペン'"}),
      pick({"'{\"キー\": [1, 2.50, null]}'", "'[]'", "'1'"}),
      pick({"0", "1"}),
      number(0, 1048575),
      pick({"18446744073709551615", "0", "1"}),
      "POINT(" + number(-180, 180) + "," + number(-90, 90) + ")",
      pick({"UUID()", "'123e4567-e89b-12d3-a456-426655440000'",
            "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "'018f4d3e-7d1c-7a3b-8c2d-0123456789ab'", "'123e4567-e89b-42d3-8456-426655440000'"}),
      pick({"'::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.168.0.1'", "'::'"}),
      pick({"'192.168.0.1'", "'0.0.0.0'"}),
      pick({"'Crème'", "'£'", "'€'", "''"}),
      japanese(),
      japanese(),
      japanese(),
      japanese(),
      pick({"'ユニ'", "''"}),
      pick({"'🍵x'", "'é'"}),
      pick({"'ユニ'", "'a'"}),
      pick({"'東京'", "'a'", "''"}),
      pick({"'汉字'", "'a'"}),
      pick({"'한국'", "'a'"}),
      text(300),
      text(400)};
  std::string sql = "INSERT INTO shop.every VALUES (" + std::to_string(id);
  for (const std::string& value : values) sql += random() % 10 == 0 ? ", NULL" : ", " + value;
  return sql + ", DEFAULT, DEFAULT)";
}

std::uint64_t test_seed() {
  const char* given = std::getenv("MINATO_TEST_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("MINATO_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

TEST_F(MysqlLive, every_type_is_the_same_by_snapshot_and_stream) {
  std::mt19937_64 random(test_seed());
  fresh_database();
  server().run({std::string("CREATE TABLE shop.every (") + all_types + ")",
                "CREATE TABLE shop.nothing (id INT)"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  std::vector<std::string> statements;
  for (int id = 1; id <= 400; ++id) statements.push_back(random_row(id, random));
  statements.push_back("UPDATE shop.every SET i = 7 WHERE id % 3 = 0");
  statements.push_back("DELETE FROM shop.every WHERE id % 7 = 0");
  server().run(statements);
  mirror.follow(*source);
  EXPECT_TRUE(mirror.notes.empty()) << testing::PrintToString(mirror.notes);
  Mirror again;
  again.snapshot(*source);
  const auto& streamed = mirror.tables[(TableName{"shop", "every"})];
  const auto& read = again.tables[(TableName{"shop", "every"})];
  ASSERT_EQ(streamed.size(), read.size());
  auto at = read.begin();
  for (const Line& each : streamed) {
    for (std::size_t i = 0; i < each.size(); ++i) {
      EXPECT_EQ(each[i], (*at)[i])
          << "id " << each[0] << " column " << again.shapes[0]->columns[i].name;
    }
    ++at;
  }
}

struct DdlCase {
  const char* name;
  std::vector<std::string> statements;
  bool followed;  // without reading the table anew
};
class MysqlDdl : public MysqlLive, public testing::WithParamInterface<DdlCase> {};

/// The lake's part for schema changes, on a mirror: enough to see that rows and shapes agree.
void take_ddl(Mirror& mirror, const StreamBatch& piece,
              std::map<TableName, TableSchemaPtr>& shapes) {
  for (const SchemaChange& change : piece.ddl) {
    using Kind = SchemaChange::Kind;
    auto& rows = mirror.tables[change.table];
    if (change.kind == Kind::truncate_table || change.kind == Kind::drop_table) rows.clear();
    if (change.kind == Kind::drop_table) shapes.erase(change.table);
    if (change.kind == Kind::rename_table) {
      mirror.tables[change.new_name] = std::exchange(rows, {});
      auto moved = std::make_shared<TableSchema>(*shapes.at(change.table));
      moved->name = change.new_name;
      shapes.erase(change.table);
      shapes[change.new_name] = moved;
    }
    if (change.kind != Kind::upsert_table) continue;
    const TableSchemaPtr before = shapes[change.table];
    shapes[change.table] = change.schema;
    if (before == nullptr || rows.empty()) continue;
    std::multiset<Line> changed;
    for (const Line& line : rows) {
      Line fresh;
      for (const Column& column : change.schema->columns) {
        std::string old = column.name;
        for (auto rename = change.renames.rbegin(); rename != change.renames.rend(); ++rename) {
          if (rename->second == old) old = rename->first;
        }
        const auto at = std::ranges::find(before->columns, old, &Column::name);
        fresh.push_back(at == before->columns.end() ? "NULL" : line[at - before->columns.begin()]);
      }
      changed.insert(fresh);
    }
    rows = changed;
  }
}

TEST_P(MysqlDdl, rows_and_shape_are_followed) {
  fresh_database();
  server().run({"CREATE TABLE shop.t (id INT PRIMARY KEY, a INT, b VARCHAR(20))",
                "INSERT INTO shop.t SELECT seq, seq, CONCAT('b', seq) FROM seq_1_to_20"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  std::map<TableName, TableSchemaPtr> shapes;
  for (const auto& shape : mirror.shapes) shapes[shape->name] = shape;
  server().run({"UPDATE shop.t SET b = 'before' WHERE id = 7"});
  server().run(GetParam().statements);
  const auto wanted = source->current_position();
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  std::set<TableName> lost;
  while (!source->covers(mirror.position, *wanted)) {
    auto piece = source->next(milliseconds(5000));
    ASSERT_TRUE(piece) << describe(piece.error());
    ASSERT_TRUE(*piece) << "nothing came";
    lost.insert((*piece)->lost.begin(), (*piece)->lost.end());
    take_ddl(mirror, **piece, shapes);
    mirror.take(**piece);
  }
  EXPECT_EQ(lost.empty(), GetParam().followed) << testing::PrintToString(mirror.notes);
  Mirror again;
  again.snapshot(*source);
  for (const auto& shape : again.shapes) {
    if (lost.contains(shape->name)) continue;
    ASSERT_TRUE(shapes[shape->name] != nullptr) << display(shape->name);
    const TableSchema& known = *shapes[shape->name];
    ASSERT_EQ(known.columns.size(), shape->columns.size());
    for (std::size_t i = 0; i < known.columns.size(); ++i) {
      EXPECT_EQ(known.columns[i].name, shape->columns[i].name);
      EXPECT_EQ(known.columns[i].type, shape->columns[i].type) << known.columns[i].name;
    }
    EXPECT_EQ(known.key, shape->key);
    EXPECT_EQ(mirror.tables[shape->name], again.tables[shape->name]) << display(shape->name);
    shapes.erase(shape->name);
  }
  for (const auto& [name, shape] : shapes) {
    EXPECT_TRUE(shape == nullptr || lost.contains(name))
        << display(name) << " is not at the source";
  }
}

const std::vector<DdlCase> ddl_cases = {
    {"add_last",
     {"ALTER TABLE shop.t ADD COLUMN c DATE",
      "INSERT INTO shop.t VALUES (90, 1, 'x', '2026-01-01')"},
     true},
    {"add_first_and_after",
     {"ALTER TABLE shop.t ADD c VARCHAR(10) FIRST, ADD COLUMN (d INT, e TEXT), ADD f INT AFTER a",
      "UPDATE shop.t SET c = 'c', e = 'e', f = 4"},
     true},
    {"add_with_default", {"ALTER TABLE shop.t ADD COLUMN c INT DEFAULT 5"}, false},
    {"add_not_null", {"ALTER TABLE shop.t ADD COLUMN c INT NOT NULL"}, false},
    {"drop", {"ALTER TABLE shop.t DROP COLUMN a", "DELETE FROM shop.t WHERE id = 3"}, true},
    {"rename",
     {"ALTER TABLE shop.t RENAME COLUMN a TO z, CHANGE b `新 ``名` VARCHAR(30) COMMENT 'it''s, "
      "(x)'",
      "UPDATE shop.t SET z = 9"},
     true},
    {"swap", {"ALTER TABLE shop.t RENAME COLUMN a TO b, RENAME COLUMN b TO a"}, false},
    {"drop_and_add_at_once", {"ALTER TABLE shop.t DROP a, ADD a INT"}, false},
    {"widen",
     {"ALTER TABLE shop.t MODIFY a BIGINT, MODIFY b VARCHAR(2000)", "UPDATE shop.t SET a = 1"},
     true},
    {"number_to_text", {"ALTER TABLE shop.t MODIFY a VARCHAR(30)"}, false},
    {"narrow", {"UPDATE shop.t SET a = 1", "ALTER TABLE shop.t MODIFY a TINYINT"}, false},
    {"key_moves",
     {"UPDATE shop.t SET b = id", "ALTER TABLE shop.t DROP PRIMARY KEY, ADD PRIMARY KEY (b, id)"},
     true},
    {"key_goes",
     {"ALTER TABLE shop.t DROP PRIMARY KEY", "INSERT INTO shop.t VALUES (1, 1, 'b1')"},
     true},
    {"reorder",
     {"ALTER TABLE shop.t MODIFY b VARCHAR(20) FIRST", "INSERT INTO shop.t VALUES ('x', 91, 2)"},
     true},
    {"truncate", {"TRUNCATE shop.t", "INSERT INTO shop.t VALUES (1, 2, 'x')"}, true},
    {"indexes",
     {"CREATE INDEX i ON shop.t (a)",
      "ALTER TABLE shop.t COMMENT 'words', ADD INDEX j (b), ALGORITHM=INPLACE",
      "DROP INDEX i ON shop.t", "OPTIMIZE TABLE shop.t", "ANALYZE TABLE shop.t"},
     true},
    {"rename_table",
     {"RENAME TABLE shop.t TO shop.u", "INSERT INTO shop.u VALUES (92, 1, 'u')",
      "CREATE TABLE shop.t LIKE shop.u", "INSERT INTO shop.t VALUES (1, 1, 'new')",
      "RENAME TABLE shop.t TO shop.x, shop.u TO shop.t, shop.x TO shop.u",
      "INSERT INTO shop.u VALUES (3, 3, 'swapped')"},
     true},
    {"create_as_select",
     {"CREATE TABLE shop.c AS SELECT * FROM shop.t WHERE id < 5",
      "CREATE OR REPLACE TABLE shop.c (only_this INT, words VARCHAR(9)) CHARSET=latin1",
      "INSERT INTO shop.c VALUES (4, 'é')"},
     true},
    {"create_of_every_type",
     {std::string("CREATE TABLE shop.every (") + all_types + ")",
      "INSERT INTO shop.every (id, l1, vcc) VALUES (1, 'é', 'x')"},
     true},
    {"drop_and_create",
     {"DROP TABLE shop.t", "CREATE TABLE shop.t (k VARCHAR(9) PRIMARY KEY, v INT)",
      "INSERT INTO shop.t VALUES ('x', 2)"},
     true},
    {"drop_database",
     {"DROP DATABASE shop", "CREATE DATABASE shop", "CREATE TABLE shop.n (n INT)",
      "INSERT INTO shop.n VALUES (1)"},
     true},
    {"odd_statements",
     {"CREATE VIEW shop.v AS SELECT * FROM shop.t", "DROP VIEW shop.v", "CREATE SEQUENCE shop.s",
      "SELECT NEXTVAL(shop.s)", "DROP SEQUENCE shop.s", "CREATE TEMPORARY TABLE shop.tmp (i INT)",
      "INSERT INTO shop.tmp VALUES (1)", "DROP TEMPORARY TABLE shop.tmp",
      "/* a comment */ ALTER TABLE /*! shop.t */ ADD COLUMN `select` INT # so",
      "SET STATEMENT max_statement_time=9 FOR ALTER TABLE shop.t ADD COLUMN g INT",
      "INSERT INTO shop.t VALUES (99, 1, 'x', 5, 6)"},
     true},
    {"enters_the_pattern",
     {"CREATE DATABASE IF NOT EXISTS outside", "CREATE TABLE outside.w (i INT)",
      "RENAME TABLE outside.w TO shop.w", "DROP DATABASE outside"},
     false},
    {"many_in_a_row",
     {"ALTER TABLE shop.t ADD c1 INT", "INSERT INTO shop.t VALUES (101, 1, 'x', 1)",
      "ALTER TABLE shop.t DROP a", "INSERT INTO shop.t VALUES (102, 'x', 1)",
      "ALTER TABLE shop.t ADD a VARCHAR(5)", "INSERT INTO shop.t VALUES (103, 'x', 1, 'a')",
      "ALTER TABLE shop.t RENAME TO shop.t2", "INSERT INTO shop.t2 VALUES (104, 'x', 1, 'b')"},
     true},
    {"enum_grows",
     {"ALTER TABLE shop.t ADD e ENUM('a','b')", "UPDATE shop.t SET e = 'b'",
      "ALTER TABLE shop.t MODIFY e ENUM('c','b','a')", "UPDATE shop.t SET e = 'c' WHERE id < 3"},
     true},
    {"charset",
     {"ALTER TABLE shop.t ADD w VARCHAR(10) CHARACTER SET latin1, ADD x TEXT COLLATE "
      "latin1_swedish_ci",
      "UPDATE shop.t SET w = 'é', x = 'ü'", "ALTER TABLE shop.t CONVERT TO CHARACTER SET utf8mb4",
      "UPDATE shop.t SET w = 'ん' WHERE id < 5"},
     true},
};
INSTANTIATE_TEST_SUITE_P(all, MysqlDdl, testing::ValuesIn(ddl_cases),
                         [](const auto& one) { return std::string(one.param.name); });

/// Not a bound, a figure: rows per second from the log of a backlog into columns.
TEST_F(MysqlLive, backlog_speed) {
  fresh_database();
  server().run(
      {"CREATE TABLE shop.t (id INT PRIMARY KEY, customer INT, name VARCHAR(40), note VARCHAR(60), "
       "price DECIMAL(10,2), quantity INT, at DATETIME, changed TIMESTAMP)"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  server().run(
      {"INSERT INTO shop.t SELECT seq, seq % 1000, CONCAT('customer ', seq % 1000), 'a note of "
       "some length', "
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
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  EXPECT_EQ(rows, 300000U);
  std::printf("backlog: %.0f rows/s, %.0f MB/s\n", static_cast<double>(rows) / seconds,
              static_cast<double>(bytes) / seconds / 1e6);
  const auto snapshot_began = std::chrono::steady_clock::now();
  std::uint64_t read = 0;
  ASSERT_TRUE(source->snapshot(
      {{"shop", "t"}}, [](const auto&) -> Status { return {}; },
      [&](RowBatch&& batch) -> Status {
        read += batch.rows();
        return {};
      },
      {}));
  const double taken =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - snapshot_began).count();
  EXPECT_EQ(read, 300000U);
  std::printf("snapshot: %.0f rows/s\n", static_cast<double>(read) / taken);
}

}  // namespace
}  // namespace minato::ingest::mysql
