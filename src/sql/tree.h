// The engine's parse tree of a SELECT as JSON. Internal to this room: keeps nlohmann/json out of
// its other headers.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace minato::lake {
class Session;
}

namespace minato::sql {

using Json = nlohmann::json;

/// Parses `text` (valid UTF-8, no NUL, at most bytes_max) as exactly one SELECT: {"node": …,
/// "named_param_map": …}. Values that are default, null or empty are left out of the tree. Errors
/// name the place and a remedy.
Result<Json> parse_select(lake::Session& session, std::string_view text, std::size_t bytes_max);

/// Members of a tree node; empty or null when it has no such member (or one of another form).
std::string_view text_at(const Json& node, const char* key);
const Json& at(const Json& node, const char* key);
/// Byte offset of a node in the text, when the engine knows it.
std::optional<std::size_t> offset_of(const Json& node);

/// ASCII lower case, as the engine compares names.
std::string fold(std::string_view name);

/// "line 2, column 5: what" as an error.
tl::unexpected<Error> fail_at(Code code, std::string_view text, std::optional<std::size_t> offset,
                              std::string_view what);

/// The CTE names that are visible at a point of the tree. Lives on the stack of the walk: a link
/// per name.
class Scope {
 public:
  Scope() = default;
  Scope(const Scope* outer, std::string_view name, bool recursive)
      : outer_(outer), name_(fold(name)), recursive_(recursive) {}
  /// Whether a table of this name is a CTE here. Names with a schema are not, but for
  /// recurring.name.
  bool is_cte(std::string_view schema, std::string_view name) const;

 private:
  const Scope* outer_ = nullptr;
  std::string name_;
  bool recursive_ = false;
};

bool is_query_node(const Json& node);

}  // namespace minato::sql
