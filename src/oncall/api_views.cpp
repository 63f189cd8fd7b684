// What the API shows: read from the journal by a connection of its own.
#include <fmt/format.h>

#include "oncall/api_request.h"

namespace minato::oncall {

Result<Journal*> Api::reader() {
  if (!read_) {
    TRY_ASSIGN(read_, Journal::open_to_read(journal_));
  }
  return &*read_;
}

Api::Reply Api::incidents(const Request& request) {
  IncidentFilter filter;
  filter.team = request.parameter("team");
  filter.key = request.parameter("key");
  if (const std::string state = request.parameter("state"); !state.empty()) {
    filter.state = incident_state_of(state);
    if (!filter.state) {
      return fail(Code::invalid, "`state` must be open, acknowledged or resolved.");
    }
  }
  TRY_ASSIGN(filter.limit, number_of(request.parameter("limit", "1000")));
  const std::lock_guard lock(reading_);
  TRY_ASSIGN(Journal* const journal, reader());
  TRY_ASSIGN(const auto found, journal->incidents(filter));
  OrderedJson all = OrderedJson::array();
  for (const Incident& incident : found) all.push_back(view(incident));
  return json_answer({{"incidents", all}});
}

Api::Reply Api::incident(const std::string& id) {
  const std::lock_guard lock(reading_);
  TRY_ASSIGN(Journal* const journal, reader());
  TRY_ASSIGN(const auto found, journal->incident(id));
  if (!found) return fail(Code::not_found, "There is no incident \"" + id + "\".");
  TRY_ASSIGN(const auto history, journal->history(found->seq));
  TRY_ASSIGN(const auto attempts, journal->attempts_about(*found));
  OrderedJson out = view(*found);
  out["history"] = OrderedJson::array();
  for (const Happening& happening : history) out["history"].push_back(view(happening));
  out["attempts"] = OrderedJson::array();
  for (const Attempt& attempt : attempts) out["attempts"].push_back(view(attempt));
  return json_answer(out);
}

Api::Reply Api::attempts(const Request& request) {
  AttemptFilter filter;
  if (const std::string month = request.parameter("month"); !month.empty()) {
    TRY_ASSIGN(const auto range, month_of(month));
    filter.from = range.first;
    filter.to = range.second;
  }
  TRY_ASSIGN(filter.limit, number_of(request.parameter("limit", "1000")));
  const std::lock_guard lock(reading_);
  TRY_ASSIGN(Journal* const journal, reader());
  TRY_ASSIGN(const auto found, journal->attempts(filter));
  OrderedJson all = OrderedJson::array();
  for (const Attempt& attempt : found) all.push_back(view(attempt));
  return json_answer({{"attempts", all}});
}

Api::Reply Api::teams() {
  OrderedJson all = OrderedJson::array();
  const auto now = facts();
  if (now->teams) {
    for (const auto& [name, team] : now->teams->teams.teams) all.push_back(view(team));
  }
  return json_answer({{"teams", all}});
}

Api::Reply Api::who(const Request& request) {
  const auto known = facts();
  const std::string name = request.parameter("team", known->default_team);
  const Team* team = known->teams ? known->teams->teams.find(name) : nullptr;
  if (!team) return fail(Code::not_found, "There is no team \"" + name + "\".");
  const auto severity = severity_of(request.parameter("severity", "critical"));
  if (!severity) {
    return fail(Code::invalid, "`severity` must be info, warning, error or critical.");
  }
  SystemTime at = api_now();
  if (const std::string when = request.parameter("at"); !when.empty()) {
    TRY_ASSIGN(at, parse_time(when, team->time_zone));
  }
  const std::lock_guard lock(reading_);
  TRY_ASSIGN(Journal* const journal, reader());
  TRY_ASSIGN(const auto changes, journal->changes(std::min(at, api_now())));
  return json_answer(view_of_duty(*team, changes, at, *severity));
}

Api::Reply Api::cost(const Request& request) {
  AttemptFilter filter;
  filter.limit = 10'000'000;
  if (const std::string month = request.parameter("month"); !month.empty()) {
    TRY_ASSIGN(const auto range, month_of(month));
    filter.from = range.first;
    filter.to = range.second;
  }
  const std::lock_guard lock(reading_);
  TRY_ASSIGN(Journal* const journal, reader());
  TRY_ASSIGN(const auto attempts, journal->attempts(filter));
  OrderedJson lines = OrderedJson::array();
  for (const CostLine& line : costs(attempts, facts()->prices)) lines.push_back(view(line));
  return json_answer({{"cost", lines}});
}

Api::Reply Api::metrics() {
  std::map<std::string, std::int64_t> attempts;
  std::map<std::string, std::int64_t> states;
  {
    const std::lock_guard lock(reading_);
    TRY_ASSIGN(Journal* const journal, reader());
    TRY_ASSIGN(attempts, journal->count_attempts());
    TRY_ASSIGN(states, journal->count_incidents());
  }
  std::string out =
      "# HELP minato_oncall_incidents Incidents by state.\n"
      "# TYPE minato_oncall_incidents gauge\n";
  for (const auto& [state, count] : states) {
    out += fmt::format("minato_oncall_incidents{{state=\"{}\"}} {}\n", state, count);
  }
  out +=
      "# HELP minato_oncall_attempts_total Calls by outcome.\n"
      "# TYPE minato_oncall_attempts_total counter\n";
  for (const auto& [outcome, count] : attempts) {
    out += fmt::format("minato_oncall_attempts_total{{outcome=\"{}\"}} {}\n", outcome, count);
  }
  out += fmt::format(
      "# HELP minato_oncall_journal_ok Whether the journal can be written.\n"
      "# TYPE minato_oncall_journal_ok gauge\nminato_oncall_journal_ok {}\n",
      board_.trouble().empty() ? 1 : 0);
  return runtime::HttpAnswer{200, "text/plain; version=0.0.4; charset=utf-8", out, {}};
}

}  // namespace minato::oncall
