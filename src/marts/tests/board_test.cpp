// The scheduler's memory, without PostgreSQL: what it writes, what it says, and how long thousands
// of marts take.
#include <gtest/gtest.h>

#include <chrono>

#include "lake/tests/fixture.h"
#include "marts/board.h"

namespace minato::marts {
namespace {

using state::MartState;
using std::chrono::seconds;

SystemTime at(int second) { return SystemTime(seconds(1'000'000 + second)); }

Definition definition(const std::string& name, const std::string& sql) {
  return parse_definition("marts/m/" + name + ".sql", sql).value();
}

std::vector<Read> reads(const std::vector<TableName>& tables) {
  std::vector<Read> out;
  for (const TableName& table : tables) out.push_back({table, {"", table.schema, table.name, 0}});
  return out;
}

state::LakeTable table(const TableName& name, std::int64_t snapshot,
                       state::TableState state = state::TableState::streaming) {
  state::LakeTable out;
  out.name = name;
  out.source = state == state::TableState::mart ? "" : "test";
  out.state = state;
  out.last_snapshot = snapshot;
  return out;
}

/// What the records say after the definitions were written.
void record(Board& board) {
  std::vector<state::MartProgress> marts;
  for (const state::MartDefinition& mart : board.definitions_to_record()) {
    state::MartProgress progress;
    progress.name = mart.name;
    progress.hash = mart.hash;
    marts.push_back(progress);
  }
  board.progress(marts, false);
}

state::MartProgress built(const Board& board, const TableName& name, std::int64_t snapshot,
                          int second) {
  state::MartProgress mart = board.progress().at(name);
  mart.built_hash = mart.hash;
  mart.state = MartState::ok;
  mart.why = "";
  mart.built_snapshot = snapshot;
  mart.last_started_at = at(second);
  return mart;
}

TEST(Board, FromFileToRunToWaiting) {
  Board board(60);
  const TableName a{"m", "a"};
  board.define(definition("a", "select * from shop.orders"), reads({{"shop", "orders"}}));
  record(board);
  EXPECT_TRUE(board.definitions_to_record().empty());
  auto writes = board.decide(at(0));
  ASSERT_EQ(writes.plans.size(), 1U);
  EXPECT_EQ(writes.plans[0].why, "There is no table shop.orders.");
  EXPECT_EQ(writes.plans[0].state, MartState::waiting);
  EXPECT_TRUE(board.decide(at(0)).plans.empty());  // written once

  board.tables({table({"shop", "orders"}, 0, state::TableState::snapshotting)}, false);
  writes = board.decide(at(1));
  ASSERT_EQ(writes.plans.size(), 1U);
  EXPECT_EQ(writes.plans[0].why, "waits for shop.orders, which is being read for the first time");

  board.tables({table({"shop", "orders"}, 4)}, false);
  writes = board.decide(at(2));
  ASSERT_EQ(writes.jobs.size(), 1U);
  EXPECT_EQ(writes.jobs[0].priority, 10);
  EXPECT_TRUE(board.decide(at(2)).jobs.empty());  // it has a job now

  board.progress({built(board, a, 4, 2)}, false);
  EXPECT_TRUE(board.decide(at(3)).plans.empty());
  board.tables({table({"shop", "orders"}, 6)}, false);
  writes = board.decide(at(10));
  ASSERT_EQ(writes.plans.size(), 1U);
  EXPECT_EQ(writes.plans[0].state, MartState::ok);
  EXPECT_EQ(writes.plans[0].next_try_at, at(62));
  EXPECT_EQ(writes.wake_at, at(62));
  EXPECT_EQ(board.decide(at(62)).jobs.size(), 1U);
}

TEST(Board, NamesAreComparedAsTheEngineDoes) {
  Board board(60);
  board.define(definition("a", "select * from SHOP.Orders"), reads({{"SHOP", "Orders"}}));
  board.define(definition("A", "select 1"), reads({}));
  board.tables({table({"shop", "orders"}, 4)}, true);
  record(board);
  const auto writes = board.decide(at(0));
  // Both files name one table: the first by name counts.
  ASSERT_EQ(writes.jobs.size(), 1U);
  ASSERT_EQ(writes.plans.size(), 1U);
  EXPECT_EQ(writes.plans[0].state, MartState::invalid);
}

TEST(Board, AFailureIsKeptWhileAnInputCannotBeRead) {
  Board board(60);
  const TableName a{"m", "a"};
  board.define(definition("a", "select 1"), reads({{"shop", "orders"}}));
  board.tables({table({"shop", "orders"}, 4)}, true);
  record(board);
  ASSERT_EQ(board.decide(at(0)).jobs.size(), 1U);
  state::MartProgress failed = board.progress().at(a);
  failed.state = MartState::failed;
  failed.failures = 1;
  failed.error = "bad";
  failed.next_try_at = at(30);
  board.progress({failed}, false);
  board.tables({table({"shop", "orders"}, 4, state::TableState::repairing)}, false);
  const auto writes = board.decide(at(1));
  ASSERT_EQ(writes.plans.size(), 1U);
  EXPECT_EQ(writes.plans[0].error, "bad");
  EXPECT_EQ(writes.plans[0].next_try_at, at(30));
  board.tables({table({"shop", "orders"}, 4)}, false);
  EXPECT_EQ(board.decide(at(2)).plans.at(0).state, MartState::failed);
  EXPECT_EQ(board.decide(at(30)).jobs.size(), 1U);
}

TEST(Board, RemovedFilesAreMarkedThenDropped) {
  Board board(60);
  const TableName a{"m", "a"};
  board.define(definition("a", "select 1"), reads({}));
  record(board);
  EXPECT_TRUE(board.to_mark_removed().empty());
  board.removed(a);
  ASSERT_EQ(board.to_mark_removed().size(), 1U);
  state::MartProgress mart = board.progress().at(a);
  mart.removed_at = at(10);
  board.progress({mart}, false);
  EXPECT_TRUE(board.to_mark_removed().empty());
  EXPECT_TRUE(board.to_drop(at(9)).empty());
  EXPECT_EQ(board.to_drop(at(10)).size(), 1U);
  EXPECT_TRUE(board.decide(at(10)).jobs.empty());
}

TEST(Board, ThousandsOfMarts) {
  const auto milliseconds = [](auto begin) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
        .count();
  };
  const lake::Engine engine = lake::testing::open_plain_engine();
  const Lineage lineage = engine_lineage(engine);
  constexpr int marts = 3000;
  Board board(60);
  std::vector<state::LakeTable> tables;
  for (int t = 0; t < 500; ++t) tables.push_back(table({"shop", "t" + std::to_string(t)}, 1));
  board.tables(tables, true);
  auto begin = std::chrono::steady_clock::now();
  for (int m = 0; m < marts; ++m) {
    const std::string t = std::to_string(m % 500);
    std::string sql =
        "WITH x AS (SELECT id, sum(amount) AS s FROM shop.t" + t +
        " WHERE created > DATE '2024-01-01' GROUP BY id) SELECT x.*, y.name FROM x JOIN shop.t" +
        std::to_string((m + 7) % 500) + " y USING (id)";
    if (m >= 500) sql += " LEFT JOIN m.m" + std::to_string(m - 500) + " USING (id)";
    Definition one = definition("m" + std::to_string(m), sql);
    auto found = lineage(one);
    ASSERT_TRUE(found.has_value()) << describe(found.error());
    board.define(std::move(one), std::move(found));
  }
  const double analysed = milliseconds(begin);
  record(board);
  begin = std::chrono::steady_clock::now();
  auto writes = board.decide(at(0));
  const double first = milliseconds(begin);
  EXPECT_EQ(writes.jobs.size(), 500U);  // the lowest layer; the others wait for it
  begin = std::chrono::steady_clock::now();
  board.tables({table({"shop", "t3"}, 2)}, false);
  (void)board.decide(at(1));
  const double commit = milliseconds(begin);
  begin = std::chrono::steady_clock::now();
  board.define(definition("m2999", "select 1"), reads({}));
  (void)board.decide(at(2));
  const double file = milliseconds(begin);
  std::printf(
      "%d marts: analysed in %.0f ms, graph and first decision %.1f ms, a commit %.2f ms, "
      "a changed file %.1f ms\n",
      marts, analysed, first, commit, file);
  // Generous, for sanitizers and busy machines.
  EXPECT_LT(first, 2000);
  EXPECT_LT(commit, 200);
  EXPECT_LT(file, 2000);
}

}  // namespace
}  // namespace minato::marts
