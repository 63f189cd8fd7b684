// What Minato shows of itself, as JSON: for `minato status --json`, /api/v1/status and the page.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "state/status.h"

namespace minato::web {

/// A process of `minato serve`, from the file that the supervisor keeps.
struct ProcessView {
  std::string name;
  long pid = 0;
  bool up = false;
  int restarts = 0;
  bool failing = false;
  std::string last_end;
  std::int64_t memory_bytes = 0;  // proportional share, with the process's own children
};
/// Empty when no `minato serve` runs.
std::vector<ProcessView> load_processes(const std::filesystem::path& file);

/// The shape that the command line's contract promises, with the processes.
nlohmann::json status_json(const state::PlatformStatus& status,
                           const std::vector<ProcessView>& processes);

}  // namespace minato::web
