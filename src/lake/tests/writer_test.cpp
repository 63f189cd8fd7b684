// The writer: what is written and committed is what a query sees, wholly or not at all.
#include "lake/writer.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <numeric>
#include <thread>

#include "base/failpoint.h"
#include "lake/tests/fixture.h"

namespace minato::lake {
namespace {

ColumnType type(TypeKind kind) { return ColumnType{kind}; }

class WriterTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { shared = new testing::PrivateLake; }
  static void TearDownTestSuite() {
    delete shared;
    shared = nullptr;
  }
  void TearDown() override { set_failpoints(""); }

  Lake& lake() { return *shared->lake; }

  /// One value, or the error's text.
  std::string ask(const std::string& sql) {
    Session session = shared->session();
    const auto rows = session.query(sql);
    if (!rows) return describe(rows.error());
    std::string out;
    for (std::size_t row = 0; row < rows->size(); ++row) {
      for (std::size_t column = 0; column < rows->columns().size(); ++column) {
        out += (column > 0 ? "," : row > 0 ? ";" : "") + rows->text(row, column);
      }
    }
    return out;
  }

  LakeTable make(const TableName& name, const std::vector<Column>& columns) {
    auto table = lake().upsert_table(name, columns, {});
    EXPECT_TRUE(table) << describe(table.error());
    return *table;
  }

  static RowBatch numbers(const LakeTable& table, std::int64_t from, std::int64_t to) {
    auto schema = std::make_shared<TableSchema>();
    schema->name = table.name;
    for (const LakeColumn& column : table.columns) schema->columns.push_back(column.column);
    RowBatch batch(schema);
    for (std::int64_t n = from; n < to; ++n) {
      batch.columns[0].append(n);
      if (n % 10 == 3) {
        batch.columns[1].append_null();
      } else {
        batch.columns[1].append_string("text number " + std::to_string(n), *batch.arena);
      }
    }
    return batch;
  }

  Result<Committed> commit(TableCommit table) {
    CommitRequest request;
    request.tables.push_back(std::move(table));
    request.message = "test";
    return lake().commit(request);
  }
  std::int64_t add(const LakeTable& table, std::int64_t from, std::int64_t to) {
    TableCommit change;
    change.table_id = table.table_id;
    change.add.push_back(lake().write_rows(table, numbers(table, from, to), {}).value());
    const auto done = commit(std::move(change));
    EXPECT_TRUE(done) << describe(done.error());
    return done->tables[0].data_file_ids[0];
  }

  std::vector<Column> two_columns{{"id", type(TypeKind::int64), false, ""},
                                  {"note", type(TypeKind::varchar), true, ""}};
  static testing::PrivateLake* shared;
};
testing::PrivateLake* WriterTest::shared = nullptr;

TEST_F(WriterTest, RowsAreSeenAfterTheCommit) {
  const LakeTable table = make({"shop", "rows"}, two_columns);
  const RowBatch batch = numbers(table, 0, 5000);
  std::vector<std::uint32_t> selection(2500);
  for (std::uint32_t n = 0; n < 2500; ++n) selection[n] = 4999 - 2 * n;
  TableCommit change;
  change.table_id = table.table_id;
  auto file = lake().write_rows(table, batch, selection);
  ASSERT_TRUE(file) << describe(file.error());
  EXPECT_EQ(file->record_count, 2500U);
  change.add.push_back(std::move(*file));
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.rows"), "0");
  const auto done = commit(std::move(change));
  ASSERT_TRUE(done) << describe(done.error());
  EXPECT_EQ(
      ask("SELECT count(*), count(note), min(id), max(id), sum(id), count(*) FILTER (note = 'text "
          "number ' || id) FROM minato.shop.rows"),
      "2500,2000,1,4999,6250000,2000");
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.rows WHERE id = 4711"), "1");
}

TEST_F(WriterTest, DeletesSupersedeOneAnother) {
  const LakeTable table = make({"shop", "deletes"}, two_columns);
  const std::int64_t file_id = add(table, 0, 100);
  std::vector<LiveFile> files = lake().live_files(table.table_id).value();
  ASSERT_EQ(files.size(), 1U);
  for (const std::vector<std::uint32_t>& positions :
       {std::vector<std::uint32_t>{3, 50}, std::vector<std::uint32_t>{0, 3, 50, 99}}) {
    TableCommit change;
    change.table_id = table.table_id;
    DeleteUpdate update;
    update.data_file_id = file_id;
    auto written = lake().write_deletes(table, files[0].path, positions);
    ASSERT_TRUE(written) << describe(written.error());
    update.file = *written;
    change.deletes.push_back(update);
    const auto done = commit(std::move(change));
    ASSERT_TRUE(done) << describe(done.error());
  }
  EXPECT_EQ(ask("SELECT count(*), min(id), max(id) FROM minato.shop.deletes"), "96,1,98");
  files = lake().live_files(table.table_id).value();
  ASSERT_TRUE(files[0].deletes);
  EXPECT_EQ(lake().read_deletes(*files[0].deletes).value(),
            (std::vector<std::uint32_t>{0, 3, 50, 99}));
  // Fewer positions than before would bring rows back to life.
  TableCommit change;
  change.table_id = table.table_id;
  DeleteUpdate update;
  update.data_file_id = file_id;
  update.file = lake().write_deletes(table, files[0].path, std::vector<std::uint32_t>{1}).value();
  change.deletes.push_back(update);
  const auto refused = commit(std::move(change));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::conflict);
}

