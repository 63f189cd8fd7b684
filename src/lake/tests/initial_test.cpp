// Goal: a column that came later has its initial value in every row of before, however it is asked
// for. Method: the same statements on the lake and on an ordinary table of the engine, whose ALTER
// TABLE … ADD COLUMN … DEFAULT is the oracle.
#include <gtest/gtest.h>

#include "lake/maintenance.h"
#include "lake/tests/fixture.h"

namespace minato::lake {
namespace {

struct Later {
  const char* name;
  ColumnType type;
  const char* initial;  // nullptr: NULL
  const char* other;    // a value beside it
};
const Later kLater[] = {
    {"tiny", {TypeKind::int8}, "-5", "7"},
    {"number", {TypeKind::int32}, "5", "4"},
    {"large", {TypeKind::uint64}, "18446744073709551615", "1"},
    {"word", {TypeKind::varchar}, "it's 名", "x"},
    {"empty", {TypeKind::varchar}, "", "a"},
    {"price", {TypeKind::decimal, 9, 2}, "1.25", "1.26"},
    {"day", {TypeKind::date}, "2024-02-29", "2024-03-01"},
    {"moment", {TypeKind::timestamp}, "2024-02-29 23:59:59", "1970-01-01 00:00:00"},
    {"instant", {TypeKind::timestamptz}, "2024-02-29T23:59:59.000Z", "1970-01-01 00:00:00+00"},
    {"flag", {TypeKind::boolean}, "true", "false"},
    {"ratio", {TypeKind::float64}, "0", "-1.5"},
    {"nothing", {TypeKind::int32}, nullptr, "3"},
};

class InitialTest : public ::testing::Test {
 protected:
  void SetUp() override {
    run("CREATE TABLE memory.main.o (a BIGINT)");
    table = shared.lake->upsert_table({"shop", "t"}, {{"a", {TypeKind::int64}}}, {}).value();
    add("SELECT range AS a FROM range(3)");
    std::vector<Column> columns{{"a", {TypeKind::int64}}};
    std::map<std::string, std::string> initials;
    for (const Later& later : kLater) {
      columns.push_back({later.name, later.type});
      if (later.initial != nullptr) initials.emplace(later.name, later.initial);
      run("ALTER TABLE memory.main.o ADD COLUMN " + quote_identifier(later.name) + " " +
          sql_name(later.type) + (later.initial ? " DEFAULT " + literal(later.initial) : ""));
    }
    alter(altered(table, columns, {}, Contents::kept, initials).value());
    std::string initial;
    std::string other;
    for (const Later& later : kLater) {
      const std::string cast = "::" + sql_name(later.type);
      initial += ", " + (later.initial ? literal(later.initial) : "NULL") + cast;
      other += ", " + literal(later.other) + cast;
    }
    add("SELECT 10" + other + " UNION ALL SELECT 11" + initial);
    add("SELECT 12" + other);
  }
  static std::string literal(const std::string& text) { return quote_literal(text); }

  void run(const std::string& sql) {
    const Status done = session.run(sql);
    ASSERT_TRUE(done) << sql << ": " << describe(done.error());
  }
  void alter(const LakeTable& wanted) {
    CommitRequest request;
    request.ddl.push_back({wanted});
    ASSERT_TRUE(shared.lake->commit(request));
    table = **shared.lake->find_table({"shop", "t"});
  }
  /// Rows for both tables, in a file of their own.
  void add(const std::string& select) {
    run("INSERT INTO memory.main.o " + select);
    CommitRequest request;
    request.tables.resize(1);
    request.tables[0].table_id = table.table_id;
    request.tables[0].add = shared.lake->write_query(table, session, select).value();
    ASSERT_TRUE(shared.lake->commit(request));
  }
  std::string rows(const std::string& sql) {
    const auto found = session.query(sql);
    if (!found) return describe(found.error());
    std::string out;
    for (std::size_t row = 0; row < found->size(); ++row) {
      for (std::size_t n = 0; n < found->columns().size(); ++n) out += found->text(row, n) + "|";
      out += "\n";
    }
    return out;
  }
  void same(const std::string& select, const std::string& rest) {
    const std::string expected = rows(select + " FROM memory.main.o " + rest);
    EXPECT_EQ(rows(select + " FROM minato.shop.t " + rest), expected) << select << " " << rest;
  }
  void expect_same() {
    same("SELECT *", "ORDER BY a");
    for (const Later& later : kLater) {
      const std::string name = quote_identifier(later.name);
      for (const char* value : {later.initial, later.other}) {
        if (value == nullptr) continue;
        const std::string given = literal(value) + "::" + sql_name(later.type);
        for (const char* comparison : {"=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"}) {
          same("SELECT a", "WHERE " + name + " " + comparison + " " + given + " ORDER BY a");
        }
        same("SELECT a", "WHERE " + name + " IN (" + given + ", NULL) ORDER BY a");
        same("SELECT a", "WHERE " + name + " BETWEEN " + given + " AND " + given + " ORDER BY a");
        same("SELECT a", "WHERE a < 5 AND " + name + " = " + given + " ORDER BY a");
      }
      same("SELECT a", "WHERE " + name + " IS NULL ORDER BY a");
      same("SELECT a", "WHERE " + name + " IS NOT NULL ORDER BY a");
      same("SELECT min(" + name + "), max(" + name + "), count(" + name + "), count(*)", "");
      same("SELECT " + name + ", count(*)", "GROUP BY 1 ORDER BY 1");
      same("SELECT a", "ORDER BY " + name + " NULLS LAST, a LIMIT 2");
      same("SELECT a", "WHERE " + name + " = (SELECT max(" + name +
                           ") FROM memory.main.o) "
                           "ORDER BY a");
    }
  }

