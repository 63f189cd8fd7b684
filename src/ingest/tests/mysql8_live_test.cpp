// Goal: what the suites beside this one promise for MariaDB holds for MySQL 8 and later: a row is
// the same value by snapshot and by log, JSON included; the stream follows sets of GTIDs, tags,
// compressed and XA transactions; a first read belongs to its place in the log while writers go on.
// Method: a private MySQL (tools/mysql.sh lays it down), skipped where there is none.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <random>
#include <thread>

#include "ingest/mysql/doctor.h"
#include "ingest/tests/mysql_mirror.h"

namespace minato::ingest::mysql {
namespace {

class Mysql8 : public testing::Test {
 protected:
  void SetUp() override {
    if (!PrivateMysql::installed()) GTEST_SKIP() << "no MySQL in .deps/mysql (tools/mysql.sh)";
    server().run({"DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop"});
  }
  static PrivateMysql& server() { return PrivateMysql::shared(); }
  /// What came by the stream is what a new read finds.
  static void expect_equal(Mirror& mirror, Source& source) {
    mirror.follow(source);
    Mirror again;
    again.snapshot(source);
    for (const auto& [name, rows] : again.tables) {
      const auto& streamed = mirror.tables[name];
      ASSERT_EQ(streamed.size(), rows.size()) << display(name);
      auto at = rows.begin();
      for (const Line& each : streamed) EXPECT_EQ(each, *at++) << display(name);
    }
  }
};

TEST_F(Mysql8, every_type_is_the_same_by_snapshot_and_stream) {
  server().run({R"(CREATE TABLE shop.every (
    id INT PRIMARY KEY, ti TINYINT, tiu TINYINT UNSIGNED, mi MEDIUMINT, miu MEDIUMINT UNSIGNED,
    iu INT UNSIGNED ZEROFILL, bi BIGINT, biu BIGINT UNSIGNED, f FLOAT, d DOUBLE, n DECIMAL(18,6),
    n4 DECIMAL(65,30), c CHAR(10), c3 CHAR(100), vc VARCHAR(300), t TEXT, lt LONGTEXT, b BINARY(8),
    vb VARBINARY(300), bl BLOB, dt DATE, tm TIME, tm3 TIME(3), dtm DATETIME, dtm6 DATETIME(6),
    ts TIMESTAMP NULL, ts6 TIMESTAMP(6) NULL, y YEAR, e ENUM('small','特大','it''s', 'b\\s'),
    st SET('a','b','ペン'), j JSON, b1 BIT(1), b20 BIT(20), g POINT, v VECTOR(3),
    l1 VARCHAR(30) CHARACTER SET latin1, cp VARCHAR(30) CHARACTER SET cp932,
    ai VARCHAR(30) COLLATE utf8mb4_0900_ai_ci, u3 VARCHAR(30) CHARACTER SET utf8mb3,
    hid INT DEFAULT 7 INVISIBLE, gen INT AS (id * 2) STORED, virt INT AS (id + 1) VIRTUAL,
    KEY ((id + 5)), KEY arr ((CAST(j->'$.n' AS UNSIGNED ARRAY)))))",
                "SET SESSION sql_generate_invisible_primary_key=ON",
                "CREATE TABLE shop.keyless (a INT)"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  const std::string columns =
      "INSERT INTO shop.every (id,ti,tiu,mi,miu,iu,bi,biu,f,d,n,n4,c,c3,vc,t,lt,b,vb,bl,dt,tm,tm3,"
      "dtm,dtm6,ts,ts6,y,e,st,j,b1,b20,g,v,l1,cp,ai,u3) VALUES ";
  server().run(
      {columns +
           "(1,-128,255,-8388608,16777215,4294967295,-9223372036854775808,18446744073709551615,0.1,"
           "1.7e308,-1.5,0.000000000000000000000000000001,'é','東京','🍵','t','lt',X'0001',X'ff',"
           "X'00','2024-02-29','-838:59:59','00:00:01.5','2024-01-02 03:04:05',"
           "'2024-01-02 03:04:05.678901','2024-01-02 03:04:05','1970-01-02 00:00:00.000001',2155,"
           "'it''s','a,ペン','{\"n\": [1,2], \"k\": \"é\"}',1,1048575,POINT(1,2),"
           "STRING_TO_VECTOR('[1,2,3]'),'Crème €','ソ表','x','é')",
       columns + "(2" +
           [] {
             std::string nulls;
             for (int i = 0; i < 38; ++i) nulls += ",NULL";
             return nulls;
           }() +
           ")",
       "INSERT INTO shop.every (id, dt, dtm, ts, y, e) VALUES (3, '0000-00-00', '2024-00-10', 0, "
       "0, "
       "'b\\\\s')",
       "UPDATE shop.every SET hid = 8, vc = REPEAT('漢', 300) WHERE id = 1",
       "INSERT INTO shop.keyless VALUES (5), (5)", "DELETE FROM shop.keyless LIMIT 1"});
  expect_equal(mirror, *source);
  EXPECT_TRUE(mirror.notes.empty()) << testing::PrintToString(mirror.notes);
}

TEST_F(Mysql8, json_is_the_text_that_the_server_prints) {
  server().run({"CREATE TABLE shop.j (id INT AUTO_INCREMENT PRIMARY KEY, j JSON)"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  std::vector<std::string> values = {
      "'null'",
      "'true'",
      "'0'",
      "'-1'",
      "'\"\"'",
      "'[]'",
      "'{}'",
      "'[[[]]]'",
      "'\"a\\\\u0001b\\\\n\"'",
      "'-0.0'",
      "'1e15'",
      "'1e16'",
      "'123456789012345.5'",
      "'0.00001'",
      "'1e-14'",
      "'1.5e-15'",
      "'5e-324'",
      "'1.7976931348623157e308'",
      "'0.1'",
      "'1e22'",
      "'65535'",
      "'-32769'",
      "'4294967296'",
      "'9223372036854775808'",
      "JSON_OBJECT('d', CAST('2024-02-29' AS DATE), 't', CAST('-10:11:12.5' AS TIME(6)), 'dt', "
      "CAST('2024-01-02 03:04:05.678' AS DATETIME(3)), 'n', CAST(-12.50 AS DECIMAL(10,2)), 'big', "
      "CAST('0.000000000000000000000000000001' AS DECIMAL(65,30)))",
      "JSON_ARRAY(TIMESTAMP('2024-01-02 03:04:05'), CAST(X'00ff' AS BINARY), b'101', "
      "ST_GeomFromText('POINT(1 2)'), CAST(2024 AS YEAR))",
      "JSON_ARRAY(CAST(REPEAT('x', 200) AS BINARY))",
      "JSON_OBJECT('long', REPEAT('é', 70000), 'キー', JSON_ARRAY(1, 100000, 5000000000, 'x'))",
      "JSON_OBJECT(REPEAT('k', 200), REPEAT('v', 127), 'b', REPEAT('w', 128))"};
  std::string deep = "1";
  for (int i = 0; i < 99; ++i) deep = "[" + deep + "]";
  values.push_back("'" + deep + "'");
  std::mt19937_64 random(7);
  for (int i = 0; i < 200; ++i) {
    double value = 0;
    const std::uint64_t bits = random();
    std::memcpy(&value, &bits, sizeof value);
    if (std::isfinite(value)) {
      std::array<char, 40> text{};
      std::snprintf(text.data(), text.size(), "'%.17g'", value);
      values.emplace_back(text.data());
      std::snprintf(text.data(), text.size(), "'%.17g'",
                    std::ldexp(value, -std::ilogb(value) + i - 60));
      values.emplace_back(text.data());
    }
  }
  std::string all = "INSERT INTO shop.j (j) VALUES ";
  for (const std::string& value : values) all += "(" + value + "),";
  all.back() = ' ';
  server().run({all, "UPDATE shop.j SET j = JSON_SET(j, '$.x', 1) WHERE JSON_TYPE(j) = 'OBJECT'"});
  expect_equal(mirror, *source);
}

TEST_F(Mysql8, compressed_tagged_and_large_transactions) {
  server().run({"CREATE TABLE shop.t (id INT PRIMARY KEY, s VARCHAR(100))",
                "SET GLOBAL binlog_transaction_compression=ON"});
  SourceOptions options = server().options();
  options.batch_rows_max = 1000;
  const auto source = make_mysql_source(options);
  Mirror mirror;
  mirror.snapshot(*source);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  server().run(
      {"SET SESSION cte_max_recursion_depth=100000",
       "INSERT INTO shop.t WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < "
       "50000) SELECT i, REPEAT('x', 90) FROM n",
       "SET gtid_next='AUTOMATIC:blue'", "UPDATE shop.t SET s = 'blue' WHERE id % 3 = 0",
       "SET gtid_next='AUTOMATIC'", "SET SESSION binlog_transaction_compression=OFF",
       "DELETE FROM shop.t WHERE id % 5 = 0", "SET gtid_next='AUTOMATIC:blue'",
       "INSERT INTO shop.t VALUES (99999, 'end')"});
  mirror.follow(*source);
  EXPECT_NE(mirror.position.text.find(":blue:1-2"), std::string::npos) << mirror.position.text;
  // From a position with tags a new stream goes on.
  source->stop();
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  server().run(
      {"DELETE FROM shop.t WHERE id = 99999", "SET GLOBAL binlog_transaction_compression=OFF"});
  expect_equal(mirror, *source);
}

TEST_F(Mysql8, survives_restarts_of_the_source) {
  server().run({"CREATE TABLE shop.t (id INT PRIMARY KEY, s VARCHAR(100))"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  for (int round = 0; round < 2; ++round) {
    const std::string n = std::to_string(round);
    server().run({"INSERT INTO shop.t VALUES (1" + n + ", 'x'), (2" + n + ", 'y')",
                  "FLUSH BINARY LOGS", "UPDATE shop.t SET s = 'z' WHERE id < 20"});
    mirror.follow(*source);
    server().stop(true);
    server().start();
  }
  server().run({"DELETE FROM shop.t WHERE id = 10"});
  expect_equal(mirror, *source);
}

/// Transfers between accounts never change the sum; a first read between them sees no half, and the
/// stream from its position brings each transfer once.
TEST_F(Mysql8, first_reads_belong_to_their_place_while_writers_go_on) {
  server().run({"CREATE TABLE shop.a (id INT PRIMARY KEY, n INT)",
                "CREATE TABLE shop.b (id INT PRIMARY KEY, n INT)",
                "INSERT INTO shop.a VALUES (1,0),(2,0),(3,0),(4,0)",
                "INSERT INTO shop.b SELECT * FROM shop.a"});
  std::atomic<bool> done{false};
  std::vector<std::thread> writers;
  for (int writer = 1; writer <= 4; ++writer) {
    writers.emplace_back([&, writer] {
      const std::string id = std::to_string(writer);
      auto connection = Connection::open(server().options(), std::chrono::seconds(60));
      ASSERT_TRUE(connection);
      while (!done) {
        ASSERT_TRUE(connection->run("BEGIN"));
        ASSERT_TRUE(connection->run("UPDATE shop.a SET n = n + 1 WHERE id = " + id));
        ASSERT_TRUE(connection->run("UPDATE shop.b SET n = n - 1 WHERE id = " + id));
        ASSERT_TRUE(connection->run("COMMIT"));
      }
    });
  }
  const auto source = make_mysql_source(server().options());
  for (int round = 0; round < 20; ++round) {
    Mirror mirror;
    mirror.snapshot(*source);
    ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
    mirror.follow(*source);  // each row that goes must be one that is there
    source->stop();
    if (testing::Test::HasFailure()) break;
  }
  done = true;
  for (std::thread& writer : writers) writer.join();
}

/// Two tables change their names all the time. A view alone would take one for the other: here each
/// first read either has the names of its place in the log, or is refused to be tried again.
TEST_F(Mysql8, first_reads_know_which_table_is_which_while_names_change) {
  server().run({"CREATE TABLE shop.a (id INT PRIMARY KEY)",
                "CREATE TABLE shop.b (id INT PRIMARY KEY)", "INSERT INTO shop.a VALUES (1)",
                "INSERT INTO shop.b VALUES (2)"});
  const auto first = server().rows("SELECT @@global.gtid_executed")[0][0];
  constexpr std::size_t prefix = 36 + 3;  // the server's id and ":1-"
  const auto before = std::stoull(first->substr(prefix));
  std::atomic<bool> done{false};
  std::thread renamer([&] {
    auto connection = Connection::open(server().options(), std::chrono::seconds(60));
    while (!done) {
      ASSERT_TRUE(
          connection->run("RENAME TABLE shop.a TO shop.x, shop.b TO shop.a, shop.x TO shop.b"));
      std::this_thread::sleep_for(milliseconds(100));  // a load, not a wait
    }
  });
  const auto source = make_mysql_source(server().options());
  int read = 0;
  for (int round = 0; round < 100 && read < 10; ++round) {
    std::int32_t in_a = 0;
    std::string place;
    const Status done_reading = source->snapshot(
        {{"shop", "a"}},
        [&](const View& view) -> Status {
          place = view.position.text;
          return {};
        },
        [&](RowBatch&& batch) -> Status {
          in_a = batch.columns[0].get<std::int32_t>(0);
          return {};
        },
        {});
    if (!done_reading) continue;
    ++read;
    const auto last = std::stoull(place.substr(std::string_view("gtid=").size() + prefix));
    EXPECT_EQ(in_a, (last - before) % 2 == 0 ? 1 : 2) << place;
  }
  done = true;
  renamer.join();
  EXPECT_GT(read, 0);
}

TEST_F(Mysql8, a_first_read_gives_up_behind_a_long_transaction_and_blocks_nobody_for_long) {
  server().run({"CREATE TABLE shop.t (id INT PRIMARY KEY)"});
  auto holder = Connection::open(server().options(), std::chrono::seconds(60));
  ASSERT_TRUE(holder->run("BEGIN"));
  ASSERT_TRUE(holder->run("INSERT INTO shop.t VALUES (1)"));
  const auto source = make_mysql_source(server().options());
  const auto nothing = [](const auto&) -> Status { return {}; };
  const auto sink = [](RowBatch&&) -> Status { return {}; };
  const auto began = std::chrono::steady_clock::now();
  const auto refused = source->snapshot({{"shop", "t"}}, nothing, sink, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable) << describe(refused.error());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  ASSERT_TRUE(holder->run("COMMIT"));
  // One that vanished meanwhile is left out.
  EXPECT_TRUE(source->snapshot({{"shop", "t"}, {"shop", "gone"}}, nothing, sink, {}));
}

TEST_F(Mysql8, xa_transactions_are_read_anew_once_they_commit) {
  server().run(
      {"CREATE TABLE shop.t (id INT PRIMARY KEY)", "CREATE TABLE shop.u (id INT PRIMARY KEY)"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  server().run({"XA START 'x'", "INSERT INTO shop.t VALUES (1)", "XA END 'x'", "XA PREPARE 'x'"});
  server().run({"INSERT INTO shop.u VALUES (1)"});
  mirror.follow(*source);
  EXPECT_TRUE(mirror.notes.empty());
  EXPECT_EQ(mirror.tables[(TableName{"shop", "u"})].size(), 1U);
  server().run({"XA COMMIT 'x'"});
  mirror.follow(*source);
  EXPECT_EQ(mirror.notes, std::vector<std::string>{"lost shop.t"});
}

TEST_F(Mysql8, partial_json_is_no_silent_loss) {
  server().run({"CREATE TABLE shop.j (id INT PRIMARY KEY, j JSON)",
                "INSERT INTO shop.j VALUES (1, JSON_OBJECT('a', REPEAT('x', 1000)))"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  server().run({"SET SESSION binlog_row_value_options='PARTIAL_JSON'",
                "UPDATE shop.j SET j = JSON_SET(j, '$.a', 'y')"});
  mirror.follow(*source);
  EXPECT_EQ(mirror.notes, std::vector<std::string>{"lost shop.j"});
  source->stop();
  server().run({"SET GLOBAL binlog_row_value_options='PARTIAL_JSON'"});
  const Status refused = source->start(mirror.position, mirror.shapes);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("SET PERSIST binlog_row_value_options=''"),
            std::string::npos);
  server().run({"SET GLOBAL binlog_row_value_options=''"});
}

TEST_F(Mysql8, a_purged_log_and_another_flavour_are_a_gap) {
  server().run({"CREATE TABLE shop.t (id INT PRIMARY KEY)", "FLUSH BINARY LOGS"});
  const auto last = server().rows("SHOW BINARY LOG STATUS")[0][0];
  // The server keeps a log while it still takes a former test's stream for alive: five seconds.
  for (int tries = 0; server().rows("SHOW BINARY LOGS")[0][0] != last; ++tries) {
    ASSERT_LT(tries, 200);
    if (tries > 0) std::this_thread::sleep_for(milliseconds(100));
    server().run({"PURGE BINARY LOGS TO '" + *last + "'"});
  }
  const auto source = make_mysql_source(server().options());
  // Purged, MariaDB's, and what a server that was reset does not have.
  for (const char* from : {"gtid=;file=;pos=0", "gtid=0-1-5;file=;pos=0",
                           "gtid=3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5;file=;pos=0"}) {
    ASSERT_TRUE(source->start({from}, {}));
    const auto piece = source->next(milliseconds(20'000));
    ASSERT_FALSE(piece);
    EXPECT_EQ(piece.error().code, Code::source_gap) << describe(piece.error());
    source->stop();
  }
}

TEST_F(Mysql8, doctor_says_what_is_missing_and_how_to_put_it_right) {
  server().run(
      {"CREATE TABLE shop.t (id INT PRIMARY KEY)",
       "CREATE USER IF NOT EXISTS poor@'%' IDENTIFIED BY 'pw'",
       "CREATE USER IF NOT EXISTS cdc@'%' IDENTIFIED BY 'secret'",
       "GRANT SELECT ON shop.* TO poor@'%'", "CREATE ROLE IF NOT EXISTS capture",
       "GRANT SELECT, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO capture",
       "GRANT capture TO cdc@'%'", "SET DEFAULT ROLE ALL TO cdc@'%'"});
  SourceOptions options = server().options();
  options.user = "cdc";
  options.password = "secret";
  for (const SourceCheck& check : check_source(options)) {
    EXPECT_TRUE(check.ok) << check.check << ": " << check.found;
  }
  // What the account may is enough for all that capture does.
  const auto source = make_mysql_source(options);
  Mirror mirror;
  mirror.snapshot(*source);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  server().run({"INSERT INTO shop.t VALUES (1)"});
  expect_equal(mirror, *source);
  options.password = "wrong";
  EXPECT_EQ(make_mysql_source(options)->tables().error().code, Code::unauthenticated);
  options.user = "poor";
  options.password = "pw";
  server().run({"SET GLOBAL gtid_mode='ON_PERMISSIVE'", "SET GLOBAL binlog_row_image='MINIMAL'"});
  const auto checks = check_source(options);
  const auto find = [&](const std::string& name) {
    return *std::ranges::find(checks, name, &SourceCheck::check);
  };
  EXPECT_FALSE(find("gtid_mode").ok);
  EXPECT_NE(find("gtid_mode").fix.find("SET PERSIST gtid_mode='ON'"), std::string::npos);
  EXPECT_FALSE(find("binlog_row_image").ok);
  EXPECT_NE(find("privileges").found.find("LOCK TABLES"), std::string::npos);
  server().run({"SET GLOBAL gtid_mode='ON'", "SET GLOBAL binlog_row_image='FULL'"});
}

}  // namespace
}  // namespace minato::ingest::mysql
