// Fuzzes what alert sources send: any bytes are an incident or are refused with words; what is
// taken has a key, and the same bytes give the same key. The rota file too: problems or usable
// teams.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "oncall/inputs.h"
#include "oncall/rota.h"

using namespace minato::oncall;

namespace {

void taken(const Input& input, const char* source) {
  CHECK(!input.alarm.key.empty());
  CHECK(input.alarm.source == source);
}

void pagerduty(std::string_view body) {
  const auto event = pagerduty_input(body);
  if (!event) {
    CHECK(!event.error().message.empty());
    return;
  }
  taken(event->input, "pagerduty");
  CHECK(!event->routing_key.empty() && event->dedup_key == pagerduty_input(body)->dedup_key);
}

void rota(std::string_view text) {
  // Where toml++ 3.3 looks for white space it calls most other letters outside ASCII "unreachable",
  // and then says rightly that they are none: nothing for us to find.
  if (std::ranges::any_of(text, [](char c) { return static_cast<signed char>(c) < 0; })) return;
  const TeamsFile file = parse_teams(text, "teams.toml");
  if (!file.problems.empty()) return;
  for (const auto& [name, team] : file.teams.teams) {
    CHECK(!team.members.empty());
    const minato::SystemTime now{std::chrono::seconds(1'793'491'200)};
    CHECK(!on_duty(team, {}, now, Severity::critical).members.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      if (const auto one = plain_input(input)) taken(*one, "api");
      break;
    case 1:
      if (const auto one = zabbix_input(input)) taken(*one, "zabbix");
      break;
    case 2:
      if (const auto all = alertmanager_input(input, "")) {
        for (const Input& one : *all) taken(one, "alertmanager");
      }
      break;
    case 3: pagerduty(input); break;
    default: rota(input);
  }
  return 0;
}
