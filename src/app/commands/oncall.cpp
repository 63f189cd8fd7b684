// `minato oncall`: looking. What is read comes from the journal and the files, so that it works
// while on-call runs and while it does not.
#include "app/commands/oncall.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/text.h"
#include "oncall/carriers/options.h"
#include "oncall/cost.h"
#include "oncall/journal.h"
#include "oncall/service.h"
#include "oncall/speech/speech.h"
#include "oncall/views.h"

namespace minato::app {
namespace {

using oncall::OrderedJson;

SystemTime now() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

Result<oncall::Journal> journal(const Platform& platform) {
  return oncall::Journal::open_to_read(platform.oncall() / "journal.db");
}

/// "2026-11-26 18:30:05" of RFC 3339, for tables.
std::string shown(const std::optional<SystemTime>& time) {
  if (!time) return "-";
  std::string text = rfc3339(*time).substr(0, 19);
  text[10] = ' ';
  return text;
}

Result<oncall::TeamsFile> teams(const Platform& platform) {
  TRY_ASSIGN(oncall::TeamsFile file, oncall::load_teams(platform.dir));
  for (const Problem& warning : file.warnings) std::cerr << to_string(warning) << "\n";
  return file;
}

Result<const oncall::Team*> team_of(const oncall::TeamsFile& file, const std::string& name,
                                    const Config& config) {
  std::string wanted = name.empty() ? config.oncall.default_team : name;
  if (wanted.empty()) wanted = file.teams.teams.begin()->first;
  const oncall::Team* team = file.teams.find(wanted);
  if (team) return team;
  std::vector<std::string> known;
  for (const auto& [other, value] : file.teams.teams) known.push_back(other);
  return fail(Code::not_found,
              "There is no team \"" + wanted + "\"." + did_you_mean(wanted, known));
}

Result<std::vector<oncall::Change>> changes_of(const Platform& platform, SystemTime at) {
  auto opened = journal(platform);
  if (!opened && opened.error().code == Code::not_found) return std::vector<oncall::Change>();
  if (!opened) return fail(opened.error());
  return opened->changes(at);
}

Result<int> show_incident(oncall::Journal& from, const OncallOptions& options) {
  TRY_ASSIGN(const auto incident, from.incident(options.id));
  if (!incident) return fail(Code::not_found, "There is no incident \"" + options.id + "\".");
  TRY_ASSIGN(const auto history, from.history(incident->seq));
  TRY_ASSIGN(const auto attempts, from.attempts_about(*incident));
  OrderedJson out = oncall::view(*incident);
  out["history"] = OrderedJson::array();
  for (const auto& happening : history) out["history"].push_back(oncall::view(happening));
  out["attempts"] = OrderedJson::array();
  for (const auto& attempt : attempts) out["attempts"].push_back(oncall::view(attempt));
  if (options.json) {
    std::cout << oncall::text_of(out, 2) << "\n";
    return 0;
  }
  std::cout << fmt::format("{}  {}  {}  {}\n{}\n", incident->id,
                           oncall::name_of(incident->severity), oncall::name_of(incident->state),
                           incident->key, incident->title);
  for (const auto& h : history) {
    std::cout << fmt::format("  {}  {} {} {}\n", shown(h.at), h.what, h.who, h.note);
  }
  for (const auto& a : attempts) {
    std::cout << fmt::format(
        "  {}  call to {} by {}: {}\n", shown(a.planned_at), a.person, a.carrier,
        a.outcome == oncall::Outcome::none ? oncall::name_of(a.state) : oncall::name_of(a.outcome));
  }
  return 0;
}

}  // namespace

Result<int> oncall_incidents(const Platform& platform, const OncallOptions& options) {
  TRY_ASSIGN(auto from, journal(platform));
  if (!options.id.empty()) return show_incident(from, options);
  oncall::IncidentFilter filter;
  filter.team = options.team;
  filter.limit = options.limit;
  if (!options.state.empty()) filter.state = oncall::incident_state_of(options.state);
  TRY_ASSIGN(const auto found, from.incidents(filter));
  if (options.json) {
    OrderedJson all = OrderedJson::array();
    for (const auto& incident : found) all.push_back(oncall::view(incident));
    std::cout << oncall::text_of(all, 2) << "\n";
    return 0;
  }
  for (const auto& i : found) {
    std::cout << fmt::format("{:8} {:9} {:13} {}  {}  {}\n", i.id, oncall::name_of(i.severity),
                             oncall::name_of(i.state), shown(i.opened_at), i.key, i.title);
  }
  if (found.empty()) std::cout << "No incidents.\n";
  return 0;
}

Result<int> oncall_attempts(const Platform& platform, const OncallOptions& options) {
  TRY_ASSIGN(auto from, journal(platform));
  oncall::AttemptFilter filter;
  filter.limit = options.limit;
  if (!options.month.empty()) {
    TRY_ASSIGN(const auto range, oncall::month_of(options.month));
    filter.from = range.first;
    filter.to = range.second;
  }
  TRY_ASSIGN(const auto found, from.attempts(filter));
  if (options.json) {
    OrderedJson all = OrderedJson::array();
    for (const auto& attempt : found) all.push_back(oncall::view(attempt));
    std::cout << oncall::text_of(all, 2) << "\n";
    return 0;
  }
  for (const auto& a : found) {
    std::cout << fmt::format(
        "{}  {:10} round {} lap {} call {:3}  {:10} {:14} by {:8} {}\n", shown(a.planned_at),
        a.team, a.round, a.lap, a.number, a.person, oncall::masked(a.phone), a.carrier,
        a.outcome == oncall::Outcome::none ? oncall::name_of(a.state) : oncall::name_of(a.outcome));
  }
  if (found.empty()) std::cout << "No calls.\n";
  return 0;
}

Result<int> oncall_rota(const Platform& platform, const OncallOptions& options) {
  if (!options.file.empty()) {
    // Found good first, then put into place in one step.
    TRY_ASSIGN(const std::string text,
               read_secret({options.file, ""}, std::filesystem::current_path(), "The rota"));
    const oncall::TeamsFile parsed = oncall::parse_teams(text, options.file);
    if (!parsed.problems.empty()) return fail(Code::invalid, to_string(parsed.problems));
    for (const Problem& warning : parsed.warnings) std::cerr << to_string(warning) << "\n";
    std::error_code error;
    std::filesystem::create_directories(platform.dir / "oncall", error);
    TRY(write_file(platform.dir / "oncall" / "teams.toml", text + "\n", 0640));
    std::cout << parsed.teams.teams.size() << " teams taken over.\n";
    return 0;
  }
  TRY_ASSIGN(const oncall::TeamsFile file, teams(platform));
  TRY_ASSIGN(const auto changes, changes_of(platform, now()));
  if (options.json) {
    OrderedJson all = OrderedJson::array();
    for (const auto& [name, team] : file.teams.teams) all.push_back(oncall::view(team));
    OrderedJson out = {{"teams", all}, {"changes", OrderedJson::array()}};
    for (const auto& change : changes) out["changes"].push_back(oncall::view(change));
    std::cout << oncall::text_of(out, 2) << "\n";
    return 0;
  }
  for (const auto& [name, team] : file.teams.teams) {
    std::cout << name << "  (" << team.time_zone << ")\n";
    for (const auto& member : team.members) {
      std::cout << fmt::format("  {:12} {}\n", member.name, oncall::masked(member.phone));
    }
  }
  for (const auto& c : changes) {
    std::cout << fmt::format("  {} {}: {} {} until {}\n", c.id, c.team, c.person,
                             c.instead_by.empty() ? "is away" : "is covered by " + c.instead_by,
                             shown(c.to));
  }
  return 0;
}

Result<int> oncall_who(const Platform& platform, const OncallOptions& options) {
  const Config config = load_config_leniently(platform.dir);
  TRY_ASSIGN(const oncall::TeamsFile file, teams(platform));
  TRY_ASSIGN(const oncall::Team* const team, team_of(file, options.team, config));
  const auto severity = oncall::severity_of(options.severity);
  if (!severity) return fail(Code::invalid, "Severities are info, warning, error and critical.");
  SystemTime at = now();
  if (!options.at.empty()) {
    TRY_ASSIGN(at, oncall::parse_time(options.at, team->time_zone));
  }
  TRY_ASSIGN(const auto changes, changes_of(platform, std::min(at, now())));
  const OrderedJson out = oncall::view_of_duty(*team, changes, at, *severity);
  if (options.json) {
    std::cout << oncall::text_of(out, 2) << "\n";
    return 0;
  }
  int place = 0;
  for (const auto& person : out["people"]) {
    std::cout << fmt::format("{}. {:12} {}\n", ++place, person["name"].get<std::string>(),
                             person["phone"].get<std::string>());
  }
  if (out["gap"].get<bool>()) std::cout << "Nobody is on duty then: this is the fallback.\n";
  if (!out["rings_now"].get<bool>())
    std::cout << "An incident of this severity does not ring then.\n";
  return 0;
}

Result<int> oncall_cost(const Platform& platform, const OncallOptions& options) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  TRY_ASSIGN(auto from, journal(platform));
  oncall::AttemptFilter filter;
  filter.limit = 10'000'000;
  if (!options.month.empty()) {
    TRY_ASSIGN(const auto range, oncall::month_of(options.month));
    filter.from = range.first;
    filter.to = range.second;
  }
  TRY_ASSIGN(const auto attempts, from.attempts(filter));
  const auto lines = oncall::costs(attempts, oncall::prices_of(config.oncall));
  OrderedJson all = OrderedJson::array();
  for (const auto& line : lines) all.push_back(oncall::view(line));
  if (options.json) {
    std::cout << oncall::text_of(all, 2) << "\n";
    return 0;
  }
  for (const auto& line : lines) {
    std::cout << fmt::format("{}  {:12} {:5} calls, {:5} answered, {:7} s, {:10.2f} yen\n",
                             line.month, line.carrier, line.calls, line.answered, line.seconds,
                             line.yen);
  }
  if (lines.empty()) std::cout << "No calls.\n";
  return 0;
}

