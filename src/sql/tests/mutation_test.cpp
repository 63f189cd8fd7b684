// Goal: whatever passes the fence never touches what is outside. Method: statements of tests/sql,
// both those that are allowed and those that try to escape, are taken apart and put together anew
// at random; what the fence lets pass is run with all doors open, and no secret may show.
// MINATO_SEED and MINATO_ROUNDS repeat and lengthen a run.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/testing/seed.h"
#include "sql/scan.h"
#include "sql/tests/gate_engine.h"

namespace minato::sql {
namespace {

using testing::GateEngine;
using testing::marker;

/// Names of what is outside, put in the place of harmless names.
constexpr const char* outside[] = {"hidden.main.secret",
                                   "secret",
                                   "temp.secret",
                                   "session_secret",
                                   "secret_view",
                                   "memory.main.secret_view",
                                   "'{dir}/secret.csv'",
                                   "\"{dir}/secret.parquet\"",
                                   "read_text('{dir}/secret.txt')",
                                   "secret_macro()",
                                   "(FROM hidden.main.secret)",
                                   "(SELECT content FROM read_text('{dir}/secret.txt'))",
                                   "duckdb_secrets()",
                                   "getvariable('secret')",
                                   "secret_table_macro()",
                                   "query_table('hidden.main.secret')",
                                   "duckdb_settings()",
                                   "query('FROM hidden.main.secret')",
                                   "enum_range(NULL::secret_enum)",
                                   "hidden",
                                   "read_csv",
                                   "system",
                                   "memory",
                                   "temp",
                                   "information_schema.tables",
                                   "duckdb_variables()",
                                   "parquet_scan('{dir}/*.parquet')"};

/// Ways to wrap a statement.
constexpr const char* frames[] = {"SELECT * FROM (#)",
                                  "WITH secret AS (#) FROM secret",
                                  "SELECT EXISTS (#)",
                                  "SELECT ARRAY (#)",
                                  "SELECT (#)",
                                  "DESCRIBE #",
                                  "SUMMARIZE #",
                                  "# UNION ALL #",
                                  "WITH RECURSIVE t AS (# UNION #) FROM t",
                                  "SELECT * FROM shop.orders, LATERAL (#)",
                                  "FROM (#) SELECT *",
                                  "SELECT * FROM (#) PIVOT (count(*) FOR id IN (1))",
                                  "WITH hidden AS (#) SELECT * FROM hidden",
                                  "SELECT list_transform([1], lambda x: (#))",
                                  "EXPLAIN #",
                                  "WITH a AS (#), b AS (FROM a) SELECT * FROM b, a",
                                  "SHOW #",
                                  "PIVOT (#) ON id IN (1) USING count(*)"};

/// Stops a statement that takes too long.
class Watchdog {
 public:
  explicit Watchdog(lake::Session& session)
      : thread_([this, &session](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            if (ticks_left_ > 0 && --ticks_left_ == 0) session.interrupt();
          }
        }) {}
  void begin() { ticks_left_ = 20; }
  void end() { ticks_left_ = 0; }

 private:
  std::atomic<int> ticks_left_ = 0;
  std::jthread thread_;
};

class Mutator {
 public:
  Mutator(std::uint64_t seed, const std::string& directory) : random_(seed) {
    for (const auto& [file, word] :
         {std::pair("allowed.sql", "allowed"), std::pair("escapes.sql", "attempt")}) {
      for (const auto& sample : testing::read_samples(file, word)) {
        std::string text = testing::replaced(sample.text, "{file}", directory + "/secret.txt");
        text = testing::replaced(testing::replaced(text, "{dir}", directory), "{lake}",
                                 directory + "/lake");
        if (text.find("https:") == std::string::npos) texts_.push_back(parts(text));
      }
    }
    for (const char* text : outside)
      outside_.push_back(testing::replaced(text, "{dir}", directory));
  }

  std::string make() {
    std::vector<std::string> out = any(texts_);
    for (int changes = pick(4); changes > 0; --changes) change(out);
    std::string text;
    for (const auto& part : out) text += part;
    while (pick(3) == 0) text = testing::replaced(frames[pick(std::size(frames))], "#", text);
    return text;
  }

 private:
  static std::vector<std::string> parts(const std::string& text) {
    std::vector<std::string> out;
    if (const auto tokens = scan(text)) {
      for (const auto& token : *tokens) out.emplace_back(token.text);
    } else {
      out.push_back(text);
    }
    return out;
  }
  int pick(std::size_t n) { return static_cast<int>(random_() % n); }
  template <class T>
  const T& any(const std::vector<T>& list) {
    return list[static_cast<std::size_t>(pick(list.size()))];
  }

  void change(std::vector<std::string>& out) {
    if (out.empty()) return;
    const auto at = out.begin() + pick(out.size());
    switch (pick(7)) {
      case 0: out.erase(at); break;
      case 1: *at = any(any(texts_)); break;
      case 2: out.insert(at, any(any(texts_))); break;
      case 3: std::swap(*at, out[static_cast<std::size_t>(pick(out.size()))]); break;
      case 4: {
        const auto& other = any(texts_);
        const auto from = static_cast<std::ptrdiff_t>(pick(other.size()));
        out.erase(at, out.end());
        out.insert(out.end(), other.begin() + from, other.end());
        break;
      }
      default: replace_a_name(out);
    }
  }

  /// The most telling change: another name where a name stands.
  void replace_a_name(std::vector<std::string>& out) {
    for (int tries = 0; tries < 20; ++tries) {
      std::string& part = out[static_cast<std::size_t>(pick(out.size()))];
      const bool name = std::isalpha(static_cast<unsigned char>(part[0])) != 0 || part[0] == '"';
      if (!name) continue;
      part = any(outside_);
      return;
    }
  }

  std::mt19937_64 random_;
  std::vector<std::vector<std::string>> texts_;
  std::vector<std::string> outside_;
};

TEST(Mutation, WhatPassesNeverTouchesWhatIsOutside) {
  const std::uint32_t seed = test_seed();
  const char* wanted = std::getenv("MINATO_ROUNDS");
  const int rounds = wanted != nullptr ? std::atoi(wanted) : 1500;
  SCOPED_TRACE("MINATO_SEED=" + std::to_string(seed));
  GateEngine engine;
  lake::Session session = engine.connect();
  lake::Session parser = engine.connect();
  Watchdog watchdog(session);
  Mutator mutator(seed, engine.directory());
  Fence fence;
  int passed = 0;
  int ran = 0;
  for (int round = 0; round < rounds; ++round) {
    const std::string text = mutator.make();
    if (text.find('\0') != std::string::npos) continue;
    const auto checked = check(parser, text, fence);
    if (!checked) {
      ASSERT_NE(checked.error().code, Code::internal) << text << "\n" << describe(checked.error());
      continue;
    }
    if (checked->text.empty()) continue;
    ++passed;
    bool failed = false;
    watchdog.begin();
    const std::string answer = GateEngine::run(session, checked->text, failed);
    watchdog.end();
    ASSERT_EQ(answer.find(marker), std::string::npos) << text << "\n"
                                                      << checked->text << "\n"
                                                      << answer;
    if (!failed) ++ran;
  }
  // The mutants are not all nonsense: otherwise the test would show nothing.
  EXPECT_GT(passed, rounds / 20);
  EXPECT_GT(ran, rounds / 50);
}

}  // namespace
}  // namespace minato::sql
