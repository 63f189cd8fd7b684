// oncall/teams.toml → Teams. What stands below is all that the file may contain.
#include <fmt/format.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "base/toml_section.h"
#include "oncall/rota.h"

namespace minato::oncall {
namespace {

constexpr std::array<const char*, 8> kDayWords{"mon", "tue", "wed", "thu",
                                               "fri", "sat", "sun", "holiday"};

std::optional<int> minute_of(const std::string& text) {
  static const std::regex form("([01]?[0-9]|2[0-4]):([0-5][0-9])");
  std::smatch found;
  if (!std::regex_match(text, found, form)) return std::nullopt;
  const int minute = std::stoi(found[1]) * 60 + std::stoi(found[2]);
  if (minute > kMinutesOfDay) return std::nullopt;
  return minute;
}

std::optional<int> day_of(const std::string& word) {
  for (int i = 0; i < 8; ++i) {
    if (word == kDayWords[i]) return i;
  }
  return std::nullopt;
}

class Reader {
 public:
  Reader(const std::string& file, TeamsFile& out) : file_(file), out_(out) {}

  void read(const toml::table& root) {
    Section top(root, "", file_, out_.problems);
    if (const auto* teams = top.table("team")) {
      for (const auto& [name, node] : *teams) {
        if (const auto* table = section(top, "team", name, node)) {
          team(std::string(name.str()), *table);
        }
      }
    }
    if (out_.teams.teams.empty() && out_.problems.empty()) {
      top.problem(0, "there is no team.", "Write [team.data] with members = [ … ].");
    }
    if (const auto* beats = top.table("heartbeat")) {
      for (const auto& [name, node] : *beats) {
        if (const auto* table = section(top, "heartbeat", name, node)) {
          heartbeat(std::string(name.str()), *table);
        }
      }
    }
    top.refuse_unknown();
  }

 private:
  static const toml::table* section(Section& top, const std::string& kind, const toml::key& name,
                                    const toml::node& node) {
    if (!node.is_table()) {
      top.problem(static_cast<int>(node.source().begin.line),
                  "`" + kind + "." + std::string(name.str()) + "` must be a section.",
                  "Write [" + kind + "." + std::string(name.str()) + "].");
    }
    return node.as_table();
  }

