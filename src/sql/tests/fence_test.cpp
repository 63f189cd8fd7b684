// The fence's own answers: names written out, messages that teach, limits, and its lists held
// against the engine's.
#include "sql/fence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "sql/functions.h"
#include "sql/tests/gate_engine.h"

namespace minato::sql {
namespace {

using ::testing::ElementsAre;
using testing::GateEngine;
using ::testing::HasSubstr;

class FenceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = new GateEngine(); }
  static void TearDownTestSuite() {
    delete engine_;
    engine_ = nullptr;
  }
  Result<Checked> checked(std::string_view text) { return check(engine_->session(), text, fence_); }
  std::string text(std::string_view sql) {
    const auto out = checked(sql);
    return out ? out->text : "error: " + out.error().message;
  }
  Error error(std::string_view sql) {
    const auto out = checked(sql);
    EXPECT_FALSE(out) << sql;
    return out ? Error{} : out.error();
  }
  static std::string repeated(const std::string& text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
  }
  static GateEngine* engine_;
  Fence fence_;
};
GateEngine* FenceTest::engine_ = nullptr;

TEST_F(FenceTest, NamesAreWrittenOut) {
  EXPECT_EQ(text("SELECT * FROM shop.orders AS o, x"),
            "SELECT * FROM \"minato\".shop.orders AS o, \"minato\".\"main\".x");
  EXPECT_EQ(text("FROM minato.shop.orders"), "FROM minato.shop.orders");
  EXPECT_EQ(text("WITH x AS (FROM shop.x) FROM x, shop.x"),
            "WITH x AS (FROM \"minato\".shop.x) FROM x, \"minato\".shop.x");
  EXPECT_EQ(text("DESCRIBE shop.orders"), "DESCRIBE \"minato\".shop.orders");
  EXPECT_EQ(text("SELECT　1 /* x */FROM　shop . orders"),
            "SELECT   1        FROM   \"minato\".shop . orders");
  const auto out = checked(
      "SELECT $2, $1 FROM shop.orders JOIN shop.orders o ON true JOIN shop.customers ON true");
  ASSERT_TRUE(out);
  EXPECT_THAT(out->tables,
              ElementsAre(TableName{"shop", "orders"}, TableName{"shop", "customers"}));
  EXPECT_EQ(out->parameters, 2U);
}

TEST_F(FenceTest, TheSearchPathIsTried) {
  fence_.search_path = {"mine", "shop"};
  fence_.exists = [](const TableName& name) {
    return name.schema == "shop" && name.name == "orders";
  };
  fence_.tables = [] { return std::vector<TableName>{{"shop", "orders"}}; };
  EXPECT_EQ(text("FROM orders"), "FROM \"minato\".\"shop\".orders");
  EXPECT_EQ(error("FROM shop.ordres").message,
            "line 1, column 6: There is no table shop.ordres. Did you mean shop.orders?");
  EXPECT_EQ(error("FROM stock.orders").message,
            "line 1, column 6: There is no table stock.orders. Did you mean shop.orders?");
  EXPECT_EQ(error("FROM nothing").message,
            "line 1, column 6: There is no table nothing. Tables are written schema.table.");
  EXPECT_EQ(error("FROM nothing").code, Code::not_found);
  // A table with an odd name can be read when it is really there.
  fence_.exists = [](const TableName& name) { return name.name == "a/b"; };
  EXPECT_EQ(text("FROM shop.\"a/b\""), "FROM \"minato\".shop.\"a/b\"");
}

TEST_F(FenceTest, InformationSchemaShowsTheLakeOnly) {
  EXPECT_EQ(text("SELECT t.table_name FROM information_schema.tables t"),
            "SELECT t.table_name FROM (SELECT * FROM system.information_schema.tables WHERE "
            "table_catalog = "
            "'minato') t");
  bool failed = false;
  const std::string all = GateEngine::run(
      engine_->session(),
      text("SELECT table_catalog, table_schema, table_name FROM information_schema.tables"),
      failed);
  EXPECT_FALSE(failed) << all;
  EXPECT_THAT(all, HasSubstr("minato shop orders"));
  EXPECT_THAT(all, ::testing::Not(HasSubstr("secret")));
  const std::string show = GateEngine::run(engine_->session(), text("SHOW TABLES"), failed);
  EXPECT_THAT(show, HasSubstr("shop orders"));
  EXPECT_THAT(show, ::testing::Not(HasSubstr("secret")));
}

