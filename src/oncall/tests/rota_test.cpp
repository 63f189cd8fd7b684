// The rota: who is on duty when, in any time zone, against a slow oracle that marks minute by
// minute; and what oncall/teams.toml may not contain, with the line of each mistake.
#include "oncall/rota.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <random>

#include "base/testing/seed.h"

namespace minato::oncall {
namespace {

constexpr const char* kBerlin = "Europe/Berlin";

SystemTime at(const std::string& text, const std::string& zone = kBerlin) {
  const auto time = parse_time(text, zone);
  EXPECT_TRUE(time) << text;
  return time.value_or(SystemTime{});
}

Team team_of(const std::string& more, const std::string& zone = kBerlin) {
  const TeamsFile file =
      parse_teams("[team.data]\ntime_zone = \"" + zone +
                      "\"\nmembers = [{name=\"a\", phone=\"+819000000001\"}, {name=\"b\", "
                      "phone=\"+819000000002\"}, {name=\"c\", phone=\"+819000000003\"}]\n" +
                      more,
                  "teams.toml");
  EXPECT_TRUE(file.problems.empty()) << to_string(file.problems);
  const Team* team = file.teams.find("data");
  EXPECT_TRUE(team);
  return team ? *team : Team{};
}

std::string shift(const std::string& days, const std::string& from, const std::string& to,
                  const std::string& members) {
  return "[[team.data.shift]]\ndays = [" + days + "]\nfrom = \"" + from + "\"\nto = \"" + to +
         "\"\nmembers = [" + members + "]\n";
}

std::string names(const OnDuty& duty) {
  std::string out = duty.gap ? "gap:" : "";
  for (const Member& member : duty.members) out += member.name;
  return out;
}

std::string who(const Team& team, const std::string& when, const std::vector<Change>& changes = {},
                Severity severity = Severity::critical) {
  return names(on_duty(team, changes, at(when, team.time_zone), severity));
}

Change change(const std::string& person, const std::string& by, const std::string& from,
              const std::string& to) {
  Change out;
  out.team = "data";
  out.person = person;
  out.instead_by = by;
  out.from = at(from);
  out.to = at(to);
  return out;
}

TEST(Rota, EverybodyInOrderWithoutShifts) {
  EXPECT_EQ(who(team_of(""), "2026-11-26 03:00"), "abc");
  EXPECT_TRUE(gaps(team_of("")).empty());
}

TEST(Rota, ShiftsEndToTheMinute) {
  const Team team = team_of(shift("\"mon-fri\"", "09:00", "18:00", "\"b\", \"a\"") +
                            shift("\"mon-sun\"", "18:00", "09:00", "\"c\"") +
                            shift("\"sat\", \"sun\"", "09:00", "18:00", "\"c\", \"a\""));
  EXPECT_EQ(who(team, "2026-11-26 08:59"), "c");  // a Thursday
  EXPECT_EQ(who(team, "2026-11-26 09:00"), "ba");
  EXPECT_EQ(who(team, "2026-11-26 17:59"), "ba");
  EXPECT_EQ(who(team, "2026-11-26 18:00"), "c");
  EXPECT_EQ(who(team, "2026-11-28 12:00"), "ca");
  EXPECT_TRUE(gaps(team).empty());
}

TEST(Rota, NightsBelongToTheDayOnWhichTheyBegin) {
  const Team team = team_of(shift("\"fri\"", "22:00", "06:00", "\"a\"") +
                            shift("\"sun\"", "22:00", "06:00", "\"b\""));
  EXPECT_EQ(who(team, "2026-11-27 05:00"), "gap:abc");  // Friday's morning
  EXPECT_EQ(who(team, "2026-11-27 23:00"), "a");
  EXPECT_EQ(who(team, "2026-11-28 05:59"), "a");
  EXPECT_EQ(who(team, "2026-11-28 06:00"), "gap:abc");
  EXPECT_EQ(who(team, "2026-11-30 00:00"), "b");  // Sunday's night, over the end of the week
  const auto all = gaps(team);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0], "Mon 06:00 to Fri 22:00");
  EXPECT_EQ(all[1], "Sat 06:00 to Sun 22:00");
}

