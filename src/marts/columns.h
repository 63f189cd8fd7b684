// What a mart's SELECT answers, as columns of a lake table.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "lake/engine.h"
#include "lake/writer.h"

namespace minato::marts {

struct MartColumns {
  std::vector<Column> columns;
  std::vector<std::string> expressions;  // over c1, c2, …: values that a lake column can hold
};

/// Lists, structures and maps become JSON; types that the lake lacks become text or the next wider
/// number. Error{invalid} when two columns have one name (the engine ignores the case of ASCII
/// letters).
Result<MartColumns> mart_columns(const std::vector<lake::ResultColumn>& answered);

/// `sql` with its columns converted.
std::string converted(const MartColumns& columns, const std::string& sql);

}  // namespace minato::marts
