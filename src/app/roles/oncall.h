// On-call as a process: a role of `minato serve`, or alone.
#pragma once

#include "app/roles/role.h"

namespace minato::app {

/// Serves until `stop`. `settings`: the directory of the minato.toml that counts (the copy in force
/// for a role). `port`: instead of the configured one; 0: that one. One on-call a platform: a role
/// that was left by a dead supervisor is asked to end, any other is waited for.
Status serve_oncall(const Platform& platform, const std::filesystem::path& settings, int port,
                    std::stop_token stop);

Status run_oncall(const RoleContext& context);

}  // namespace minato::app
