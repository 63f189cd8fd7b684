// Everything that `minato status`, /api/v1/status and /metrics show, read as of one moment.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "state/incidents.h"
#include "state/marts.h"
#include "state/sources.h"
#include "state/tables.h"

namespace minato::state {

struct TableStatus {
  LakeTable table;
  std::int64_t lag_ms =
      0;  // captured: of its source; mart: age of contents that should be newer, else 0
};

struct MartStatus {
  MartProgress mart;
  std::string why;  // the whole sentence, with times from now; empty when up to date or running
  std::int64_t rows = 0;
};

struct PlatformStatus {
  SystemTime now{};
  std::vector<Source> sources;      // without removed ones
  std::vector<TableStatus> tables;  // without dropped ones
  std::vector<MartStatus> marts;
  std::vector<Incident> incidents;  // open ones
  std::int64_t jobs_queued = 0;
  std::int64_t jobs_running = 0;
};

/// Not within a transaction.
Result<PlatformStatus> platform_status(pg::Connection& connection);

/// {"sources": [{"name", "state", "position", "lag_ms", …, "error"}],
///  "tables": [{"schema", "name", "rows", "applied_at", "lag_ms", "state", …}],
///  "marts": [{"schema", "name", "state", "last_success_at", "duration_ms", "why", …}],
///  "incidents": […], "jobs": {"queued", "running"}}; times as RFC 3339 in UTC, or null.
std::string to_json(const PlatformStatus& status);

}  // namespace minato::state
