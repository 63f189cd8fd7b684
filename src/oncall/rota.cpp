#include "oncall/rota.h"

#include <cctz/time_zone.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace minato::oncall {
namespace {

constexpr std::array<const char*, 8> kDays{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Hol"};

std::optional<cctz::time_zone> zone_of(const std::string& name) {
  cctz::time_zone zone;
  if (!cctz::load_time_zone(name, &zone)) return std::nullopt;
  return zone;
}

LocalTime local_of(const cctz::civil_second& civil) {
  LocalTime out;
  out.date = fmt::format("{:04}-{:02}-{:02}", civil.year(), civil.month(), civil.day());
  out.day = static_cast<int>(cctz::get_weekday(cctz::civil_day(civil)));  // Monday = 0
  out.day_of_month = civil.day();
  out.minute = civil.hour() * 60 + civil.minute();
  return out;
}

bool works_on_holidays(const Team& team) {
  return std::ranges::any_of(team.shifts, [](const Shift& s) { return s.days[kHoliday]; });
}

/// Which day of `Shift::days` a date is. Holidays are a day of their own only where shifts know it.
int day_kind(const Team& team, const LocalTime& time) {
  return team.holidays.contains(time.date) && works_on_holidays(team) ? kHoliday : time.day;
}

bool covers_day(const Shift& shift, int minute) {
  return shift.to > shift.from ? minute >= shift.from && minute < shift.to : minute >= shift.from;
}
bool covers_next_day(const Shift& shift, int minute) {
  return shift.to <= shift.from && minute < shift.to;
}

void append_new(std::vector<std::string>& out, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (std::ranges::find(out, name) == out.end()) out.push_back(name);
  }
}

std::vector<std::string> scheduled(const Team& team, SystemTime now) {
  std::vector<std::string> names;
  if (team.shifts.empty()) {
    for (const Member& member : team.members) names.push_back(member.name);
    return names;
  }
  const auto zone = zone_of(team.time_zone);
  if (!zone) return names;
  const auto civil = cctz::convert(std::chrono::floor<std::chrono::seconds>(now), *zone);
  const LocalTime today = local_of(civil);
  const LocalTime yesterday = local_of(cctz::civil_second(cctz::civil_day(civil) - 1));
  const int kind = day_kind(team, today);
  const int kind_before = day_kind(team, yesterday);
  for (const Shift& shift : team.shifts) {
    if ((shift.days[kind] && covers_day(shift, today.minute)) ||
        (shift.days[kind_before] && covers_next_day(shift, today.minute))) {
      append_new(names, shift.members);
    }
  }
  return names;
}

/// Who takes somebody's turn is rung where that person would have been, and only once; not while
/// that person has no turn. Then those who are away, stand-ins too, are left out.
void apply(const std::vector<Change>& changes, const Team& team, SystemTime now,
           std::vector<std::string>& names) {
  const auto in_force = [&](const Change& change) {
    return change.team == team.name && now >= change.from && now < change.to;
  };
  for (const Change& change : changes) {
    if (!in_force(change) || change.instead_by.empty()) continue;
    if (std::ranges::find(names, change.person) == names.end()) continue;
    std::erase(names, change.instead_by);
    *std::ranges::find(names, change.person) = change.instead_by;
  }
  for (const Change& change : changes) {
    if (in_force(change) && change.instead_by.empty()) std::erase(names, change.person);
  }
}

std::vector<Member> members_of(const Team& team, const std::vector<std::string>& names) {
  std::vector<Member> out;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(team.members, name, &Member::name);
    if (found != team.members.end()) out.push_back(*found);
  }
  return out;
}

}  // namespace

const Team* Teams::find(const std::string& name) const {
  const auto found = teams.find(name);
  return found == teams.end() ? nullptr : &found->second;
}

const Member* Teams::member(const std::string& team, const std::string& name) const {
  const Team* found = find(team);
  if (!found) return nullptr;
  const auto member = std::ranges::find(found->members, name, &Member::name);
  return member == found->members.end() ? nullptr : &*member;
}

Result<LocalTime> local_time(SystemTime now, const std::string& zone) {
  const auto found = zone_of(zone);
  if (!found) return fail(Code::invalid, "There is no time zone \"" + zone + "\".");
  return local_of(cctz::convert(std::chrono::floor<std::chrono::seconds>(now), *found));
}