TEST(Rota, WholeDaysAndOverlaps) {
  const Team team = team_of(shift("\"mon\"", "00:00", "24:00", "\"a\"") +
                            shift("\"mon\"", "12:00", "13:00", "\"b\", \"a\"") +
                            shift("\"tue\"", "06:00", "06:00", "\"c\""));
  EXPECT_EQ(who(team, "2026-11-23 23:59"), "a");
  EXPECT_EQ(who(team, "2026-11-23 12:30"), "ab");  // once each, in the order of the file
  EXPECT_EQ(who(team, "2026-11-24 00:00"), "gap:abc");
  EXPECT_EQ(who(team, "2026-11-25 05:59"), "c");
  EXPECT_EQ(who(team, "2026-11-25 06:00"), "gap:abc");
}

TEST(Rota, DaylightSaving) {
  const Team team = team_of(shift("\"sun\"", "00:00", "03:00", "\"a\"") +
                            shift("\"sun\"", "03:00", "24:00", "\"b\""));
  // 2026-03-29: 02:00 becomes 03:00. 2026-10-25: 03:00 becomes 02:00 once.
  EXPECT_EQ(names(on_duty(team, {}, at("2026-03-29T00:59:00Z"), Severity::critical)), "a");
  EXPECT_EQ(names(on_duty(team, {}, at("2026-03-29T01:00:00Z"), Severity::critical)), "b");
  EXPECT_EQ(names(on_duty(team, {}, at("2026-10-25T00:59:00Z"), Severity::critical)), "a");
  EXPECT_EQ(names(on_duty(team, {}, at("2026-10-25T01:59:00Z"), Severity::critical)), "a");
  EXPECT_EQ(names(on_duty(team, {}, at("2026-10-25T02:00:00Z"), Severity::critical)), "b");
}

TEST(Rota, TheSameMomentElsewhere) {
  const std::string shifts = shift("\"thu\"", "09:00", "18:00", "\"a\"");
  const SystemTime moment = at("2026-11-26T01:00:00Z");
  EXPECT_EQ(names(on_duty(team_of(shifts, "Asia/Tokyo"), {}, moment, Severity::critical)), "a");
  EXPECT_EQ(names(on_duty(team_of(shifts), {}, moment, Severity::critical)), "gap:abc");
}

TEST(Rota, Holidays) {
  const std::string day = shift("\"mon-fri\"", "09:00", "18:00", "\"a\"");
  const std::string holidays = "holidays = [\"2026-12-31\"]\n";
  // Shifts that know no holidays go on as always.
  EXPECT_EQ(who(team_of(holidays + day), "2026-12-31 10:00"), "a");
  const Team team = team_of(holidays + day + shift("\"mon-sun\"", "18:00", "09:00", "\"b\"") +
                            shift("\"holiday\"", "10:00", "20:00", "\"c\""));
  EXPECT_EQ(who(team, "2026-12-31 08:00"), "b");  // the night of the day before
  EXPECT_EQ(who(team, "2026-12-31 09:30"), "gap:abc");
  EXPECT_EQ(who(team, "2026-12-31 12:00"), "c");
  EXPECT_EQ(who(team, "2026-12-31 21:00"), "gap:abc");
  EXPECT_EQ(who(team, "2027-01-01 08:00"), "gap:abc");  // the holiday has no night
  EXPECT_EQ(who(team, "2027-01-01 10:00"), "a");
}

TEST(Rota, GapsOfHolidaysAreReported) {
  const std::string week = shift("\"mon-sun\"", "00:00", "24:00", "\"a\"");
  EXPECT_TRUE(gaps(team_of(week)).empty());
  EXPECT_TRUE(gaps(team_of(week + shift("\"holiday\"", "00:00", "24:00", "\"b\""))).empty());
  const auto part = gaps(team_of(week + shift("\"holiday\"", "09:00", "18:00", "\"b\"")));
  ASSERT_EQ(part.size(), 2U);
  EXPECT_EQ(part[0], "Hol 00:00 to Hol 09:00");
  EXPECT_EQ(part[1], "Hol 18:00 to Hol 24:00");
  const auto night = gaps(team_of(shift("\"mon-sun\"", "09:00", "09:00", "\"a\"") +
                                  shift("\"holiday\"", "00:00", "24:00", "\"b\"")));
  ASSERT_EQ(night.size(), 1U);
  EXPECT_EQ(night[0], "after Hol 00:00 to after Hol 09:00");
}

