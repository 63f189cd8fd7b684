// Which tables a SELECT reads: scoping of CTEs, every place where a query may stand, views,
// messages.
#include "sql/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/check.h"
#include "lake/engine.h"

namespace minato::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class AnalysisTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    lake::EngineOptions options;
    options.threads = 1;
    options.extensions = {};
    auto engine = lake::Engine::open(options);
    CHECK(engine);
    engine_ = new lake::Engine(std::move(*engine));
    auto session = engine_->connect();
    CHECK(session);
    session_ = new lake::Session(std::move(*session));
  }
  // Not static objects: the library keeps thread-local state, which is gone before they would be.
  static void TearDownTestSuite() {
    delete session_;
    delete engine_;
  }
  static std::vector<std::string> reads(std::string_view text,
                                        const AnalysisOptions& options = {}) {
    const auto analysis = analyse(*session_, text, options);
    EXPECT_TRUE(analysis) << text << ": " << describe(analysis.error());
    std::vector<std::string> out;
    if (analysis) {
      for (const auto& table : analysis->tables) out.push_back(display(table));
    }
    return out;
  }
  static std::string error(std::string_view text) {
    const auto analysis = analyse(*session_, text);
    EXPECT_FALSE(analysis) << text;
    return analysis ? "" : analysis.error().message;
  }
  static lake::Engine* engine_;
  static lake::Session* session_;
};
lake::Engine* AnalysisTest::engine_ = nullptr;
lake::Session* AnalysisTest::session_ = nullptr;

TEST_F(AnalysisTest, NamesAreAsWritten) {
  EXPECT_THAT(reads("SELECT * FROM shop.orders, minato.shop.items, plain"),
              ElementsAre("shop.orders", "minato.shop.items", "plain"));
  EXPECT_THAT(reads("FROM \"売上\".\"明 細\" SELECT 品名"), ElementsAre("売上.明 細"));
  EXPECT_THAT(reads("SELECT * FROM 売上.明細　WHERE 数量 > 1"), ElementsAre("売上.明細"));
  EXPECT_THAT(reads("SELECT * FROM a, a AS b, \"a\""), ElementsAre("a"));
  EXPECT_THAT(reads("TABLE x"), ElementsAre("x"));
  EXPECT_THAT(reads("SELECT 1"), IsEmpty());
  EXPECT_THAT(reads("VALUES (1, (SELECT max(i) FROM v))"), ElementsAre("v"));
}

TEST_F(AnalysisTest, CtesAreNoTablesWhereTheyAreVisible) {
  EXPECT_THAT(reads("WITH a AS (SELECT * FROM x) SELECT * FROM a"), ElementsAre("x"));
  EXPECT_THAT(reads("WITH a AS (FROM x), b AS (FROM a, y) FROM b"), ElementsAre("x", "y"));
  EXPECT_THAT(reads("WITH A AS (FROM x) FROM \"a\""), ElementsAre("x"));
  // Only from its definition on, and not in it.
  EXPECT_THAT(reads("WITH a AS (FROM b), b AS (FROM x) FROM a, b"), ElementsAre("b", "x"));
  EXPECT_THAT(reads("WITH a AS (FROM a) FROM a"), ElementsAre("a"));
  // A name with a schema is never a CTE.
  EXPECT_THAT(reads("WITH a AS (FROM x) FROM a, s.a"), ElementsAre("x", "s.a"));
  // Not behind the end of its query.
  EXPECT_THAT(reads("SELECT * FROM (WITH a AS (FROM x) FROM a), a"), ElementsAre("x", "a"));
  // An inner one hides an outer one, and may read it.
  EXPECT_THAT(
      reads("WITH a AS (FROM x) SELECT (WITH a AS (FROM a, y) SELECT max(i) FROM a) FROM a"),
      ElementsAre("x", "y"));
}