Result<int> oncall_say(const Platform& platform, const OncallOptions& options) {
  TRY_ASSIGN(const oncall::Speech speech, oncall::load_speech(platform.dir / "oncall"));
  oncall::Incident incident;
  incident.key = incident.title = options.text;
  incident.severity = oncall::severity_of(options.severity).value_or(oncall::Severity::critical);
  const std::string ssml =
      options.text.starts_with("<speak") ? options.text : oncall::message(speech, {incident});
  const std::string file = options.file.empty() ? "say.wav" : options.file;
  TRY(oncall::speak_to_file(ssml, speech.language, options.voice, file));
  TRY_ASSIGN(const std::string plain, oncall::rewrite(ssml, oncall::Ssml::none));
  if (options.json) {
    std::cout << oncall::text_of({{"file", file}, {"ssml", ssml}, {"text", plain}}, 2) << "\n";
  } else {
    std::cout << plain << "\n→ " << file << "\n";
  }
  return 0;
}

Result<int> oncall_install_flow(const Platform& platform, const OncallOptions& options) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  const oncall::CarrierSettings* chosen = nullptr;
  for (const auto& [name, carrier] : config.oncall.carrier) {
    if (carrier.kind != "amazon-connect") continue;
    if (options.carrier.empty() || options.carrier == name) chosen = &carrier;
  }
  if (!chosen) {
    return fail(Code::not_found, "minato.toml has no carrier of kind amazon-connect" +
                                     (options.carrier.empty() ? "." : " named " + options.carrier));
  }
  TRY_ASSIGN(const auto connect, oncall::connect_options(*chosen, platform.dir));
  TRY_ASSIGN(const std::string id, oncall::install_flow(connect, "Minato on-call"));
  if (options.json) {
    std::cout << oncall::text_of({{"carrier", chosen->name}, {"contact_flow_id", id}}) << "\n";
  } else {
    std::cout << "The contact flow is in place. Write into [oncall.carrier." << chosen->name
              << "]:\ncontact_flow_id = \"" << id << "\"\n";
  }
  return 0;
}

}  // namespace minato::app