TEST(Rota, AbsencesAndCovers) {
  const Team team = team_of(shift("\"mon-fri\"", "09:00", "18:00", "\"a\", \"b\"") +
                            shift("\"mon-sun\"", "18:00", "09:00", "\"c\""));
  const auto friday = [](const std::string& person, const std::string& by) {
    return change(person, by, "2026-11-27", "2026-11-28");
  };
  EXPECT_EQ(who(team, "2026-11-27 10:00", {friday("a", "")}), "b");
  EXPECT_EQ(who(team, "2026-11-26 10:00", {friday("a", "")}), "ab");
  EXPECT_EQ(who(team, "2026-11-27 10:00", {friday("a", ""), friday("b", "")}), "gap:abc");
  EXPECT_EQ(who(team, "2026-11-27 10:00", {friday("a", "c")}), "cb");
  EXPECT_EQ(who(team, "2026-11-27 10:00", {friday("a", "b")}), "b");
  EXPECT_EQ(who(team, "2026-11-27 10:00", {friday("b", "a")}), "a");
  // "Take my Friday" is not "take everybody's": a has no turn at night.
  EXPECT_EQ(who(team, "2026-11-27 20:00", {friday("a", "b")}), "c");
  // Away and covered, in either order; and a stand-in who is away.
  EXPECT_EQ(who(team, "2026-11-27 10:00", {friday("a", ""), friday("a", "c")}), "cb");
  EXPECT_EQ(who(team, "2026-11-27 10:00", {friday("a", "c"), friday("a", "")}), "cb");
  EXPECT_EQ(who(team, "2026-11-27 10:00", {friday("a", "c"), friday("c", "")}), "b");
  // Its end is not included; other teams' are none of ours.
  EXPECT_EQ(who(team, "2026-11-27 00:00", {friday("c", "a")}), "a");
  EXPECT_EQ(who(team, "2026-11-28 00:00", {friday("c", "a")}), "c");
  Change other = friday("a", "");
  other.team = "web";
  EXPECT_EQ(who(team, "2026-11-27 10:00", {other}), "ab");
}

TEST(Rota, FallbackInGaps) {
  const Team team =
      team_of("fallback = [\"c\", \"b\"]\n" + shift("\"mon-fri\"", "09:00", "18:00", "\"a\""));
  EXPECT_EQ(who(team, "2026-11-28 12:00"), "gap:cb");
  EXPECT_EQ(who(team, "2026-11-27 10:00", {change("a", "", "2026-11-27", "2026-11-28")}), "gap:cb");
}

TEST(Rota, OnlySomeForASeverity) {
  const Team team = team_of(shift("\"mon-fri\"", "09:00", "18:00", "\"a\", \"b\"") +
                            "[team.data.only]\nerror = [\"b\", \"c\"]\nwarning = [\"c\"]\n");
  EXPECT_EQ(who(team, "2026-11-26 10:00", {}, Severity::critical), "ab");
  EXPECT_EQ(who(team, "2026-11-26 10:00", {}, Severity::error), "b");
  // None of those is on duty: whoever is on duty.
  EXPECT_EQ(who(team, "2026-11-26 10:00", {}, Severity::warning), "ab");
}

TEST(Rota, SeveritiesAndQuietHours) {
  const Team team = team_of("ring_from = \"warning\"\nquiet_hours = \"22:00-07:00\"\n");
  EXPECT_FALSE(rings(team, Severity::info, at("2026-11-26 12:00")));
  EXPECT_TRUE(rings(team, Severity::warning, at("2026-11-26 21:59")));
  EXPECT_FALSE(rings(team, Severity::warning, at("2026-11-26 22:00")));
  EXPECT_FALSE(rings(team, Severity::error, at("2026-11-27 06:59")));
  EXPECT_TRUE(rings(team, Severity::critical, at("2026-11-27 03:00")));
  EXPECT_TRUE(rings(team, Severity::error, at("2026-11-27 07:00")));
  const Team noon = team_of(
      "quiet_hours = \"12:00-13:00\"\nquiet_ring_from = \"error\"\n"
      "ring_from = \"info\"\n");
  EXPECT_FALSE(rings(noon, Severity::warning, at("2026-11-26 12:30")));
  EXPECT_TRUE(rings(noon, Severity::error, at("2026-11-26 12:30")));
  EXPECT_TRUE(rings(noon, Severity::info, at("2026-11-26 13:00")));
}

