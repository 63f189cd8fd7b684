// Rounds: from the first incident of a team to the key that somebody presses.
#include <algorithm>
#include <random>

#include "base/check.h"
#include "base/log.h"
#include "oncall/desk.h"

namespace minato::oncall {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A carrier that neither places a call nor says why is given up.
constexpr seconds kPlacing{60};
// Beyond the time that a call may ring: carriers are slow to say that nobody answered.
constexpr seconds kRingingGrace{15};
// A person who pressed a key hears what it did.
constexpr milliseconds kThanks{6000};
// When no carrier works: the least time between two laps.
constexpr seconds kNoCarrierPause{10};

std::string new_token() {
  static thread_local std::random_device random;
  constexpr char digits[] = "0123456789abcdef";
  std::string out = "m-";
  for (int i = 0; i < 8; ++i) {
    auto bits = random();
    for (int j = 0; j < 4; ++j, bits >>= 4) out += digits[bits & 15];
  }
  return out;
}

/// What happened to the first key that decides; 9 is the carrier's to repeat.
Outcome decided(const std::string& keys) {
  for (const char key : keys) {
    if (key == '1') return Outcome::acknowledged;
    if (key == '2') return Outcome::passed;
  }
  return Outcome::none;
}

}  // namespace

const std::vector<std::string>& Desk::carriers_of(const Team& team) const {
  return team.carriers.empty() ? carriers_ : team.carriers;
}

/// The team's incidents that make the telephone ring now, the gravest first, then the oldest.
std::vector<std::int64_t> Desk::to_ring(const Team& team, const TeamState& state) const {
  std::vector<std::int64_t> out;
  for (int s = static_cast<int>(Severity::critical); s >= 0; --s) {
    const auto& seqs = state.open[static_cast<std::size_t>(s)];
    if (seqs.empty() || !rings(team, static_cast<Severity>(s), now())) continue;
    out.insert(out.end(), seqs.begin(), seqs.end());
  }
  return out;
}

Status Desk::advance() {
  TRY(heartbeats());
  TRY(drills());
  TRY(overdue());
  for (const auto& [name, team] : teams_.teams) {
    const auto state = states_.find(name);
    if (state != states_.end()) TRY(advance_team(team, state->second));
  }
  // Rounds of teams that are gone: their incidents have moved.
  for (auto& [name, state] : states_) {
    if (state.round && !teams_.find(name) && !teams_.teams.empty()) {
      TRY(cancel(state));
      if (state.round) TRY(end_round(state, "team_gone"));
    }
  }
  return {};
}

std::optional<Severity> Desk::gravest_to_ring(const Team& team, const TeamState& state) const {
  for (int s = static_cast<int>(Severity::critical); s >= 0; --s) {
    const auto severity = static_cast<Severity>(s);
    if (!state.open[static_cast<std::size_t>(s)].empty() && rings(team, severity, now())) {
      return severity;
    }
  }
  return std::nullopt;
}

bool Desk::calling(const Round& round) const {
  return std::ranges::any_of(
      live_, [&](const auto& entry) { return entry.second.attempt.round == round.id; });
}

Status Desk::advance_team(const Team& team, TeamState& state) {
  const auto severity = gravest_to_ring(team, state);
  if (!severity) {
    TRY(cancel(state));
    return state.round ? end_round(state, "nothing_open") : Status{};
  }
  if (!state.round) {
    if (steady() < state.quiet_until || state.newest <= state.given_up) return {};
    TRY(begin_round(team, state, *severity));
  }
  if (calling(*state.round) || steady() < state.due) return {};
  return plan(team, state, *severity);
}

Status Desk::begin_round(const Team& team, TeamState& state, Severity severity) {
  Round round;
  round.team = team.name;
  round.started_at = round.due = now();
  state.round = round;
  state.due = steady();
  TRY(begin_lap(team, state, severity));
  TRY(journal_.add(*state.round));
  log::info("oncall.round", {{"team", team.name}, {"round", state.round->id}});
  return {};
}

