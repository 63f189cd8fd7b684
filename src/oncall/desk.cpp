// Incidents and what comes from outside; rounds and attempts are in desk_rounds.cpp.
#include "oncall/desk.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/log.h"

namespace minato::oncall {
namespace {

constexpr std::size_t kKeyMax = 512;
constexpr std::size_t kTitleMax = 1000;
constexpr std::size_t kTextMax = 16'000;
constexpr std::size_t kLabelsMax = 64;
constexpr std::size_t kNoteMax = 30'000;

/// Cut at a character of UTF-8, not within one.
void shorten(std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  text.resize(bytes);
}

}  // namespace

Desk::Desk(Journal& journal, std::vector<std::string> carriers, DeskClock clock)
    : journal_(journal), carriers_(std::move(carriers)), clock_(std::move(clock)) {}

Status Desk::load() {
  incidents_.clear();
  by_key_.clear();
  states_.clear();
  live_.clear();
  asks_.clear();
  TRY_ASSIGN(auto unresolved, journal_.all_unresolved());
  for (Incident& incident : unresolved) index(incident);
  TRY_ASSIGN(const auto rounds, journal_.newest_rounds());
  for (const Round& round : rounds) {
    TeamState& state = states_[round.team];
    if (round.ended_because == "max_rounds") state.given_up = round.told_arrival;
    if (!round.running) continue;
    // The clock may have jumped while we were away: nobody waits longer than a pause.
    const auto wait = std::clamp(round.due - now(), SystemTime::duration::zero(),
                                 SystemTime::duration(std::chrono::seconds(60)));
    state.due = steady() + wait;
    state.round = round;
  }
  TRY_ASSIGN(const auto attempts, journal_.not_ended());
  for (const Attempt& attempt : attempts) {
    Live live{attempt, steady() + std::chrono::seconds(60)};
    Ask ask = ask_of(attempt, teams_.find(attempt.team));
    ask.kind = attempt.state == AttemptState::planned ? Ask::Kind::place : Ask::Kind::resume;
    ask.again = true;
    asks_.push_back(std::move(ask));
    live_.emplace(attempt.id, std::move(live));
  }
  // A call that was to end may have been left ringing.
  TRY_ASSIGN(const auto cut, journal_.cut_short(now() - std::chrono::minutes(5)));
  for (const Attempt& attempt : cut) end_call(attempt, std::chrono::milliseconds(0));
  TRY_ASSIGN(changes_, journal_.changes(now()));
  for (auto& [name, beat] : beats_) beat.silent = by_key_.contains("heartbeat/" + name);
  return rehome();
}

Status Desk::configure(Teams teams, std::string default_team, Speech speech) {
  teams_ = std::move(teams);
  default_team_ = std::move(default_team);
  speech_ = std::move(speech);
  TRY(rehome());
  std::map<std::string, Beat> beats;
  for (const auto& [name, rule] : teams_.heartbeats) {
    const auto known = beats_.find(name);
    if (known != beats_.end()) {
      beats.emplace(name, known->second);
      continue;
    }
    // After a start a heartbeat has its whole time again, at most five minutes if it is overdue.
    TRY_ASSIGN(const auto last, journal_.last_beat(name));
    const auto within = std::chrono::seconds(rule.within_seconds);
    auto age =
        last ? std::max(now() - *last, SystemTime::duration::zero()) : SystemTime::duration::zero();
    age = std::min<SystemTime::duration>(
        age, within - std::min<std::chrono::seconds>(within, std::chrono::minutes(5)));
    const bool silent = by_key_.contains("heartbeat/" + name);
    beats.emplace(name, Beat{steady() - age, silent});
  }
  beats_ = std::move(beats);
  return {};
}

Status Desk::rehome() {
  for (auto& [seq, incident] : incidents_) {
    const std::string home = home_of(incident.team);
    if (home == incident.team) continue;
    unindex(incident);
    TRY(journal_.happened(seq, {now(), "moved", "", incident.team + " is gone; to " + home}));
    incident.team = home;
    TRY(journal_.update(incident));
    index(Incident(incident));
  }
  return {};
}

const std::string& Desk::home_of(const std::string& team) const {
  return teams_.find(team) ? team : default_team_;
}

void Desk::index(const Incident& incident) {
  by_key_[incident.key] = incident.seq;
  if (incident.state == IncidentState::open) {
    TeamState& state = states_[incident.team];
    state.open[static_cast<std::size_t>(incident.severity)].insert(incident.seq);
    state.newest = std::max(state.newest, incident.arrival);
  }
  incidents_.insert_or_assign(incident.seq, incident);
}

void Desk::unindex(const Incident& incident) {
  const auto state = states_.find(incident.team);
  if (state == states_.end()) return;
  for (auto& seqs : state->second.open) seqs.erase(incident.seq);
}

Status Desk::arrive(Incident& incident, const Happening& happening) {
  TRY_ASSIGN(incident.arrival, journal_.happened(incident.seq, happening));
  return {};
}

Result<Incident> Desk::raise(Alarm alarm) {
  if (alarm.key.empty()) return fail(Code::invalid, "An incident needs a `key`: what it is about.");
  if (alarm.key.size() > kKeyMax) {
    return fail(Code::invalid, "The `key` is longer than " + std::to_string(kKeyMax) + " bytes.");
  }
  if (alarm.title.empty()) alarm.title = alarm.text.empty() ? alarm.key : alarm.text;
  shorten(alarm.title, kTitleMax);
  shorten(alarm.text, kTextMax);
  while (alarm.labels.size() > kLabelsMax) alarm.labels.erase(std::prev(alarm.labels.end()));
  for (auto& [name, value] : alarm.labels) shorten(value, kTitleMax);
  if (const auto known = by_key_.find(alarm.key); known != by_key_.end()) {
    Incident& incident = incidents_.at(known->second);
    incident.occurrences += 1;
    incident.updated_at = now();
    // Graver than it was: it rings again even when somebody had acknowledged it.
    if (alarm.severity > incident.severity) {
      unindex(incident);
      TRY(arrive(incident, {now(), "graver", alarm.source, std::string(name_of(alarm.severity))}));
      incident.severity = alarm.severity;
      incident.state = IncidentState::open;
      incident.title = alarm.title;
      incident.text = alarm.text;
      index(Incident(incident));
    }
    TRY(journal_.update(incident));
    return incident;
  }
  Incident incident;
  incident.key = std::move(alarm.key);
  incident.team = home_of(alarm.team);
  incident.source = std::move(alarm.source);
  incident.severity = alarm.severity;
  incident.title = std::move(alarm.title);
  incident.text = std::move(alarm.text);
  incident.labels = std::move(alarm.labels);
  incident.opened_at = incident.updated_at = now();
  TRY(journal_.add(incident));
  const bool moved = !alarm.team.empty() && alarm.team != incident.team;
  TRY(arrive(incident, {incident.opened_at, "opened", incident.source,
                        moved ? "there is no team " + alarm.team : std::string()}));
  TRY(journal_.update(incident));
  index(incident);
  return incident;
}

Result<Incident*> Desk::find(const std::string& key) {
  auto known = by_key_.find(key);
  if (known != by_key_.end()) return &incidents_.at(known->second);
  if (key.starts_with("i-")) {
    for (auto& [seq, incident] : incidents_) {
      if (incident.id == key) return &incident;
    }
  }
  return fail(Code::not_found, "No unresolved incident has the key or id \"" + key + "\".");
}

Status Desk::acknowledge(Incident& incident, const std::string& who) {
  if (incident.state != IncidentState::open) return {};
  unindex(incident);
  incident.state = IncidentState::acknowledged;
  incident.acknowledged_at = incident.updated_at = now();
  incident.acknowledged_by = who;
  TRY(journal_.update(incident));
  TRY(journal_.happened(incident.seq, {now(), "acknowledged", who, ""}));
  if (const auto event = incident.labels.find("zabbix_event");
      incident.source == "zabbix" && who != "zabbix" && event != incident.labels.end()) {
    const nlohmann::json payload = {{"event", event->second}, {"by", who}};
    TRY(journal_.add(Note{.kind = "zabbix",
                          .target = incident.key,
                          .payload = payload.dump(),
                          .due = now(),
                          .made_at = now()}));
  }
  return {};
}

Result<Incident> Desk::acknowledge(const std::string& key, const std::string& who) {
  TRY_ASSIGN(Incident* const incident, find(key));
  const bool news = incident->state == IncidentState::open;
  TRY(acknowledge(*incident, who));
  if (const Team* team = teams_.find(incident->team); news && team) {
    TRY(tell(*team, "acknowledged", who, {incident->seq}));
  }
  return *incident;
}

Result<Incident> Desk::resolve(const std::string& key, const std::string& who) {
  TRY_ASSIGN(Incident* const found, find(key));
  Incident incident = *found;
  unindex(incident);
  incident.state = IncidentState::resolved;
  incident.resolved_at = incident.updated_at = now();
  TRY(journal_.update(incident));
  TRY(journal_.happened(incident.seq, {now(), "resolved", who, ""}));
  by_key_.erase(incident.key);
  incidents_.erase(incident.seq);
  return incident;
}

Status Desk::beat(const std::string& name) {
  const auto found = beats_.find(name);
  if (found == beats_.end()) {
    return fail(Code::not_found, "oncall/teams.toml has no [heartbeat." + name + "].");
  }
  found->second.last = steady();
  TRY(journal_.beat(name, now()));
  if (!std::exchange(found->second.silent, false)) return {};
  if (const auto resolved = resolve("heartbeat/" + name, "heartbeat");
      !resolved && resolved.error().code != Code::not_found) {
    return fail(resolved.error());
  }
  return {};
}

Status Desk::heartbeats() {
  for (auto& [name, beat] : beats_) {
    const HeartbeatRule& rule = teams_.heartbeats.at(name);
    if (beat.silent || steady() - beat.last < std::chrono::seconds(rule.within_seconds)) continue;
    beat.silent = true;
    Alarm alarm;
    alarm.key = "heartbeat/" + name;
    alarm.team = rule.team;
    alarm.source = "heartbeat";
    alarm.severity = rule.severity;
    alarm.title = name + " has been silent for " + std::to_string(rule.within_seconds) + " seconds";
    alarm.labels = {{"host", name}};
    TRY(raise(std::move(alarm)));
  }
  return {};
}

Status Desk::add(Change& change) {
  const Team* team = teams_.find(change.team);
  if (!team) return fail(Code::not_found, "There is no team \"" + change.team + "\".");
  for (const std::string& name : {change.person, change.instead_by}) {
    if (!name.empty() && !teams_.member(change.team, name)) {
      return fail(Code::not_found, "Team " + change.team + " has no member \"" + name + "\".");
    }
  }
  if (change.person.empty() || change.to <= change.from || change.person == change.instead_by) {
    return fail(Code::invalid,
                "A change needs a `person` and a `to` later than its `from`; nobody "
                "stands in for themselves.");
  }
  TRY(journal_.add(change));
  TRY_ASSIGN(changes_, journal_.changes(now()));
  return {};
}

Status Desk::remove_change(std::int64_t id) {
  TRY_ASSIGN(const bool removed, journal_.remove_change(id));
  if (!removed) return fail(Code::not_found, "There is no change " + std::to_string(id) + ".");
  TRY_ASSIGN(changes_, journal_.changes(now()));
  return {};
}

Result<bool> Desk::see_object(const LogDrop& drop, const std::string& name,
                              const std::string& stamp) {
  return journal_.see_object(drop.name, name, stamp);
}

/// Tried again after 5 s, 10 s, 20 s … at most every ten minutes, for a day.
Status Desk::told(const Note& note, const Status& how) {
  if (how) return journal_.told(note.id);
  const auto wait = std::min<std::chrono::seconds>(
      std::chrono::seconds(5) * (1LL << std::min<std::int64_t>(note.tries, 10)),
      std::chrono::minutes(10));
  return journal_.not_told(note, describe(how.error()), now() + wait);
}

std::string Desk::speech_of(const std::string& id) const {
  const auto found = live_.find(id);
  if (found == live_.end()) return {};
  return ask_of(found->second.attempt, teams_.find(found->second.attempt.team)).call.speech;
}

std::set<std::string> Desk::keys_of(const std::string& source) const {
  std::set<std::string> out;
  for (const auto& [seq, incident] : incidents_) {
    if (incident.source == source) out.insert(incident.key);
  }
  return out;
}

/// Once a month, at the team's time: whether the telephones would ring.
Status Desk::drills() {
  for (const auto& [name, team] : teams_.teams) {
    if (team.drill_day == 0) continue;
    const auto time = local_time(now(), team.time_zone);
    if (!time || time->day_of_month != team.drill_day || time->minute < team.drill_minute) continue;
    const std::string month = time->date.substr(0, 7);
    if (std::exchange(drilled_[name], month) == month) continue;
    Alarm alarm;
    alarm.key = "drill/" + name + "/" + month;
    TRY_ASSIGN(const bool known, journal_.known(alarm.key));
    if (known) continue;
    alarm.team = name;
    alarm.source = "drill";
    alarm.title = speech_.language == "ja" ? "訓練です。障害は起きていません"
                                           : "This is a drill. Nothing is broken";
    TRY(raise(std::move(alarm)));
  }
  return {};
}

std::vector<Incident> Desk::incidents_of(const std::vector<std::int64_t>& seqs) const {
  std::vector<Incident> out;
  out.reserve(seqs.size());
  for (const std::int64_t seq : seqs) {
    if (const auto found = incidents_.find(seq); found != incidents_.end()) {
      out.push_back(found->second);
    }
  }
  return out;
}

Status Desk::tell(const Team& team, const std::string& what, const std::string& who,
                  const std::vector<std::int64_t>& seqs) {
  if (team.notify_urls.empty() && team.notify_command.empty()) return {};
  constexpr std::size_t shown_max = 20;
  nlohmann::json shown = nlohmann::json::array();
  for (const std::int64_t seq : seqs) {
    const auto found = incidents_.find(seq);
    if (found == incidents_.end() || shown.size() == shown_max) continue;
    const Incident& i = found->second;
    shown.push_back({{"id", i.id},
                     {"key", i.key},
                     {"severity", name_of(i.severity)},
                     {"title", i.title},
                     {"state", name_of(i.state)}});
  }
  nlohmann::json payload = {{"event", what},
                            {"team", team.name},
                            {"by", who},
                            {"count", seqs.size()},
                            {"incidents", shown}};
  // A command reads it from a pipe, which takes no more.
  if (payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).size() > kNoteMax) {
    payload["incidents"] = nlohmann::json::array();
  }
  return journal_.add(
      Note{.kind = "notify",
           .target = team.name,
           .payload = payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
           .due = now(),
           .made_at = now()});
}

}  // namespace minato::oncall