TEST(Rota, Times) {
  EXPECT_EQ(at("2026-11-26T18:00:00+09:00"), at("2026-11-26 10:00"));
  EXPECT_EQ(at("2026-11-26"), at("2026-11-26 00:00"));
  EXPECT_EQ(at("2026-07-26 12:00", kBerlin), at("2026-07-26T10:00:00Z"));
  for (const char* bad :
       {"", "tomorrow", "2026-02-30", "2026-13-01", "26-11-2026", "2026-11-26 25:00"}) {
    EXPECT_FALSE(parse_time(bad, kBerlin)) << bad;
  }
  EXPECT_FALSE(parse_time("2026-11-26", "Asia/Tokio"));
  EXPECT_FALSE(local_time({}, "Nowhere/Land"));
}

/// "line: what" of all problems.
std::string mistakes(const std::string& text) {
  std::string out;
  for (const Problem& problem : parse_teams(text, "teams.toml").problems) {
    EXPECT_EQ(problem.file, "teams.toml");
    out += std::to_string(problem.line) + ": " + problem.text + "\n";
  }
  return out;
}

TEST(TeamsFile, MistakesNameTheirLine) {
  const std::string one = "[team.data]\nmembers = [{name=\"a\", phone=\"+819000000001\"}]\n";
  const std::vector<std::tuple<std::string, int, std::string>> cases{
      {"", 0, "there is no team"},
      {"[team.data\n", 1, "not TOML"},
      {"[!x]\n", 1, "not TOML"},
      {"\n[\nteam]\n", 2, "not TOML"},
      {"[team]\ndata = 3\n", 2, "must be a section"},
      {"[team.data]\n", 1, "has no members"},
      {"[team.data]\nmembers = []\n", 1, "has no members"},
      {"[team.data]\nmembers = [{name=\"a\", phone=\"090-1234-5678\"}]\n", 2, "E.164"},
      {"[team.data]\nmembers = [{name=\"a\", phone=\"+0900000001\"}]\n", 2, "E.164"},
      {"[team.data]\nmembers = [{phone=\"+819000000001\"}]\n", 2, "no name"},
      {one + "time_zone = \"Asia/Tokio\"\n", 3, "no time zone"},
      {one + "ring_seconds = 2\n", 3, "from 5 to 120"},
      {one + "ring_form = \"error\"\n", 3, "ring_form"},
      {one + "ring_from = \"hot\"\n", 3, "one of"},
      {one + "\nquiet_hours = \"22-7\"\n", 4, "cannot be read"},
      {one + "holidays = [\"2026-02-30\"]\n", 3, "is not a date"},
      {one + "fallback = [\"A\"]\n", 3, "no member \"A\""},
      {one + "drill_time = \"25:00\"\n", 3, "not a time"},
      {one + "[[team.data.shift]]\ndays = [\"monday\"]\nmembers = [\"a\"]\n", 4, "is not a day"},
      {one + "[[team.data.shift]]\ndays = [\"mon-holiday\"]\nmembers = [\"a\"]\n", 4, "not a day"},
      {one + "[[team.data.shift]]\nfrom = \"24:30\"\nmembers = [\"a\"]\n", 4, "not a time"},
      {one + "[[team.data.shift]]\nmembers = [\"z\"]\n", 4, "no member \"z\""},
      {one + "[[team.data.shift]]\nmembers = []\n", 4, "has no members"},
      {one + "[team.data.only]\nhot = [\"a\"]\n", 4, "hot"},
      {one + "[heartbeat.x]\nteam = \"dta\"\nwithin_seconds = 60\n", 4, "no team \"dta\""},
      {one + "[heartbeat.x]\nteam = \"data\"\n", 3, "`within_seconds` is missing"},
      {one + "[heartbeat]\nx = 60\n", 4, "must be a section"},
  };
  for (const auto& [text, line, word] : cases) {
    const std::string found = mistakes(text);
    EXPECT_NE(found.find(word), std::string::npos) << text << "→ " << found;
    if (line == 0) continue;
    EXPECT_TRUE(found.starts_with(std::to_string(line) + ": ")) << text << found;
  }
  EXPECT_NE(mistakes("[team.data]\nmembers = [{name=\"a\", phone=\"+81900000001\"},\n"
                     "{name=\"a\", phone=\"+81900000002\"}]\n")
                .find("two members named a"),
            std::string::npos);
}

