// `minato status`: works as long as serve and PostgreSQL run, even when minato.toml has errors.
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/catalogue.h"
#include "app/cli.h"
#include "app/commands/commands.h"
#include "web/status.h"

namespace minato::app {
namespace {

std::string or_dash(const nlohmann::json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void print(const nlohmann::json& all, const char* list, const std::vector<const char*>& keys) {
  const auto& items = all[list];
  std::cout << list << ":" << (items.empty() ? " none\n" : "\n");
  for (const auto& item : items) {
    std::string line = " ";
    for (const char* key : keys) {
      const std::string value = or_dash(item[key]);
      if (value == "-" || value.empty()) continue;
      line += fmt::format(" {}={}", key, value);
    }
    std::cout << line << "\n";
  }
}

}  // namespace

Result<int> status(const Platform& platform, bool json) {
  TRY(read_config(platform.dir));  // there is a platform at all
  if (Status running = require_serve(platform); !running) {
    std::cerr << "minato: " << running.error().message << "\n";
    return kExitNotRunning;
  }
  const Config config = load_config_leniently(platform.config_in_force());
  TRY_ASSIGN(const Access access, catalogue_access(platform, config));
  TRY_ASSIGN(auto connection, connect_within(access.owner, std::chrono::seconds(10)));
  TRY_ASSIGN(const state::PlatformStatus now, state::platform_status(connection));
  const auto all = web::status_json(now, web::load_processes(platform.roles()));
  if (json) {
    std::cout << all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    return 0;
  }
  print(all, "sources", {"name", "state", "lag_ms", "lag_bytes", "error"});
  print(all, "tables",
        {"schema", "name", "rows", "state", "rows_read", "lag_ms", "applied_at", "error"});
  print(all, "marts", {"schema", "name", "state", "last_success_at", "duration_ms", "why"});
  print(all, "processes", {"name", "pid", "up", "restarts"});
  print(all, "incidents", {"title", "text", "opened_at", "occurrences"});
  return 0;
}

}  // namespace minato::app
