// Rows of the engine as DataRow messages: text or binary per column.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gate/types.h"
#include "lake/engine.h"

namespace minato::gate {

/// Appends the value at `row` (not NULL) without a length.
void append_value(std::string& out, const lake::Vector& vector, std::size_t row, bool binary);

/// Writes rows [begin, end) of the chunk as DataRow messages; stops early, after a whole row, when
/// `out` has grown beyond `bytes_max`. Returns the row to go on with.
std::size_t append_rows(std::string& out, const lake::Chunk& chunk,
                        const std::vector<std::int16_t>& formats, std::size_t begin,
                        std::size_t end, std::size_t bytes_max);

}  // namespace minato::gate
