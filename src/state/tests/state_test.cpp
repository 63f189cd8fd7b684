// The records against a real PostgreSQL: every function once, and what must hold when several
// processes meet.
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "runtime/testing/private_postgres.h"
#include "state/accounts.h"
#include "state/capture.h"
#include "state/migrations.h"
#include "state/settings.h"
#include "state/shape.h"
#include "state/status.h"

namespace minato::state {
namespace {

#define ASSERT_OK(expression)                                          \
  do {                                                                 \
    const auto result_of = (expression);                               \
    ASSERT_TRUE(result_of.has_value()) << describe(result_of.error()); \
  } while (false)

testing::PrivatePostgres& server() {
  static testing::PrivatePostgres instance;
  return instance;
}

class State : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(db.script("drop schema if exists minato cascade"));
    ASSERT_OK(migrate(db));
  }
  std::int64_t number(const std::string& sql) { return db.query(sql).value().integer(0, 0); }
  /// A definition and its mart's record.
  void put(const std::string& name, const std::string& hash = "h1") {
    ASSERT_OK(put_marts(db, {{{"m", name}, "marts/m/" + name + ".sql", "select 1", hash, {}, {}}}));
  }
  pg::Connection db = server().connect();
};

TEST_F(State, MigrationsRunOnceAlsoFromManyProcesses) {
  ASSERT_OK(db.script("drop schema minato cascade"));
  std::vector<std::jthread> threads;
  std::atomic<int> failed = 0;
  for (int n = 0; n < 4; ++n) {
    threads.emplace_back([&] {
      pg::Connection own = server().connect();
      if (!migrate(own)) ++failed;
    });
  }
  threads.clear();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(setting(db, "schema_version").value(), std::to_string(schema_version()));
  ASSERT_OK(set_setting(db, "schema_version", "999"));
  EXPECT_EQ(migrate(db).error().code, Code::unsupported);
}

TEST_F(State, RolesSeeWhatTheyNeedAndNothingElse) {
  ASSERT_OK(db.script("create table if not exists ducklake.later(i int)"));
  ASSERT_OK(put_account(db, "ana", "SCRAM-SHA-256$x"));
  ASSERT_OK(db.script("set role minato_gate"));
  EXPECT_EQ(account(db, "ana").value()->verifier, "SCRAM-SHA-256$x");
  EXPECT_FALSE(put_account(db, "ops", "x").has_value());
  EXPECT_FALSE(db.query("select * from minato.source").has_value());
  EXPECT_FALSE(db.query("select * from ducklake.later").has_value());
  ASSERT_OK(db.script("set role minato_reader"));
  EXPECT_TRUE(db.query("select * from ducklake.later").has_value());
  EXPECT_FALSE(db.query("delete from ducklake.later").has_value());
  EXPECT_FALSE(account(db, "ana").has_value());
  ASSERT_OK(db.script("reset role; drop table ducklake.later"));
}

TableSchema shape_of(const TableName& name) {
  TableSchema shape{name, {}, {3, 1}, "cp932"};
  for (int kind = 0; kind <= static_cast<int>(TypeKind::interval_us); ++kind) {
    ColumnType type{static_cast<TypeKind>(kind)};
    if (type.kind == TypeKind::decimal) type = {TypeKind::decimal, 38, 10};
    shape.columns.push_back({"c" + std::to_string(kind), type, kind % 2 == 0, "varchar(20) cp932"});
  }
  return shape;
}

