// Scheduler and worker on a real private lake: marts follow their inputs, fail and recover, change
// and go.
#include <gtest/gtest.h>

#include "marts/tests/platform.h"

namespace minato::marts {
namespace {

using state::MartState;
using testing::eventually;

const TableName orders{"shop", "orders"};

class MartsTest : public ::testing::Test {
 protected:
  void start(int threads = 1) {
    WorkerOptions options = platform.worker_options();
    options.threads = threads;
    worker.emplace(options, platform.store.engine, *platform.store.lake);
    scheduler.emplace(platform.scheduler_options(), platform.store.engine);
    worker->start();
    scheduler->start();
  }
  static void TearDownTestSuite() { testing::Platform::close(); }
  void SetUp() override { platform.reset(); }
  void TearDown() override {
    scheduler.reset();
    worker.reset();
  }
  std::string why(const TableName& name) {
    const auto mart = platform.mart(name);
    return mart ? mart->why : "(unknown)";
  }
  testing::Platform& platform = testing::Platform::shared();
  std::optional<Worker> worker;
  std::optional<Scheduler> scheduler;
};

TEST_F(MartsTest, AMartFollowsItsInputs) {
  platform.create(orders, "id BIGINT, amount INTEGER, tags VARCHAR[]");
  platform.change(orders, "INSERT INTO minato.shop.orders VALUES (1, 10, ['a']), (2, 20, NULL)");
  platform.write("marts/sales/total.sql",
                 "SELECT count(*) AS n, sum(amount) AS total, list(tags ORDER BY id) AS tags\n"
                 "FROM shop.orders -- all of them");
  platform.write("marts/sales/half.sql", "SELECT total / 2 AS half FROM total");
  start();
  ASSERT_TRUE(eventually([&] { return platform.settled(); })) << why({"sales", "total"});
  EXPECT_EQ(platform.rows("FROM minato.sales.total"), "2|30|[[\"a\"],null]\n");
  EXPECT_EQ(platform.rows("FROM minato.sales.half"), "15.0\n");
  platform.change(orders, "DELETE FROM minato.shop.orders WHERE id = 1");
  ASSERT_TRUE(eventually([&] { return platform.rows("FROM minato.sales.half") == "10.0\n"; }));
  EXPECT_EQ(state::lake_table(platform.db, {"sales", "total"}).value()->rows, 1);
  EXPECT_EQ(platform.mart({"sales", "total"})->rows, 1);
}

TEST_F(MartsTest, AFailingMartKeepsItsContentsAndRecovers) {
  platform.create(orders, "id BIGINT, amount VARCHAR");
  platform.change(orders, "INSERT INTO minato.shop.orders VALUES (1, '10')");
  platform.write("marts/sales/total.sql", "SELECT sum(amount::INTEGER) AS total FROM shop.orders");
  platform.write("marts/sales/reader.sql", "SELECT * FROM sales.total, shop.orders");
  start();
  ASSERT_TRUE(eventually([&] { return platform.settled(); }));
  platform.change(orders, "INSERT INTO minato.shop.orders VALUES (2, 'ten')");
  const TableName total{"sales", "total"};
  ASSERT_TRUE(eventually([&] { return !state::open_incidents(platform.db).value().empty(); }));
  EXPECT_TRUE(why(total).find("failed 3 times: ") == 0) << why(total);
  EXPECT_TRUE(why(total).find("ten") != std::string::npos) << why(total);
  EXPECT_EQ(platform.rows("FROM minato.sales.total"), "10\n");
  // Its reader goes on with the last good contents.
  EXPECT_TRUE(eventually(
      [&] { return platform.rows("SELECT count(*) FROM minato.sales.reader") == "2\n"; }));
  platform.change(orders, "DELETE FROM minato.shop.orders WHERE id = 2");
  ASSERT_TRUE(eventually([&] { return platform.is(total, MartState::ok); }));
  EXPECT_TRUE(eventually([&] { return state::open_incidents(platform.db).value().empty(); }));
}

TEST_F(MartsTest, FilesAreFollowedWithoutARestart) {
  platform.create(orders, "id BIGINT");
  platform.change(orders, "INSERT INTO minato.shop.orders VALUES (1), (2)");
  start();
  const TableName mart{"sales", "m"};
  platform.write("marts/sales/m.sql", "SELECT id FROM shop.ordres");
  ASSERT_TRUE(eventually([&] { return platform.is(mart, MartState::waiting); }));
  ASSERT_TRUE(eventually([&] { return !why(mart).empty(); }));
  EXPECT_EQ(why(mart), "There is no table shop.ordres. Did you mean shop.orders?");
  platform.write("marts/sales/m.sql", "SELECT id FRM shop.orders");
  ASSERT_TRUE(eventually([&] { return platform.is(mart, MartState::invalid); }));
  EXPECT_TRUE(why(mart).starts_with("marts/sales/m.sql:1: ")) << why(mart);
  platform.write("marts/sales/m.sql", "-- refresh: 1h\nSELECT id FROM shop.orders ORDER BY id");
  ASSERT_TRUE(eventually([&] { return platform.is(mart, MartState::ok); })) << why(mart);
  EXPECT_EQ(platform.rows("FROM minato.sales.m"), "1\n2\n");
  // Other columns, at once, although it is refreshed once an hour only.
  platform.write("marts/sales/m.sql",
                 "-- refresh: 1h\nSELECT 'x' || id AS id, id + 1 AS next, NULL AS nothing, "
                 "INTERVAL 1 DAY AS i, {'a': 1} AS s FROM shop.orders ORDER BY id");
  ASSERT_TRUE(
      eventually([&] { return platform.rows("FROM minato.sales.m").starts_with("x1|2|"); }));
  EXPECT_EQ(platform.rows("FROM minato.sales.m"), "x1|2||1 day|{\"a\":1}\nx2|3||1 day|{\"a\":1}\n");
  platform.change(orders, "INSERT INTO minato.shop.orders VALUES (3)");
  ASSERT_TRUE(eventually([&] { return !why(mart).empty(); }));
  EXPECT_TRUE(why(mart).starts_with("new data has arrived; next refresh in ")) << why(mart);
  // Gone: marked, then dropped.
  platform.remove("marts/sales/m.sql");
  ASSERT_TRUE(eventually(
      [&] { return why(mart).starts_with("its file is gone: its table is dropped in "); }));
  ASSERT_TRUE(eventually([&] { return !platform.mart(mart); }));
  EXPECT_TRUE(platform.rows("FROM minato.sales.m").starts_with("error"));
  EXPECT_FALSE(state::lake_table(platform.db, mart).value().has_value());
  // And back.
  platform.write("marts/sales/m.sql", "SELECT max(id) AS id FROM shop.orders");
  EXPECT_TRUE(eventually([&] { return platform.rows("FROM minato.sales.m") == "3\n"; }));
}

TEST_F(MartsTest, CirclesAndClashesAreExplained) {
  platform.create(orders, "id BIGINT");
  platform.write("marts/s/a.sql", "SELECT * FROM s.b");
  platform.write("marts/s/b.sql", "SELECT * FROM s.a");
  platform.write("marts/shop/orders.sql", "SELECT 1 AS id");
  platform.write("marts/s/two.sql", "SELECT 1 AS x, 2 AS X");
  platform.write("marts/s/file.sql", "SELECT * FROM 'data.parquet'");
  start();
  ASSERT_TRUE(eventually([&] { return platform.is({"s", "a"}, MartState::invalid); }));
  EXPECT_TRUE(why({"s", "a"}).starts_with("Marts read each other in a circle: s.a → s.b → s.a"));
  ASSERT_TRUE(eventually([&] { return platform.is(orders, MartState::invalid); }));
  EXPECT_TRUE(why(orders).find("captured table shop.orders") != std::string::npos) << why(orders);
  ASSERT_TRUE(eventually([&] { return platform.is({"s", "two"}, MartState::failed); }));
  EXPECT_TRUE(why({"s", "two"}).find("Two columns are named X") != std::string::npos);
  ASSERT_TRUE(eventually([&] {
    return platform.is({"s", "file"}, MartState::waiting) ||
           platform.is({"s", "file"}, MartState::invalid);
  }));
}

}  // namespace
}  // namespace minato::marts
