#include "oncall/views.h"

#include <fmt/format.h>

namespace minato::oncall {
namespace {

OrderedJson time(const std::optional<SystemTime>& value) {
  return value ? OrderedJson(rfc3339(*value)) : OrderedJson(nullptr);
}

OrderedJson empty_as_null(std::string_view text) {
  return text.empty() ? OrderedJson(nullptr) : OrderedJson(text);
}

std::string clock(int minute) { return fmt::format("{:02}:{:02}", minute / 60, minute % 60); }

}  // namespace

std::string text_of(const OrderedJson& json, int indent) {
  return json.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

OrderedJson view(const Incident& i) {
  return {{"id", i.id},
          {"key", i.key},
          {"team", i.team},
          {"source", i.source},
          {"severity", name_of(i.severity)},
          {"state", name_of(i.state)},
          {"title", i.title},
          {"text", i.text},
          {"labels", i.labels},
          {"occurrences", i.occurrences},
          {"opened_at", rfc3339(i.opened_at)},
          {"updated_at", rfc3339(i.updated_at)},
          {"acknowledged_at", time(i.acknowledged_at)},
          {"acknowledged_by", empty_as_null(i.acknowledged_by)},
          {"resolved_at", time(i.resolved_at)}};
}

OrderedJson view(const Attempt& a) {
  return {{"attempt", a.id},
          {"team", a.team},
          {"round", a.round},
          {"lap", a.lap},
          {"number", a.number},
          {"person", a.person},
          {"phone", masked(a.phone)},
          {"carrier", a.carrier},
          {"carrier_id", empty_as_null(a.call)},
          {"state", name_of(a.state)},
          {"outcome", empty_as_null(name_of(a.outcome))},
          {"key", empty_as_null(a.key)},
          {"planned_at", rfc3339(a.planned_at)},
          {"placed_at", time(a.placed_at)},
          {"answered_at", time(a.answered_at)},
          {"ended_at", time(a.ended_at)},
          {"error", empty_as_null(a.error)}};
}

OrderedJson view(const Happening& h) {
  return {{"at", rfc3339(h.at)},
          {"what", h.what},
          {"who", empty_as_null(h.who)},
          {"note", empty_as_null(h.note)}};
}

OrderedJson view(const Change& c) {
  return {{"id", c.id},
          {"team", c.team},
          {"from", rfc3339(c.from)},
          {"to", rfc3339(c.to)},
          {"person", c.person},
          {"instead_by", empty_as_null(c.instead_by)},
          {"note", empty_as_null(c.note)}};
}

OrderedJson view(const CostLine& line) {
  return {{"month", line.month},       {"carrier", line.carrier}, {"calls", line.calls},
          {"answered", line.answered}, {"seconds", line.seconds}, {"yen", line.yen}};
}

OrderedJson view(const Team& team) {
  constexpr std::array<const char*, 8> days{"mon", "tue", "wed", "thu",
                                            "fri", "sat", "sun", "holiday"};
  OrderedJson members = OrderedJson::array();
  for (const Member& m : team.members) {
    members.push_back({{"name", m.name}, {"phone", masked(m.phone)}});
  }
  OrderedJson shifts = OrderedJson::array();
  for (const Shift& shift : team.shifts) {
    OrderedJson on = OrderedJson::array();
    for (std::size_t i = 0; i < days.size(); ++i) {
      if (shift.days[i]) on.push_back(days[i]);
    }
    shifts.push_back({{"days", on},
                      {"from", clock(shift.from)},
                      {"to", clock(shift.to)},
                      {"members", shift.members}});
  }
  return {{"team", team.name},
          {"members", members},
          {"shifts", shifts},
          {"gaps", gaps(team)},
          {"fallback", team.fallback},
          {"time_zone", team.time_zone},
          {"holidays", team.holidays},
          {"ring_from", name_of(team.ring_from)},
          {"quiet_hours", team.quiet_from == team.quiet_to
                              ? OrderedJson(nullptr)
                              : OrderedJson(clock(team.quiet_from) + "-" + clock(team.quiet_to))},
          {"quiet_ring_from", name_of(team.quiet_ring_from)},
          {"ring_seconds", team.ring_seconds},
          {"double_call", team.double_call},
          {"round_pause_seconds", team.round_pause_seconds},
          {"max_rounds", team.max_rounds}};
}

OrderedJson view_of_duty(const Team& team, const std::vector<Change>& changes, SystemTime now,
                         Severity severity) {
  const OnDuty duty = on_duty(team, changes, now, severity);
  OrderedJson people = OrderedJson::array();
  for (const Member& m : duty.members) {
    people.push_back({{"name", m.name}, {"phone", masked(m.phone)}});
  }
  return {{"team", team.name},
          {"severity", name_of(severity)},
          {"rings_now", rings(team, severity, now)},
          {"people", people},
          {"gap", duty.gap}};
}

}  // namespace minato::oncall
