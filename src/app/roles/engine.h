// What core and worker have in common: an engine with the lake attached for writing.
#pragma once

#include <memory>

#include "app/roles/role.h"
#include "lake/writer.h"

namespace minato::app {

struct LakeAccess {
  std::unique_ptr<lake::Engine> engine;
  std::unique_ptr<lake::Lake> lake;  // uses `engine`
};

/// Tries again until PostgreSQL answers. Error{cancelled} when asked to stop before. `threads`: of
/// the engine, beside those that call it; see EngineOptions.
Result<LakeAccess> open_lake(const RoleContext& context, int memory_mb, int threads);

/// MiB of disk that this process's engine may use for what its memory cannot hold: `spill_mb`, or
/// by default a quarter of what the disk of .minato/ has free now, so that nobody's statement takes
/// the space that capture and PostgreSQL need. At least 1 (0 would mean the engine's own default).
std::uint64_t spill_limit_mb(const RoleContext& context);

/// Where the lake is, with the keys to it read. `reader`: those of gates, where they have their
/// own.
Result<lake::LakeOptions> lake_options(const Platform& platform, const Config& config,
                                       const std::string& conninfo, bool reader = false);

}  // namespace minato::app