TEST(TeamsFile, AGapIsAWarningThatNamesTheFallback) {
  const TeamsFile file = parse_teams(
      "[team.data]\nmembers = [{name=\"a\", phone=\"+819000000001\"}]\nfallback = [\"a\"]\n" +
          shift("\"mon-fri\"", "00:00", "24:00", "\"a\""),
      "teams.toml");
  EXPECT_TRUE(file.problems.empty());
  ASSERT_EQ(file.warnings.size(), 1U);
  EXPECT_NE(file.warnings[0].text.find("Sat 00:00 to Mon 00:00"), std::string::npos);
  EXPECT_NE(file.warnings[0].hint.find("a is rung"), std::string::npos);
}

/// Marks every minute of every shift over some weeks, by the calendar of the C library.
class Oracle {
 public:
  Oracle(const Team& team, std::time_t begin, int days) : team_(team) {
    setenv("TZ", team.time_zone.c_str(), 1);
    tzset();
    const int first = day_number(begin) - 1;
    bool known = false;
    for (const Shift& s : team.shifts) known = known || s.days[kHoliday];
    for (std::size_t i = 0; i < team.shifts.size(); ++i) {
      for (int day = first; day < first + days + 3; ++day) {
        const bool holiday = known && team.holidays.contains(date(day));
        if (!team.shifts[i].days[holiday ? kHoliday : (day + 3) % 7]) continue;  // 1970: Thursday
        int minute = team.shifts[i].from;
        do {
          marked_.insert({i, static_cast<long>(day) * kMinutesOfDay + minute});
          minute += 1;
        } while (minute % kMinutesOfDay != team.shifts[i].to % kMinutesOfDay);
      }
    }
  }
  ~Oracle() {
    unsetenv("TZ");
    tzset();
  }

  std::string who(std::time_t now, const std::vector<Change>& changes, Severity severity) const {
    const long minute = local_minute(now);
    std::string on;
    for (std::size_t i = 0; i < team_.shifts.size(); ++i) {
      if (!marked_.contains({i, minute})) continue;
      for (const std::string& name : team_.shifts[i].members) {
        if (on.find(name) == std::string::npos) on += name;
      }
    }
    if (team_.shifts.empty()) on = "abc";
    on = changed(on, changes, now);
    std::string few;
    if (const auto only = team_.only.find(severity); only != team_.only.end()) {
      for (const char name : on) {
        for (const std::string& other : only->second)
          few += other == std::string(1, name) ? other : "";
      }
    }
    if (!few.empty()) on = few;
    if (!on.empty()) return on;
    for (const std::string& name : team_.fallback) on += name;
    return "gap:" + (on.empty() ? "abc" : on);
  }

