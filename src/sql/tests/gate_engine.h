// An engine like that of a gate but with every door open and a secret behind each, so that the
// fence alone is tested: the catalogue `minato` with a shop, and beside it files, databases, views,
// macros, variables, secrets.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "lake/engine.h"
#include "model/names.h"
#include "sql/fence.h"

#ifndef MINATO_SOURCE_DIR
#define MINATO_SOURCE_DIR "."  // fuzzers are started from the top
#endif

namespace minato::sql::testing {

/// Stands in every place that must not be reached.
inline constexpr std::string_view marker = "the_harbour_master_keeps_this";

inline std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

class GateEngine {
 public:
  /// `attach` makes the catalogue `minato`; without it, it is a database file.
  explicit GateEngine(const std::function<Status(lake::Engine&)>& attach = {})
      : engine_(open()), session_(connect()) {
    char name[] = "/tmp/minato-sql-XXXXXX";
    CHECK(mkdtemp(name) != nullptr);
    directory_ = name;
    std::filesystem::create_directory(directory_ + "/lake");
    std::ofstream(directory_ + "/secret.txt") << marker;
    std::ofstream(directory_ + "/secret.csv") << "name,value\na," << marker << "\n";
    ::setenv("MINATO_TEST_SECRET", std::string(marker).c_str(), 1);
    const Status attached =
        attach ? attach(engine_) : session_.run("ATTACH '" + directory_ + "/minato.db' AS minato");
    CHECK(attached.has_value());
    for (const std::string& statement : statements()) {
      const auto done =
          session_.run(replaced(replaced(statement, "{dir}", directory_), "{marker}", marker));
      if (!done)
        std::fprintf(stderr, "%s: %s\n", statement.c_str(), describe(done.error()).c_str());
      CHECK(done.has_value());
    }
  }
  ~GateEngine() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  GateEngine(const GateEngine&) = delete;
  GateEngine& operator=(const GateEngine&) = delete;

  lake::Session& session() { return session_; }
  lake::Session connect() {
    auto session = engine_.connect();
    CHECK(session.has_value());
    return std::move(*session);
  }
  const std::string& directory() const { return directory_; }

  /// All values of a result in one text, or the error with everything that it carries.
  static std::string run(lake::Session& session, const std::string& sql, bool& failed) {
    const auto rows = session.query(sql);
    failed = !rows;
    if (failed) return describe(rows.error());
    std::string out;
    for (const auto& column : rows->columns()) out += column.name + " ";
    for (std::size_t row = 0; row < rows->size(); ++row) {
      for (std::size_t column = 0; column < rows->columns().size(); ++column) {
        out += rows->text(row, column) + " ";
      }
    }
    return out;
  }

 private:
  static lake::Engine open() {
    lake::EngineOptions options;
    options.threads = 1;
    options.memory_limit_mb = 512;
    auto engine = lake::Engine::open(options);
    CHECK(engine.has_value());
    return std::move(*engine);
  }

  static std::vector<std::string> statements() {
    return {
        "CREATE SCHEMA minato.shop",
        "CREATE TABLE minato.shop.orders (id BIGINT, customer BIGINT, amount DECIMAL(18,2), note "
        "VARCHAR, "
        "placed_at TIMESTAMP)",
        "INSERT INTO minato.shop.orders VALUES (1, 1, 10, 'a', '2024-01-01'), (2, 2, 20, 'B', "
        "'2024-01-02'), "
        "(3, 1, 5, NULL, '2024-01-03')",
        "CREATE TABLE minato.shop.customers (id BIGINT, name VARCHAR, tags VARCHAR[])",
        "INSERT INTO minato.shop.customers VALUES (1, 'West', ['x', 'y']), (2, 'Harbor', [])",
        "CREATE SCHEMA minato.\"売上\"",
        "CREATE TABLE minato.\"売上\".\"明細\" (\"品名\" VARCHAR, \"数量\" BIGINT)",
        "ATTACH '{dir}/hidden.db' AS hidden",
        "CREATE TABLE hidden.main.secret AS SELECT 1 AS id, 'a' AS name, '{marker}' AS value",
        "CREATE TEMP TABLE session_secret AS SELECT '{marker}' AS value",
        "CREATE TEMP TABLE secret AS SELECT '{marker}' AS value",
        "CREATE VIEW memory.main.secret_view AS SELECT '{marker}' AS value",
        "CREATE MACRO memory.main.secret_macro() AS '{marker}'",
        "CREATE MACRO memory.main.secret_table_macro() AS TABLE SELECT '{marker}' AS value",
        "CREATE TYPE memory.main.secret_enum AS ENUM ('{marker}')",
        "SET VARIABLE secret = '{marker}'",
        "CREATE SECRET (TYPE postgres, HOST '127.0.0.1', PORT 1, PASSWORD '{marker}')",
        "CREATE SEQUENCE memory.main.s",
        "COPY (SELECT 'a' AS name, '{marker}' AS value) TO '{dir}/secret.parquet'",
        "COPY (SELECT 'a' AS name, '{marker}' AS value) TO '{dir}/lake/data.parquet'",
    };
  }

  lake::Engine engine_;
  lake::Session session_;
  std::string directory_;
};

struct Sample {
  std::string name;
  std::string text;
};

/// The statements of a file of tests/sql: below lines that begin with `-- <word>: name`.
inline std::vector<Sample> read_samples(const std::string& file, const std::string& word) {
  std::ifstream in(std::string(MINATO_SOURCE_DIR) + "/tests/sql/" + file);
  CHECK(in.good());
  const std::string mark = "-- " + word + ": ";
  std::vector<Sample> samples;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(mark)) {
      samples.push_back({line.substr(mark.size()), ""});
    } else if (!samples.empty()) {
      std::string& text = samples.back().text;
      text += (text.empty() ? "" : "\n") + line;
    }
  }
  return samples;
}

}  // namespace minato::sql::testing
