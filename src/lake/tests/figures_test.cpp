// Not a test: what the writer's steps take, best of several rounds. Run with
//   lake_test --gtest_also_run_disabled_tests --gtest_filter='*Figures*'
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <functional>

#include "lake/maintenance.h"
#include "lake/tests/fixture.h"
#include "lake/writer.h"

namespace minato::lake {
namespace {

using std::chrono::steady_clock;

double cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

/// Milliseconds: the best and the median of `rounds`, and the least CPU time of this process.
void measure(const std::string& what, int rounds, const std::function<void(int)>& step) {
  std::vector<double> took;
  double cpu = 1e9;
  for (int n = 0; n < rounds; ++n) {
    const auto begun = steady_clock::now();
    const double before = cpu_ms();
    step(n);
    cpu = std::min(cpu, cpu_ms() - before);
    took.push_back(std::chrono::duration<double, std::milli>(steady_clock::now() - begun).count());
  }
  std::ranges::sort(took);
  fmt::print("{:<48} best {:8.2f} ms  median {:8.2f} ms  cpu {:8.2f} ms\n", what, took.front(),
             took[took.size() / 2], cpu);
}

std::vector<Column> eight_columns() {
  return {
      {"id", {TypeKind::int64}, false, ""},     {"customer", {TypeKind::int32}, true, ""},
      {"state", {TypeKind::varchar}, true, ""}, {"amount", {TypeKind::decimal, 12, 2}, true, ""},
      {"note", {TypeKind::varchar}, true, ""},  {"created", {TypeKind::timestamp}, true, ""},
      {"day", {TypeKind::date}, true, ""},      {"score", {TypeKind::float64}, true, ""}};
}

RowBatch rows(int count) {
  auto schema = std::make_shared<TableSchema>();
  schema->columns = eight_columns();
  RowBatch batch(schema);
  static const char* states[] = {"new", "paid", "sent", "returned"};
  for (int n = 0; n < count; ++n) {
    batch.columns[0].append<std::int64_t>(n);
    batch.columns[1].append<std::int32_t>(n * 7919 % 10007);
    batch.columns[2].append_string(states[n % 4], *batch.arena);
    batch.columns[3].append<std::int64_t>(n % 100000);
    batch.columns[4].append_string("a note of some length, number " + std::to_string(n),
                                   *batch.arena);
    batch.columns[5].append<std::int64_t>(1'700'000'000'000'000 + n * 1000LL);
    batch.columns[6].append<std::int32_t>(19000 + n % 365);
    batch.columns[7].append<double>(n * 0.37);
  }
  return batch;
}

TEST(DISABLED_Figures, Writer) {
  testing::PrivateLake shared;
  Lake& lake = *shared.lake;
  std::vector<LakeTable> tables;
  for (int n = 0; n < 20; ++n) {
    tables.push_back(
        lake.upsert_table({"shop", "t" + std::to_string(n)}, eight_columns(), {}).value());
  }
  const RowBatch large = rows(100'000);
  const RowBatch small = rows(100);
  measure("write_rows, 100 rows x 8 columns", 30,
          [&](int) { ASSERT_TRUE(lake.write_rows(tables[0], small, {})); });
  measure("write_rows, 100,000 rows x 8 columns", 10,
          [&](int) { ASSERT_TRUE(lake.write_rows(tables[0], large, {})); });
  std::vector<std::uint32_t> odd;
  for (std::uint32_t n = 1; n < 100'000; n += 2) odd.push_back(n);
  measure("write_rows, 50,000 selected rows x 8 columns", 10,
          [&](int) { ASSERT_TRUE(lake.write_rows(tables[0], large, odd)); });
  measure("write_deletes, 50,000 positions", 10, [&](int) {
    ASSERT_TRUE(lake.write_deletes(tables[0], tables[0].path + "x.parquet", odd));
  });
  measure("write_deletes, 10 positions", 30, [&](int) {
    ASSERT_TRUE(
        lake.write_deletes(tables[0], tables[0].path + "x.parquet", std::span(odd).first(10)));
  });
  const auto commit = [&](std::size_t count, std::vector<std::vector<std::int64_t>>& ends) {
    CommitRequest request;
    for (std::size_t n = 0; n < count; ++n) {
      TableCommit change;
      change.table_id = tables[n].table_id;
      change.add.push_back(lake.write_rows(tables[n], small, {}).value());
      change.end_files = ends[n];
      request.tables.push_back(std::move(change));
    }
    return request;
  };
  std::vector<std::vector<std::int64_t>> ends(20);
  for (const std::size_t count : {std::size_t{1}, std::size_t{5}, std::size_t{20}}) {
    std::vector<CommitRequest> requests;
    // Each commit replaces the tail's file of the one before; the first commits of a connection
    // prepare.
    std::vector<double> took;
    for (int round = 0; round < 30; ++round) {
      const CommitRequest request = commit(count, ends);
      const auto begun = steady_clock::now();
      const auto done = lake.commit(request);
      took.push_back(
          std::chrono::duration<double, std::milli>(steady_clock::now() - begun).count());
      ASSERT_TRUE(done) << describe(done.error());
      for (std::size_t n = 0; n < count; ++n) ends[n] = done->tables[n].data_file_ids;
    }
    std::ranges::sort(took);
    fmt::print("{:<48} best {:8.2f} ms  median {:8.2f} ms\n",
               "commit of " + std::to_string(count) + " tables (1 file added, 1 ended)",
               took.front(), took[took.size() / 2]);
  }
  Session session = shared.session();
  ASSERT_TRUE(
      session.query("INSERT INTO minato.shop.t19 SELECT i, i, 'x', 1, 'note ' || i, NULL, NULL, i "
                    "FROM range(1000000) t(i)"));
  const LiveFile file = lake.live_files(tables[19].table_id)->back();
  measure("scan_file, key column of 1,000,000 rows", 10, [&](int) {
    std::int64_t sum = 0;
    ASSERT_TRUE(lake.scan_file(tables[19], file.path, {1}, [&](Lake::Columns columns) {
      for (std::size_t row = 0; row < columns[0].size; ++row)
        sum += columns[0].get<std::int64_t>(row);
      return Status();
    }));
    ASSERT_EQ(sum, 499999500000);
  });
}

/// Reach: 1.3 × of the same rows freshly written.
TEST(DISABLED_Figures, ScanAfterManyCommits) {
  testing::PrivateLake shared;
  Lake& lake = *shared.lake;
  Session session = shared.session();
  const LakeTable worn = lake.upsert_table({"shop", "worn"}, eight_columns(), {}).value();
  const LakeTable fresh = lake.upsert_table({"shop", "fresh"}, eight_columns(), {}).value();
  MaintenanceOptions options;
  options.retention = std::chrono::seconds(0);
  options.file_guard = std::chrono::seconds(0);
  Maintenance maintenance(lake, options,
                          [](const TableName&, const CompactionSlice& work) { return work(); });
  const RowBatch piece = rows(4000);
  for (int n = 0; n < 200; ++n) {
    CommitRequest request;
    request.tables.resize(1);
    request.tables[0].table_id = worn.table_id;
    request.tables[0].add.push_back(lake.write_rows(worn, piece, {}).value());
    DeleteUpdate update;
    update.file = lake.write_deletes(worn, request.tables[0].add[0].path,
                                     std::vector<std::uint32_t>{1, 50, 2000})
                      .value();
    request.tables[0].deletes.push_back(update);
    ASSERT_TRUE(lake.commit(request));
    if (n % 20 == 19) {
      const auto report = maintenance.run();
      ASSERT_TRUE(report) << describe(report.error());
    }
  }
  CommitRequest request;
  request.tables.resize(1);
  request.tables[0].table_id = fresh.table_id;
  request.tables[0].add = lake.write_query(fresh, session, "FROM minato.shop.worn").value();
  ASSERT_TRUE(lake.commit(request));
  fmt::print("{} live files\n", lake.live_files(worn.table_id)->size());
  for (const char* name : {"worn", "fresh"}) {
    measure(std::string("sum over ") + name, 15, [&](int) {
      ASSERT_TRUE(session.query(
          std::string("SELECT sum(id), sum(amount), max(created), count(DISTINCT state) "
                      "FROM minato.shop.") +
          name));
    });
  }
}

}  // namespace
}  // namespace minato::lake