TEST_F(AnalysisTest, RecursiveCtesReadThemselvesInTheSecondHalf) {
  EXPECT_THAT(
      reads("WITH RECURSIVE t AS (SELECT 1 AS n FROM x UNION ALL SELECT n + 1 FROM t) FROM t"),
      ElementsAre("x"));
  EXPECT_THAT(reads("WITH RECURSIVE t AS (FROM t UNION ALL FROM t, y) FROM t"),
              ElementsAre("t", "y"));
  EXPECT_THAT(
      reads("WITH RECURSIVE t(k, v) USING KEY (k) AS (SELECT 1, 2 UNION SELECT k, v FROM t, "
            "recurring.t AS r, y) FROM t"),
      ElementsAre("y"));
  EXPECT_THAT(reads("SELECT * FROM recurring.t"), ElementsAre("recurring.t"));
  EXPECT_THAT(reads("WITH RECURSIVE a AS (FROM x), b AS (FROM a UNION FROM b) FROM b"),
              ElementsAre("x"));
}

TEST_F(AnalysisTest, QueriesAreFoundEverywhere) {
  const char* text = R"(
    SELECT (SELECT 1 FROM a), x IN (SELECT 1 FROM b), EXISTS (FROM c), ARRAY (SELECT 1 FROM d),
           CASE WHEN (SELECT true FROM e) THEN 1 END, sum(1) FILTER (WHERE (SELECT true FROM f)),
           sum(1) OVER (PARTITION BY (SELECT 1 FROM g) ORDER BY (SELECT 1 FROM h)),
           list_transform([1], lambda z: (SELECT 1 FROM i)), * REPLACE ((SELECT 1 FROM j) AS k),
           x = ANY (SELECT 1 FROM k), {'s': (SELECT 1 FROM l)}, (SELECT 1 FROM m)::INTEGER
    FROM n JOIN o ON (SELECT true FROM p), LATERAL (FROM q), (VALUES ((SELECT 1 FROM r))),
         range((SELECT 1 FROM s))
    WHERE (SELECT true FROM t) GROUP BY (SELECT 1 FROM u) HAVING (SELECT true FROM v)
    QUALIFY (SELECT true FROM w) ORDER BY (SELECT 1 FROM x)
    LIMIT (SELECT 1 FROM y) OFFSET (SELECT 1 FROM z))";
  std::vector<std::string> expected;
  for (char name = 'a'; name <= 'z'; ++name) expected.emplace_back(1, name);
  EXPECT_THAT(reads(text), ::testing::UnorderedElementsAreArray(expected));
}

