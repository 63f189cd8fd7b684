// For tests: a private lake with records, a directory of mart files, and captured tables whose
// commits the test makes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include "lake/tests/fixture.h"
#include "marts/scheduler.h"
#include "marts/worker.h"
#include "state/incidents.h"
#include "state/marts.h"
#include "state/migrations.h"
#include "state/status.h"

namespace minato::marts::testing {

class Platform {
 public:
  Platform() : db(store.connect()), session(store.session()) {
    CHECK(state::migrate(db).has_value());
    root = store.postgres.directory() + "/platform";
    std::filesystem::create_directories(root / "marts");
  }
  Platform(const Platform&) = delete;
  Platform& operator=(const Platform&) = delete;

  const std::string& conninfo() const { return store.options.lake.catalog_conninfo; }

  /// One for all tests of a suite: to open and close an engine takes seconds. Ends with close(),
  /// not at the exit of the program, when the engine's own statics are gone.
  static Platform& shared() {
    if (!instance()) instance() = std::make_unique<Platform>();
    return *instance();
  }
  static void close() { instance().reset(); }
  /// Nothing in the lake, no records, no files.
  void reset() {
    std::filesystem::remove_all(root / "marts");
    std::filesystem::create_directories(root / "marts");
    const auto tables = store.lake->tables();
    for (const lake::LakeTable& table : *tables) {
      CHECK(store.lake->drop_table(table.name).has_value());
    }
    CHECK(db.script("truncate minato.source, minato.lake_table, minato.mart, minato.job, "
                    "minato.mart_run, minato.incident cascade")
              .has_value());
  }

  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root / file).parent_path());
    // As editors do: a reader sees the old file or the new one.
    std::ofstream(root / "new.tmp") << text;
    std::filesystem::rename(root / "new.tmp", root / file);
  }
  void remove(const std::string& file) { std::filesystem::remove(root / file); }

  void create(const TableName& table, const std::string& columns) {
    run("CREATE SCHEMA IF NOT EXISTS minato." + quote_identifier(table.schema));
    run("CREATE TABLE minato." + quote(table) + "(" + columns + ")");
    CHECK(state::put_lake_table(db, table, "test", 1, state::TableState::streaming).has_value());
  }
  /// Changes tables by SQL, as a commit of capture; returns its snapshot.
  std::int64_t change(const TableName& table, const std::string& sql) {
    run(sql);
    return arrived({table});
  }
  std::int64_t arrived(const std::vector<TableName>& tables) {
    const std::int64_t snapshot = store.lake->newest_snapshot().value();
    std::vector<state::Arrival> arrivals;
    for (const TableName& table : tables) arrivals.push_back({table, 0, false, {}});
    const Status status = pg::transaction(db, [&](pg::Connection& c) -> Status {
      TRY(state::arrive(c, snapshot, arrivals));
      TRY(c.query("select pg_notify('minato_commit', '" + std::to_string(snapshot) + "')"));
      return {};
    });
    CHECK(status.has_value());
    return snapshot;
  }
  void run(const std::string& sql) {
    const Status status = session.run(sql);
    if (!status) ADD_FAILURE() << sql << ": " << describe(status.error());
  }
  /// All rows as text, one line a row; "error: …" when it cannot be read.
  std::string rows(const std::string& sql) { return rows(session, sql); }
  static std::string rows(lake::Session& session, const std::string& sql) {
    const auto result = session.query(sql);
    if (!result) return "error: " + describe(result.error());
    std::string out;
    for (std::size_t row = 0; row < result->size(); ++row) {
      for (std::size_t column = 0; column < result->columns().size(); ++column) {
        out += (column == 0 ? "" : "|") + result->text(row, column);
      }
      out += "\n";
    }
    return out;
  }

  SchedulerOptions scheduler_options() const {
    SchedulerOptions options;
    options.conninfo = conninfo();
    options.platform = root;
    options.refresh_seconds = 1;
    options.poll = std::chrono::milliseconds(50);
    options.drop_after = std::chrono::seconds(1);
    return options;
  }
  WorkerOptions worker_options() const {
    WorkerOptions options;
    options.conninfo = conninfo();
    options.retry_min = std::chrono::seconds(1);
    return options;
  }

  std::optional<state::MartStatus> mart(const TableName& name) {
    const state::PlatformStatus all = state::platform_status(db).value();
    for (const state::MartStatus& mart : all.marts) {
      if (mart.mart.name == name) return mart;
    }
    return std::nullopt;
  }
  bool is(const TableName& name, state::MartState state) {
    const auto found = mart(name);
    return found && found->mart.state == state;
  }
  /// Built from everything that has arrived, nothing left to do.
  bool settled() {
    const auto behind = db.query(
        "select count(*) from minato.mart m, jsonb_array_elements(m.inputs) i join "
        "minato.lake_table t on t.schema_name = i ->> 0 and t.table_name = i ->> 1 "
        "where t.last_snapshot > coalesce(m.built_snapshot, 0)");
    if (behind.value().integer(0, 0) > 0) return false;
    const state::PlatformStatus all = state::platform_status(db).value();
    return !all.marts.empty() && std::ranges::all_of(all.marts, [](const state::MartStatus& m) {
      return m.mart.state == state::MartState::ok && m.mart.why.empty() &&
             m.mart.hash == m.mart.built_hash;
    });
  }

  lake::testing::PrivateLake store;
  pg::Connection db;
  lake::Session session;
  std::filesystem::path root;

 private:
  static std::unique_ptr<Platform>& instance() {
    static std::unique_ptr<Platform> one;
    return one;
  }
};

/// Waits for a condition; false after 20 s.
inline bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace minato::marts::testing
