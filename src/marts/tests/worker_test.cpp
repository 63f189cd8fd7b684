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
  void TearDown() override {
    scheduler.reset();
    worker.reset();
  }
  std::string why(const TableName& name) {
    const auto mart = platform.mart(name);
    return mart ? mart->why : "(unknown)";
  }
  testing::Platform platform;
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

}  // namespace
}  // namespace minato::marts
