// Columnar row batches, in the engine's physical layout, so that nothing is converted between
// socket and file. Appending is amortised O(1) without per-row allocation. A batch is movable, not
// copyable, and owns its strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "model/types.h"

namespace minato {

/// 16 bytes, equal to the engine's string layout: up to 12 bytes inline, else 4 bytes of prefix and
/// a pointer.
struct StringRef {
  std::uint32_t length = 0;
  char bytes[12] = {};  // the value, or 4 bytes of prefix and an (aligned) pointer to it
  StringRef() = default;
  /// `text` must outlive the reference when longer than 12 bytes.
  explicit StringRef(std::string_view text) : length(static_cast<std::uint32_t>(text.size())) {
    if (text.size() <= sizeof bytes) {
      if (!text.empty()) std::memcpy(bytes, text.data(), text.size());
    } else {
      const char* pointer = text.data();
      std::memcpy(bytes, pointer, 4);
      std::memcpy(bytes + 4, &pointer, sizeof pointer);
    }
  }
  std::string_view view() const {
    if (length <= sizeof bytes) return {bytes, length};
    const char* pointer = nullptr;
    std::memcpy(&pointer, bytes + 4, sizeof pointer);
    return {pointer, length};
  }
};
static_assert(sizeof(StringRef) == 16);

/// Bytes that live as long as the arena; blocks of at least 256 KiB.
class StringArena {
 public:
  /// Room for `size` bytes, uninitialised.
  char* allocate(std::size_t size);
  std::string_view copy(std::string_view bytes) {
    char* place = allocate(bytes.size());
    std::memcpy(place, bytes.data(), bytes.size());
    return {place, bytes.size()};
  }
  std::size_t bytes() const { return total_; }

 private:
  std::deque<std::unique_ptr<char[]>> blocks_;
  std::size_t free_ = 0;
  char* next_ = nullptr;
  std::size_t total_ = 0;
};

struct ColumnView;

/// One column: `size()` values of `width(type)` bytes each, and a validity bitmap (bit 1: value, 0:
/// NULL).
class ColumnData {
 public:
  explicit ColumnData(ColumnType type) : type_(type), width_(width(type)) {}

  ColumnType type() const { return type_; }
  std::size_t size() const { return size_; }
  const std::byte* data() const { return data_.data(); }
  std::byte* data() { return data_.data(); }
  const std::uint64_t* validity() const { return validity_.data(); }
  bool is_null(std::size_t row) const { return (validity_[row >> 6] >> (row & 63) & 1) == 0; }
  bool has_nulls() const { return nulls_ != 0; }
  std::size_t bytes() const { return data_.size() + validity_.size() * 8; }

  template <class T>
  T get(std::size_t row) const {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(static_cast<void*>(&value), data_.data() + row * sizeof(T), sizeof(T));
    return value;
  }
  std::string_view string(std::size_t row) const {
    // The view of an inlined string points into this column, so it is taken in place.
    return reinterpret_cast<const StringRef*>(data_.data())[row].view();
  }

  template <class T>
  void append(const T& value) {
    CHECK(sizeof(T) == width_);
    std::memcpy(grow(true), static_cast<const void*>(&value), sizeof(T));
  }
  void append_string(std::string_view bytes, StringArena& arena) {
    append(StringRef(bytes.size() <= 12 ? bytes : arena.copy(bytes)));
  }
  /// Copies one value of a column of the same type; far strings go to `arena`.
  void append_from(const ColumnView& from, std::size_t row, StringArena& arena);
  void append_null() { std::memset(grow(false), 0, width_); }

 private:
  std::byte* grow(bool valid) {
    if ((size_ & 63) == 0) validity_.push_back(0);
    validity_.back() |= static_cast<std::uint64_t>(valid) << (size_ & 63);
    nulls_ += valid ? 0 : 1;
    ++size_;
    const std::size_t old = data_.size();
    data_.resize(old + width_);
    return data_.data() + old;
  }

  ColumnType type_;
  std::uint32_t width_;
  std::size_t size_ = 0;
  std::size_t nulls_ = 0;
  std::vector<std::byte> data_;
  std::vector<std::uint64_t> validity_;
};

/// Borrowed values in the same layout: a ColumnData, or a column of a chunk that the engine
/// returned.
struct ColumnView {
  ColumnType type;
  const std::byte* data = nullptr;
  const std::uint64_t* validity = nullptr;  // nullptr: no NULLs
  std::size_t size = 0;

  ColumnView() = default;
  ColumnView(ColumnType kind, const void* values, const std::uint64_t* valid, std::size_t count)
      : type(kind), data(static_cast<const std::byte*>(values)), validity(valid), size(count) {}
  ColumnView(const ColumnData& column)
      : type(column.type()),
        data(column.data()),
        validity(column.validity()),
        size(column.size()) {}
  bool is_null(std::size_t row) const {
    return validity != nullptr && (validity[row >> 6] >> (row & 63) & 1) == 0;
  }
  template <class T>
  T get(std::size_t row) const {
    T value;
    std::memcpy(static_cast<void*>(&value), data + row * sizeof(T), sizeof(T));
    return value;
  }
  std::string_view string(std::size_t row) const {
    return reinterpret_cast<const StringRef*>(data)[row].view();
  }
};

/// Rows of one schema.
struct RowBatch {
  explicit RowBatch(TableSchemaPtr table)
      : schema(std::move(table)), arena(std::make_unique<StringArena>()) {
    columns.reserve(schema->columns.size());
    for (const Column& column : schema->columns) columns.emplace_back(column.type);
  }
  std::size_t rows() const { return columns.empty() ? 0 : columns.front().size(); }
  std::size_t bytes() const;

  TableSchemaPtr schema;
  std::vector<ColumnData> columns;
  std::unique_ptr<StringArena> arena;
};

}  // namespace minato
