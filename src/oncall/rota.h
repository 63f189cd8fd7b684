// Who is rung: teams, members, weekly shifts in a time zone, holidays, absences, stand-ins,
// severity rules, quiet hours. Pure: files are read by load_teams(), the rest is arithmetic on
// values. Promise: a team that is to be rung always has somebody: a gap rings its fallback.
#pragma once

#include <array>
#include <bitset>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/settings.h"
#include "oncall/journal.h"
#include "oncall/model.h"

namespace minato::oncall {

struct Member {
  std::string name;
  std::string phone;  // E.164
};

inline constexpr int kMinutesOfDay = 24 * 60;
inline constexpr int kHoliday = 7;  // after Monday = 0 … Sunday = 6

/// Days on which a shift begins, and its hours in the team's time zone. `to` ≤ `from`: it ends on
/// the next day.
struct Shift {
  std::bitset<8> days;
  int from = 0;  // minute of the day
  int to = 0;
  std::vector<std::string> members;  // in order
};

struct Team {
  std::string name;
  int line = 0;
  std::vector<Member> members;  // in order; all are on duty when there are no shifts
  std::vector<Shift> shifts;
  std::vector<std::string> fallback;  // rung in gaps; empty: all members
  std::string time_zone = "Asia/Tokyo";
  std::set<std::string> holidays;                     // "2026-12-31", in the team's time zone
  std::map<Severity, std::vector<std::string>> only;  // who is rung for a severity; none: everybody
  Severity ring_from = Severity::error;               // below: recorded, not rung
  int quiet_from = 0;                                 // quiet hours; equal: none
  int quiet_to = 0;
  Severity quiet_ring_from = Severity::critical;  // below: rung when the quiet hours end
  int ring_seconds = 20;
  int answer_seconds = 90;   // from answering to a key; then it counts as unanswered
  bool double_call = false;  // a second ring at once, which gets through Do Not Disturb
  int round_pause_seconds = 30;
  int max_rounds = 0;                    // 0: until somebody answers
  int regroup_seconds = 60;              // after an acknowledgement, until newer incidents ring
  std::vector<std::string> carriers;     // in order; empty: those of [oncall]
  std::vector<std::string> notify_urls;  // told of what was acknowledged
  std::vector<std::string> notify_command;
  std::string routing_key_file;  // of PagerDuty's Events API: which team a key belongs to
  int drill_day = 0;             // of each month; 0: no drills
  int drill_minute = 10 * 60;
};

struct HeartbeatRule {
  std::string name;
  std::string team;
  int within_seconds = 0;
  Severity severity = Severity::critical;
};

struct Teams {
  std::map<std::string, Team> teams;
  std::map<std::string, HeartbeatRule> heartbeats;
  const Team* find(const std::string& name) const;
  const Member* member(const std::string& team, const std::string& name) const;
};

/// Reads the text of teams.toml. Problems make it unusable; warnings (a gap in the schedule) do
/// not.
struct TeamsFile {
  Teams teams;
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
};
TeamsFile parse_teams(std::string_view text, const std::string& file);
/// DIR/oncall/teams.toml with what is wrong in it. Error{not_found}.
Result<TeamsFile> read_teams(const std::filesystem::path& directory);
/// The same where only a good file will do: Error{invalid} with all problems.
Result<TeamsFile> load_teams(const std::filesystem::path& directory);

/// Time of a team's day.
struct LocalTime {
  std::string date;  // "2026-11-26"
  int day = 0;       // Monday = 0
  int day_of_month = 1;
  int minute = 0;  // of the day
};
/// Error{invalid} for a time zone that the machine's database does not know.
Result<LocalTime> local_time(SystemTime now, const std::string& zone);
/// The first moment of "2026-11-26 18:00" or "2026-11-26" (or with offset: RFC 3339) in the zone.
Result<SystemTime> parse_time(const std::string& text, const std::string& zone);

/// Members on duty now, in the order in which they are rung, for an incident of this severity.
/// Never empty when the team has members. `gap`: nobody was on duty, and the fallback is rung.
struct OnDuty {
  std::vector<Member> members;
  bool gap = false;
};
OnDuty on_duty(const Team& team, const std::vector<Change>& changes, SystemTime now,
               Severity severity);

/// Whether an incident of this severity makes the telephone ring now.
bool rings(const Team& team, Severity severity, SystemTime now);

/// "Mon 00:00 to Mon 09:00" …: parts of a week in which no shift has anybody. Where shifts know
/// holidays also "Hol …", and "after Hol …": of the day that follows one.
std::vector<std::string> gaps(const Team& team);

}  // namespace minato::oncall