  void team(const std::string& name, const toml::table& table) {
    Team t;
    t.name = name;
    t.line = static_cast<int>(table.source().begin.line);
    Section s(table, "team." + name, file_, out_.problems);
    members(s, t);
    s.texts("fallback", t.fallback);
    s.text("time_zone", t.time_zone);
    if (!local_time({}, t.time_zone)) {
      s.problem(s.line("time_zone"), "there is no time zone \"" + t.time_zone + "\".",
                "Write one of the tz database, as in \"Asia/Tokyo\".");
    }
    severity(s, "ring_from", t.ring_from);
    severity(s, "quiet_ring_from", t.quiet_ring_from);
    quiet_hours(s, t);
    s.number("ring_seconds", t.ring_seconds, 5, 120);
    s.number("answer_seconds", t.answer_seconds, 10, 600);
    s.flag("double_call", t.double_call);
    s.number("round_pause_seconds", t.round_pause_seconds, 0, 3600);
    s.number("max_rounds", t.max_rounds, 0, 10'000);
    s.number("regroup_seconds", t.regroup_seconds, 0, 3600);
    s.texts("carriers", t.carriers);
    s.texts("notify_urls", t.notify_urls);
    s.texts("notify_command", t.notify_command);
    s.text("routing_key_file", t.routing_key_file);
    s.number("drill_day", t.drill_day, 0, 28);
    minute(s, "drill_time", t.drill_minute);
    holidays(s, t);
    only(s, t);
    shifts(s, t);
    names_known(s, "fallback", t, t.fallback);
    s.refuse_unknown();
    warn_of_gaps(t);
    out_.teams.teams.emplace(name, std::move(t));
  }

  void members(Section& s, Team& t) {
    std::vector<const toml::table*> entries = s.inline_tables("members");
    for (const toml::table* entry : entries) {
      Section m(*entry, s.name() + ".members", file_, out_.problems);
      Member member;
      m.text("name", member.name);
      m.text("phone", member.phone);
      m.refuse_unknown();
      const int line = static_cast<int>(entry->source().begin.line);
      if (member.name.empty()) s.problem(line, "a member of team " + t.name + " has no name.");
      if (!valid_phone(member.phone)) {
        s.problem(line, "the phone number of " + member.name + " is not in E.164 form.",
                  "Write it as \"+819012345678\": +, country, number without its leading 0, no "
                  "spaces.");
      }
      if (std::ranges::find(t.members, member.name, &Member::name) != t.members.end()) {
        s.problem(line, "team " + t.name + " has two members named " + member.name + ".");
      }
      t.members.push_back(std::move(member));
    }
    if (t.members.empty()) {
      s.problem(t.line, "team " + t.name + " has no members: nobody would be rung.",
                "Write members = [ {name = \"first\", phone = \"+819000000001\"} ].");
    }
  }

  void severity(Section& s, const char* key, Severity& out) {
    std::string word(name_of(out));
    s.one_of(key, word, {"info", "warning", "error", "critical"});
    out = severity_of(word).value_or(out);
  }

  void minute(Section& s, const char* key, int& out) {
    std::string text;
    s.text(key, text);
    if (text.empty()) return;
    if (const auto found = minute_of(text)) {
      out = *found;
    } else {
      s.problem(s.line(key), "\"" + text + "\" is not a time of the day.", "Write \"09:00\".");
    }
  }

  void quiet_hours(Section& s, Team& t) {
    std::string text;
    s.text("quiet_hours", text);
    if (text.empty()) return;
    const std::size_t dash = text.find('-');
    const auto from = minute_of(text.substr(0, dash));
    const auto to = dash == std::string::npos ? std::nullopt : minute_of(text.substr(dash + 1));
    if (from && to) {
      t.quiet_from = *from % kMinutesOfDay;
      t.quiet_to = *to % kMinutesOfDay;
    } else {
      s.problem(s.line("quiet_hours"), "`quiet_hours` = \"" + text + "\" cannot be read.",
                "Write \"22:00-07:00\".");
    }
  }

  void holidays(Section& s, Team& t) {
    static const std::regex date("[0-9]{4}-[0-9]{2}-[0-9]{2}");
    std::vector<std::string> all;
    s.texts("holidays", all);
    for (const std::string& day : all) {
      if (!std::regex_match(day, date) || !parse_time(day, "UTC")) {
        s.problem(s.line("holidays"), "\"" + day + "\" is not a date.", "Write \"2026-12-31\".");
      }
      t.holidays.insert(day);
    }
  }

  void only(Section& s, Team& t) {
    const toml::table* table = s.table("only");
    if (!table) return;
    Section rules(*table, s.name() + ".only", file_, out_.problems);
    for (const Severity severity :
         {Severity::info, Severity::warning, Severity::error, Severity::critical}) {
      const std::string word(name_of(severity));
      std::vector<std::string> names;
      rules.texts(word.c_str(), names);
      names_known(rules, word.c_str(), t, names);
      if (!names.empty()) t.only[severity] = std::move(names);
    }
    rules.refuse_unknown();
  }

  void shifts(Section& s, Team& t) {
    const auto* all = s.tables("shift");
    if (!all) return;
    for (const auto& item : *all) {
      const toml::table& table = *item.as_table();
      Section one(table, s.name() + ".shift", file_, out_.problems);
      Shift shift;
      std::vector<std::string> days;
      one.texts("days", days);
      for (const std::string& word : days) add_days(one, word, shift);
      if (days.empty()) shift.days.set();
      minute(one, "from", shift.from);
      minute(one, "to", shift.to);
      shift.from %= kMinutesOfDay;
      one.texts("members", shift.members);
      names_known(one, "members", t, shift.members);
      if (shift.members.empty()) {
        one.problem(one.line("members"), "a shift of team " + t.name + " has no members.");
      }
      one.refuse_unknown();
      t.shifts.push_back(std::move(shift));
    }
  }

  static void add_days(Section& s, const std::string& word, Shift& shift) {
    const std::size_t dash = word.find('-');
    const auto from = day_of(word.substr(0, dash));
    const auto to = dash == std::string::npos ? from : day_of(word.substr(dash + 1));
    if (!from || !to || (dash != std::string::npos && (*from > 6 || *to > 6))) {
      s.problem(s.line("days"), "\"" + word + "\" is not a day.",
                "Write \"mon\" … \"sun\", \"mon-fri\" or \"holiday\".");
      return;
    }
    for (int day = *from;; day = (day + 1) % 7) {
      shift.days.set(static_cast<std::size_t>(day));
      if (day == *to) break;
    }
  }

  void names_known(Section& s, const char* key, const Team& t,
                   const std::vector<std::string>& names) {
    std::vector<std::string> known;
    for (const Member& member : t.members) known.push_back(member.name);
    for (const std::string& name : names) {
      if (std::ranges::find(known, name) != known.end()) continue;
      const auto best = suggest(name, known);
      s.problem(s.line(key), "team " + t.name + " has no member \"" + name + "\".",
                best ? "Did you mean \"" + *best + "\"?" : "Add it to `members`.");
    }
  }

  void warn_of_gaps(const Team& t) {
    std::string all;
    for (const std::string& gap : gaps(t)) all += (all.empty() ? "" : ", ") + gap;
    if (all.empty()) return;
    std::string who;
    for (const std::string& name : t.fallback) who += (who.empty() ? "" : ", ") + name;
    out_.warnings.push_back(
        {file_, t.line, "nobody of team " + t.name + " is on duty " + all + ".",
         "Then " + (who.empty() ? "all its members are" : who + " is") + " rung (fallback)."});
  }

  void heartbeat(const std::string& name, const toml::table& table) {
    HeartbeatRule rule;
    rule.name = name;
    Section s(table, "heartbeat." + name, file_, out_.problems);
    s.text("team", rule.team);
    s.number("within_seconds", rule.within_seconds, 5, 31'536'000);
    severity(s, "severity", rule.severity);
    s.refuse_unknown();
    if (!out_.teams.find(rule.team)) {
      s.problem(s.line("team"), "there is no team \"" + rule.team + "\".");
    }
    if (rule.within_seconds == 0) {
      s.problem(s.line("within_seconds"), "`within_seconds` is missing.",
                "Write 3600 for an hour.");
    }
    out_.teams.heartbeats.emplace(name, std::move(rule));
  }

  const std::string& file_;
  TeamsFile& out_;
};

}  // namespace

TeamsFile parse_teams(std::string_view text, const std::string& file) {
  TeamsFile out;
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    out.problems.push_back({file, static_cast<int>(parsed.error().source().begin.line),
                            "not TOML: " + std::string(parsed.error().description()), ""});
    return out;
  }
  Reader(file, out).read(parsed.table());
  return out;
}

Result<TeamsFile> read_teams(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "oncall" / "teams.toml";
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return fail(Code::not_found,
                "There is no readable " + path.string() +
                    ". It names the teams and whom to ring; docs/oncall.md has one "
                    "to start with.");
  }
  std::stringstream text;
  text << in.rdbuf();
  return parse_teams(text.str(), path.string());
}

Result<TeamsFile> load_teams(const std::filesystem::path& directory) {
  TRY_ASSIGN(TeamsFile file, read_teams(directory));
  if (!file.problems.empty()) return fail(Code::invalid, to_string(file.problems));
  return file;
}

}  // namespace minato::oncall
