// Maintenance: contents stay equal, the lake gets small, and nothing is removed that somebody may
// still need.
#include "lake/maintenance.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/failpoint.h"
#include "lake/tests/fixture.h"

namespace minato::lake {
namespace {

using std::chrono::seconds;

class MaintenanceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Session session = shared.session();
    ASSERT_TRUE(session.query("CREATE SCHEMA minato.shop"));
    ASSERT_TRUE(session.query("CREATE TABLE minato.shop.t (id BIGINT, note VARCHAR)"));
    table = **shared.lake->find_table({"shop", "t"});
    options.retention = seconds(0);
    options.file_guard = seconds(0);
  }
  void TearDown() override { set_failpoints(""); }

  void insert(int from, int to) {
    Session session = shared.session();
    const auto done =
        session.query("INSERT INTO minato.shop.t (id, note) SELECT i, 'n' || i FROM range(" +
                      std::to_string(from) + ", " + std::to_string(to) + ") t(i)");
    ASSERT_TRUE(done) << describe(done.error());
  }
  std::string ask(const std::string& sql) {
    Session session = shared.session();
    const auto rows = session.query(sql);
    if (!rows) return describe(rows.error());
    std::string out;
    for (std::size_t column = 0; column < rows->columns().size(); ++column) {
      out += (column > 0 ? "," : "") + rows->text(0, column);
    }
    return out;
  }
  std::string contents() {
    return ask(
        "SELECT count(*), sum(id), count(DISTINCT note), bool_and(note = 'n' || id) FROM "
        "minato.shop.t");
  }
  std::size_t files_on_disk() {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(shared.options.lake.data_path)) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }
  std::int64_t count(const std::string& what) {
    auto connection = shared.connect();
    return connection.query("select count(*) from ducklake.ducklake_" + what)->integer(0, 0);
  }
  /// A file of row 1 that is not committed.
  Result<DataFile> write_one_row() {
    auto schema = std::make_shared<TableSchema>();
    schema->columns = {table.columns[0].column, table.columns[1].column};
    RowBatch batch(schema);
    batch.columns[0].append<std::int64_t>(1);
    batch.columns[1].append_string("n1", *batch.arena);
    return shared.lake->write_rows(table, batch, {});
  }
  Maintenance maintenance() {
    return Maintenance(*shared.lake, options,
                       [this](const TableName&, const CompactionSlice& work) {
                         ++lanes;
                         return work();
                       });
  }

  testing::PrivateLake shared;
  LakeTable table;
  MaintenanceOptions options;
  int lanes = 0;
};

TEST_F(MaintenanceTest, CompactsExpiresAndCleans) {
  for (int n = 0; n < 20; ++n) insert(n * 100, n * 100 + 100);
  Session session = shared.session();
  ASSERT_TRUE(session.query("DELETE FROM minato.shop.t WHERE id % 7 = 0"));
  ASSERT_TRUE(session.query("ALTER TABLE minato.shop.t ADD COLUMN extra INTEGER"));
  ASSERT_TRUE(session.query("ALTER TABLE minato.shop.t ADD COLUMN word VARCHAR DEFAULT 'w'"));
  insert(5000, 5000);
  const std::string before = contents();
  auto work = maintenance();
  auto report = work.run();
  ASSERT_TRUE(report) << describe(report.error());
  EXPECT_EQ(report->tables_compacted, 1U);
  EXPECT_EQ(report->files_in, 20U);
  EXPECT_GE(lanes, 1);
  EXPECT_EQ(contents(), before);
  EXPECT_EQ(shared.lake->live_files(table.table_id)->size(), 1U);
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.t WHERE extra IS NULL AND word = 'w'"),
            before.substr(0, before.find(',')));
  report = work.run();  // what the compaction ended
  ASSERT_TRUE(report) << describe(report.error());
  EXPECT_EQ(contents(), before);
  EXPECT_EQ(files_on_disk(), 1U);
  EXPECT_EQ(count("snapshot"), 1);
  EXPECT_EQ(count("snapshot_changes"), 1);
  EXPECT_EQ(count("data_file"), 1);
  EXPECT_EQ(count("delete_file"), 0);
  EXPECT_EQ(count("file_column_stats"), 4);
  EXPECT_EQ(count("files_scheduled_for_deletion"), 0);
  insert(9000, 9010);
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.t WHERE id >= 9000"), "10");
}

