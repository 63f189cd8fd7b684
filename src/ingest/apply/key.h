// The identity of a row: its primary key, or all its columns where there is none, as 128 bits.
// One integer column is kept as it is; anything else is hashed (XXH3, 128 bits: no collision to be
// expected in the life of the universe's databases). Independent of the integer's width, so that
// type widening changes no key.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/batch.h"

namespace minato::ingest {

struct Key {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;
  bool operator==(const Key&) const = default;
};

struct KeyHash {
  using is_avalanching = void;
  std::size_t operator()(const Key& key) const {
    const auto product = static_cast<unsigned __int128>(key.lo ^ 0x9e3779b97f4a7c15ULL) *
                         (key.hi * 2 + 0xda942042e4dd58b5ULL);
    return static_cast<std::size_t>(product >> 64) ^ static_cast<std::size_t>(product);
  }
};

/// Appends one key per row of `columns` (all of equal size) to `keys`.
void append_keys(std::span<const ColumnView> columns, std::vector<Key>& keys);

/// The key of the n-th equal row of a table without a primary key (n from 0): rows are a multiset.
inline Key nth(Key key, std::uint64_t n) {
  return {key.lo + n * 0x9e3779b97f4a7c15ULL, key.hi ^ n};
}

/// The columns of `rows` that identify a row: the primary key, or all.
std::vector<ColumnView> key_columns(const RowBatch& rows);
std::vector<std::uint32_t> key_column_indexes(const TableSchema& schema);

}  // namespace minato::ingest
