// What alert sources send, as commands for the desk. Pure: text in, values out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oncall/desk.h"

namespace minato::oncall {

struct Input {
  enum class Kind : std::uint8_t { trigger, acknowledge, resolve };
  Kind kind = Kind::trigger;
  Alarm alarm;  // acknowledge, resolve: its key and source
};

/// POST /api/v1/incidents: {"key", "severity", "title", "text", "team", "labels"}.
/// All of these: Error{invalid} says which member is wrong and what to write.
Result<Input> plain_input(std::string_view body);

/// The media type that Minato ships for Zabbix (packaging/zabbix/media_minato.yaml).
Result<Input> zabbix_input(std::string_view body);

/// Alertmanager's webhook, version 4; Grafana's too. One input per alert.
Result<std::vector<Input>> alertmanager_input(std::string_view body, const std::string& team);

/// PagerDuty's Events API v2. `team` is to be found by the routing key.
struct PagerdutyInput {
  std::string routing_key;
  std::string dedup_key;  // the sender's, or one made of the event
  Input input;
};
Result<PagerdutyInput> pagerduty_input(std::string_view body);

/// One object of a log drop: its name and its beginning.
Alarm log_alarm(const std::string& drop, const std::string& team, Severity severity,
                const std::string& name, std::string_view content);

}  // namespace minato::oncall
