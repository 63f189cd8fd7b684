// Goal: nothing that people write gets out of the lake. Method: the attempts of
// tests/sql/escapes.sql against the fence in front of an engine with open doors; a secret marker
// must not show in any answer or error. And the other way round: the statements of
// tests/sql/allowed.sql pass and run.
#include <gtest/gtest.h>

#include "sql/statement.h"
#include "sql/tests/gate_engine.h"

namespace minato::sql {
namespace {

using testing::GateEngine;
using testing::marker;
using testing::Sample;

class Escape : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = new GateEngine(); }
  static void TearDownTestSuite() {
    delete engine_;
    engine_ = nullptr;
  }
  static std::string filled_in(const Sample& sample) {
    const std::string& dir = engine_->directory();
    std::string text = testing::replaced(sample.text, "{file}", dir + "/secret.txt");
    return testing::replaced(testing::replaced(text, "{dir}", dir), "{lake}", dir + "/lake");
  }
  static bool tells(const std::string& text) { return text.find(marker) != std::string::npos; }

  static GateEngine* engine_;
  Fence fence_;
};
GateEngine* Escape::engine_ = nullptr;

TEST_F(Escape, EveryAttemptFailsAndTellsNothing) {
  const auto attempts = testing::read_samples("escapes.sql", "attempt");
  EXPECT_GE(attempts.size(), 200U);
  for (const auto& attempt : attempts) {
    SCOPED_TRACE(attempt.name + ": " + attempt.text);
    const auto checked = check(engine_->session(), filled_in(attempt), fence_);
    if (!checked) {
      EXPECT_FALSE(tells(describe(checked.error()))) << describe(checked.error());
      EXPECT_FALSE(checked.error().message.empty());
      EXPECT_NE(checked.error().code, Code::internal) << describe(checked.error());
      continue;
    }
    // Some pass because they name a table of the lake that is not there.
    ASSERT_FALSE(checked->text.empty()) << "a command, not an attempt";
    bool failed = false;
    const std::string answer = GateEngine::run(engine_->session(), checked->text, failed);
    EXPECT_TRUE(failed) << checked->text << " gave " << answer;
    EXPECT_FALSE(tells(answer)) << answer;
  }
}

TEST_F(Escape, TheDoorsAreReallyOpen) {
  // Without the fence many of the attempts succeed: otherwise the test above would show nothing.
  GateEngine victim;
  int told = 0;
  for (const auto& attempt : testing::read_samples("escapes.sql", "attempt")) {
    std::string text =
        testing::replaced(attempt.text, "{file}", victim.directory() + "/secret.txt");
    text = testing::replaced(text, "{dir}", victim.directory());
    text = testing::replaced(text, "{lake}", victim.directory() + "/lake");
    const auto statement = recognise(text);
    if (!statement || statement->kind != StatementKind::query) continue;
    if (text.find("sleep_ms") != std::string::npos) continue;
    bool failed = false;
    if (tells(GateEngine::run(victim.session(), text, failed))) ++told;
  }
  EXPECT_GE(told, 60);
}

TEST_F(Escape, WhatAnalystsWritePassesAndRuns) {
  lake::Session session = engine_->connect();
  for (const auto& sample : testing::read_samples("allowed.sql", "allowed")) {
    SCOPED_TRACE(sample.name + ": " + sample.text);
    const auto checked = check(engine_->session(), sample.text, fence_);
    ASSERT_TRUE(checked) << describe(checked.error());
    bool failed = false;
    const std::string answer = GateEngine::run(session, checked->text, failed);
    EXPECT_FALSE(failed) << checked->text << " gave " << answer;
    EXPECT_FALSE(tells(answer)) << answer;
  }
}

}  // namespace
}  // namespace minato::sql
