#include "model/batch.h"

#include <algorithm>

namespace minato {

char* StringArena::allocate(std::size_t size) {
  if (size > free_) {
    const std::size_t block = std::max<std::size_t>(size, 256 * 1024);
    // make_unique would zero the block.
    blocks_.emplace_back(new char[block]);
    next_ = blocks_.back().get();
    free_ = block;
    total_ += block;
  }
  char* place = next_;
  next_ += size;
  free_ -= size;
  return place;
}

void ColumnData::append_from(const ColumnView& from, std::size_t row, StringArena& arena) {
  if (from.is_null(row)) {
    append_null();
  } else if (is_string(type_)) {
    append_string(from.string(row), arena);
  } else {
    std::memcpy(grow(true), from.data + row * width_, width_);
  }
}

std::size_t RowBatch::bytes() const {
  std::size_t total = arena->bytes();
  for (const ColumnData& column : columns) total += column.bytes();
  return total;
}

}  // namespace minato
