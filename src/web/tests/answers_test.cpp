// What the web role answers, without sockets and without PostgreSQL.
#include "web/answers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace minato::web {
namespace {

WebOptions nowhere() {
  WebOptions options;
  options.conninfo = "host=/nonexistent dbname=x connect_timeout=1";
  options.roles_file = "/nonexistent/roles.json";
  return options;
}

TEST(Answers, OnlyKnownPathsAndGet) {
  for (const char* path : {"/nowhere", "/../minato.toml", "/api/v1/../../minato.toml", "", "//"}) {
    EXPECT_EQ(answer(nowhere(), "GET", path).status, 404) << path;
  }
  EXPECT_EQ(answer(nowhere(), "POST", "/").status, 405);
  EXPECT_EQ(answer(nowhere(), "GET", "/?x=1").status, 200);
  EXPECT_NE(answer(nowhere(), "GET", "/").body.find("<!doctype html>"), std::string::npos);
}

TEST(Answers, WithoutPostgresHealthFailsAndMetricsSaySo) {
  EXPECT_EQ(answer(nowhere(), "GET", "/healthz").status, 503);
  EXPECT_EQ(answer(nowhere(), "GET", "/api/v1/status").status, 503);
  const Answer metrics = answer(nowhere(), "GET", "/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_NE(metrics.body.find("minato_postgres_up 0"), std::string::npos);
}

TEST(Answers, ProcessesAreReadFromTheSupervisorsFile) {
  const std::string path = testing::TempDir() + "roles.json";
  const std::string pid = std::to_string(getpid());
  std::ofstream(path)
      << R"({"supervisor":)" << pid << R"(,"processes":[{"name":"core","pid":)" << pid
      << R"(,"restarts":2,"failing":false,"last_end":"x"},{"name":"gate","pid":0}]})";
  const auto processes = load_processes(path);
  ASSERT_EQ(processes.size(), 3U);
  EXPECT_TRUE(processes[1].up);
  EXPECT_EQ(processes[1].restarts, 2);
  EXPECT_GT(processes[1].memory_bytes, 100'000);
  EXPECT_FALSE(processes[2].up);
  EXPECT_TRUE(load_processes("/nonexistent").empty());
}

TEST(Answers, ALagThatIsNotKnownIsLeftOut) {
  state::PlatformStatus status;
  status.sources.resize(2);
  status.sources[0].name = "near";
  status.sources[0].lag_bytes = 4096;
  status.sources[1].name = "away";
  const std::string text = metrics_text(status, {});
  EXPECT_NE(text.find("minato_source_lag_bytes{source=\"near\"} 4096\n"), std::string::npos);
  EXPECT_EQ(text.find("minato_source_lag_bytes{source=\"away\"}"), std::string::npos);
  const auto all = status_json(status, {});
  EXPECT_EQ(all["sources"][0]["lag_bytes"], 4096);
  EXPECT_TRUE(all["sources"][1]["lag_bytes"].is_null());
}

TEST(Answers, NamesAreEscapedAndProgressIsShownWhileThereIsSome) {
  state::PlatformStatus status;
  state::TableStatus table;
  table.table.name = {"sh\"op", "a\\b\n港"};
  table.table.rows = 12;
  status.tables.push_back(table);
  table.table.name = {"shop", "big"};
  table.table.rows_read = 1000;
  status.tables.push_back(table);
  const std::string text = metrics_text(status, {});
  EXPECT_NE(text.find("minato_table_rows{schema=\"sh\\\"op\",table=\"a\\\\b\\n港\"} 12\n"),
            std::string::npos)
      << text;
  // Only of the table that is being read.
  const auto read = text.find("minato_table_rows_read{schema=\"shop\",table=\"big\"} 1000\n");
  EXPECT_NE(read, std::string::npos) << text;
  EXPECT_EQ(text.find("minato_table_rows_read{", read + 1), std::string::npos);
  const auto all = status_json(status, {});
  EXPECT_TRUE(all["tables"][0]["rows_read"].is_null());
  EXPECT_EQ(all["tables"][1]["rows_read"], 1000);
}

}  // namespace
}  // namespace minato::web
