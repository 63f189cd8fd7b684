// The one call that this room makes into the engine.
#pragma once

#include <string>

#include "base/result.h"

namespace minato::lake {
class Session;
}

namespace minato::sql {

/// Runs a query with one text parameter that answers one row with one text.
Result<std::string> single_text(lake::Session& session, const std::string& query,
                                const std::string& argument);

}  // namespace minato::sql
