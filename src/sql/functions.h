// The written positive list of functions that people's SQL may call. What is not in it does not
// exist for them. A function belongs here when its answer depends on its arguments (and clock or
// chance) only: none that reads files, settings, secrets, catalogues, environment or sequences,
// writes anything, or takes SQL or a table's name as text.
#pragma once

#include <span>
#include <string_view>

namespace minato::sql {

/// Scalar, aggregate and window functions and operators; `name` in lower case.
bool is_allowed_function(std::string_view name);
/// Functions in FROM.
bool is_allowed_table_function(std::string_view name);
/// list_aggregate(list, 'name') and its like: the second argument names a function.
bool takes_function_name(std::string_view name);
/// Aggregates that may be named there.
bool is_allowed_list_aggregate(std::string_view name);

/// All of them, sorted, for suggestions and for the tests that hold them against the engine's own
/// list.
std::span<const std::string_view> allowed_functions();

/// What to use instead of a well-known function that is refused; empty when there is no special
/// advice.
std::string_view advice_for_function(std::string_view name);

}  // namespace minato::sql
