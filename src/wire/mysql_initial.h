// What ALTER TABLE … ADD COLUMN puts into the rows that are there already. It does so without
// events, so the statement alone must tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "wire/mysql_ddl.h"

namespace minato::wire {

/// A value as text that the engine casts exactly to the column's lake type; nothing: NULL.
struct InitialValue {
  std::optional<std::string> text;
  bool operator==(const InitialValue&) const = default;
};

/// nullopt where it is not certain: expressions, times in the session's zone, constants that the
/// source would round, cut or convert. The charset must be known; `now`: the statement's
/// CURRENT_TIMESTAMP, seconds since 1970.
std::optional<InitialValue> initial_value(const ColumnDefinition& column, std::uint32_t now);

}  // namespace minato::wire
