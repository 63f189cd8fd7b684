// Goal: what a first read yields is in the files, each row once, and an end halfway leaves no file.
// Method: batches of several tables and widths into a real lake's directory; the files are read
// back.
#include "ingest/apply/snapshot_writer.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/testing/private_postgres.h"

namespace minato::ingest {
namespace {

class SnapshotWriterTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { postgres_ = new minato::testing::PrivatePostgres(); }
  static void TearDownTestSuite() {
    delete postgres_;
    postgres_ = nullptr;
  }

  void SetUp() override {
    char directory[] = "/tmp/minato-snapshot-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    data_ = directory;
    auto admin = pg::Connection::open(postgres_->conninfo());
    ASSERT_TRUE(admin);
    ASSERT_TRUE(admin->script("drop schema if exists ducklake cascade; create schema ducklake"));
    lake::EngineOptions engine;
    engine.extension_dir = MINATO_EXTENSION_DIR;
    engine.threads = 1;
    engine_ = std::make_unique<lake::Engine>(lake::Engine::open(engine).value());
    lake::WriterOptions writer;
    writer.lake.catalog_conninfo = postgres_->conninfo();
    writer.lake.data_path = data_;
    ASSERT_TRUE(lake::attach_lake(*engine_, writer.lake));
    lake_ = lake::Lake::open(*engine_, writer).value();
  }
  void TearDown() override {
    lake_.reset();
    engine_.reset();
    std::filesystem::remove_all(data_);
  }

  lake::LakeTable table(const std::string& name) {
    const std::vector<Column> columns = {{"id", {TypeKind::int64}}, {"name", {TypeKind::varchar}}};
    auto made = lake_->upsert_table({"shop", name}, columns, {});
    EXPECT_TRUE(made) << describe(made.error());
    auto shape = std::make_shared<TableSchema>();
    shape->name = {"shop", name};
    shape->columns = columns;
    shapes_[name] = shape;
    return *made;
  }
  /// Rows `first` …, each with a text of `width` bytes.
  RowBatch rows(const std::string& name, std::int64_t first, int count, std::size_t width) {
    RowBatch batch(shapes_.at(name));
    for (int n = 0; n < count; ++n) {
      batch.columns[0].append(first + n);
      batch.columns[1].append_string(std::string(width, 'x'), *batch.arena);
    }
    return batch;
  }
  int files() const {
    int found = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data_)) {
      found += entry.is_regular_file() ? 1 : 0;
    }
    return found;
  }

  static inline minato::testing::PrivatePostgres* postgres_ = nullptr;
  std::string data_;
  std::unique_ptr<lake::Engine> engine_;
  std::unique_ptr<lake::Lake> lake_;
  std::map<std::string, TableSchemaPtr> shapes_;
};

TEST_F(SnapshotWriterTest, rows_of_all_tables_are_in_few_files) {
  const lake::LakeTable a = table("a");
  SnapshotWriter writer(*lake_);
  writer.open(a);
  writer.open(table("b"));
  writer.open(table("none"));
  for (int n = 0; n < 40; ++n) ASSERT_TRUE(writer.put(rows("a", n * 5000, 5000, 20)));
  ASSERT_TRUE(writer.put(rows("a", 200'000, 3, 20)));
  // Wide rows get a file, and row groups, of their own.
  for (int n = 0; n < 3; ++n) ASSERT_TRUE(writer.put(rows("a", 200'003 + n * 50, 50, 100'000)));
  ASSERT_TRUE(writer.put(rows("b", 1, 1, 5)));
  auto written = writer.finish();
  ASSERT_TRUE(written) << describe(written.error());
  ASSERT_EQ(written->size(), 3U);
  ASSERT_EQ(written->at({"shop", "a"}).size(), 2U);
  EXPECT_EQ(written->at({"shop", "b"}).size(), 1U);
  EXPECT_TRUE(written->at({"shop", "none"}).empty());
  std::int64_t next = 0;
  for (const lake::DataFile& file : written->at({"shop", "a"})) {
    ASSERT_TRUE(lake_->scan_file(a, file.path, {a.columns[0].column_id},
                                 [&](std::span<const ColumnView> columns) -> Status {
                                   for (std::size_t n = 0; n < columns[0].size; ++n) {
                                     EXPECT_EQ(columns[0].get<std::int64_t>(n), next++);
                                   }
                                   return {};
                                 }));
  }
  EXPECT_EQ(next, 200'153);
}

TEST_F(SnapshotWriterTest, an_end_halfway_leaves_no_file) {
  {
    SnapshotWriter writer(*lake_);
    writer.open(table("a"));
    writer.open(table("b"));
    ASSERT_TRUE(writer.put(rows("a", 1, 1000, 20)));
    ASSERT_TRUE(writer.put(rows("b", 1, 1000, 20)));
  }
  EXPECT_EQ(files(), 0);
}

TEST_F(SnapshotWriterTest, an_error_of_writing_is_told_and_leaves_no_file) {
  lake::LakeTable a = table("a");
  a.path = "/dev/null/";  // no directory can be made there
  SnapshotWriter writer(*lake_);
  writer.open(table("b"));
  writer.open(a);
  ASSERT_TRUE(writer.put(rows("b", 1, 1000, 20)));
  Status status;
  for (int n = 0; n < 10'000 && status; ++n) status = writer.put(rows("a", n, 1, 1'000'000));
  EXPECT_FALSE(status);
  const auto written = writer.finish();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::unavailable) << describe(written.error());
  EXPECT_EQ(files(), 0);
}

}  // namespace
}  // namespace minato::ingest