TEST_F(AnalysisTest, EveryKindOfFrom) {
  EXPECT_THAT(reads("FROM a UNION FROM b EXCEPT FROM c INTERSECT (FROM d ORDER BY 1 LIMIT 2)"),
              UnorderedElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(reads("FROM a ASOF JOIN b ON a.x >= b.x POSITIONAL JOIN c NATURAL JOIN d SEMI JOIN e "
                    "USING (x)"),
              ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(reads("PIVOT (FROM a JOIN b USING (x)) ON y IN (1, 2) USING sum(z)"),
              ElementsAre("a", "b"));
  EXPECT_THAT(reads("UNPIVOT a ON COLUMNS(* EXCLUDE (id)) INTO NAME n VALUE v"), ElementsAre("a"));
  EXPECT_THAT(reads("FROM a TABLESAMPLE 10% QUALIFY row_number() OVER () = 1 USING SAMPLE 3 ROWS"),
              ElementsAre("a"));
  EXPECT_THAT(reads("SUMMARIZE a"), ElementsAre("a"));
  EXPECT_THAT(reads("SELECT struct_pack(type := 'BASE_TABLE', table_name := 'x')"), IsEmpty());
}

TEST_F(AnalysisTest, FunctionsAndParametersAreListed) {
  const auto analysis = analyse(
      *session_, "SELECT Upper(a), sum(b) OVER (), $1, $2, $1 FROM read_csv('x'), range(3)");
  ASSERT_TRUE(analysis);
  EXPECT_THAT(analysis->table_functions, ElementsAre("read_csv", "range"));
  EXPECT_THAT(analysis->functions, ElementsAre("upper", "sum"));
  EXPECT_EQ(analysis->parameters, 2U);
}

TEST_F(AnalysisTest, ViewsAreReadThrough) {
  AnalysisOptions options;
  options.view = [](const TableRef& table) -> std::optional<std::string> {
    if (table.name == "v") return "WITH t AS (FROM hidden) SELECT * FROM t, w, c";
    if (table.name == "w") return "SELECT * FROM base";
    if (table.name == "loop") return "SELECT * FROM loop";
    return std::nullopt;
  };
  // A view sees none of the CTEs around it.
  EXPECT_THAT(reads("WITH c AS (SELECT 1) SELECT * FROM v, c, x", options),
              ElementsAre("hidden", "base", "c", "x"));
  const auto loop = analyse(*session_, "FROM loop", options);
  ASSERT_FALSE(loop);
  EXPECT_THAT(loop.error().message, HasSubstr("leads back to itself"));
}

TEST_F(AnalysisTest, ErrorsSayWhereAndWhatInstead) {
  EXPECT_EQ(error("SELECT *\nFROM a\nWHER x = 1"),
            "line 3, column 6: syntax error at or near \"x\".");
  EXPECT_THAT(error("INSERT INTO a VALUES (1)"), HasSubstr("Only SELECT"));
  EXPECT_THAT(error("PIVOT a ON b USING sum(c)"), HasSubstr("ON c IN ('a', 'b')"));
  EXPECT_THAT(error("SELECT 1; SELECT 2"), HasSubstr("Only one statement"));
  EXPECT_THAT(error("-- nothing"), HasSubstr("no statement"));
  EXPECT_THAT(error("SELECT 'a"), HasSubstr("line 1, column 8"));
  EXPECT_THAT(error("FROM query_table('a')"), HasSubstr("write the table's name in FROM"));
  EXPECT_THAT(error("SELECT * FROM a AT (VERSION => 1)"), HasSubstr("AT (VERSION"));
  EXPECT_THAT(error("SHOW TABLES"), HasSubstr("SHOW"));
  EXPECT_THAT(error(std::string("SELECT '\0'", 10)), HasSubstr("NUL"));
  EXPECT_THAT(error("SELECT '\xff'"), HasSubstr("UTF-8"));
}

TEST_F(AnalysisTest, LakeTables) {
  const std::string text = "SELECT * FROM orders, shop.items, minato.shop.x, minato.y";
  const auto analysis = analyse(*session_, text);
  ASSERT_TRUE(analysis);
  const auto tables = lake_tables(*analysis, text, "minato", "sales");
  ASSERT_TRUE(tables);
  EXPECT_THAT(*tables, ElementsAre(TableName{"sales", "orders"}, TableName{"shop", "items"},
                                   TableName{"shop", "x"}, TableName{"main", "y"}));
  const auto other = analyse(*session_, "SELECT 1\nFROM system.main.x");
  const auto refused = lake_tables(*other, "SELECT 1\nFROM system.main.x", "minato", "sales");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message,
              HasSubstr("line 2, column 6: system.main.x is not in the lake"));
}

TEST_F(AnalysisTest, UnknownTablesGetASuggestion) {
  const std::string text = "SELECT *\nFROM shop.ordrs";
  const TableRef table = analyse(*session_, text)->tables.at(0);
  EXPECT_EQ(unknown_table(text, table, {{"shop", "orders"}, {"shop", "items"}}),
            "line 2, column 6: there is no table shop.ordrs. Did you mean shop.orders?");
  EXPECT_EQ(unknown_table(text, TableRef{"", "stock", "orders", 14}, {{"shop", "orders"}}),
            "line 2, column 6: there is no table stock.orders. Did you mean shop.orders?");
}

}  // namespace
}  // namespace minato::sql