TEST_F(FenceTest, MessagesTeach) {
  EXPECT_THAT(error("SELECT uper('x')").message,
              HasSubstr("uper() is not available here. Did you mean upper?"));
  EXPECT_THAT(error("SELECT note.upper() FROM shop.orders").message,
              HasSubstr("Write upper(note, …)"));
  EXPECT_THAT(error("INSERT INTO shop.orders VALUES (1)").message,
              HasSubstr("marts/<schema>/<name>.sql"));
  EXPECT_THAT(error("CREATE VIEW v AS SELECT 1").message, HasSubstr("marts/<schema>/<name>.sql"));
  EXPECT_THAT(error("SELECT * FROM 'a.csv'").message, HasSubstr("belongs into the lake"));
  EXPECT_THAT(error("PIVOT shop.orders ON customer USING sum(amount)").message,
              HasSubstr("IN ('a', 'b')"));
  EXPECT_THAT(error("SELECT '1'::regclass").message, HasSubstr("type regclass"));
  EXPECT_THAT(error("SELECT\n  *\nFROM pg_catalog.pg_class").message,
              HasSubstr("line 3, column 6: pg_catalog is not available"));
  EXPECT_THAT(error("SELECT 1; SELECT 2").message, HasSubstr("one by one"));
  EXPECT_EQ(error("SELECT 1; SELECT 2").code, Code::unsupported);
  EXPECT_EQ(error("SELECT * FROM read_csv('x')").code, Code::forbidden);
  EXPECT_EQ(error("SELEC 1").code, Code::invalid);
  EXPECT_EQ(error("SELEC 1").message, "No statement begins with SELEC. Did you mean SELECT?");
  EXPECT_THAT(error("SET x").message, HasSubstr("This form of SET"));
  EXPECT_EQ(error("SELECT 1 +").code, Code::invalid);
}

TEST_F(FenceTest, AdviceOnFunctionsOfOtherDatabasesIsTrue) {
  for (const char* name :
       {"to_char", "nvl", "safe_divide", "timestampdiff", "initcap", "find_in_set"}) {
    const std::string advised = error("SELECT " + std::string(name) + "(1, 2)").message;
    EXPECT_THAT(advised, HasSubstr("Use ")) << name;
  }
  // Each piece of advice, with values put in.
  for (const char* sql :
       {"SELECT strftime(TIMESTAMP '2024-02-03', '%Y-%m-%d'), format('{:.2f}', 1.5)",
        "SELECT 1 / nullif(0, 0), coalesce(NULL, 1), list_position(string_split('a,b', ','), 'b')",
        "SELECT upper('abc'[1]) || lower('abc'[2:]), 7 // 2, trim('xax', 'x'), instr('abc', 'b')",
        "SELECT now() + INTERVAL 1 MONTH, to_timestamp(1), epoch(now()), trunc(1.5)",
        "SELECT strptime('2024-02-03', '%Y-%m-%d')::DATE, date_diff('day', DATE '2024-01-01', DATE "
        "'2024-01-02')",
        "SELECT json_group_array(1), json_group_object('a', 1), TRY_CAST('x' AS INTEGER)",
        "SELECT now() AT TIME ZONE 'UTC', regexp_extract('abc', 'b'), split_part('a,b', ',', 1)"}) {
    bool failed = false;
    const std::string answer = GateEngine::run(engine_->session(), text(sql), failed);
    EXPECT_FALSE(failed) << sql << ": " << answer;
  }
}

TEST_F(FenceTest, CommandsAreLeftToTheSession) {
  for (const char* sql :
       {"BEGIN", "COMMIT", "ROLLBACK", "SET datestyle TO ISO", "SHOW server_version", "RESET ALL",
        "DISCARD ALL", "DEALLOCATE ALL", "", "-- nothing"}) {
    const auto out = checked(sql);
    ASSERT_TRUE(out) << sql << ": " << describe(out.error());
    EXPECT_EQ(out->text, "") << sql;
    EXPECT_NE(out->statement.kind, StatementKind::query) << sql;
  }
  EXPECT_EQ(error("EXPLAIN SELECT 1").code, Code::forbidden);
  fence_.allow_explain = true;
  EXPECT_EQ(text("EXPLAIN ANALYZE FROM shop.orders"),
            "EXPLAIN ANALYZE FROM \"minato\".shop.orders");
  EXPECT_EQ(error("EXPLAIN COPY shop.orders TO 'x'").code, Code::unsupported);
  EXPECT_EQ(error("EXPLAIN FROM read_csv('x')").code, Code::forbidden);
}