 private:
  static std::string changed(std::string on, const std::vector<Change>& changes, std::time_t now) {
    const auto holds = [&](const Change& c) {
      return now >= std::chrono::system_clock::to_time_t(c.from) &&
             now < std::chrono::system_clock::to_time_t(c.to);
    };
    for (const Change& c : changes) {
      if (!holds(c) || c.instead_by.empty() || on.find(c.person) == std::string::npos) continue;
      std::string next;
      for (const char name : on) {
        if (std::string(1, name) == c.person) {
          next += c.instead_by;
        } else if (std::string(1, name) != c.instead_by) {
          next += name;
        }
      }
      on = next;
    }
    for (const Change& c : changes) {
      if (holds(c) && c.instead_by.empty()) std::erase(on, c.person[0]);
    }
    return on;
  }
  static int day_number(std::time_t now) {
    return static_cast<int>(local_minute(now) / kMinutesOfDay);
  }
  static long local_minute(std::time_t now) {
    std::tm local{};
    localtime_r(&now, &local);
    return (static_cast<long>(now) + local.tm_gmtoff) / 60;
  }
  static std::string date(int day) {
    const std::time_t noon = static_cast<std::time_t>(day) * 86'400 + 43'200;
    std::tm utc{};
    gmtime_r(&noon, &utc);
    char text[16];
    std::strftime(text, sizeof text, "%Y-%m-%d", &utc);
    return text;
  }

  const Team& team_;
  std::set<std::pair<std::size_t, long>> marked_;
};

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  int upto(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::vector<std::string> some() {
    std::vector<std::string> out;
    for (const char* name : {"c", "a", "b"}) {
      if (upto(2) == 0) out.emplace_back(name);
    }
    return out;
  }
  Team team() {
    const std::vector<std::string> zones{"Europe/Berlin",       "Asia/Tokyo",   "America/New_York",
                                         "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"};
    Team out = team_of("", zones[static_cast<std::size_t>(upto(6))]);
    const int shifts = upto(5);
    for (int i = 0; i < shifts; ++i) {
      Shift shift;
      shift.days = std::bitset<8>(static_cast<unsigned>(upto(256)));
      shift.from = upto(96) * 15;
      shift.to = upto(97) * 15;
      shift.members = some();
      if (shift.members.empty()) shift.members = {"b"};
      out.shifts.push_back(shift);
    }
    out.fallback = some();
    for (const Severity severity : {Severity::error, Severity::critical}) {
      if (upto(3) == 0) out.only[severity] = some();
      if (out.only[severity].empty()) out.only.erase(severity);
    }
    return out;
  }
  Change change(std::time_t begin, int days) {
    const std::vector<std::string> names{"a", "b", "c"};
    Change out;
    out.team = "data";
    const int person = upto(3);
    out.person = names[static_cast<std::size_t>(person)];
    if (upto(2) == 0) out.instead_by = names[static_cast<std::size_t>((person + 1 + upto(2)) % 3)];
    out.from = std::chrono::time_point_cast<SystemTime::duration>(
        std::chrono::system_clock::from_time_t(begin + upto(days * 1440) * 60));
    out.to = out.from + std::chrono::minutes(15 * (1 + upto(200)));
    return out;
  }

 private:
  std::mt19937 random_;
};

TEST(Rota, AgreesWithAMinuteByMinuteOracle) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("MINATO_SEED=" + std::to_string(seed));
  Dice dice(seed);
  constexpr int days = 4;
  for (int round = 0; round < 60; ++round) {
    Team team = dice.team();
    // Somewhere around a change of the clocks in 2026, or anywhere.
    const std::vector<std::time_t> starts{1'774'656'000, 1'792'800'000, 1'772'841'600,
                                          1'793'404'800, 1'767'139'200 + dice.upto(360) * 86'400};
    const std::time_t begin = starts[static_cast<std::size_t>(dice.upto(5))];
    for (int day = 0; day < days; ++day) {
      const SystemTime noon{std::chrono::seconds(begin + day * 86'400)};
      if (dice.upto(3) == 0) team.holidays.insert(local_time(noon, team.time_zone)->date);
    }
    std::vector<Change> changes;
    for (int i = dice.upto(4); i > 0; --i) changes.push_back(dice.change(begin, days));
    const Oracle oracle(team, begin, days);
    for (int minute = 0; minute < days * kMinutesOfDay; ++minute) {
      const std::time_t now = begin + minute * 60;
      const Severity severity = minute % 2 == 0 ? Severity::critical : Severity::error;
      const OnDuty duty = on_duty(team, changes, SystemTime{std::chrono::seconds(now)}, severity);
      ASSERT_EQ(names(duty), oracle.who(now, changes, severity))
          << "round " << round << ", " << team.time_zone << ", " << now;
    }
  }
}

}  // namespace
}  // namespace minato::oncall
