// The same attempts and the same honest statements as in escape_test.cpp, with the real lake behind
// the fence: DuckLake with its catalogue in PostgreSQL, attached with all rights, so that the fence
// is alone again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "lake/tests/fixture.h"
#include "sql/tests/gate_engine.h"

namespace minato::sql {
namespace {

using testing::GateEngine;
using ::testing::HasSubstr;
using ::testing::Not;

/// Shared by the tests of this file: starting it takes seconds.
struct Platform {
  Platform()
      : engine([this](lake::Engine& opened) {
          auto connection = postgres.connect();
          CHECK(connection
                    .script("create schema minato; create table minato.account (name text, "
                            "verifier text); "
                            "insert into minato.account values ('clerk', '" +
                            std::string(testing::marker) + "')")
                    .has_value());
          lake::LakeOptions options;
          options.catalog_conninfo = postgres.conninfo();
          options.data_path = postgres.directory() + "/lake";
          std::filesystem::create_directory(options.data_path);
          return lake::attach_lake(opened, options);
        }),
        session(engine.connect()),
        parser(engine.connect()) {}

  minato::testing::PrivatePostgres postgres;
  GateEngine engine;
  lake::Session session;
  lake::Session parser;
};

class LakeFenceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { platform_ = new Platform(); }
  static void TearDownTestSuite() {
    delete platform_;
    platform_ = nullptr;
  }
  static std::string filled_in(const std::string& text) {
    const std::string& dir = platform_->engine.directory();
    std::string out = testing::replaced(text, "{file}", dir + "/secret.txt");
    out = testing::replaced(out, "{dir}", dir);
    return testing::replaced(out, "{lake}", platform_->postgres.directory() + "/lake");
  }
  static std::string run(const std::string& sql, bool& failed) {
    return GateEngine::run(platform_->session, sql, failed);
  }
  static Result<Checked> checked(const std::string& sql) {
    return check(platform_->parser, sql, Fence{});
  }

  static Platform* platform_;
};
Platform* LakeFenceTest::platform_ = nullptr;

/// Goal: what the lake adds to each table (file, row number, commit) is hidden; a table's own
/// column of such a name is not. Method: one table with such a column.
TEST_F(LakeFenceTest, OwnColumnsMayHaveTheNamesOfHiddenOnes) {
  bool failed = false;
  run("CREATE TABLE minato.shop.uploads AS SELECT 7 AS id, 'a.csv' AS filename", failed);
  ASSERT_FALSE(failed);
  for (const char* sql : {
           "SELECT filename FROM shop.uploads",
           "SELECT u.filename FROM shop.uploads u JOIN shop.uploads v USING (filename)",
           "SELECT uploads.filename FROM minato.shop.uploads TABLESAMPLE 100%",
           "SELECT f FROM shop.uploads AS u(i, f) WHERE f <> 'filename'",
       }) {
    const auto passed = checked(sql);
    ASSERT_TRUE(passed) << describe(passed.error());
    EXPECT_THAT(run(passed->text, failed), HasSubstr("a.csv")) << passed->text;
    EXPECT_FALSE(failed) << passed->text;
  }
  run("DROP TABLE minato.shop.uploads", failed);
}

TEST_F(LakeFenceTest, AttemptsFailAndTellNothing) {
  // The door to the records is open: without the fence this is read.
  bool failed = false;
  EXPECT_THAT(run("SELECT * FROM __ducklake_metadata_minato.minato.account", failed),
              HasSubstr(std::string(testing::marker)));
  for (const auto& attempt : testing::read_samples("escapes.sql", "attempt")) {
    SCOPED_TRACE(attempt.name + ": " + attempt.text);
    const auto passed = checked(filled_in(attempt.text));
    if (!passed) continue;
    const std::string answer = run(passed->text, failed);
    EXPECT_TRUE(failed) << passed->text << " gave " << answer;
    EXPECT_THAT(answer, Not(HasSubstr(std::string(testing::marker))));
  }
}

TEST_F(LakeFenceTest, HonestStatementsRun) {
  for (const auto& sample : testing::read_samples("allowed.sql", "allowed")) {
    SCOPED_TRACE(sample.name + ": " + sample.text);
    const auto passed = checked(sample.text);
    ASSERT_TRUE(passed) << describe(passed.error());
    bool failed = false;
    const std::string answer = run(passed->text, failed);
    EXPECT_FALSE(failed) << passed->text << " gave " << answer;
  }
}

TEST_F(LakeFenceTest, TheCatalogueShowsTheLakeOnly) {
  for (const char* sql :
       {"SELECT * FROM information_schema.tables", "SELECT * FROM information_schema.columns",
        "SELECT * FROM information_schema.schemata", "SHOW TABLES", "SHOW ALL TABLES",
        "SHOW SCHEMAS"}) {
    const auto passed = checked(sql);
    ASSERT_TRUE(passed) << describe(passed.error());
    bool failed = false;
    const std::string answer = run(passed->text, failed);
    EXPECT_FALSE(failed) << answer;
    EXPECT_THAT(answer, HasSubstr("shop"));
    EXPECT_THAT(answer, Not(HasSubstr("ducklake")));
    EXPECT_THAT(answer, Not(HasSubstr("account")));
    EXPECT_THAT(answer, Not(HasSubstr("secret")));
  }
}

}  // namespace
}  // namespace minato::sql