TEST_F(WriterTest, AFileWithDeletesInTheSameCommitAndTheEndOfFiles) {
  const LakeTable table = make({"shop", "tail"}, two_columns);
  const std::int64_t old = add(table, 0, 10);
  TableCommit change;
  change.table_id = table.table_id;
  change.add.push_back(lake().write_rows(table, numbers(table, 10, 20), {}).value());
  DeleteUpdate update;
  update.file =
      lake().write_deletes(table, change.add[0].path, std::vector<std::uint32_t>{0}).value();
  change.deletes.push_back(update);
  change.end_files.push_back(old);
  ASSERT_TRUE(commit(std::move(change)));
  EXPECT_EQ(ask("SELECT count(*), min(id), max(id) FROM minato.shop.tail"), "9,11,19");
  TableCommit again;
  again.table_id = table.table_id;
  again.end_files.push_back(old);
  const auto refused = commit(std::move(again));
  ASSERT_FALSE(refused) << "the file had ended before";
  EXPECT_EQ(refused.error().code, Code::conflict);
  TableCommit replacement;
  replacement.table_id = table.table_id;
  replacement.replace_all = true;
  replacement.add.push_back(lake().write_rows(table, numbers(table, 70, 75), {}).value());
  ASSERT_TRUE(commit(std::move(replacement)));
  EXPECT_EQ(ask("SELECT count(*), min(id), max(id) FROM minato.shop.tail"), "5,70,74");
  TableCommit truncation;
  truncation.table_id = table.table_id;
  truncation.replace_all = true;
  ASSERT_TRUE(commit(std::move(truncation)));
  EXPECT_EQ(ask("SELECT count(*), min(id), max(id) FROM minato.shop.tail"), "0,,");
}

TEST_F(WriterTest, OurRowsAndTheLakesAreOneTransaction) {
  const LakeTable table = make({"shop", "atomic"}, two_columns);
  auto connection = shared->connect();
  ASSERT_TRUE(connection.script("create table if not exists notes(snapshot bigint)"));
  CommitRequest request;
  request.tables.push_back({table.table_id, {}, {}, {}, false, 0, false});
  request.tables[0].add.push_back(lake().write_rows(table, numbers(table, 0, 10), {}).value());
  request.with = [](pg::Connection& c, const Committed& made) -> Status {
    TRY(c.query("insert into notes values ($1)", {std::to_string(made.snapshot_id)}));
    return fail(Code::invalid, "no");
  };
  EXPECT_EQ(lake().commit(request).error().message, "no");
  EXPECT_EQ(connection.query("select count(*) from notes")->integer(0, 0), 0);
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.atomic"), "0");
  request.with = [](pg::Connection& c, const Committed& made) -> Status {
    TRY(c.query("insert into notes values ($1)", {std::to_string(made.snapshot_id)}));
    return {};
  };
  const auto done = lake().commit(request);
  ASSERT_TRUE(done) << describe(done.error());
  EXPECT_EQ(connection.query("select max(snapshot) from notes")->integer(0, 0), done->snapshot_id);
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.atomic"), "10");
}

