#include "sql/engine_call.h"

#include <vector>

#include "lake/engine.h"

namespace minato::sql {

Result<std::string> single_text(lake::Session& session, const std::string& query,
                                const std::string& argument) {
  TRY_ASSIGN(const lake::Rows rows, session.query(query, {lake::Value(argument)}));
  if (rows.size() != 1 || rows.columns().size() != 1 || rows.is_null(0, 0)) {
    return fail(Code::internal, "The engine gave no answer.", "not one value: " + query);
  }
  return rows.text(0, 0);
}

}  // namespace minato::sql