TEST_F(FenceTest, LimitsEndInAnError) {
  EXPECT_EQ(error("SELECT " + repeated("(SELECT ", 200) + "1" + repeated(")", 200)).code,
            Code::exhausted);
  EXPECT_EQ(error("SELECT 1" + repeated("+1", 2000)).code, Code::exhausted);
  EXPECT_EQ(error("SELECT " + repeated("(", 20000) + "1" + repeated(")", 20000)).code,
            Code::exhausted);
  EXPECT_EQ(error("SELECT true" + repeated(" AND true", 6000)).code, Code::exhausted);
  EXPECT_EQ(error("SELECT 1 IN (1" + repeated(",1", 60000) + ")").code, Code::exhausted);
  EXPECT_EQ(error("SELECT '" + repeated("x", 600 * 1024) + "'").code, Code::exhausted);
  EXPECT_EQ(error("SELECT $1001").code, Code::exhausted);
  EXPECT_TRUE(checked("SELECT " + repeated("/*", 20000) + repeated("*/", 20000) + " 1"));
  EXPECT_TRUE(checked("SELECT 1" + repeated(" UNION ALL SELECT 1", 500)));
  EXPECT_TRUE(checked("SELECT 1 IN (1" + repeated(",1", 10000) + ")"));
}

TEST_F(FenceTest, CastsOfParametersChangeNothingElse) {
  const auto out = checked("SELECT $1, 'a $1', $2::DATE FROM shop.orders WHERE id = $1");
  ASSERT_TRUE(out);
  const auto verified = [&](const std::string& text) {
    return verify_casts(engine_->session(), *out, text).has_value();
  };
  EXPECT_TRUE(verified(out->text));
  EXPECT_TRUE(
      verified("SELECT (CAST($1 AS BIGINT)), 'a $1', (CAST($2 AS VARCHAR))::DATE FROM "
               "\"minato\".shop.orders WHERE id = (CAST($1 AS BIGINT))"));
  EXPECT_FALSE(verified(
      "SELECT $1, 'a CAST($1 AS BIGINT)', $2::DATE FROM \"minato\".shop.orders WHERE id = $1"));
  EXPECT_FALSE(verified("SELECT $1, 'a $1', $2::DATE FROM \"hidden\".main.secret WHERE id = $1"));
  EXPECT_FALSE(verified(out->text + "; SELECT 1"));
}

TEST_F(FenceTest, EveryAllowedFunctionIsKnownToTheEngine) {
  // Names that the parser puts in or takes away, and types that are called like functions.
  const std::set<std::string> parsed = {
      "!",    "ifnull",      "overlay", "percentile_cont", "percentile_disc",
      "row",  "unnest",      "~*",      "current_date",    "current_role",
      "user", "session_user"};
  const auto rows =
      engine_->session().query("SELECT DISTINCT lower(function_name) FROM duckdb_functions()");
  ASSERT_TRUE(rows);
  std::set<std::string> known;
  for (std::size_t row = 0; row < rows->size(); ++row) known.insert(rows->text(row, 0));
  for (const auto name : allowed_functions()) {
    EXPECT_TRUE(known.contains(std::string(name)) || parsed.contains(std::string(name))) << name;
  }
}

TEST_F(FenceTest, NoAllowedFunctionHasSideEffectsOrReadsElsewhere) {
  // A second look by another way: words that must not occur in the names of what is allowed.
  for (const std::string_view name : allowed_functions()) {
    for (const std::string_view word :
         {"read",  "file",      "secret",  "setting", "variable",   "nextval", "currval",
          "env",   "serialize", "execute", "duckdb",  "pragma",     "scan",    "write",
          "sleep", "attach",    "load",    "install", "checkpoint", "glob",    "log_"}) {
      if (name.find(word) == std::string_view::npos || name == "parse_filename" ||
          name.starts_with("formatreadable"))
        continue;
      ADD_FAILURE() << name << " contains " << word;
    }
    EXPECT_FALSE(name.starts_with("__") || name.starts_with("pg_get") || name.starts_with("has_"))
        << name;
  }
}

}  // namespace
}  // namespace minato::sql
