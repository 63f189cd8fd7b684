// Goal: the analysis and the fence see exactly the tables that the engine reads. Method: random
// queries whose tables are known from their making; the engine's own plan as a second witness; the
// text that the fence hands out must give the same rows as the one that was written. MINATO_SEED
// repeats a run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/testing/seed.h"
#include "lake/engine.h"
#include "sql/analysis.h"
#include "sql/fence.h"
#include "sql/tests/random_query.h"
#include "sql/tree.h"

namespace minato::sql {
namespace {

/// More of them: MINATO_ROUNDS=10000.
int rounds(int usual) {
  const char* given = std::getenv("MINATO_ROUNDS");
  return given != nullptr ? std::atoi(given) : usual;
}

class RandomTest : public ::testing::Test {
 protected:
  RandomTest() : engine_(open()), session_(*engine_.connect()), parser_(*engine_.connect()) {
    EXPECT_TRUE(session_.run("ATTACH ':memory:' AS minato"));
    EXPECT_TRUE(session_.run("CREATE SCHEMA minato.s"));
    for (const char* name : {"t0", "t1", "t2", "t3", "t4", "表"}) {
      EXPECT_TRUE(session_.run(std::string("CREATE TABLE minato.s.\"") + name +
                               "\" AS SELECT 1::BIGINT AS a, " + std::to_string(name[1]) +
                               "::BIGINT AS b"));
    }
    EXPECT_TRUE(session_.run("USE minato.s"));
  }
  static lake::Engine open() {
    lake::EngineOptions options;
    options.threads = 1;
    options.extensions = {};
    return std::move(*lake::Engine::open(options));
  }
  /// Sorted rows, or the error. Some queries the engine itself cannot plan ("Failed to bind column
  /// reference", DuckDB 1.5.5, MINATO_SEED=2458480737): how it fails does not matter then.
  static std::vector<std::string> rows(lake::Session& session, const std::string& sql) {
    const auto result = session.query(sql);
    if (!result && result.error().code == Code::internal) return {"internal"};
    if (!result) return {describe(result.error())};
    std::vector<std::string> out;
    for (std::size_t row = 0; row < result->size(); ++row) {
      out.push_back(result->text(row, 0) + "|" + result->text(row, 1));
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  /// Tables in the plan before it is optimised; CTEs that nobody reads are not in it.
  std::set<std::string> planned(const std::string& sql) {
    std::set<std::string> out;
    const auto plan = session_.query("EXPLAIN " + sql);
    if (!plan && plan.error().code == Code::internal) return out;
    EXPECT_TRUE(plan) << describe(plan.error()) << "\n" << sql;
    if (!plan) return out;
    const std::string text = plan->text(0, plan->columns().size() - 1);
    for (const std::string name : {"t0", "t1", "t2", "t3", "t4", "表"}) {
      if (text.find("s." + name) != std::string::npos) out.insert(name);
    }
    return out;
  }

  lake::Engine engine_;
  lake::Session session_;
  lake::Session parser_;
};

TEST_F(RandomTest, TheAnalysisFindsWhatTheQueryWasMadeOf) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("MINATO_SEED=" + std::to_string(seed));
  testing::RandomQuery random(seed);
  Fence fence;
  fence.search_path = {"s"};
  ASSERT_TRUE(session_.run("SET explain_output = 'all'"));
  std::size_t witnessed = 0;
  for (int i = 0; i < rounds(80); ++i) {
    const std::string sql = random.make();
    SCOPED_TRACE(sql);
    const auto analysis = analyse(parser_, sql);
    ASSERT_TRUE(analysis) << describe(analysis.error());
    std::set<std::string> found;
    for (const auto& table : analysis->tables) found.insert(fold(table.name));
    ASSERT_EQ(found, random.reads());

    const auto checked = check(parser_, sql, fence);
    ASSERT_TRUE(checked) << describe(checked.error());
    std::set<std::string> pinned;
    for (const auto& table : checked->tables) {
      ASSERT_EQ(fold(table.schema), "s");
      pinned.insert(fold(table.name));
    }
    ASSERT_EQ(pinned, random.reads());

    ASSERT_FALSE(HasFailure());
    const auto plan = planned(sql);
    witnessed += plan.size();
    for (const auto& name : plan) ASSERT_TRUE(found.contains(name)) << name;
    // The session of the fence's text has no default schema: every name must be written out.
    ASSERT_EQ(rows(parser_, checked->text), rows(session_, sql)) << checked->text;
  }
  EXPECT_GT(witnessed, 50U) << "the plan's tables are no longer recognised";
}

}  // namespace
}  // namespace minato::sql