TEST_F(State, CaptureFromFirstReadToStream) {
  ASSERT_OK(register_source(db, "shop", "mysql"));
  ASSERT_OK(source_starts(db, "shop"));
  const TableSchema shape = shape_of({"shop", "受注 \"x\""});
  ASSERT_OK(tables_snapshotting(db, "shop", {shape.name}));
  EXPECT_EQ(source(db, "shop").value()->state, SourceState::snapshotting);
  EXPECT_EQ(lake_table(db, shape.name).value()->state, TableState::snapshotting);
  EXPECT_EQ(lake_table(db, shape.name).value()->rows_read, 0);
  ASSERT_OK(tables_read(db, {{shape.name, 30}, {{"shop", "unknown"}, 7}}));
  EXPECT_EQ(lake_table(db, shape.name).value()->rows_read, 30);
  ASSERT_OK(table_streams(db, "shop", shape));
  EXPECT_EQ(source(db, "shop").value()->settings, "");
  ASSERT_OK(source_streams(db, "shop", "cdc@db:3306: shop.%"));
  EXPECT_EQ(source(db, "shop").value()->settings, "cdc@db:3306: shop.%");
  const SystemTime time{std::chrono::microseconds(1'700'000'000'123'456)};
  const TableName other{"shop", "other"};
  ASSERT_OK(tables_changed(db, {{shape.name, 40, true}, {other, 5, false}}, 5, time));
  ASSERT_OK(tables_changed(db, {{other, 2, true}, {shape.name, -3, false}}, 6, {}));
  ASSERT_OK(tables_changed(db, {}, 7, time));
  EXPECT_EQ(lake_table(db, other).value()->rows, 2);
  ASSERT_OK(table_dropped(db, "shop", other));
  ASSERT_OK(source_reached(db, "shop", {}, {"gtid=1"}, time, 3, 40));
  EXPECT_EQ(source_reached(db, "shop", {}, {"gtid=7"}, time, 1, 1).error().code, Code::conflict);
  ASSERT_OK(source_reached(db, "shop", {"gtid=1"}, {"gtid=2"}, {}, 1, 2));
  ASSERT_OK(source_lag(db, "shop", {120, 4096}, ""));
  const Source read = source(db, "shop").value().value();
  EXPECT_EQ(read.kind, "mysql");
  EXPECT_EQ(read.position.text, "gtid=2");
  EXPECT_EQ(read.source_time, time);
  EXPECT_EQ(read.transactions, 4);
  EXPECT_EQ(read.changes, 42);
  EXPECT_EQ(read.lag_ms, 120);
  EXPECT_EQ(read.lag_bytes, 4096);
  EXPECT_EQ(read.state, SourceState::streaming);
  EXPECT_EQ(lake_table(db, shape.name).value()->rows, 37);
  EXPECT_EQ(lake_table(db, shape.name).value()->rows_read, std::nullopt);
  EXPECT_EQ(lake_table(db, shape.name).value()->source_time, time);
  const StoredSource stored = load_source(db, "shop").value();
  ASSERT_EQ(stored.shapes.size(), 1U);
  EXPECT_EQ(*stored.shapes[0], shape);
  // Nobody else may fill it.
  ASSERT_OK(source_starts(db, "other"));
  const std::vector<TableName> both = {{"shop", "free"}, shape.name};
  EXPECT_EQ(tables_snapshotting(db, "other", both).error().code, Code::conflict);
  EXPECT_FALSE(lake_table(db, both[0]).value().has_value());
  EXPECT_EQ(table_streams(db, "other", shape).error().code, Code::conflict);
  EXPECT_EQ(table_lost(db, "other", shape.name).error().code, Code::conflict);
  TableSchema same = shape;
  EXPECT_EQ(table_renamed(db, "other", both[0], same).error().code, Code::conflict);
  EXPECT_EQ(lake_table(db, shape.name).value()->source, "shop");
  EXPECT_EQ(lake_table(db, shape.name).value()->state, TableState::streaming);
  // Unless the one that had it is removed; that one does not get it back by its name.
  ASSERT_OK(set_source_state(db, "shop", SourceState::removed, ""));
  ASSERT_OK(table_streams(db, "other", shape));
  ASSERT_OK(set_source_state(db, "other", SourceState::removed, ""));
  EXPECT_TRUE(load_source(db, "shop").value().shapes.empty());
  ASSERT_OK(table_streams(db, "shop", shape));
  ASSERT_OK(set_source_state(db, "shop", SourceState::streaming, ""));
  ASSERT_OK(table_lost(db, "shop", shape.name));
  EXPECT_EQ(open_incidents(db).value().size(), 1U);
  ASSERT_OK(tables_stopped(db, {shape.name, {"shop", "unknown"}}));
  EXPECT_EQ(open_incidents(db).value().size(), 0U);
  ASSERT_OK(source_gap(db, "shop", {Code::source_gap, "gap", ""}));
  EXPECT_EQ(lake_table(db, shape.name).value()->state, TableState::stopped);
  EXPECT_TRUE(load_source(db, "shop").value().shapes.empty());
  ASSERT_OK(table_streams(db, "shop", shape));
  TableSchema renamed = shape;
  renamed.name.name = "y";
  ASSERT_OK(table_renamed(db, "shop", shape.name, renamed));
  EXPECT_EQ(lake_tables(db).value().at(0).name, renamed.name);
  ASSERT_OK(table_dropped(db, "shop", renamed.name));
  EXPECT_TRUE(lake_tables(db).value().empty());
  ASSERT_OK(source_failed(db, "shop", {Code::unavailable, "gone", ""}));
  EXPECT_EQ(source(db, "shop").value()->error, "gone");
  EXPECT_EQ(source(db, "shop").value()->lag_bytes, std::nullopt);
  ASSERT_OK(source_falls_behind(db, "shop", {7, 8}));
  EXPECT_EQ(source(db, "shop").value()->lag_bytes, 8);
  EXPECT_EQ(source(db, "shop").value()->state, SourceState::error);
  ASSERT_OK(source_starts(db, "shop"));  // tried again: the error stands until it comes further
  EXPECT_EQ(source(db, "shop").value()->state, SourceState::error);
  EXPECT_EQ(source(db, "shop").value()->error, "gone");
  ASSERT_OK(source_streams(db, "shop", "cdc@db:3306: shop.%"));
  ASSERT_OK(source_starts(db, "shop"));
  EXPECT_EQ(source(db, "shop").value()->state, SourceState::starting);
  ASSERT_OK(reset_source(db, "shop"));
  EXPECT_EQ(source(db, "shop").value()->position.text, "");
  EXPECT_EQ(set_source_state(db, "nobody", SourceState::error, "x").error().code, Code::not_found);
}

TEST(Shape, ComesBackOrIsRefused) {
  const TableSchema shape = shape_of({"a", "b"});
  EXPECT_EQ(*shape_from_json(to_json(shape)).value(), shape);
  for (const char* broken :
       {"", "[]", "{}", R"({"columns":[{"name":"a","type":"no such"}]})",
        R"({"columns":[],"key":[0]})", R"({"columns":[1]})", R"({"columns":[{"name":5}]})"}) {
    EXPECT_FALSE(shape_from_json(broken).has_value()) << broken;
  }
}

TEST_F(State, ArrivalsOfACommit) {
  const TableName a{"shop", "a"}, b{"shop", "b\"},{"};
  ASSERT_OK(put_lake_table(db, a, "shop", 7, TableState::streaming));
  ASSERT_OK(put_lake_table(db, b, "shop", 8, TableState::snapshotting));
  ASSERT_OK(arrive(db, 12, {{a, 10}, {b, 5, true}}));
  ASSERT_OK(arrive(db, 13, {{a, -3}}));
  EXPECT_EQ(arrive(db, 14, {{a, 1}, {{"no", "table"}, 1}}).error().code, Code::internal);
  LakeTable read = lake_table(db, b).value().value();
  EXPECT_EQ(read.rows, 5);
  EXPECT_EQ(read.last_snapshot, 12);
  EXPECT_EQ(read.state, TableState::snapshotting);
  EXPECT_TRUE(read.applied_at.has_value());
  EXPECT_EQ(lake_tables_since(db, 13).value().size(), 2U);  // a: arrived in 14; b: its state
  ASSERT_OK(rename_lake_table(db, b, {"shop", "c"}));
  ASSERT_OK(set_table_state(db, {"shop", "c"}, TableState::dropped));
  EXPECT_EQ(lake_tables(db).value().size(), 2U);
  // A table made anew starts counting anew.
  ASSERT_OK(put_lake_table(db, a, "shop", 70, TableState::streaming));
  EXPECT_EQ(lake_table(db, a).value()->rows, 0);
}

TEST_F(State, IncidentsJoinAndResolve) {
  EXPECT_TRUE(open_incident(db, "k", Severity::warning, "t", "one").value());
  EXPECT_FALSE(open_incident(db, "k", Severity::critical, "t", "two").value());
  EXPECT_TRUE(open_incident(db, "other", Severity::info, "t", "").value());
  const auto open = open_incidents(db).value();
  ASSERT_EQ(open.size(), 2U);
  EXPECT_EQ(open[0].occurrences, 2);
  EXPECT_EQ(open[0].text, "two");
  EXPECT_EQ(open[0].severity, Severity::critical);
  EXPECT_TRUE(resolve_incident(db, "k").value());
  EXPECT_FALSE(resolve_incident(db, "k").value());
  EXPECT_TRUE(open_incident(db, "k", Severity::warning, "t", "again").value());
}

TEST_F(State, Accounts) {
  ASSERT_OK(put_account(db, "ana", "v1"));
  ASSERT_OK(set_account_disabled(db, "ana", true));
  EXPECT_TRUE(account(db, "ana").value()->disabled);
  ASSERT_OK(put_account(db, "ana", "v2"));
  EXPECT_EQ(account(db, "ana").value()->verifier, "v2");
  EXPECT_FALSE(account(db, "ana").value()->disabled);
  EXPECT_EQ(accounts(db).value().size(), 1U);
  ASSERT_OK(remove_account(db, "ana"));
  EXPECT_EQ(remove_account(db, "ana").error().code, Code::not_found);
}

TEST_F(State, AJobIsClaimedOnceAndFinishedOnlyByItsHolder) {
  put("a");
  put("b");
  ASSERT_OK(enqueue(db, {{JobKind::refresh, {"m", "a"}}, {JobKind::refresh, {"m", "b"}, 5}}));
  ASSERT_OK(enqueue(db, {{JobKind::refresh, {"m", "a"}}}));
  EXPECT_EQ(number("select count(*) from minato.job"), 2);
  pg::Connection one = server().connect(), two = server().connect();
  const Job b = claim(one, "one").value().value();
  EXPECT_EQ(b.table.name, "b");
  const Job a = claim(two, "two").value().value();
  EXPECT_EQ(a.table.name, "a");
  EXPECT_FALSE(claim(one, "one").value().has_value());
  EXPECT_EQ(requeue_lost(db, 3, {}).value(), 0);
  two = server().connect();  // the worker dies
  int lost = 0;
  while ((lost = requeue_lost(db, 3, {}).value()) == 0) std::this_thread::yield();
  EXPECT_EQ(lost, 1);
  EXPECT_EQ(complete(db, a).error().code, Code::conflict);
  const Job again = claim(two, "two").value().value();
  EXPECT_EQ(again.id, a.id);
  EXPECT_EQ(again.attempt, 2);
  EXPECT_EQ(complete(db, a).error().code, Code::conflict);
  ASSERT_OK(complete(db, again));
  ASSERT_OK(release(two, again));
  ASSERT_OK(complete(db, b));
  EXPECT_EQ(number("select count(*) from minato.job"), 0);
}

TEST_F(State, AJobThatKillsItsWorkersIsGivenUp) {
  put("a");
  ASSERT_OK(enqueue(db, {{JobKind::refresh, {"m", "a"}}}));
  for (int n = 0; n < 2; ++n) {
    {
      pg::Connection worker = server().connect();
      ASSERT_TRUE(claim(worker, "w").value().has_value());
    }
    while (requeue_lost(db, 2, SystemTime(std::chrono::seconds(99))).value() == 0) {
      std::this_thread::yield();
    }
  }
  const MartProgress mart = mart_progress(db).value().at(0);
  EXPECT_EQ(mart.state, MartState::failed);
  EXPECT_EQ(mart.failures, 1);
  EXPECT_EQ(mart.next_try_at, SystemTime(std::chrono::seconds(99)));
  EXPECT_EQ(number("select count(*) from minato.job"), 0);
  EXPECT_EQ(number("select count(*) from minato.mart_run where outcome = 'lost'"), 2);
}

// A job that ends while somebody looks for lost ones: taken for lost, its mart would be marked as
// queued without a job, and never run again.
TEST_F(State, AJobThatEndsIsNotTakenForLost) {
  constexpr int workers = 3;
  constexpr int runs = 200;
  std::atomic<int> working = workers;
  {
    std::vector<std::jthread> threads;
    for (int n = 0; n < workers; ++n) {
      put("a" + std::to_string(n));
      threads.emplace_back([n, &working] {
        const struct Leaves {
          std::atomic<int>& working;
          ~Leaves() { --working; }
        } leaves{working};
        pg::Connection worker = server().connect();
        const TableName mart{"m", "a" + std::to_string(n)};
        for (int i = 0; i < runs; ++i) {
          ASSERT_OK(enqueue(worker, {{JobKind::refresh, mart}}));
          const auto job = claim(worker, "w").value();
          if (!job) continue;  // one of another mart is just taken
          const MartRun run{*job, "h1", SystemTime(std::chrono::seconds(1000)), 5, 77, 41};
          ASSERT_OK(pg::transaction(worker,
                                    [&](pg::Connection& c) { return mart_succeeded(c, run, 43); }));
          ASSERT_OK(release(worker, *job));
        }
      });
    }
    while (working > 0) EXPECT_EQ(requeue_lost(db, 3, {}).value(), 0);
  }
  EXPECT_EQ(number("select count(*) from minato.mart_run where outcome = 'lost'"), 0);
  EXPECT_GT(number("select count(*) from minato.mart_run where outcome = 'ok'"), runs);
}

TEST_F(State, AMartWithoutAJobIsNotQueued) {
  put("a");
  ASSERT_OK(enqueue(db, {{JobKind::refresh, {"m", "a"}}}));
  EXPECT_EQ(mart_progress(db).value().at(0).state, MartState::queued);
  ASSERT_OK(db.script("delete from minato.job"));
  EXPECT_EQ(mart_progress(db).value().at(0).state, MartState::waiting);
}

// A failure of the old definition: the new one is planned again, not taken for running for ever.
TEST_F(State, AMartThatChangedWhileItRanIsNotRunningAfterItsFailure) {
  put("a");
  ASSERT_OK(enqueue(db, {{JobKind::refresh, {"m", "a"}}}));
  const MartRun run{claim(db, "w").value().value(),
                    "an older hash",
                    SystemTime(std::chrono::seconds(1000)),
                    5,
                    77,
                    41};
  EXPECT_EQ(mart_failed(db, run, "no such column", SystemTime(std::chrono::seconds(2000))).value(),
            0);
  const MartProgress mart = mart_progress(db).value().at(0);
  EXPECT_EQ(mart.state, MartState::waiting);
  EXPECT_EQ(mart.failures, 0);
}

TEST_F(State, AMartRunsFailsAndSucceeds) {
  put("a");
  ASSERT_OK(enqueue(db, {{JobKind::refresh, {"m", "a"}}}));
  EXPECT_EQ(mart_progress(db).value().at(0).state, MartState::queued);
  MartRun run{
      claim(db, "w").value().value(), "h1", SystemTime(std::chrono::seconds(1000)), 5, 77, 41};
  EXPECT_EQ(mart_progress(db).value().at(0).state, MartState::running);
  EXPECT_EQ(mart_failed(db, run, "no such column", SystemTime(std::chrono::seconds(2000))).value(),
            1);
  MartProgress mart = mart_progress(db).value().at(0);
  EXPECT_EQ(mart.state, MartState::failed);
  EXPECT_EQ(mart.error, "no such column");
  ASSERT_OK(enqueue(db, {{JobKind::refresh, {"m", "a"}}}));
  run.job = claim(db, "w").value().value();
  ASSERT_OK(mart_succeeded(db, run, 43));
  mart = mart_progress(db, {number("select max(id) from minato.mart_run")}).value().at(0);
  EXPECT_EQ(mart.state, MartState::ok);
  EXPECT_EQ(mart.failures, 0);
  EXPECT_EQ(mart.built_snapshot, 41);
  EXPECT_EQ(mart.built_hash, "h1");
  EXPECT_EQ(lake_table(db, {"m", "a"}).value()->rows, 77);
  EXPECT_EQ(lake_table(db, {"m", "a"}).value()->last_snapshot, 43);
  EXPECT_EQ(mart_succeeded(db, run, 44).error().code, Code::conflict);
  const PlatformStatus status = platform_status(db).value();
  ASSERT_EQ(status.marts.size(), 1U);
  EXPECT_EQ(status.marts[0].rows, 77);
  EXPECT_EQ(status.marts[0].why, "");
}

TEST_F(State, StatusTellsWhyInOneSentence) {
  put("late");
  put("bad");
  const SystemTime soon = std::chrono::floor<std::chrono::microseconds>(
      std::chrono::system_clock::now() + std::chrono::seconds(30));
  ASSERT_OK(plan_marts(db, {{{"m", "late"}, MartState::ok, "new data has arrived", "", soon},
                            {{"m", "bad"}, MartState::failed, "", "no such column", soon}}));
  ASSERT_OK(register_source(db, "shop", "mysql"));
  ASSERT_OK(put_lake_table(db, {"shop", "t"}, "shop", 1, TableState::streaming));
  const auto json = nlohmann::json::parse(to_json(platform_status(db).value()));
  EXPECT_EQ(json["marts"][0]["why"].get<std::string>().substr(0, 38),
            "failed: no such column; next try in 30");
  EXPECT_EQ(json["marts"][1]["why"].get<std::string>().substr(0, 37),
            "new data has arrived; next refresh in");
  EXPECT_EQ(json["sources"][0]["name"], "shop");
  EXPECT_EQ(json["tables"][0]["rows"], 0);
  EXPECT_TRUE(json["tables"][0]["applied_at"].is_null());
  EXPECT_EQ(rfc3339(SystemTime(std::chrono::milliseconds(1'700'000'000'005))),
            "2023-11-14T22:13:20.005Z");
}

}  // namespace
}  // namespace minato::state
