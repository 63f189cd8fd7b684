// seccomp: the system calls that a gate never needs are refused (EPERM), for all its threads.
#pragma once

#include "base/result.h"

namespace minato::gate {

/// Error{internal} when the filter cannot be loaded.
Status deny_system_calls();

}  // namespace minato::gate
