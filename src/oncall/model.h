// The words of on-call: incidents, rounds of calls, attempts. Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/time.h"

namespace minato::oncall {

enum class Severity : std::uint8_t { info, warning, error, critical };
enum class IncidentState : std::uint8_t { open, acknowledged, resolved };

struct Incident {
  std::int64_t seq = 0;      // in order of arrival; increases by one
  std::int64_t arrival = 0;  // number of the happening that opened it or made it graver
  std::string id;            // for people and URLs: "i-17"
  std::string key;           // deduplication: at most one incident of a key is not resolved
  std::string team;
  std::string source;  // api, zabbix, alertmanager, pagerduty, log, minato, heartbeat, drill
  Severity severity = Severity::critical;
  IncidentState state = IncidentState::open;
  std::string title;
  std::string text;  // what is said; empty: the title
  std::map<std::string, std::string> labels;
  std::int64_t occurrences = 1;
  SystemTime opened_at{};
  SystemTime updated_at{};
  std::optional<SystemTime> acknowledged_at;
  std::string acknowledged_by;  // a member's name, or "api", "zabbix" …
  std::optional<SystemTime> resolved_at;
};

/// How an attempt ended. Only `acknowledged` ends a round.
enum class Outcome : std::uint8_t {
  none,            // not ended yet
  acknowledged,    // key 1
  passed,          // key 2: the next person, now
  no_key,          // answered, and nobody pressed a key (voicemail does not either)
  no_answer,       // not answered in time; switched off
  busy,            //
  rejected,        // by the person's telephone
  unknown_number,  // the network knows no such number
  cancelled,       // somebody else acknowledged, or the source recovered
  carrier_failed,  // the carrier itself did not do its work: the next carrier is tried
};

enum class AttemptState : std::uint8_t {
  planned,  // durable, nothing asked of the carrier yet (or its answer is not known)
  placed,   // the carrier has it
  ended,
};

struct Attempt {
  std::string id;  // unique for ever; the token that makes placing it twice impossible
  std::int64_t round = 0;
  std::int64_t number = 0;  // in its round, from 1
  std::int64_t lap = 1;     // how often the rota began
  std::string team;
  std::string person;
  std::string phone;  // E.164; personal: never in logs, lists, metrics
  std::string carrier;
  std::string call;  // the carrier's id of it
  AttemptState state = AttemptState::planned;
  Outcome outcome = Outcome::none;
  std::string key;                 // what was pressed, in order
  std::string error;               // the carrier's words when it failed
  std::int64_t up_to_arrival = 0;  // incidents that had arrived by then are told in this call
  SystemTime planned_at{};
  std::optional<SystemTime> placed_at;
  std::optional<SystemTime> answered_at;
  std::optional<SystemTime> ended_at;
};

std::string_view name_of(Severity severity);
std::string_view name_of(IncidentState state);
std::string_view name_of(Outcome outcome);
std::string_view name_of(AttemptState state);
/// By those names; also Prometheus's and PagerDuty's synonyms. nullopt for other words.
std::optional<Severity> severity_of(std::string_view word);
std::optional<IncidentState> incident_state_of(std::string_view word);
std::optional<Outcome> outcome_of(std::string_view word);
std::optional<AttemptState> attempt_state_of(std::string_view word);

/// E.164: "+", then 2 to 15 digits of which the first is not 0.
bool valid_phone(std::string_view phone);
/// "+81*******01": for everything that people see.
std::string masked(std::string_view phone);

}  // namespace minato::oncall
