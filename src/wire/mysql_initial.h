// What ALTER TABLE … ADD COLUMN puts into the rows that are there already. It does so without
// events, so the statement alone must tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/mysql_ddl.h"

namespace minato::wire {

/// A value as text that the engine casts exactly to the column's lake type; nothing: NULL.
struct InitialValue {
  std::optional<std::string> text;
  bool operator==(const InitialValue&) const = default;
};

/// CURRENT_TIMESTAMP of a statement, and the time zone of its session.
struct StatementTime {
  std::uint32_t seconds = 0;   // since 1970; 0: not known
  std::string_view time_zone;  // as QueryEvent::time_zone
};

/// nullopt where it is not certain: expressions, times in a session's zone that is not told,
/// constants that the source would round, cut or convert. The charset must be known.
std::optional<InitialValue> initial_value(const ColumnDefinition& column,
                                          const StatementTime& statement);

}  // namespace minato::wire
