#include "oncall/model.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace minato::oncall {
namespace {

template <class T>
struct Name {
  T value;
  std::string_view name;
};

constexpr std::array<Name<Severity>, 4> kSeverities{{{Severity::info, "info"},
                                                     {Severity::warning, "warning"},
                                                     {Severity::error, "error"},
                                                     {Severity::critical, "critical"}}};
// What alert sources write instead. Prometheus has no fixed words; these are the usual ones.
constexpr std::array<Name<Severity>, 11> kSynonyms{{{Severity::info, "none"},
                                                    {Severity::info, "information"},
                                                    {Severity::info, "informational"},
                                                    {Severity::info, "notice"},
                                                    {Severity::warning, "warn"},
                                                    {Severity::error, "average"},
                                                    {Severity::error, "major"},
                                                    {Severity::critical, "high"},
                                                    {Severity::critical, "disaster"},
                                                    {Severity::critical, "page"},
                                                    {Severity::critical, "emergency"}}};
constexpr std::array<Name<IncidentState>, 3> kIncidentStates{
    {{IncidentState::open, "open"},
     {IncidentState::acknowledged, "acknowledged"},
     {IncidentState::resolved, "resolved"}}};
constexpr std::array<Name<Outcome>, 10> kOutcomes{{{Outcome::none, ""},
                                                   {Outcome::acknowledged, "acknowledged"},
                                                   {Outcome::passed, "passed"},
                                                   {Outcome::no_key, "no_key"},
                                                   {Outcome::no_answer, "no_answer"},
                                                   {Outcome::busy, "busy"},
                                                   {Outcome::rejected, "rejected"},
                                                   {Outcome::unknown_number, "unknown_number"},
                                                   {Outcome::cancelled, "cancelled"},
                                                   {Outcome::carrier_failed, "carrier_failed"}}};
constexpr std::array<Name<AttemptState>, 3> kAttemptStates{{{AttemptState::planned, "planned"},
                                                            {AttemptState::placed, "placed"},
                                                            {AttemptState::ended, "ended"}}};

template <class Table, class T>
std::string_view name_in(const Table& table, T value) {
  for (const auto& entry : table) {
    if (entry.value == value) return entry.name;
  }
  return "?";
}

template <class T, std::size_t N>
std::optional<T> find_in(const std::array<Name<T>, N>& table, std::string_view word) {
  for (const auto& entry : table) {
    if (entry.name == word) return entry.value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Severity severity) { return name_in(kSeverities, severity); }
std::string_view name_of(IncidentState state) { return name_in(kIncidentStates, state); }
std::string_view name_of(Outcome outcome) { return name_in(kOutcomes, outcome); }
std::string_view name_of(AttemptState state) { return name_in(kAttemptStates, state); }

std::optional<Severity> severity_of(std::string_view word) {
  const std::string small = lower(word);
  if (const auto found = find_in(kSeverities, small)) return found;
  return find_in(kSynonyms, small);
}
std::optional<IncidentState> incident_state_of(std::string_view word) {
  return find_in(kIncidentStates, word);
}
std::optional<Outcome> outcome_of(std::string_view word) { return find_in(kOutcomes, word); }
std::optional<AttemptState> attempt_state_of(std::string_view word) {
  return find_in(kAttemptStates, word);
}

bool valid_phone(std::string_view phone) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return phone.size() >= 3 && phone.size() <= 16 && phone[0] == '+' && phone[1] != '0' &&
         std::ranges::all_of(phone.substr(1), digit);
}

std::string masked(std::string_view phone) {
  std::string out(phone);
  for (std::size_t i = 3; i + 2 < out.size(); ++i) out[i] = '*';
  return out;
}

}  // namespace minato::oncall
