// Incidents: what somebody has to know. At most one is open per key; a repetition joins it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/change.h"
#include "runtime/pg.h"

namespace minato::state {

enum class Severity { info, warning, critical };
std::string_view name_of(Severity severity);

struct Incident {
  std::int64_t id = 0;
  std::string key;  // "mart:sales.daily", "table:shop.orders": what it is about
  Severity severity = Severity::warning;
  std::string title;
  std::string text;
  bool open = true;
  SystemTime opened_at{};
  SystemTime updated_at{};
  std::optional<SystemTime> resolved_at;
  std::int64_t occurrences = 1;
};

/// True: newly opened (log it); false: it joined an open one, whose text and severity are now
/// these.
Result<bool> open_incident(pg::Connection& connection, const std::string& key, Severity severity,
                           const std::string& title, const std::string& text);
/// True when one was open.
Result<bool> resolve_incident(pg::Connection& connection, const std::string& key);
Result<std::vector<Incident>> open_incidents(pg::Connection& connection);

}  // namespace minato::state