/// Who is rung is fixed for a lap, so that nobody is skipped or rung twice when shifts change.
Status Desk::begin_lap(const Team& team, TeamState& state, Severity severity) {
  const OnDuty duty = on_duty(team, changes_, now(), severity);
  if (duty.gap) {
    log::warn("oncall.gap: nobody is on duty; the fallback is rung", {{"team", team.name}});
  }
  state.round->people.clear();
  for (const Member& member : duty.members) state.round->people.push_back(member.name);
  state.round->position = 0;
  state.round->second = false;
  state.round->carrier = 0;
  return {};
}

Status Desk::plan(const Team& team, TeamState& state, Severity severity) {
  Round& round = *state.round;
  const std::vector<std::int64_t> seqs = to_ring(team, state);
  const bool new_lap = round.position == 0 && !round.second && round.carrier == 0;
  if (new_lap && round.attempts > 0) TRY(begin_lap(team, state, severity));
  // Members may have been taken out of the file since the lap began.
  while (round.position < static_cast<std::int64_t>(round.people.size()) &&
         !teams_.member(team.name, round.people[static_cast<std::size_t>(round.position)])) {
    round.position += 1;
  }
  if (round.position >= static_cast<std::int64_t>(round.people.size())) {
    TRY(begin_lap(team, state, severity));
  }
  CHECK(!round.people.empty());
  const Member* member =
      teams_.member(team.name, round.people[static_cast<std::size_t>(round.position)]);
  CHECK(member);
  const auto& carriers = carriers_of(team);
  CHECK(!carriers.empty());
  Attempt attempt;
  attempt.id = new_token();
  attempt.round = round.id;
  attempt.number = ++round.attempts;
  attempt.lap = round.lap;
  attempt.team = team.name;
  attempt.person = member->name;
  attempt.phone = member->phone;
  attempt.carrier = carriers[static_cast<std::size_t>(round.carrier) % carriers.size()];
  for (const std::int64_t seq : seqs) {
    attempt.up_to_arrival = std::max(attempt.up_to_arrival, incidents_.at(seq).arrival);
  }
  attempt.planned_at = now();
  round.told_arrival = std::max(round.told_arrival, attempt.up_to_arrival);
  TRY(journal_.add(attempt));
  TRY(journal_.update(round));
  asks_.push_back(ask_of(attempt, &team));
  log::info("oncall.call", {{"team", team.name},
                            {"person", attempt.person},
                            {"carrier", attempt.carrier},
                            {"round", round.id},
                            {"attempt", attempt.number},
                            {"incidents", seqs.size()}});
  live_.emplace(attempt.id, Live{attempt, steady() + kPlacing});
  return {};
}

Ask Desk::ask_of(const Attempt& attempt, const Team* team) const {
  Ask ask;
  ask.carrier = attempt.carrier;
  ask.call.attempt = attempt.id;
  ask.call.phone = attempt.phone;
  ask.call.planned_at = attempt.planned_at;
  ask.call.language = speech_.language;
  ask.call_id = attempt.call;
  if (!team) return ask;
  ask.call.ring = seconds(team->ring_seconds);
  const auto state = states_.find(team->name);
  if (state == states_.end()) return ask;
  const std::vector<Incident> told = incidents_of(to_ring(*team, state->second));
  if (told.empty()) return ask;
  ask.call.speech = message(speech_, told);
  ask.call.title = told.front().id + " " + told.front().key;
  return ask;
}

void Desk::end_call(const Attempt& attempt, milliseconds grace) {
  Ask ask;
  ask.kind = Ask::Kind::end;
  ask.carrier = attempt.carrier;
  ask.call.attempt = attempt.id;
  ask.call.phone = attempt.phone;
  ask.call_id = attempt.call;
  ask.grace = grace;
  asks_.push_back(std::move(ask));
}

