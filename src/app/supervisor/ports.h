// Whether a listener's address is free, said before the role that needs it is started.
#pragma once

#include <string>

#include "app/config/config.h"

namespace minato::app {
/// Error{unavailable} names the port, the setting, and who listens there if that can be seen.
Status check_port(const std::string& section, const ListenConfig& listen);
}  // namespace minato::app
