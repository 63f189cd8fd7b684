// `minato oncall serve`: the switchboard, the API, and what keeps them informed: files that change,
// log drops, Minato's other roles, notes to the outside. Needs nothing but the platform's
// directory.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "oncall/carrier.h"
#include "oncall/settings.h"

namespace minato::oncall {

struct ServiceOptions {
  std::filesystem::path directory;  // the platform's
  std::filesystem::path hidden;     // .minato/oncall: journal, drill log, SIP
  std::filesystem::path roles;      // the supervisor's file; while it is there, roles must live
  std::string web_url;              // of the role web: "http://127.0.0.1:8750"
  std::function<Result<Settings>()> settings;  // of minato.toml now
};

/// Runs until `stop`. Errors: invalid (settings, teams.toml), unavailable (port, journal).
Status serve(const ServiceOptions& options, std::stop_token stop);

/// The carriers that are configured, by name. Error{invalid} for settings that do not make one,
/// {not_found} for a secret that is not there.
Result<std::map<std::string, std::shared_ptr<Carrier>>> make_carriers(
    const Settings& settings, const std::filesystem::path& directory,
    const std::filesystem::path& hidden);

/// Everything that `serve` would refuse: teams, speech, tokens, carriers and their secrets; gaps of
/// rotas as `warnings`.
struct Complaints {
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
};
Complaints check(const Settings& settings, const std::filesystem::path& directory);

/// One token a line; "name:token" and "# …" are fine. Error{not_found}, {invalid} when there is
/// none.
Result<std::vector<std::string>> read_tokens(const std::filesystem::path& file);

}  // namespace minato::oncall
