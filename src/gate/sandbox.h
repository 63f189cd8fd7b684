// The gate's low privilege: another user, no way to more, Landlock, seccomp, resource limits. To be
// called before threads exist (Landlock binds the calling thread and those that it starts later).
// It cannot be taken back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace minato::gate {

struct SandboxOptions {
  std::string user = "nobody";                   // whom to become when root
  std::vector<std::filesystem::path> readable;   // directories; others are out of reach
  std::filesystem::path writable;                // made, emptied and given to `user`
  std::vector<std::filesystem::path> reachable;  // must be enterable, not readable (sockets)
  std::vector<std::uint16_t> tcp_ports;          // that may be connected to
  std::uint64_t address_space_bytes = 0;         // 0: no limit
};

/// Error{unavailable} when the writable directory cannot be made; Error{internal} when the kernel
/// refuses what it has. What it does not have (an old kernel's Landlock) is logged once and left
/// out.
Status enter_sandbox(const SandboxOptions& options);

}  // namespace minato::gate