Status Desk::placed(const std::string& id, const std::string& call) {
  const auto found = live_.find(id);
  if (found == live_.end()) return {};
  Live& live = found->second;
  if (live.attempt.state != AttemptState::planned) return {};
  live.attempt.state = AttemptState::placed;
  live.attempt.call = call;
  live.attempt.placed_at = now();
  const Team* team = teams_.find(live.attempt.team);
  live.deadline = steady() + seconds(team ? team->ring_seconds : 20) + kRingingGrace;
  return journal_.update(live.attempt);
}

Status Desk::not_placed(const std::string& id, const Error& error) {
  const auto found = live_.find(id);
  if (found == live_.end()) return {};
  const bool number = error.code == Code::invalid || error.code == Code::not_found;
  log::warn("oncall.not_placed", {{"carrier", found->second.attempt.carrier},
                                  {"person", found->second.attempt.person},
                                  {"error", error}});
  return finish(found->second, number ? Outcome::unknown_number : Outcome::carrier_failed,
                describe(error));
}

Status Desk::reported(const std::string& id, const CallReport& report) {
  const auto found = live_.find(id);
  if (found == live_.end()) return {};
  Live& live = found->second;
  Attempt& attempt = live.attempt;
  const bool answered = report.state == CallState::answered || !report.keys.empty();
  if (answered && !attempt.answered_at) {
    attempt.answered_at = now();
    const Team* team = teams_.find(attempt.team);
    live.deadline = steady() + seconds(team ? team->answer_seconds : 60);
    TRY(journal_.update(attempt));
  }
  // Keys come by webhook as well as by looking, in any order.
  if (report.keys.starts_with(attempt.key)) {
    attempt.key = report.keys;
  } else if (attempt.key.find(report.keys) == std::string::npos) {
    attempt.key += report.keys;  // of a carrier that has forgotten the earlier ones
  }
  if (const Outcome outcome = decided(attempt.key); outcome != Outcome::none) {
    if (report.state != CallState::ended) end_call(attempt, kThanks);
    return finish(live, outcome, "");
  }
  if (report.state != CallState::ended) return {};
  Outcome outcome = report.outcome;
  if (outcome == Outcome::none || outcome == Outcome::acknowledged || outcome == Outcome::passed) {
    outcome = attempt.answered_at ? Outcome::no_key : Outcome::no_answer;
  }
  return finish(live, outcome, report.detail);
}

Status Desk::overdue() {
  std::vector<std::string> late;
  for (const auto& [id, live] : live_) {
    if (steady() >= live.deadline) late.push_back(id);
  }
  for (const std::string& id : late) {
    Live& live = live_.at(id);
    Outcome outcome = Outcome::no_answer;
    if (live.attempt.state == AttemptState::planned) outcome = Outcome::carrier_failed;
    if (live.attempt.answered_at) outcome = Outcome::no_key;
    end_call(live.attempt, milliseconds(0));
    TRY(finish(live, outcome,
               outcome == Outcome::carrier_failed ? "the carrier said nothing" : ""));
  }
  return {};
}

/// The attempt is over; `live` is gone afterwards.
Status Desk::finish(Live& live, Outcome outcome, const std::string& error) {
  Attempt attempt = live.attempt;
  live_.erase(attempt.id);
  attempt.state = AttemptState::ended;
  attempt.outcome = outcome;
  attempt.error = error;
  attempt.ended_at = now();
  TRY(journal_.update(attempt));
  log::info("oncall.ended", {{"team", attempt.team},
                             {"person", attempt.person},
                             {"carrier", attempt.carrier},
                             {"attempt", attempt.number},
                             {"outcome", name_of(outcome)}});
  return step(attempt);
}

