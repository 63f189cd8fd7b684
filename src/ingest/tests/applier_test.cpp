// Goal: whatever order of changes, commits, losses of memory and compactions, the lake holds the
// source's rows. Method: random changes through the applier into a real lake; after each commit the
// engine reads the tables back and they are compared with a naive model. Small limits make every
// path common: tail and own files, sealing, search by index and by scan. Prints its seed.
#include "ingest/apply/applier.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "base/testing/seed.h"
#include "lake/maintenance.h"
#include "runtime/testing/private_postgres.h"

namespace minato::ingest {
namespace {

using Row = std::pair<std::int64_t, std::string>;
using Model = std::multiset<Row>;

/// So that a tail is sealed, and a piece gets a file of its own, after few rows.
ApplyLimits small_limits() {
  ApplyLimits limits;
  limits.lane.tail_rows = 40;
  return limits;
}

class ApplierTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { postgres_ = new minato::testing::PrivatePostgres(); }
  static void TearDownTestSuite() {
    delete postgres_;
    postgres_ = nullptr;
  }

  void SetUp() override {
    char directory[] = "/tmp/minato-applier-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    data_ = directory;
    auto admin = pg::Connection::open(postgres_->conninfo());
    ASSERT_TRUE(admin);
    ASSERT_TRUE(admin->script("drop schema if exists ducklake cascade; create schema ducklake"));
    lake::EngineOptions engine;
    engine.extension_dir = MINATO_EXTENSION_DIR;
    auto opened = lake::Engine::open(engine);
    ASSERT_TRUE(opened) << describe(opened.error());
    engine_ = std::make_unique<lake::Engine>(std::move(*opened));
    lake::WriterOptions writer;
    writer.lake.catalog_conninfo = postgres_->conninfo();
    writer.lake.data_path = data_;
    const Status attached = lake::attach_lake(*engine_, writer.lake);
    ASSERT_TRUE(attached) << describe(attached.error());
    auto lake = lake::Lake::open(*engine_, writer);
    ASSERT_TRUE(lake) << describe(lake.error());
    lake_ = std::move(*lake);
  }
  void TearDown() override {
    lake_.reset();
    engine_.reset();
    std::filesystem::remove_all(data_);
  }

  TableSchemaPtr table(const std::string& name, bool keyed) {
    auto schema = std::make_shared<TableSchema>();
    schema->name = {"shop", name};
    schema->columns = {{"id", {TypeKind::int64}}, {"name", {TypeKind::varchar}}};
    if (keyed) schema->key = {0};
    const auto made = lake_->upsert_table(schema->name, schema->columns, {});
    EXPECT_TRUE(made) << describe(made.error());
    return schema;
  }

  Model read(const TableSchemaPtr& schema) {
    auto session = engine_->connect();
    EXPECT_TRUE(session);
    const auto rows = session->query("select id, name from minato." + quote(schema->name));
    EXPECT_TRUE(rows) << describe(rows.error());
    Model out;
    for (std::size_t n = 0; n < rows->size(); ++n)
      out.emplace(rows->integer(n, 0), rows->text(n, 1));
    return out;
  }

  static minato::testing::PrivatePostgres* postgres_;
  std::string data_;
  std::unique_ptr<lake::Engine> engine_;
  std::unique_ptr<lake::Lake> lake_;
};
minato::testing::PrivatePostgres* ApplierTest::postgres_ = nullptr;

/// A table of the source: its rows, and changes that it makes.
class FakeTable {
 public:
  FakeTable(TableSchemaPtr schema, std::mt19937& random)
      : schema_(std::move(schema)), random_(random) {}

  TableChanges changes(std::size_t steps) {
    TableChanges out(schema_);
    for (std::size_t step = 0; step < steps; ++step) {
      const std::uint32_t dice = random_() % 10;
      if (rows_.empty() || dice < 5) {
        insert(out);
      } else if (dice < 8) {
        update(out);
      } else {
        remove(out);
      }
    }
    return out;
  }
  TableChanges inserts(std::size_t rows) {
    TableChanges out(schema_);
    while (rows-- > 0) insert(out);
    return out;
  }
  TableChanges no_more() {
    TableChanges out(schema_);
    while (!rows_.empty()) remove(out);
    return out;
  }
  const Model& rows() const { return rows_; }
  const TableSchemaPtr& schema() const { return schema_; }

