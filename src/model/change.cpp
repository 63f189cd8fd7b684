#include "model/change.h"

namespace minato {

void append(TableChanges& to, const TableChanges& from) {
  CHECK(to.rows.columns.size() == from.rows.columns.size());
  for (std::size_t column = 0; column < to.rows.columns.size(); ++column) {
    const ColumnView values(from.rows.columns[column]);
    for (std::size_t row = 0; row < values.size; ++row) {
      to.rows.columns[column].append_from(values, row, *to.rows.arena);
    }
  }
  to.ops.insert(to.ops.end(), from.ops.begin(), from.ops.end());
}

}  // namespace minato
