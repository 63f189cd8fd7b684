// Points in time, as all rooms write them.
#pragma once

#include <chrono>
#include <string>

namespace minato {

using SystemTime = std::chrono::sys_time<std::chrono::microseconds>;

/// "2026-11-26T09:30:00.123Z" (RFC 3339, UTC, milliseconds).
std::string rfc3339(SystemTime value);

}  // namespace minato
