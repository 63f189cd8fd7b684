// Single values that the processes share: names are "room.word".
#pragma once

#include <optional>
#include <string>

#include "runtime/pg.h"

namespace minato::state {

Result<std::optional<std::string>> setting(pg::Connection& connection, const std::string& name);
Status set_setting(pg::Connection& connection, const std::string& name, const std::string& value);

}  // namespace minato::state