  testing::PrivateLake shared;
  Session session = shared.session();
  LakeTable table;
};

TEST_F(InitialTest, InEveryQuestion) { expect_same(); }

TEST_F(InitialTest, ThroughOtherNamesTypesAndFiles) {
  run("ALTER TABLE memory.main.o RENAME COLUMN number TO renamed");
  run("ALTER TABLE memory.main.o ALTER COLUMN renamed TYPE BIGINT");
  run("ALTER TABLE memory.main.o ALTER COLUMN price TYPE DECIMAL(18,4)");
  run("ALTER TABLE memory.main.o DROP COLUMN empty");
  std::vector<Column> columns;
  for (const LakeColumn& column : table.columns) {
    if (column.column.name != "empty") columns.push_back(column.column);
  }
  for (Column& column : columns) {
    if (column.name == "number") column = {"renamed", {TypeKind::int64}};
    if (column.name == "price") column.type = {TypeKind::decimal, 18, 4};
  }
  alter(altered(table, columns, {{"number", "renamed"}}, Contents::kept).value());
  const auto compared = [&] {
    same("SELECT *", "ORDER BY a");
    for (const char* rest : {"renamed = 5", "renamed <> 5", "price = 1.25", "price > 1.2500"}) {
      same("SELECT a", std::string("WHERE ") + rest + " ORDER BY a");
    }
  };
  compared();
  // What a lane reads of a file from before.
  std::vector<std::int64_t> ids;
  for (const LakeColumn& column : table.columns) ids.push_back(column.column_id);
  const auto files = shared.lake->live_files(table.table_id).value();
  ASSERT_EQ(files.size(), 3U);
  std::size_t seen = 0;
  const auto done = shared.lake->scan_file(table, files[0].path, ids, [&](Lake::Columns read) {
    for (std::size_t n = 0; n < read.size(); ++n) {
      const LakeColumn& column = table.columns[n];
      for (std::size_t row = 0; row < read[n].size; ++row) {
        EXPECT_EQ(read[n].is_null(row), n > 0 && !column.initial) << column.column.name;
      }
      if (column.column.name == "renamed") {
        EXPECT_EQ(read[n].get<std::int64_t>(0), 5);
      }
      if (column.column.name == "word") {
        EXPECT_EQ(read[n].string(2), "it's 名");
      }
    }
    seen += read.front().size;
    return Status{};
  });
  ASSERT_TRUE(done) << describe(done.error());
  EXPECT_EQ(seen, 3U);
  // Rows that were taken up before the column came, written after it.
  auto schema = std::make_shared<TableSchema>();
  schema->columns = {table.columns[0].column};
  RowBatch batch(schema);
  batch.columns[0].append<std::int64_t>(20);
  CommitRequest request;
  request.tables.resize(1);
  request.tables[0].table_id = table.table_id;
  request.tables[0].add.push_back(shared.lake->write_rows(table, batch, {}).value());
  ASSERT_TRUE(shared.lake->commit(request));
  run("INSERT INTO memory.main.o (a) VALUES (20)");
  compared();
  MaintenanceOptions options;
  options.small_files_min = 2;
  MaintenanceReport report;
  Maintenance maintenance(*shared.lake, options,
                          [](const TableName&, const CompactionSlice& slice) { return slice(); });
  ASSERT_TRUE(maintenance.compact(report));
  EXPECT_EQ(report.files_out, 1U);
  compared();
}

}  // namespace
}  // namespace minato::lake
