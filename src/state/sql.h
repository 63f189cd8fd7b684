// Private helpers of this room: parameters and columns of our own tables.
#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "model/change.h"
#include "runtime/pg.h"

namespace minato::state {

/// Microseconds since 1970 as text, for minato.from_us($n::bigint); the epoch itself means "not
/// known": NULL.
inline pg::Param param(SystemTime time) {
  if (time == SystemTime{}) return std::nullopt;
  return std::to_string(time.time_since_epoch().count());
}
inline pg::Param param(const std::optional<SystemTime>& time) {
  return time ? param(*time) : pg::Param{};
}
inline pg::Param param(std::int64_t number) { return std::to_string(number); }
inline pg::Param param(std::optional<std::int64_t> number) {
  return number ? pg::Param(std::to_string(*number)) : pg::Param{};
}

/// A column selected as minato.to_us(…).
inline std::optional<SystemTime> time_at(const pg::Rows& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return SystemTime(std::chrono::microseconds(rows.integer(row, column)));
}
inline std::optional<std::int64_t> integer_at(const pg::Rows& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return rows.integer(row, column);
}

/// The enumerator whose name in `names` is `text`; the table's check constraint admits no other.
template <class Enum, std::size_t count>
Enum enum_of(const std::string_view (&names)[count], std::string_view text) {
  const auto* found = std::find(std::begin(names), std::end(names), text);
  CHECK(found != std::end(names));
  return static_cast<Enum>(found - std::begin(names));
}

/// Arrays for unnest($n::bigint[]): "{1,NULL,3}".
template <class Range, class Get>
std::string integer_array(const Range& items, Get get) {
  std::string out = "{";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    const std::optional<std::int64_t> number = get(item);
    out += number ? std::to_string(*number) : "NULL";
  }
  return out + "}";
}
template <class Range, class Get>
std::string text_array(const Range& items, Get get) {
  std::vector<std::string> texts;
  texts.reserve(std::size(items));
  for (const auto& item : items) texts.push_back(get(item));
  return pg::array(texts);
}

/// Error{internal, message} unless exactly `expected` rows were touched: the pair of every UPDATE
/// that must hit.
Status expect_affected(const Result<pg::Rows>& rows, std::int64_t expected, Code code,
                       std::string_view message);

}  // namespace minato::state
