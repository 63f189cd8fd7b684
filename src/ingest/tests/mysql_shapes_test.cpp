// Goal: schema changes of a source are followed by its log alone, or the table is reported lost:
// never a wrong row. Method: statements on a private MariaDB and on a private MySQL, all made
// before the stream starts, so that the source's present shapes do not help.
#include <gtest/gtest.h>

#include <algorithm>

#include "ingest/tests/mysql_mirror.h"

namespace minato::ingest::mysql {
namespace {

struct DdlCase {
  const char* name;
  std::vector<std::string> statements;
  bool followed;  // without reading the table anew
};
template <class Server>
class Ddl : public testing::TestWithParam<DdlCase> {
 protected:
  void SetUp() override {
    if (!Server::installed()) GTEST_SKIP() << "no such server is there";
    server().run({"DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop"});
  }
  static Server& server() { return Server::shared(); }
};
using MysqlDdl = Ddl<PrivateMariaDb>;
using Mysql8Ddl = Ddl<PrivateMysql>;

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
        const auto initial = change.initials.find(column.name);
        if (at != before->columns.end()) {
          fresh.push_back(line[at - before->columns.begin()]);
        } else if (initial != change.initials.end()) {
          fresh.push_back((is_string(column.type) ? "'" : "") + initial->second);
        } else {
          fresh.push_back("NULL");
        }
      }
      changed.insert(fresh);
    }
    rows = changed;
  }
}

void expect_followed(PrivateServer& server, const DdlCase& one) {
  server.run({"CREATE TABLE shop.t (id INT PRIMARY KEY, a INT, b VARCHAR(20))",
              "INSERT INTO shop.t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n "
              "WHERE i < 20) SELECT i, i, CONCAT('b', i) FROM n"});
  const auto source = make_mysql_source(server.options());
  Mirror mirror;
  mirror.snapshot(*source);
  std::map<TableName, TableSchemaPtr> shapes;
  for (const auto& shape : mirror.shapes) shapes[shape->name] = shape;
  server.run({"UPDATE shop.t SET b = 'before' WHERE id = 7"});
  server.run(one.statements);
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
  EXPECT_EQ(lost.empty(), one.followed) << testing::PrintToString(mirror.notes);
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
    EXPECT_TRUE(known.charset.empty() || known.charset == shape->charset) << known.charset;
    EXPECT_EQ(mirror.tables[shape->name], again.tables[shape->name]) << display(shape->name);
    shapes.erase(shape->name);
  }
  for (const auto& [name, shape] : shapes) {
    EXPECT_TRUE(shape == nullptr || lost.contains(name))
        << display(name) << " is not at the source";
  }
}

