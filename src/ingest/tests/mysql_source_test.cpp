// Goal: errors of a source say what to do; tables join a running stream exactly at their cut; large
// transactions come in pieces; nothing is lost over broken connections. Method: a private MariaDB
// and accounts with too few rights.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "ingest/mysql/doctor.h"
#include "ingest/tests/private_server.h"

namespace minato::ingest::mysql {
namespace {

using std::chrono::milliseconds;

class MysqlSource : public testing::Test {
 protected:
  void SetUp() override {
    if (!PrivateMariaDb::installed()) GTEST_SKIP() << "no MariaDB is installed";
    server().run({"DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop"});
  }
  static PrivateMariaDb& server() { return PrivateMariaDb::shared(); }
};

const SourceCheck* find(const std::vector<SourceCheck>& checks, const std::string& name) {
  const auto at = std::ranges::find(checks, name, &SourceCheck::check);
  return at == checks.end() ? nullptr : &*at;
}

TEST_F(MysqlSource, doctor_finds_what_is_wrong) {
  server().run(
      {"CREATE TABLE shop.t (id INT PRIMARY KEY)", "CREATE TABLE shop.m (id INT) ENGINE=MyISAM",
       "DELETE FROM mysql.global_priv WHERE User=''", "FLUSH PRIVILEGES",
       "CREATE OR REPLACE USER poor@'%' IDENTIFIED BY 'pw'", "GRANT SELECT ON shop.* TO poor@'%'"});
  const auto good = check_source(server().options({"shop.t"}));
  for (const SourceCheck& check : good) EXPECT_TRUE(check.ok) << check.check << ": " << check.found;
  EXPECT_GE(good.size(), 9U);
  const auto engines = check_source(server().options());
  EXPECT_FALSE(find(engines, "engines")->ok);
  SourceOptions poor = server().options();
  poor.user = "poor";
  poor.password = "pw";
  const auto privileges = check_source(poor);
  EXPECT_NE(find(privileges, "privileges")->found.find("REPLICATION SLAVE"), std::string::npos);
  server().run({"SET GLOBAL binlog_format='MIXED'", "SET GLOBAL binlog_row_image='MINIMAL'"});
  const auto settings = check_source(server().options({"shop.t"}));
  EXPECT_FALSE(find(settings, "binlog_format")->ok);
  EXPECT_FALSE(find(settings, "binlog_row_image")->ok);
  const auto source = make_mysql_source(server().options());
  const auto position = source->current_position();
  const Status refused = source->start(*position, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_NE(refused.error().message.find("binlog_format"), std::string::npos);
  server().run({"SET GLOBAL binlog_format='ROW'", "SET GLOBAL binlog_row_image='FULL'"});
}

TEST_F(MysqlSource, errors_have_their_codes) {
  server().run(
      {"CREATE OR REPLACE USER poor@'%' IDENTIFIED BY 'pw'", "GRANT SELECT ON shop.* TO poor@'%'"});
  SourceOptions options = server().options();
  options.user = "poor";
  options.password = "wrong";
  EXPECT_EQ(make_mysql_source(options)->tables().error().code, Code::unauthenticated);
  options.password = "pw";
  EXPECT_TRUE(make_mysql_source(options)->tables());
  EXPECT_EQ(make_mysql_source(options)->current_position().error().code, Code::forbidden);
  options.port = 1;
  EXPECT_EQ(make_mysql_source(options)->tables().error().code, Code::unavailable);
  // A stream from where the source no longer has its log.
  const auto source = make_mysql_source(server().options());
  ASSERT_TRUE(source->start({"gtid=0-1-999999999;file=bin.999999;pos=4"}, {}));
  const auto piece = source->next(milliseconds(10'000));
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code, Code::source_gap) << describe(piece.error());
}

/// Rows per table until the source's present position, and what the pieces looked like.
struct Seen {
  std::map<std::string, std::multiset<std::int32_t>> rows;
  int partial = 0;
  std::set<std::string> ends;
  std::vector<TableName> lost;
  Position reached;
};
void follow(Source& source, Seen& seen) {
  const auto wanted = source.current_position();
  ASSERT_TRUE(wanted);
  while (!source.covers(seen.reached, *wanted)) {
    auto piece = source.next(milliseconds(20'000));
    ASSERT_TRUE(piece) << describe(piece.error());
    ASSERT_TRUE(*piece) << "nothing came; at " << seen.reached.text << ", wanted " << wanted->text;
    for (const TableChanges& changes : (*piece)->tables) {
      for (std::size_t row = 0; row < changes.ops.size(); ++row) {
        seen.rows[changes.rows.schema->name.name].insert(
            changes.rows.columns[0].get<std::int32_t>(row));
      }
    }
    if (!(*piece)->at_boundary) ++seen.partial;
    seen.lost.insert(seen.lost.end(), (*piece)->lost.begin(), (*piece)->lost.end());
    seen.reached = (*piece)->end;
    seen.ends.insert((*piece)->end.text);
  }
}

TEST_F(MysqlSource, tables_join_at_their_cut) {
  server().run(
      {"CREATE TABLE shop.a (id INT PRIMARY KEY)", "CREATE TABLE shop.b (id INT PRIMARY KEY)"});
  const auto source = make_mysql_source(server().options());
  const auto from = source->current_position();
  const auto shapes = source->tables();
  ASSERT_TRUE(shapes);
  server().run({"INSERT INTO shop.a VALUES (1)", "INSERT INTO shop.b VALUES (1)"});
  std::optional<Position> cut;
  int read = 0;
  const Status done = source->snapshot(
      {{"shop", "b"}},
      [&](const View& view) -> Status {
        cut = view.position;
        return {};
      },
      [&](RowBatch&& batch) -> Status {
        read += static_cast<int>(batch.rows());
        return {};
      },
      {});
  ASSERT_TRUE(done) << describe(done.error());
  EXPECT_EQ(read, 1);
  server().run({"INSERT INTO shop.a VALUES (2)", "INSERT INTO shop.b VALUES (2)"});
  ASSERT_TRUE(source->start(*from, {shapes->at(0)}, *cut));
  Seen seen;
  follow(*source, seen);
  EXPECT_TRUE(seen.ends.contains(cut->text)) << "a piece ends at the cut";
  EXPECT_EQ(seen.rows["a"], (std::multiset<std::int32_t>{1, 2}));
  EXPECT_EQ(seen.rows["b"], (std::multiset<std::int32_t>{2}));
}

TEST_F(MysqlSource, large_transactions_come_in_pieces_and_small_ones_together) {
  server().run({"CREATE TABLE shop.a (id INT PRIMARY KEY)"});
  SourceOptions options = server().options();
  options.batch_rows_max = 1000;
  const auto source = make_mysql_source(options);
  const auto from = source->current_position();
  const auto shapes = source->tables();
  server().run({"INSERT INTO shop.a SELECT seq FROM seq_1_to_20000",
                "CREATE DATABASE IF NOT EXISTS other", "CREATE OR REPLACE TABLE other.t (i INT)",
                "INSERT INTO other.t VALUES (1)"});
  ASSERT_TRUE(source->start(*from, *shapes));
  Seen seen;
  follow(*source, seen);
  EXPECT_EQ(seen.rows["a"].size(), 20'000U);
  EXPECT_GT(seen.partial, 3);
  // A connection that breaks while a transaction is handed over piece by piece.
  server().run({"INSERT INTO shop.a SELECT seq + 100000 FROM seq_1_to_50000"});
  server().run(
      {"SET GLOBAL binlog_checksum='NONE'", "FLUSH BINARY LOGS", "INSERT INTO shop.a VALUES (-1)"});
  int kills = 0;
  for (const Row& row :
       server().rows("SELECT id FROM information_schema.processlist WHERE command='Binlog Dump'")) {
    server().run({"KILL " + row[0].value_or("0")});
    ++kills;
  }
  EXPECT_GT(kills, 0);
  follow(*source, seen);
  EXPECT_EQ(seen.rows["a"].size(), 70'001U);
  EXPECT_EQ(std::set<std::int32_t>(seen.rows["a"].begin(), seen.rows["a"].end()).size(), 70'001U);
  server().run({"SET GLOBAL binlog_checksum='CRC32'"});
}

TEST(MysqlSourceSettings, full_metadata_compressed_log_without_checksums) {
  if (!PrivateMariaDb::installed()) GTEST_SKIP() << "no MariaDB is installed";
  // Its log is empty at first: the stream begins by file and offset, not by GTID.
  PrivateMariaDb server({"--binlog-row-metadata=FULL", "--log-bin-compress=ON",
                         "--log-bin-compress-min-len=10", "--binlog-checksum=NONE"});
  const auto source = make_mysql_source(server.options());
  const auto from = source->current_position();
  ASSERT_TRUE(from);
  EXPECT_TRUE(from->text.starts_with("gtid=;file=bin.")) << from->text;
  server.run({"CREATE DATABASE shop",
              "CREATE TABLE shop.a (id INT UNSIGNED PRIMARY KEY, m "
              "DECIMAL(9,2) UNSIGNED, b BIGINT, f FLOAT UNSIGNED, e ENUM('x','y'), t TEXT, z "
              "SMALLINT UNSIGNED)"});
  server.run(
      {"INSERT INTO shop.a SELECT seq, 1.5, -seq, 0.5, 'x', REPEAT('t', 300), 65535 FROM "
       "seq_1_to_5000",
       "ALTER TABLE shop.a RENAME COLUMN b TO c, MODIFY z INT UNSIGNED", "UPDATE shop.a SET c = 7",
       "ALTER TABLE shop.a DROP COLUMN c", "DELETE FROM shop.a"});
  ASSERT_TRUE(source->start(*from, {}));
  const auto wanted = source->current_position();
  Position reached;
  std::uint64_t changes = 0;
  while (!source->covers(reached, *wanted)) {
    auto piece = source->next(milliseconds(10'000));
    ASSERT_TRUE(piece && *piece) << describe(piece.error());
    EXPECT_TRUE((*piece)->lost.empty());
    changes += (*piece)->rows;
    reached = (*piece)->end;
  }
  EXPECT_EQ(changes, 15'000U);
}

TEST_F(MysqlSource, xa_transactions_are_read_anew_once_they_commit) {
  server().run(
      {"CREATE TABLE shop.a (id INT PRIMARY KEY)", "CREATE TABLE shop.b (id INT PRIMARY KEY)"});
  const auto source = make_mysql_source(server().options());
  const auto from = source->current_position();
  const auto shapes = source->tables();
  server().run({"XA START 'one'", "INSERT INTO shop.a VALUES (1)", "XA END 'one'",
                "XA PREPARE 'one'", "XA ROLLBACK 'one'", "INSERT INTO shop.b VALUES (1)",
                "XA START 'two'", "INSERT INTO shop.b VALUES (2)", "XA END 'two'",
                "XA COMMIT 'two' ONE PHASE"});
  ASSERT_TRUE(source->start(*from, *shapes));
  std::set<TableName> lost;
  Position reached;
  const auto catch_up = [&] {
    const auto wanted = source->current_position();
    while (!source->covers(reached, *wanted)) {
      auto piece = source->next(milliseconds(10'000));
      ASSERT_TRUE(piece && *piece);
      lost.insert((*piece)->lost.begin(), (*piece)->lost.end());
      reached = (*piece)->end;
    }
  };
  catch_up();
  EXPECT_FALSE(lost.contains({"shop", "a"})) << "rolled back";
  server().run({"XA START 'three'", "INSERT INTO shop.a VALUES (3)", "XA END 'three'",
                "XA PREPARE 'three'", "XA COMMIT 'three'"});
  catch_up();
  EXPECT_TRUE(lost.contains({"shop", "a"}));
}

TEST_F(MysqlSource, rows_of_a_table_that_nobody_told_of_make_it_lost) {
  server().run({"CREATE TABLE shop.a (id INT PRIMARY KEY)",
                "CREATE TABLE shop.b (id INT PRIMARY KEY)",
                "CREATE TABLE shop.gone (id INT PRIMARY KEY)", "CREATE SEQUENCE shop.s",
                "CREATE OR REPLACE TABLE mysql.own (id INT PRIMARY KEY)"});
  const auto source = make_mysql_source(server().options({"%.%"}));
  const auto from = source->current_position();
  const auto shapes = source->tables();
  std::vector<TableSchemaPtr> told;
  std::ranges::copy_if(*shapes, std::back_inserter(told),
                       [](const auto& shape) { return shape->name.name == "a"; });
  server().run({"INSERT INTO shop.b VALUES (1)", "INSERT INTO shop.a VALUES (1)",
                "INSERT INTO shop.gone VALUES (1)", "INSERT INTO mysql.own VALUES (1)",
                "SELECT NEXTVAL(shop.s)", "DROP TABLE shop.gone", "DROP TABLE mysql.own"});
  ASSERT_TRUE(source->start(*from, told));
  Seen seen;
  follow(*source, seen);
  EXPECT_EQ(seen.lost, (std::vector<TableName>{{"shop", "b"}}));
  EXPECT_EQ(seen.rows["a"].size(), 1U);
}

TEST_F(MysqlSource, statements_in_another_character_set) {
  server().run({"CREATE TABLE shop.a (id INT PRIMARY KEY)"});
  const auto source = make_mysql_source(server().options());
  const auto from = source->current_position();
  const auto shapes = source->tables();
  // The bytes of 表 in cp932 end with a backslash.
  server().run(
      {"SET NAMES cp932", "ALTER TABLE shop.a ADD COLUMN `\x95\x5c` INT COMMENT '\x95\x5c'"});
  ASSERT_TRUE(source->start(*from, *shapes));
  const auto piece = source->next(milliseconds(10'000));
  ASSERT_TRUE(piece && *piece);
  ASSERT_EQ((*piece)->ddl.size(), 1U);
  EXPECT_EQ((*piece)->ddl[0].schema->columns[1].name, "表");
}

TEST_F(MysqlSource, rows_of_a_partial_image_and_statements_are_no_silent_loss) {
  server().run(
      {"CREATE TABLE shop.a (id INT PRIMARY KEY, b INT)", "INSERT INTO shop.a VALUES (1, 1)"});
  const auto source = make_mysql_source(server().options());
  const auto from = source->current_position();
  const auto shapes = source->tables();
  server().run({"SET SESSION binlog_format='STATEMENT'", "INSERT INTO shop.a VALUES (2, 2)"});
  ASSERT_TRUE(source->start(*from, *shapes));
  const auto piece = source->next(milliseconds(10'000));
  ASSERT_TRUE(piece && *piece);
  EXPECT_EQ((*piece)->lost, (std::vector<TableName>{{"shop", "a"}}));
  source->stop();
  const auto again = source->current_position();
  server().run({"SET SESSION binlog_row_image='MINIMAL'", "UPDATE shop.a SET b = 7"});
  ASSERT_TRUE(source->start(*again, *shapes));
  const auto refused = source->next(milliseconds(10'000));
  ASSERT_TRUE(refused && *refused) << describe(refused.error());
  EXPECT_EQ((*refused)->lost, (std::vector<TableName>{{"shop", "a"}}));
}

}  // namespace
}  // namespace minato::ingest::mysql
