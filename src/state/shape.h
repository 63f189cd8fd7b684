// TableSchema as JSON, the form in which shapes are stored.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/types.h"

namespace minato::state {

std::string to_json(const TableSchema& shape);
/// Error{invalid} when the text is not what to_json writes.
Result<TableSchemaPtr> shape_from_json(std::string_view text);

}  // namespace minato::state
