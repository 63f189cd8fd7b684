// Goal: the bytes behind a position are those that the source's log has after it, over several
// files, and nothing is said when that is not known. Method: made-up ends; private servers, whose
// own list of files is the measure.
#include "ingest/mysql/log_gauge.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "ingest/mysql/flavour.h"
#include "ingest/tests/private_server.h"

namespace minato::ingest::mysql {
namespace {

LogPosition at(std::string_view text) { return LogPosition::parse(text).value(); }

TEST(LogGauge, BytesBetweenPlaces) {
  const LogEnd near{at("gtid=0-1-9;file=bin.000003;pos=900"), {}};
  EXPECT_EQ(bytes_between(at("gtid=0-1-8;file=bin.000003;pos=400"), near), 500U);
  EXPECT_EQ(bytes_between(at("gtid=0-1-8;file=bin.000003;pos=901"), near), 0U);
  EXPECT_EQ(bytes_between(at("gtid=0-1-8;file=bin.000002;pos=4"), near), std::nullopt);
  EXPECT_EQ(bytes_between(at("gtid=0-1-8"), near), std::nullopt);
  EXPECT_EQ(bytes_between(at(""), near), std::nullopt);
  const LogEnd far{
      near.place,
      {{"bin.000001", 100}, {"bin.000002", 2000}, {"bin.000003", 950}, {"bin.000004", 7}}};
  EXPECT_EQ(bytes_between(at("gtid=0-1-8;file=bin.000001;pos=40"), far), 60U + 2000U + 900U);
  EXPECT_EQ(bytes_between(at("gtid=0-1-8;file=bin.000002;pos=3000"), far), 900U);
  EXPECT_EQ(bytes_between(at("gtid=0-1-8;file=bin.000004;pos=4"), far), std::nullopt);
  EXPECT_EQ(bytes_between(at("gtid=0-1-8;file=other.000001;pos=4"), far), std::nullopt);
  // The end of a file and the head of the next are bytes, but no transactions.
  EXPECT_EQ(bytes_between(at("gtid=0-1-9;file=bin.000001;pos=40"), far), 0U);
}

using Bytes = std::optional<std::uint64_t>;

/// What the gauge says once it says what `wanted` does, or at last.
Bytes wait_for(LogGauge& gauge, const LogPosition& from, const std::function<Bytes()>& wanted) {
  Bytes bytes = gauge.behind(from);
  for (int i = 0; i < 300 && bytes != wanted(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    bytes = gauge.behind(from);
  }
  return bytes;
}

LogPosition log_end(PrivateServer& server) {
  auto connection = Connection::open(server.options(), std::chrono::seconds(10));
  return Flavour::of(connection.value()).log_end(connection.value()).value();
}

void measure(PrivateServer& server) {
  server.run({"DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop",
              "CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, s VARCHAR(100))"});
  const auto nothing = [] { return Bytes(0); };
  const auto unknown = [] { return Bytes(); };
  const LogPosition from = log_end(server);
  ASSERT_FALSE(from.file.empty());
  LogGauge gauge(server.options());
  EXPECT_EQ(gauge.behind(from), std::nullopt) << "not asked yet";
  EXPECT_EQ(wait_for(gauge, from, nothing), 0U);
  server.run({"INSERT INTO shop.t (s) VALUES (REPEAT('x', 100))", "FLUSH BINARY LOGS",
              "INSERT INTO shop.t (s) SELECT s FROM shop.t", "FLUSH BINARY LOGS",
              "INSERT INTO shop.t (s) SELECT s FROM shop.t"});
  const auto listed = [&] {  // MariaDB writes its checkpoints a moment later
    std::uint64_t sum = 0;
    bool after = false;
    for (const Row& file : server.rows("SHOW BINARY LOGS")) {
      after = after || file[0] == from.file;
      if (after) sum += std::stoull(file[1].value());
    }
    return Bytes(sum - from.offset);
  };
  const Bytes measured = wait_for(gauge, from, listed);
  EXPECT_EQ(measured, listed());
  EXPECT_GT(gauge.behind(from), 500U);
  EXPECT_EQ(wait_for(gauge, log_end(server), nothing), 0U);
  server.stop();
  EXPECT_EQ(wait_for(gauge, from, unknown), std::nullopt) << "not reachable";
  server.start();
  EXPECT_EQ(wait_for(gauge, log_end(server), nothing), 0U);
}

TEST(LogGauge, MeasuresMariadb) {
  if (!PrivateMariaDb::installed()) GTEST_SKIP() << "no MariaDB is installed";
  measure(PrivateMariaDb::shared());
}

TEST(LogGauge, MeasuresMysql) {
  if (!PrivateMysql::installed()) GTEST_SKIP() << "no MySQL in .deps/mysql (tools/mysql.sh)";
  measure(PrivateMysql::shared());
}

}  // namespace
}  // namespace minato::ingest::mysql
