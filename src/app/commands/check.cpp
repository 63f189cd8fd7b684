// `minato check`: everything that can be said without running anything. With a running `minato
// serve`, names of tables are checked as well.
#include "marts/check.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/catalogue.h"
#include "app/cli.h"
#include "app/commands/commands.h"
#include "app/roles/engine.h"
#include "app/roles/role.h"
#include "app/roles/sources.h"
#include "lake/engine.h"
#include "oncall/service.h"
#include "state/tables.h"

namespace minato::app {
namespace {

struct Found {
  std::string file;
  int line = 0;
  std::string message;
  std::string suggestion;
};

void check_gate(const Platform& platform, const Config& config, std::vector<Found>& out) {
  const Status good = check_gate_certificate(platform, config);
  if (!good) out.push_back({"minato.toml", 0, describe(good.error()), "[gate] tls_cert_file"});
}

void check_sources(const Platform& platform, const Config& config, std::vector<Found>& out) {
  for (const SourceConfig& source : config.sources) {
    const auto options = source_options(platform, source);
    if (!options) out.push_back({"minato.toml", source.line, options.error().message, ""});
  }
}

// The tables that are in the lake; nothing when no serve runs.
std::optional<std::vector<TableName>> known_tables(const Platform& platform, const Config& config) {
  if (!require_serve(platform)) return std::nullopt;
  const auto access = catalogue_access(platform, config);
  if (!access) return std::nullopt;
  auto connection = pg::Connection::open(access->owner);
  if (!connection) return std::nullopt;
  const auto tables = state::lake_tables(*connection);
  if (!tables) return std::nullopt;
  std::vector<TableName> names;
  for (const state::LakeTable& table : *tables) {
    if (table.state != state::TableState::dropped) names.push_back(table.name);
  }
  return names;
}

void check_oncall(const Platform& platform, const Config& config, std::vector<Found>& out) {
  if (!config.oncall.given) return;
  const oncall::Complaints complaints = oncall::check(config.oncall, platform.dir);
  for (const Problem& problem : complaints.problems) {
    out.push_back({problem.file, problem.line, problem.text, problem.hint});
  }
  // A gap in a rota is no mistake: its fallback is rung.
  for (const Problem& warning : complaints.warnings) std::cerr << to_string(warning) << "\n";
}

Status check_marts(const Platform& platform, const Config& config, std::vector<Found>& out) {
  std::error_code error;
  if (!std::filesystem::exists(platform.marts(), error)) return {};
  marts::CheckOptions options;
  options.platform = platform.dir;
  options.tables = known_tables(platform, config);
  for (const SourceConfig& source : config.sources) {
    options.patterns.insert(options.patterns.end(), source.tables.begin(), source.tables.end());
  }
  lake::EngineOptions engine_options;
  engine_options.extensions.clear();  // it parses only
  engine_options.memory_limit_mb = 256;
  engine_options.threads = 1;
  TRY_ASSIGN(const lake::Engine engine, lake::Engine::open(engine_options));
  TRY_ASSIGN(const auto findings, marts::check(options, engine));
  for (const marts::Finding& finding : findings) {
    out.push_back({finding.file, finding.line, finding.message, finding.suggestion});
  }
  return {};
}

std::string to_text(const Found& found) {
  return to_string(Problem{found.file, found.line, found.message, found.suggestion});
}

}  // namespace

Result<int> check(const Platform& platform, bool json) {
  std::vector<Found> found;
  Config config;
  TRY_ASSIGN(const std::string text, read_config(platform.dir));
  for (const Problem& problem : parse_config(text, "minato.toml", config)) {
    found.push_back({problem.file, problem.line, problem.text, problem.hint});
  }
  if (found.empty()) {
    check_sources(platform, config, found);
    check_gate(platform, config, found);
    check_oncall(platform, config, found);
    for (const bool reader : {false, true}) {
      const auto lake = lake_options(platform, config, "", reader);
      if (!lake) found.push_back({"minato.toml", 0, lake.error().message, ""});
      if (!lake) break;
    }
  }
  TRY(check_marts(platform, config, found));
  if (json) {
    nlohmann::json all = nlohmann::json::array();
    for (const Found& item : found) {
      all.push_back({{"file", item.file},
                     {"line", item.line},
                     {"message", item.message},
                     {"suggestion", item.suggestion}});
    }
    std::cout << all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    for (const Found& item : found) std::cout << to_text(item) << "\n";
    if (found.empty()) std::cout << "All is well in " << platform.dir.string() << ".\n";
  }
  return found.empty() ? kExitGood : kExitInvalid;
}

}  // namespace minato::app
