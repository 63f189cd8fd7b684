#include "state/sql.h"

namespace minato::state {

Status expect_affected(const Result<pg::Rows>& rows, std::int64_t expected, Code code,
                       std::string_view message) {
  if (!rows) return fail(rows.error());
  const std::int64_t affected = rows->affected();
  if (affected == expected) return {};
  return fail(
      code, std::string(message),
      "rows touched: " + std::to_string(affected) + ", expected " + std::to_string(expected));
}

}  // namespace minato::state
