// The parse tree of what people may write: every kind of node with every member it may have. What
// is not listed does not pass the fence, so that a newer engine's additions are refused until
// somebody has looked at them.
#pragma once

#include <span>
#include <string_view>

namespace minato::sql {

/// What a member of a node is, hence how it is checked.
enum class Part {
  plain,         // text, number, truth, or arrays of these
  names,         // plain, or objects of plain members (EXCLUDE, RENAME)
  expression,    // one
  expressions,   // an array
  rows,          // an array of arrays of expressions (VALUES)
  table,         // what stands in FROM
  node,          // SELECT, UNION …
  statement,     // a node with its parameters
  modifier,      // ORDER BY, LIMIT, DISTINCT
  modifiers,     // an array
  orders,        // expressions of an ORDER BY
  case_checks,   // WHEN … THEN …
  replacements,  // * REPLACE (…)
  value,         // a constant: data, not looked into
  values,        // an array
  type,          // of a cast
  sample,        // TABLESAMPLE
  pivots,        // PIVOT … ON
  ctes,          // WITH: seen before the other members, which see its names
};

struct Field {
  std::string_view key;
  Part part;
};

/// A kind of node: for expressions `kind` is the class and `types` the types it may have (separated
/// by spaces, one between and around them); for others `kind` is the type and `types` is empty.
struct Shape {
  std::string_view kind;
  std::string_view types;
  std::span<const Field> fields;
};

/// nullptr: no such kind may pass.
const Shape* expression_shape(std::string_view expression_class);
const Shape* table_shape(std::string_view type);
const Shape* node_shape(std::string_view type);
const Shape* modifier_shape(std::string_view type);

bool has_type(const Shape& shape, std::string_view type);

/// Names of types that a cast may use, as the engine prints them ("TIMESTAMP WITH TIME ZONE").
bool is_allowed_type(std::string_view id);

}  // namespace minato::sql
