// The queries that psql sends for \l, \dn, \d, \dt, \dv and \d TABLE, told by their beginnings and
// put as questions to information_schema, which the fence shows of the lake only. A whole
// pg_catalog is another matter.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace minato::gate {

/// What to run instead; nothing when psql does not send such a text.
std::optional<std::string> psql_query(std::string_view sql);

}  // namespace minato::gate
