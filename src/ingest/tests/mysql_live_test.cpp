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
#include <thread>

#include "base/failpoint.h"
#include "base/testing/seed.h"
#include "ingest/tests/mysql_mirror.h"

namespace minato::ingest::mysql {
namespace {

using std::chrono::milliseconds;

class MysqlLive : public testing::Test {
 protected:
  void SetUp() override {
    if (!PrivateMariaDb::installed()) GTEST_SKIP() << "no MariaDB is installed";
  }
  static PrivateMariaDb& server() { return PrivateMariaDb::shared(); }
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

/// A statement whose question to the source had no answer counted as taken in, and was skipped when
/// the log was read on.
TEST_F(MysqlLive, statements_wait_for_the_source_s_answers) {
  fresh_database();
  server().run({"CREATE TABLE shop.t (id INT PRIMARY KEY)"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  mirror.follow(*source);
  set_failpoints("ingest.before_question=error");
  server().run({"CREATE TABLE shop.u (id INT PRIMARY KEY, s TEXT)",
                "INSERT INTO shop.u VALUES (1, 'one')",
                "ALTER TABLE shop.t ADD COLUMN s VARCHAR(10) DEFAULT 'y' FIRST"});
  const auto unanswered = [&] {
    return source->lag(mirror.position).error.find("before_question") != std::string::npos;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!unanswered() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_TRUE(unanswered());
  server().stop(true);
  set_failpoints("");
  server().start();
  server().run({"INSERT INTO shop.t VALUES ('after', 1)"});
  mirror.follow(*source);
  EXPECT_EQ(mirror.notes, (std::vector<std::string>{"0 shop.u", "0 shop.t"}));
  EXPECT_EQ(mirror.tables[(TableName{"shop", "t"})].size(), 1U);
  EXPECT_EQ(mirror.tables[(TableName{"shop", "u"})].size(), 1U);
  EXPECT_EQ(source->lag(mirror.position).error, "");
  source->stop();
}

/// One INSERT of random values; now and then NULL or an edge.
// NOLINTNEXTLINE(readability-function-size): one line per column
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
      pick({"'small'", "'特大'", "'it''s'", "'b\\\\s'", "0"}),
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

/// Not a bound, a figure: what a small transaction costs.
TEST_F(MysqlLive, small_transactions_speed) {
  fresh_database();
  server().run({"CREATE TABLE shop.t (id INT PRIMARY KEY, customer INT, name VARCHAR(40))",
                "SET GLOBAL sync_binlog=0", "SET GLOBAL innodb_flush_log_at_trx_commit=0"});
  const auto source = make_mysql_source(server().options());
  Mirror mirror;
  mirror.snapshot(*source);
  server().run(
      {"BEGIN NOT ATOMIC DECLARE i INT DEFAULT 0; WHILE i < 50000 DO "
       "INSERT INTO shop.t VALUES (i, i, 'a name'); SET i = i + 1; END WHILE; END"});
  const auto wanted = source->current_position();
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(source->start(mirror.position, mirror.shapes));
  std::uint64_t transactions = 0;
  Position reached = mirror.position;
  while (!source->covers(reached, *wanted)) {
    auto piece = source->next(milliseconds(1000));
    ASSERT_TRUE(piece) << describe(piece.error());
    if (!*piece) continue;
    transactions += (*piece)->transactions;
    reached = (*piece)->end;
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  EXPECT_EQ(transactions, 50000U);
  std::printf("small transactions: %.0f/s\n", static_cast<double>(transactions) / seconds);
}

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