Result<SystemTime> parse_time(const std::string& text, const std::string& zone) {
  const auto found = zone_of(zone);
  if (!found) return fail(Code::invalid, "There is no time zone \"" + zone + "\".");
  for (const char* format : {"%Y-%m-%dT%H:%M:%E*S%Ez", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                             "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"}) {
    std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds> time;
    if (cctz::parse(format, text, *found, &time)) return SystemTime(time.time_since_epoch());
  }
  return fail(Code::invalid, "\"" + text +
                                 "\" is not a time. Write 2026-11-26, 2026-11-26 18:00 or "
                                 "2026-11-26T18:00:00+09:00.");
}

OnDuty on_duty(const Team& team, const std::vector<Change>& changes, SystemTime now,
               Severity severity) {
  OnDuty out;
  std::vector<std::string> names = scheduled(team, now);
  apply(changes, team, now, names);
  if (const auto only = team.only.find(severity); only != team.only.end()) {
    std::vector<std::string> fewer;
    for (const std::string& name : names) {
      if (std::ranges::find(only->second, name) != only->second.end()) fewer.push_back(name);
    }
    if (!fewer.empty()) names = std::move(fewer);
  }
  out.members = members_of(team, names);
  if (!out.members.empty()) return out;
  out.gap = true;
  out.members = team.fallback.empty() ? team.members : members_of(team, team.fallback);
  if (out.members.empty()) out.members = team.members;
  return out;
}

bool rings(const Team& team, Severity severity, SystemTime now) {
  if (severity < team.ring_from) return false;
  if (team.quiet_from == team.quiet_to || severity >= team.quiet_ring_from) return true;
  const auto time = local_time(now, team.time_zone);
  if (!time) return true;
  const int m = time->minute;
  const bool quiet = team.quiet_from < team.quiet_to ? m >= team.quiet_from && m < team.quiet_to
                                                     : m >= team.quiet_from || m < team.quiet_to;
  return !quiet;
}

namespace {

/// Whether somebody works at this minute of a day of this kind that follows a day of that kind.
bool somebody(const Team& team, int kind, int kind_before, int minute) {
  return std::ranges::any_of(team.shifts, [&](const Shift& shift) {
    return !shift.members.empty() && ((shift.days[kind] && covers_day(shift, minute)) ||
                                      (shift.days[kind_before] && covers_next_day(shift, minute)));
  });
}

/// The uncovered parts of days that stand one after the other.
void describe_gaps(const std::vector<bool>& covered, const std::vector<std::string>& days,
                   std::vector<std::string>& out) {
  constexpr std::size_t day = kMinutesOfDay;
  const auto name = [&](std::size_t minute) {
    return fmt::format("{} {:02}:{:02}", days[(minute / day) % days.size()], minute % day / 60,
                       minute % 60);
  };
  for (std::size_t begin = 0; begin < covered.size(); ++begin) {
    if (covered[begin]) continue;
    std::size_t end = begin;
    while (end < covered.size() && !covered[end]) ++end;
    out.push_back(name(begin) + " to " +
                  (end == day && days.size() == 1 ? days[0] + " 24:00" : name(end)));
    begin = end;
  }
}

}  // namespace

std::vector<std::string> gaps(const Team& team) {
  if (team.shifts.empty()) return {};
  std::vector<std::string> out;
  std::vector<bool> week;
  for (int day = 0; day < 7; ++day) {
    for (int minute = 0; minute < kMinutesOfDay; ++minute) {
      week.push_back(somebody(team, day, (day + 6) % 7, minute));
    }
  }
  describe_gaps(week, {kDays.begin(), kDays.begin() + 7}, out);
  if (!works_on_holidays(team)) return out;
  // A holiday may fall on any day, or follow another; so may the day after it.
  std::vector<bool> holiday(kMinutesOfDay, true);
  std::vector<bool> after(kMinutesOfDay, true);
  for (int minute = 0; minute < kMinutesOfDay; ++minute) {
    for (int before = 0; before <= kHoliday; ++before) {
      if (!somebody(team, kHoliday, before, minute)) holiday[minute] = false;
    }
    for (int day = 0; day < 7; ++day) {
      const bool usually = week[day * kMinutesOfDay + minute];
      if (usually && !somebody(team, day, kHoliday, minute)) after[minute] = false;
    }
  }
  describe_gaps(holiday, {kDays[kHoliday]}, out);
  describe_gaps(after, {"after Hol"}, out);
  return out;
}

}  // namespace minato::oncall
