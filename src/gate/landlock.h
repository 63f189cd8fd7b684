// Landlock (kernel's Documentation/userspace-api/landlock.rst): what of files and network a process
// can reach.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/result.h"

namespace minato::gate {

struct LandlockRules {
  std::vector<std::filesystem::path> readable;  // files or directories; those that do not exist are
                                                // left out
  std::vector<std::filesystem::path> writable;
  std::vector<std::uint16_t> tcp_ports;  // to connect to; none may be listened on
};

/// Version of the kernel's Landlock; 0: none.
int landlock_version();
/// Restricts the calling thread and the threads that it will start. Needs no_new_privs.
Status landlock_restrict(const LandlockRules& rules);

}  // namespace minato::gate