const std::vector<DdlCase> common_cases = {
    {"add_last",
     {"ALTER TABLE shop.t ADD COLUMN c DATE",
      "INSERT INTO shop.t VALUES (90, 1, 'x', '2026-01-01')"},
     true},
    {"add_first_and_after",
     {"ALTER TABLE shop.t ADD c VARCHAR(10) FIRST, ADD COLUMN (d INT, e TEXT), ADD f INT AFTER a",
      "UPDATE shop.t SET c = 'c', e = 'e', f = 4"},
     true},
    {"add_with_default",
     {"ALTER TABLE shop.t ADD COLUMN c INT DEFAULT 5, ADD COLUMN d VARCHAR(9) NOT NULL DEFAULT "
      "'it''s' FIRST",
      "UPDATE shop.t SET c = NULL WHERE id < 4", "ALTER TABLE shop.t RENAME COLUMN c TO e",
      "ALTER TABLE shop.t MODIFY e BIGINT DEFAULT 6 AFTER id",
      "INSERT INTO shop.t (id) VALUES (90)"},
     true},
    {"add_not_null", {"ALTER TABLE shop.t ADD COLUMN c INT NOT NULL, ADD d TEXT NOT NULL"}, true},
    {"add_computed", {"ALTER TABLE shop.t ADD COLUMN c INT DEFAULT (a + 1)"}, false},
    {"add_moment",
     {"ALTER TABLE shop.t ADD COLUMN c DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"},
     false},
    {"add_rounded", {"ALTER TABLE shop.t ADD COLUMN c DECIMAL(5,1) DEFAULT 1.25"}, false},
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
    {"drop_and_create",
     {"DROP TABLE shop.t", "CREATE TABLE shop.t (k VARCHAR(9) PRIMARY KEY, v INT)",
      "INSERT INTO shop.t VALUES ('x', 2)"},
     true},
    {"drop_database",
     {"DROP DATABASE shop", "CREATE DATABASE shop", "CREATE TABLE shop.n (n INT)",
      "INSERT INTO shop.n VALUES (1)"},
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
    {"default_charset",
     {"ALTER TABLE shop.t DEFAULT CHARSET=latin1", "ALTER TABLE shop.t ADD w VARCHAR(10)",
      "UPDATE shop.t SET w = 'é'", "ALTER TABLE shop.t ENGINE=InnoDB COLLATE utf8mb4_bin",
      "ALTER TABLE shop.t ADD x TEXT", "UPDATE shop.t SET x = 'ん'",
      "ALTER TABLE shop.t CONVERT TO CHARACTER SET utf8mb4"},
     true},
    {"default_charset_of_a_new_table",
     {"CREATE TABLE shop.n (i INT PRIMARY KEY) COLLATE cp932_japanese_ci",
      "ALTER TABLE shop.n ADD w VARCHAR(10)", "INSERT INTO shop.n VALUES (1, '表')",
      "ALTER TABLE shop.n RENAME COLUMN w TO x", "ALTER TABLE shop.n CHARACTER SET utf8mb4",
      "CREATE TABLE shop.m LIKE shop.n", "ALTER TABLE shop.m ADD y VARCHAR(10) FIRST",
      "INSERT INTO shop.m VALUES ('ん', 1, '能')"},
     true},
    {"members_beyond_the_charset",
     {"ALTER TABLE shop.t CHARSET cp932", "SET sql_mode = ''",
      "ALTER TABLE shop.t ADD e ENUM('a','é')", "UPDATE shop.t SET e = 2"},
     false},
    {"members_within_the_charset",
     {"ALTER TABLE shop.t CHARSET utf8mb3", "ALTER TABLE shop.t ADD e ENUM('a','é')",
      "UPDATE shop.t SET e = 2"},
     true},
    {"default_charset_at_once", {"ALTER TABLE shop.t ADD w VARCHAR(10), CHARSET latin1"}, false},
    {"default_charset_binary",
     {"ALTER TABLE shop.t CHARSET binary", "ALTER TABLE shop.t ADD w VARCHAR(10)"},
     false},
};
const std::vector<DdlCase> mariadb_cases = {
    {"two_phases",
     {"SET SESSION binlog_alter_two_phase=ON", "ALTER TABLE shop.t ADD COLUMN c INT DEFAULT 5",
      "INSERT INTO shop.t VALUES (90, 1, 'x', 2), (91, 1, 'x', 3)",
      "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; "
      "ALTER TABLE shop.t DROP COLUMN a, RENAME COLUMN c TO a, ADD UNIQUE (b); END",
      "ALTER TABLE shop.t RENAME COLUMN c TO d", "UPDATE shop.t SET d = 7 WHERE id = 90"},
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
    {"odd_statements",
     {"CREATE VIEW shop.v AS SELECT * FROM shop.t", "DROP VIEW shop.v", "CREATE SEQUENCE shop.s",
      "SELECT NEXTVAL(shop.s)", "DROP SEQUENCE shop.s", "CREATE TEMPORARY TABLE shop.tmp (i INT)",
      "INSERT INTO shop.tmp VALUES (1)", "DROP TEMPORARY TABLE shop.tmp",
      "/* a comment */ ALTER TABLE /*! shop.t */ ADD COLUMN `select` INT # so",
      "SET STATEMENT max_statement_time=9 FOR ALTER TABLE shop.t ADD COLUMN g INT",
      "INSERT INTO shop.t VALUES (99, 1, 'x', 5, 6)"},
     true},
};
const std::vector<DdlCase> mysql_cases = {
    {"instant",
     {"ALTER TABLE shop.t ADD COLUMN j JSON, ADD c INT, ALGORITHM=INSTANT",
      "INSERT INTO shop.t VALUES (90, 1, 'x', '{\"a\": 1.5}', 2)",
      "ALTER TABLE shop.t DROP COLUMN c, ALGORITHM=INSTANT",
      "UPDATE shop.t SET a = 4 WHERE id = 90"},
     true},
    {"create_as_select", {"CREATE TABLE shop.c AS SELECT * FROM shop.t WHERE id < 5"}, true},
    {"create",
     {"CREATE TABLE shop.made (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, j JSON NOT NULL DEFAULT "
      "(JSON_ARRAY()), k INT INVISIBLE, g INT GENERATED ALWAYS AS (k + 1) VIRTUAL NOT NULL, v "
      "VECTOR(2), CONSTRAINT c CHECK (k > 0) NOT ENFORCED, PRIMARY KEY (id), KEY f ((k + 2)) "
      "INVISIBLE) COMMENT='x' COLLATE utf8mb4_0900_bin",
      "INSERT INTO shop.made (j, k) VALUES ('[1]', 3)"},
     true},
    {"invisible_and_checks",
     {"ALTER TABLE shop.t ALTER COLUMN a SET INVISIBLE", "ALTER TABLE shop.t ADD CHECK (a > -9)",
      "ALTER TABLE shop.t ADD INDEX i (a) INVISIBLE", "ALTER TABLE shop.t ALTER INDEX i VISIBLE",
      "ALTER TABLE shop.t RENAME INDEX i TO k", "CREATE INDEX fn ON shop.t ((a + 1))",
      "UPDATE shop.t SET a = 8"},
     true},
    {"generated_key",
     {"SET SESSION sql_generate_invisible_primary_key=ON", "CREATE TABLE shop.nokey (a INT)",
      "INSERT INTO shop.nokey VALUES (5)"},
     true},
    {"odd_statements",
     {"CREATE VIEW shop.v AS SELECT * FROM shop.t", "DROP VIEW shop.v",
      "CREATE TEMPORARY TABLE shop.tmp (i INT)", "INSERT INTO shop.tmp VALUES (1)",
      "DROP TEMPORARY TABLE shop.tmp", "CREATE USER IF NOT EXISTS someone@'%'",
      "DROP USER someone@'%'", "CREATE PROCEDURE shop.p() SELECT 1", "DROP PROCEDURE shop.p",
      "/* a comment */ ALTER TABLE /*! shop.t */ ADD COLUMN `select` INT # so",
      "INSERT INTO shop.t VALUES (99, 1, 'x', 5)"},
     true},
};
std::vector<DdlCase> with(std::vector<DdlCase> cases, const std::vector<DdlCase>& more) {
  cases.insert(cases.end(), more.begin(), more.end());
  return cases;
}
const auto name_of = [](const auto& one) { return std::string(one.param.name); };
TEST_P(MysqlDdl, rows_and_shape_are_followed) { expect_followed(server(), GetParam()); }
INSTANTIATE_TEST_SUITE_P(all, MysqlDdl, testing::ValuesIn(with(common_cases, mariadb_cases)),
                         name_of);
TEST_P(Mysql8Ddl, rows_and_shape_are_followed) { expect_followed(server(), GetParam()); }
INSTANTIATE_TEST_SUITE_P(all, Mysql8Ddl, testing::ValuesIn(with(common_cases, mysql_cases)),
                         name_of);

}  // namespace
}  // namespace minato::ingest::mysql