TEST_F(MaintenanceTest, FilesOfVeryWideRowsAreNotMergedBeyondMemory) {
  Session session = shared.session();
  const auto wide = [&](int from, int rows) {
    ASSERT_TRUE(
        session.query("INSERT INTO minato.shop.t SELECT i, repeat('n' || i, 6000) FROM "
                      "range(" +
                      std::to_string(from) + ", " + std::to_string(from + rows) + ") t(i)"));
  };
  for (int n = 0; n < 9; ++n) wide(10'000 + n * 1000, 1000);  // 36 MB before compression
  for (int n = 0; n < 9; ++n) wide(50'000 + n * 10, 10);
  const std::string before = ask("SELECT count(*), sum(hash(id, note)) FROM minato.shop.t");
  auto work = maintenance();
  MaintenanceReport report;
  ASSERT_TRUE(work.compact(report));
  EXPECT_EQ(report.files_in, 9U);  // the small ones
  EXPECT_EQ(shared.lake->live_files(table.table_id)->size(), 10U);
  EXPECT_EQ(ask("SELECT count(*), sum(hash(id, note)) FROM minato.shop.t"), before);
  // Nor are they tried again and again; but worn ones are rewritten, each by itself.
  report = {};
  ASSERT_TRUE(session.query("DELETE FROM minato.shop.t WHERE id < 12000 AND id % 2 = 0"));
  ASSERT_TRUE(work.compact(report));
  EXPECT_EQ(report.files_in, 2U);
  EXPECT_EQ(report.files_out, 2U);
}

TEST_F(MaintenanceTest, AFileWhoseRowsAreAllDeletedEnds) {
  insert(0, 10);
  ASSERT_TRUE(shared.session().query("DELETE FROM minato.shop.t WHERE id < 9"));
  auto work = maintenance();
  ASSERT_TRUE(work.run());
  EXPECT_EQ(ask("SELECT count(*), sum(id) FROM minato.shop.t"), "1,9");
}

TEST_F(MaintenanceTest, AReadersSnapshotStaysReadable) {
  insert(0, 100);
  Session reader = shared.session();
  ASSERT_TRUE(reader.query("BEGIN"));
  ASSERT_EQ(reader.query("SELECT count(*) FROM minato.shop.t")->text(0, 0), "100");
  for (int n = 1; n < 10; ++n) insert(n * 100, n * 100 + 100);
  ASSERT_TRUE(shared.session().query("DELETE FROM minato.shop.t WHERE id < 50"));
  options.file_guard = seconds(3600);
  auto work = maintenance();
  for (int n = 0; n < 2; ++n) ASSERT_TRUE(work.run());
  EXPECT_EQ(reader.query("SELECT sum(id) FROM minato.shop.t")->text(0, 0), "4950");
  ASSERT_TRUE(reader.query("COMMIT"));
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.t"), "950");
}

TEST_F(MaintenanceTest, AHeldSnapshotDoesNotExpire) {
  insert(0, 10);
  const std::int64_t held = *shared.lake->newest_snapshot();
  insert(10, 20);
  insert(20, 30);
  options.oldest_reader = [&]() -> Result<std::optional<std::int64_t>> { return held; };
  auto work = maintenance();
  ASSERT_TRUE(work.run());
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.t AT (VERSION => " + std::to_string(held) + ")"),
            "10");
}

TEST_F(MaintenanceTest, CompactsInEachRoundAndCleansNowAndThen) {
  options.clean_every = std::chrono::hours(1);
  auto work = maintenance();
  ASSERT_TRUE(work.run());  // cleans
  for (int n = 0; n < 5; ++n) insert(n * 10, n * 10 + 10);
  const std::int64_t snapshots = count("snapshot");
  const auto report = work.run();
  ASSERT_TRUE(report) << describe(report.error());
  EXPECT_EQ(report->files_out, 1U);
  EXPECT_EQ(report->snapshots_expired, 0U);
  EXPECT_EQ(count("snapshot"), snapshots + 1);
}

TEST_F(MaintenanceTest, AnOpenWritesFileIsNoOrphan) {
  auto file = write_one_row();
  ASSERT_TRUE(file);
  const std::string orphan = table.path + "minato-orphan.parquet";
  std::filesystem::copy_file(file->path, orphan);
  const std::string young = table.path + "minato-young.parquet";
  std::filesystem::copy_file(file->path, young);
  options.file_guard = seconds(3600);
  for (const std::string& path : {file->path, orphan}) {
    std::filesystem::last_write_time(path,
                                     std::filesystem::file_time_type::clock::now() - seconds(7200));
  }
  auto work = maintenance();
  auto report = work.run();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->orphans_removed, 1U);
  EXPECT_FALSE(std::filesystem::exists(orphan));
  EXPECT_TRUE(std::filesystem::exists(young));
  CommitRequest request;
  request.tables.resize(1);
  request.tables[0].table_id = table.table_id;
  request.tables[0].add.push_back(*file);
  ASSERT_TRUE(shared.lake->commit(request));
  EXPECT_EQ(contents(), "1,1,1,true");
}

TEST_F(MaintenanceTest, ACommitWhoseFileIsGoneFails) {
  auto file = write_one_row();
  std::filesystem::remove(file->path);
  CommitRequest request;
  request.tables.resize(1);
  request.tables[0].table_id = table.table_id;
  request.tables[0].add.push_back(*file);
  EXPECT_EQ(shared.lake->commit(request).error().code, Code::unavailable);
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.t"), "0");
}