 private:
  static void add(TableChanges& out, Op op, const Row& row) {
    out.rows.columns[0].append(row.first);
    out.rows.columns[1].append_string(row.second, *out.rows.arena);
    out.ops.push_back(op);
  }
  Row fresh() {
    const bool keyed = !schema_->key.empty();
    return {keyed ? next_id_++ : static_cast<std::int64_t>(random_() % 5),
            std::string(random_() % 20, static_cast<char>('a' + random_() % 3))};
  }
  Model::iterator any() {
    return std::next(rows_.begin(), static_cast<long>(random_() % rows_.size()));
  }
  void insert(TableChanges& out) {
    const Row row = fresh();
    add(out, Op::insert, row);
    rows_.insert(row);
  }
  void update(TableChanges& out) {
    const auto found = any();
    Row after = fresh();
    if (random_() % 4 != 0) after.first = found->first;
    add(out, Op::update_before, *found);
    add(out, Op::update_after, after);
    rows_.erase(found);
    rows_.insert(after);
  }
  void remove(TableChanges& out) {
    const auto found = any();
    add(out, Op::remove, *found);
    rows_.erase(found);
  }

  TableSchemaPtr schema_;
  std::mt19937& random_;
  Model rows_;
  std::int64_t next_id_ = 1;
};

TEST_F(ApplierTest, LakeEqualsSource) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("MINATO_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  ApplyLimits limits = small_limits();
  for (int round = 0; round < 2; ++round) {
    limits.lane.index_bytes = round % 2 == 0 ? 1 << 30 : 0;  // by index, by scan
    Lanes lanes;
    Applier applier(*lake_, lanes, limits);
    lake::Maintenance maintenance(
        *lake_, {.small_files_min = 3},
        [&](const TableName& name, const auto& work) { return lanes.with_lane(name, work); });
    std::vector<FakeTable> tables;
    for (int n = 0; n < 3; ++n) {
      tables.emplace_back(table("t" + std::to_string(round) + std::to_string(n), n != 2), random);
    }
    std::map<TableName, std::int64_t> counted;
    for (int commit = 0; commit < 16; ++commit) {
      for (std::uint32_t piece = 0; piece <= random() % 3; ++piece) {
        StreamBatch batch;
        for (FakeTable& fake : tables) {
          if (random() % 3 != 0) batch.tables.push_back(fake.changes(random() % 3 == 0 ? 90 : 7));
        }
        ASSERT_TRUE(applier.take(batch));
      }
      ASSERT_TRUE(applier.lost().empty());
      const auto done = applier.commit(
          "test", "", [&](pg::Connection&, std::int64_t, const auto& deltas) -> Status {
            for (const TableDelta& delta : deltas) counted[delta.table] += delta.rows;
            return {};
          });
      ASSERT_TRUE(done) << describe(done.error());
      for (const FakeTable& fake : tables) {
        ASSERT_EQ(read(fake.schema()), fake.rows()) << "commit " << commit << " round " << round;
        ASSERT_EQ(counted[fake.schema()->name], static_cast<std::int64_t>(fake.rows().size()));
      }
      if (random() % 5 == 0) lanes.entry(tables[random() % 3].schema()->name)->lane.reset();
      if (random() % 5 == 0) {
        lake::MaintenanceReport report;
        const Status compacted = maintenance.compact(report);
        ASSERT_TRUE(compacted) << describe(compacted.error());
      }
    }
  }
}

// After each commit a compaction, which merges the tail's file too: the index stays, and the next
// changes find their rows in the new files.
TEST_F(ApplierTest, IndexesOutliveCompactions) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("MINATO_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  Lanes lanes;
  Applier applier(*lake_, lanes, small_limits());
  lake::Maintenance maintenance(
      *lake_, {.small_files_min = 2, .deleted_share_max = 0.02},
      [&](const TableName& name, const auto& work) { return lanes.with_lane(name, work); });
  std::vector<FakeTable> tables;
  for (int n = 0; n < 3; ++n) tables.emplace_back(table("i" + std::to_string(n), n != 2), random);
  const auto index_bytes = [&](const FakeTable& fake) {
    const auto entry = lanes.entry(fake.schema()->name);
    return entry->lane ? entry->lane->index_bytes() : 0;
  };
  lake::MaintenanceReport report;
  for (int commit = 0; commit < 40; ++commit) {
    StreamBatch batch;
    for (FakeTable& fake : tables) {
      if (random() % 4 != 0) batch.tables.push_back(fake.changes(random() % 3 == 0 ? 150 : 9));
    }
    ASSERT_TRUE(applier.take(batch));
    ASSERT_TRUE(applier.lost().empty()) << "commit " << commit;
    ASSERT_TRUE(applier.commit("test", "", [](auto&&...) { return Status{}; }));
    std::vector<std::size_t> before;
    for (const FakeTable& fake : tables) before.push_back(index_bytes(fake));
    const Status compacted = maintenance.compact(report);
    ASSERT_TRUE(compacted) << describe(compacted.error());
    for (std::size_t n = 0; n < tables.size(); ++n) {
      ASSERT_EQ(index_bytes(tables[n]), before[n]) << "commit " << commit;
      ASSERT_EQ(read(tables[n].schema()), tables[n].rows()) << "commit " << commit;
    }
  }
  for (const FakeTable& fake : tables) EXPECT_GT(index_bytes(fake), 0U);
  EXPECT_GT(report.files_in, 40U);
  EXPECT_EQ(report.conflicts, 0U);
}

// Rows that were read as of one position, and changes that came after it, become one commit.
TEST_F(ApplierTest, ReplacedRowsAndTheirChangesAreOneCommit) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("MINATO_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  Lanes lanes;
  Applier applier(*lake_, lanes, small_limits());
  for (std::uint32_t round = 0; round < 12; ++round) {
    const TableSchemaPtr schema = table("r" + std::to_string(round), round % 3 != 0);
    FakeTable old(schema, random);
    StreamBatch before;
    before.tables.push_back(old.changes(random() % 60));
    ASSERT_TRUE(applier.take(before));
    ASSERT_TRUE(applier.commit("test", "", [](auto&&...) { return Status{}; }));
    FakeTable fake(schema, random);
    const auto target = lake_->find_table(schema->name);
    ASSERT_TRUE(target && *target);
    std::vector<lake::DataFile> files;
    for (std::uint32_t n = random() % 3; n > 0; --n) {
      auto file = lake_->write_rows(**target, fake.inserts(1 + random() % 50).rows, {});
      ASSERT_TRUE(file) << describe(file.error());
      files.push_back(std::move(*file));
    }
    applier.replace(**target, schema, std::move(files));
    StreamBatch batch;
    batch.tables.emplace_back(schema);
    for (std::uint32_t piece = random() % 4; piece > 0; --piece) {
      append(batch.tables.back(), round % 5 == 0 ? fake.no_more() : fake.changes(random() % 90));
    }
    ASSERT_TRUE(applier.take(batch));
    ASSERT_TRUE(applier.lost().empty()) << "round " << round;
    std::vector<TableDelta> told;
    ASSERT_TRUE(applier.commit("test", "",
                               [&](pg::Connection&, std::int64_t, const auto& deltas) -> Status {
                                 told = deltas;
                                 return {};
                               }));
    ASSERT_EQ(read(schema), fake.rows()) << "round " << round;
    ASSERT_EQ(told.size(), 1U);
    EXPECT_TRUE(told[0].reset);
    EXPECT_EQ(told[0].rows, static_cast<std::int64_t>(fake.rows().size()));
    // The lane goes on from there, and so does one that reads the lake.
    if (random() % 2 == 0) lanes.entry(schema->name)->lane.reset();
    StreamBatch after;
    after.tables.push_back(fake.changes(50));
    ASSERT_TRUE(applier.take(after));
    ASSERT_TRUE(applier.lost().empty()) << "round " << round;
    ASSERT_TRUE(applier.commit("test", "", [](auto&&...) { return Status{}; }));
    ASSERT_EQ(read(schema), fake.rows()) << "round " << round;
  }
}

TEST_F(ApplierTest, WhatTheLaneDoesNotKnowIsReadAgain) {
  std::mt19937 random(3);
  Lanes lanes;
  Applier applier(*lake_, lanes, small_limits());
  lake::Maintenance maintenance(
      *lake_, {.small_files_min = 2},
      [&](const TableName& name, const auto& work) { return lanes.with_lane(name, work); });
  FakeTable fake(table("strange", true), random);
  const auto change = [&](std::size_t steps) {
    StreamBatch batch;
    batch.tables.push_back(fake.changes(steps));
    ASSERT_TRUE(applier.take(batch));
    ASSERT_TRUE(applier.commit("test", "", [](auto&&...) { return Status{}; }));
  };
  const auto index_bytes = [&] { return lanes.entry(fake.schema()->name)->lane->index_bytes(); };
  change(300);
  change(30);
  ASSERT_GT(index_bytes(), 0U);
  // An administrator's row, which the lane's index lacks.
  auto session = engine_->connect();
  ASSERT_TRUE(session);
  ASSERT_TRUE(session->query("insert into minato.shop.strange (id, name) values (-1, 'x')"));
  lake::MaintenanceReport report;
  ASSERT_TRUE(maintenance.compact(report));
  ASSERT_GT(report.files_in, 1U);
  EXPECT_EQ(index_bytes(), 0U);
  ASSERT_TRUE(session->query("delete from minato.shop.strange where id = -1"));
  lanes.entry(fake.schema()->name)->lane->forget();
  change(60);
  EXPECT_EQ(read(fake.schema()), fake.rows());
  // A compaction that may have been committed, or not.
  ASSERT_GT(index_bytes(), 0U);
  EXPECT_FALSE(lanes.with_lane(fake.schema()->name, [] { return fail(Code::in_doubt, "test"); }));
  EXPECT_EQ(index_bytes(), 0U);
  change(60);
  EXPECT_EQ(read(fake.schema()), fake.rows());
}

TEST_F(ApplierTest, ContradictionStopsOneTableOnly) {
  std::mt19937 random(1);
  Lanes lanes;
  Applier applier(*lake_, lanes, {});
  FakeTable good(table("good", true), random);
  const TableSchemaPtr bad = table("bad", true);
  StreamBatch batch;
  batch.tables.push_back(good.changes(50));
  TableChanges missing(bad);
  missing.rows.columns[0].append(std::int64_t{7});
  missing.rows.columns[1].append_null();
  missing.ops.push_back(Op::remove);
  batch.tables.push_back(std::move(missing));
  ASSERT_TRUE(applier.take(batch));
  EXPECT_TRUE(applier.lost().contains(bad->name));
  ASSERT_TRUE(applier.commit("test", "", [](auto&&...) { return Status{}; }));
  EXPECT_EQ(read(good.schema()), good.rows());
}

TEST_F(ApplierTest, WhatIsNotCommittedIsNotThere) {
  std::mt19937 random(2);
  Lanes lanes;
  Applier applier(*lake_, lanes, {});
  FakeTable fake(table("t", true), random);
  const Model before = fake.rows();
  StreamBatch batch;
  batch.tables.push_back(fake.changes(500));
  ASSERT_TRUE(applier.take(batch));
  const auto failed =
      applier.commit("test", "", [](auto&&...) { return Status(fail(Code::unavailable, "no")); });
  ASSERT_FALSE(failed);
  applier.abandon();
  EXPECT_EQ(read(fake.schema()), before);
}

}  // namespace
}  // namespace minato::ingest
