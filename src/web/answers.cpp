#include "web/answers.h"

#include <nlohmann/json.hpp>

#include "runtime/pg.h"

namespace minato::web {
namespace {

using nlohmann::json;

std::string text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

Answer failed(const Error& error) {
  return {503, "application/json", text({{"error", error.message}})};
}

Result<state::PlatformStatus> ask(const WebOptions& options) {
  TRY_ASSIGN(auto connection, pg::Connection::open(options.conninfo));
  return state::platform_status(connection);
}

// 200 only when every process runs and PostgreSQL answers.
Answer health(const WebOptions& options) {
  json out = {{"ok", true}, {"processes", json::object()}};
  const auto processes = load_processes(options.roles_file);
  for (const ProcessView& process : processes) {
    const bool good = process.up && !process.failing;
    out["processes"][process.name] = good ? "up" : process.failing ? "failing" : "down";
    if (!good) out["ok"] = false;
  }
  const auto answers = [&]() -> Status {
    TRY_ASSIGN(auto connection, pg::Connection::open(options.conninfo));
    TRY(connection.script("set statement_timeout = '3s'"));
    TRY(connection.query("select 1"));
    return {};
  }();
  out["postgres"] = answers ? "answers" : answers.error().message;
  if (!answers || processes.empty()) out["ok"] = false;
  const int status = out["ok"].get<bool>() ? 200 : 503;
  return {status, "application/json", text(out)};
}

Answer incidents(const WebOptions& options) {
  const auto status = ask(options);
  if (!status) return failed(status.error());
  return {200, "application/json", text(status_json(*status, {})["incidents"])};
}

Answer status_answer(const WebOptions& options) {
  const auto status = ask(options);
  if (!status) return failed(status.error());
  return {200, "application/json", text(status_json(*status, load_processes(options.roles_file)))};
}

// A scrape never fails as a whole: what is known without PostgreSQL is still told.
Answer metrics(const WebOptions& options) {
  const auto processes = load_processes(options.roles_file);
  const auto status = ask(options);
  std::string body = metrics_text(status ? *status : state::PlatformStatus{}, processes);
  body += "# HELP minato_postgres_up Whether the catalogue's PostgreSQL answers.\n";
  body += "# TYPE minato_postgres_up gauge\nminato_postgres_up ";
  body += status ? "1\n" : "0\n";
  return {200, "text/plain; version=0.0.4; charset=utf-8", body};
}

}  // namespace

Answer answer(const WebOptions& options, std::string_view method, std::string_view target) {
  if (method != "GET" && method != "HEAD") {
    return {405, "application/json", text({{"error", "Only GET is answered here."}})};
  }
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/") return {200, "text/html; charset=utf-8", std::string(page_html())};
  if (path == "/healthz") return health(options);
  if (path == "/metrics") return metrics(options);
  if (path == "/api/v1/status") return status_answer(options);
  if (path == "/api/v1/incidents") return incidents(options);
  const char* known =
      "There is nothing here. There are: /, /healthz, /metrics, /api/v1/status, /api/v1/incidents.";
  return {404, "application/json", text({{"error", known}})};
}

}  // namespace minato::web