TEST_F(WriterTest, ALostAnswerIsFoundOut) {
  const LakeTable table = make({"shop", "doubt"}, two_columns);
  set_failpoints("lake.answer_lost=error");
  add(table, 0, 10);
  set_failpoints("");
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.doubt"), "10");
  add(table, 10, 20);
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.doubt"), "20");
}

TEST_F(WriterTest, AnErrorAtAnyBoundaryLeavesNothingVisible) {
  const LakeTable table = make({"shop", "boundaries"}, two_columns);
  for (const char* point : {"lake.before_sync", "lake.before_begin", "lake.before_commit"}) {
    TableCommit change;
    change.table_id = table.table_id;
    change.add.push_back(lake().write_rows(table, numbers(table, 0, 10), {}).value());
    const std::string path = change.add[0].path;
    ASSERT_TRUE(std::filesystem::exists(path));
    set_failpoints(std::string(point) + "=error");
    EXPECT_FALSE(commit(std::move(change))) << point;
    set_failpoints("");
    EXPECT_FALSE(std::filesystem::exists(path)) << point;
    EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.boundaries"), "0") << point;
  }
}

TEST_F(WriterTest, FilesOfACommitInDoubtStay) {
  const LakeTable table = make({"shop", "in_doubt"}, two_columns);
  TableCommit change;
  change.table_id = table.table_id;
  change.add.push_back(lake().write_rows(table, numbers(table, 0, 10), {}).value());
  change.deletes.resize(1);
  change.deletes[0].file = lake().write_deletes(table, change.add[0].path, std::array{2U}).value();
  set_failpoints("lake.after_commit=error");
  EXPECT_EQ(commit(std::move(change)).error().code, Code::in_doubt);
  set_failpoints("");
  EXPECT_EQ(ask("SELECT count(*) FROM minato.shop.in_doubt"), "9");
}

TEST_F(WriterTest, FilesThatNobodyHoldsGo) {
  const LakeTable table = make({"shop", "held"}, two_columns);
  auto rows = lake().write_rows(table, numbers(table, 0, 10), {});
  auto deletes = lake().write_deletes(table, rows->path, std::array{2U});
  const std::vector<std::string> paths{rows->path, deletes->path};
  auto copy = *rows;
  rows->hold.reset();
  for (const std::string& path : paths) EXPECT_TRUE(std::filesystem::exists(path));
  copy.hold.reset();
  deletes->hold.reset();
  for (const std::string& path : paths) EXPECT_FALSE(std::filesystem::exists(path));
  set_failpoints("lake.file_written=error");
  EXPECT_FALSE(lake().write_rows(table, numbers(table, 0, 10), {}));
  EXPECT_TRUE(std::filesystem::is_empty(table.path)) << "a file whose writing failed";
}

TEST_F(WriterTest, CommitsAndTheExtensionsCommitsDoNotLoseOneAnother) {
  const LakeTable table = make({"shop", "mixed"}, two_columns);
  std::jthread extension([&] {
    Session session = shared->session();
    for (int n = 0; n < 20; ++n) {
      const auto done =
          session.query("INSERT INTO minato.shop.mixed VALUES (1, 'by the extension')");
      EXPECT_TRUE(done) << describe(done.error());
    }
  });
  std::vector<std::jthread> ours;
  for (int thread = 0; thread < 2; ++thread) {
    ours.emplace_back([&] {
      for (int n = 0; n < 30; ++n) add(table, 10, 12);
    });
  }
  ours.clear();
  extension.join();
  EXPECT_EQ(ask("SELECT count(*), sum(id) FROM minato.shop.mixed"), "140,1280");
}