TEST_F(MaintenanceTest, ACompactionInDoubtRemovesNothing) {
  for (int n = 0; n < 20; ++n) insert(n * 100, n * 100 + 100);
  const std::string before = contents();
  set_failpoints("lake.after_commit=error");
  auto work = maintenance();
  MaintenanceReport report;
  const Status status = work.compact(report);
  set_failpoints("");
  EXPECT_EQ(count("data_file where end_snapshot is null"), 1) << "it did happen";
  EXPECT_EQ(contents(), before) << (status ? "" : describe(status.error()));
}

TEST_F(MaintenanceTest, ACompactionThatComesSecondGivesUp) {
  for (int n = 0; n < 10; ++n) insert(n * 100, n * 100 + 100);
  auto compaction = Maintenance(*shared.lake, options, [](const TableName&, const auto& work) {
    // The administrator's DELETE between choosing and committing is not possible here, so it comes
    // before the commit through the failpoint's place: a writer without a lane, in another session.
    return work();
  });
  MaintenanceReport report;
  Session session = shared.session();
  ASSERT_TRUE(session.query("BEGIN"));
  ASSERT_TRUE(session.query("DELETE FROM minato.shop.t WHERE id = 5"));
  ASSERT_TRUE(compaction.compact(report));
  const auto late = session.query("COMMIT");
  EXPECT_FALSE(late) << "the delete refers to a file that ended: it must not be lost silently";
  EXPECT_EQ(contents(), "1000,499500,1000,true");
}

/// Files of the table that a query of `role` finds in the catalogue.
std::int64_t files_shown(pg::Connection& connection, const std::string& role) {
  CHECK(connection.script("set role " + role));
  const auto rows = connection.query(
      "select (select count(*) from ducklake.ducklake_data_file) + "
      "(select count(*) from ducklake.ducklake_delete_file)");
  CHECK(rows && connection.script("reset role"));
  return rows->integer(0, 0);
}

// Each commit ends the table's file and adds one with as many rows. A reader that saw the snapshot
// of one moment and the files of another would find none, or both.
TEST_F(MaintenanceTest, AReaderIsShownNoEndedFiles) {
  insert(0, 1);
  auto connection = shared.connect();
  ASSERT_TRUE(
      connection.script("drop role if exists reader; create role reader login;"
                        "grant usage on schema ducklake to reader;"
                        "grant select on all tables in schema ducklake to reader"));
  const auto replace = [&]() -> Status {
    CommitRequest request;
    request.tables.resize(1);
    request.tables[0].table_id = table.table_id;
    request.tables[0].replace_all = true;
    TRY_ASSIGN(DataFile file, write_one_row());
    request.tables[0].add.push_back(std::move(file));
    TRY(shared.lake->commit(request));
    return {};
  };
  for (int n = 0; n < 100; ++n) ASSERT_TRUE(replace());  // some pages of the catalogue's tables
  ASSERT_TRUE(connection.script("analyze ducklake.ducklake_data_file"));
  for (int n = 0; n < 2; ++n) ASSERT_TRUE(shared.lake->hide_ended_files("reader"));
  Engine engine = testing::open_engine();
  LakeOptions as_reader = shared.options.lake;
  as_reader.read_only = true;
  as_reader.catalog_conninfo += " user=reader";
  ASSERT_TRUE(attach_lake(engine, as_reader));
  Session reader = engine.connect().value();
  // Several connections read the catalogue's tables, page by page.
  ASSERT_TRUE(reader.query("SET GLOBAL pg_pages_per_task = 1"));
  ASSERT_TRUE(reader.query("SET GLOBAL pg_connection_limit = 8"));
  Session old = engine.connect().value();
  ASSERT_TRUE(old.query("BEGIN"));
  ASSERT_EQ(old.query("SELECT sum(id) FROM minato.shop.t")->text(0, 0), "1");
  for (int n = 0; n < 20; ++n) ASSERT_TRUE(replace());
  ASSERT_EQ(old.query("SELECT sum(id) FROM minato.shop.t")->text(0, 0), "1") << "not its moment";
  ASSERT_TRUE(old.query("COMMIT"));
  std::jthread writer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) ASSERT_TRUE(replace());
  });
  for (int n = 0; n < 300; ++n) {
    const auto seen = reader.query("SELECT count(*), sum(id) FROM minato.shop.t");
    ASSERT_TRUE(seen) << describe(seen.error());
    ASSERT_EQ(seen->text(0, 0) + "," + seen->text(0, 1), "1,1") << n;
  }
  writer.request_stop();
  writer.join();
  EXPECT_EQ(files_shown(connection, "reader"), 1);
  EXPECT_GT(files_shown(connection, "minato_owner"), 50);
}

TEST_F(MaintenanceTest, DroppedTablesLeaveNothing) {
  insert(0, 10);
  ASSERT_TRUE(shared.lake->drop_table({"shop", "t"}));
  auto work = maintenance();
  for (int n = 0; n < 2; ++n) ASSERT_TRUE(work.run());
  EXPECT_EQ(count("table"), 0);
  EXPECT_EQ(count("column"), 0);
  EXPECT_EQ(count("table_stats"), 0);
  EXPECT_EQ(files_on_disk(), 0U);
}

}  // namespace
}  // namespace minato::lake