/// What follows an attempt in its round.
Status Desk::step(const Attempt& attempt) {
  const auto found = states_.find(attempt.team);
  if (found == states_.end() || !found->second.round || found->second.round->id != attempt.round) {
    return {};
  }
  TeamState& state = found->second;
  Round& round = *state.round;
  const Team* team = teams_.find(attempt.team);
  if (!team || attempt.outcome == Outcome::cancelled) return journal_.update(round);
  state.due = steady();
  round.due = now();
  switch (attempt.outcome) {
    case Outcome::acknowledged: return acknowledge_by_key(attempt);
    case Outcome::carrier_failed:
      round.carrier += 1;
      if (round.carrier < static_cast<std::int64_t>(carriers_of(*team).size())) {
        return journal_.update(round);
      }
      return next_person(*team, state);
    case Outcome::no_answer:
    case Outcome::busy:
    case Outcome::rejected:
      if (team->double_call && !round.second) {
        round.second = true;
        return journal_.update(round);
      }
      return next_person(*team, state);
    default: return next_person(*team, state);
  }
}

Status Desk::next_person(const Team& team, TeamState& state) {
  Round& round = *state.round;
  const bool no_carrier = round.carrier >= static_cast<std::int64_t>(carriers_of(team).size());
  round.second = false;
  round.carrier = 0;
  round.position += 1;
  if (round.position < static_cast<std::int64_t>(round.people.size())) {
    return journal_.update(round);
  }
  if (team.max_rounds > 0 && round.lap >= team.max_rounds) {
    state.given_up = round.told_arrival;
    TRY(tell(team, "nobody_answered", "", to_ring(team, state)));
    log::error("oncall.nobody_answered", {{"team", team.name}, {"rounds", round.lap}});
    return end_round(state, "max_rounds");
  }
  round.lap += 1;
  round.position = 0;
  auto pause = seconds(team.round_pause_seconds);
  if (no_carrier) pause = std::max(pause, kNoCarrierPause);
  state.due = steady() + pause;
  round.due = now() + pause;
  return journal_.update(round);
}

Status Desk::acknowledge_by_key(const Attempt& attempt) {
  TeamState& state = states_.at(attempt.team);
  const Team& team = *teams_.find(attempt.team);
  std::vector<std::int64_t> told;
  for (const std::int64_t seq : to_ring(team, state)) {
    if (incidents_.at(seq).arrival <= attempt.up_to_arrival) told.push_back(seq);
  }
  for (const std::int64_t seq : told) TRY(acknowledge(incidents_.at(seq), attempt.person));
  TRY(tell(team, "acknowledged", attempt.person, told));
  // What came while the call was on its way rings later, as one group.
  state.quiet_until = steady() + seconds(team.regroup_seconds);
  return end_round(state, "acknowledged");
}

Status Desk::end_round(TeamState& state, const std::string& because) {
  Round& round = *state.round;
  round.running = false;
  round.ended_because = because;
  round.ended_at = now();
  TRY(journal_.update(round));
  log::info("oncall.round_ended",
            {{"team", round.team}, {"round", round.id}, {"because", because}});
  state.round.reset();
  return {};
}

/// Nobody is to be rung any more: calls on their way end.
Status Desk::cancel(TeamState& state) {
  if (!state.round) return {};
  std::vector<std::string> ids;
  for (const auto& [id, live] : live_) {
    if (live.attempt.round == state.round->id) ids.push_back(id);
  }
  for (const std::string& id : ids) {
    Live& live = live_.at(id);
    end_call(live.attempt, milliseconds(0));
    TRY(finish(live, Outcome::cancelled, ""));
  }
  return {};
}

Desk::Steady Desk::next_due() const {
  // Schedules and drills go by the clock on the wall: looked at twice a minute.
  Steady due = steady() + seconds(30);
  for (const auto& [id, live] : live_) due = std::min(due, live.deadline);
  for (const auto& [name, beat] : beats_) {
    if (beat.silent) continue;
    due = std::min(due, beat.last + seconds(teams_.heartbeats.at(name).within_seconds));
  }
  for (const auto& [name, state] : states_) {
    if (state.round) {
      if (!calling(*state.round)) due = std::min(due, state.due);
    } else if (state.quiet_until > steady()) {
      due = std::min(due, state.quiet_until);
    }
  }
  return due;
}

}  // namespace minato::oncall