TEST_F(WriterTest, ScansFindColumnsByTheirIds) {
  LakeTable table = make({"shop", "scans"}, {{"id", type(TypeKind::int32), true, ""},
                                             {"note", type(TypeKind::varchar), true, ""}});
  Session session = shared->session();
  ASSERT_TRUE(
      session.query("INSERT INTO minato.shop.scans SELECT i, 'n' || i FROM range(3000) t(i)"));
  auto altered = lake().upsert_table({"shop", "scans"},
                                     {{"key", type(TypeKind::int64), true, ""},
                                      {"note", type(TypeKind::varchar), true, ""},
                                      {"extra", {TypeKind::decimal, 9, 2}, true, ""}},
                                     {{"id", "key"}});
  ASSERT_TRUE(altered) << describe(altered.error());
  table = *altered;
  ASSERT_TRUE(session.query("INSERT INTO minato.shop.scans VALUES (7000000000, 'x', 1.25)"));
  ASSERT_TRUE(session.query("DELETE FROM minato.shop.scans WHERE key IN (5, 2500)"));
  std::vector<std::int64_t> ids;
  for (const LakeColumn& column : table.columns) ids.push_back(column.column_id);
  std::int64_t rows = 0;
  std::int64_t sum = 0;
  std::int64_t extras = 0;
  const Status status =
      lake().scan(table, ids, [&](const LiveFile& file, auto positions, Lake::Columns columns) {
        EXPECT_EQ(positions.size(), columns[0].size);
        for (std::size_t row = 0; row < positions.size(); ++row) {
          ++rows;
          const auto key = columns[0].get<std::int64_t>(row);
          sum += key;
          if (file.record_count == 3000) {
            EXPECT_EQ(key, positions[row]);
            EXPECT_EQ(columns[1].string(row), "n" + std::to_string(key));
            EXPECT_TRUE(columns[2].is_null(row));
          } else {
            extras += columns[2].get<std::int32_t>(row);
          }
        }
        return Status();
      });
  ASSERT_TRUE(status) << describe(status.error());
  EXPECT_EQ(rows, 2999);
  EXPECT_EQ(sum, 2999 * 3000 / 2 - 2505 + 7000000000);
  EXPECT_EQ(extras, 125);
}

TEST_F(WriterTest, TablesFollowTheirSource) {
  make({"shop", "ddl"}, two_columns);
  auto table = lake().upsert_table({"shop", "ddl"},
                                   {{"id", type(TypeKind::int64), true, ""},
                                    {"remark", type(TypeKind::varchar), true, ""},
                                    {"日本 \"語\"", type(TypeKind::timestamptz), true, ""}},
                                   {{"note", "remark"}});
  ASSERT_TRUE(table) << describe(table.error());
  ASSERT_EQ(table->columns.size(), 3U);
  EXPECT_EQ(table->columns[1].column.name, "remark");
  EXPECT_EQ(table->columns[1].column_id, 2);
  const auto refused =
      lake().upsert_table({"shop", "ddl"}, {{"id", type(TypeKind::varchar), true, ""}}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unsupported);
  Session session = shared->session();
  ASSERT_TRUE(lake().drop_table({"shop", "ddl"}));
  ASSERT_TRUE(lake().drop_table({"shop", "ddl"})) << "twice is once";
  EXPECT_FALSE(lake().find_table({"shop", "ddl"})->has_value());
}

TEST_F(WriterTest, AQueryBecomesFiles) {
  Session session = shared->session();
  const std::string select =
      "SELECT i AS a, sum(i) OVER () AS total, [i] AS list, CASE WHEN i = 1 THEN NULL ELSE 'x' || "
      "i END AS \"b c\" "
      "FROM range(3) t(i) ORDER BY i";
  auto columns = Lake::columns_of(session, select);
  ASSERT_TRUE(columns) << describe(columns.error());
  EXPECT_EQ(sql_name((*columns)[1].type), "DECIMAL(38,0)");
  const LakeTable table = make({"mart", "query"}, *columns);
  auto files = lake().write_query(table, session, select + " -- comment");
  ASSERT_TRUE(files) << describe(files.error());
  TableCommit change;
  change.table_id = table.table_id;
  change.replace_all = true;
  change.add = *files;
  ASSERT_TRUE(commit(std::move(change)));
  EXPECT_EQ(ask("FROM minato.mart.query"), "0,3,[0],x0;1,3,[1],;2,3,[2],x2");
  auto none = lake().write_query(table, session, select + " LIMIT 0");
  ASSERT_TRUE(none) << describe(none.error());
  EXPECT_TRUE(none->empty());
}

}  // namespace
}  // namespace minato::lake
