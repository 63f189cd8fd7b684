// Where each live row of a table stands: key → file and row. In memory, rebuilt from the lake's
// files when needed. A table without a primary key is a multiset: its n-th equal row has the key
// nth(key, n).
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <span>

#include "ingest/apply/key.h"

namespace minato::ingest {

/// `slot` numbers the lane's files; `row` is the position in the file (in the tail: the row of the
/// tail).
struct Location {
  std::uint32_t slot = 0;
  std::uint32_t row = 0;
  bool operator==(const Location&) const = default;
};

class KeyIndex {
 public:
  explicit KeyIndex(bool multiset) : multiset_(multiset) {}

  void reserve(std::size_t rows) { map_.reserve(rows); }
  std::size_t size() const { return map_.size(); }
  /// Bytes that an index of `rows` rows takes.
  static std::size_t bytes_for(std::size_t rows) { return rows * 44; }
  std::size_t bytes() const { return bytes_for(map_.size()); }

  /// False when the key is there already (never in a multiset).
  bool insert(Key key, Location place) {
    return map_.emplace(multiset_ ? nth(key, count(key)) : key, place).second;
  }

  /// Removes one row with this key and returns where it stands; nothing when there is none.
  std::optional<Location> take(Key key) {
    if (multiset_) {
      const std::uint64_t rows = count(key);
      if (rows == 0) return std::nullopt;
      key = nth(key, rows - 1);
    }
    const auto found = map_.find(key);
    if (found == map_.end()) return std::nullopt;
    const Location place = found->second;
    map_.erase(found);
    return place;
  }

  /// The row at `from` moved to `to`. False when no row with this key stands at `from`.
  bool move(Key key, Location from, Location to) {
    for (std::uint64_t n = 0;; ++n) {
      const auto found = map_.find(nth(key, n));
      if (found == map_.end()) return false;
      if (found->second == from) {
        found->second = to;
        return true;
      }
      if (!multiset_) return false;
    }
  }

  /// As many rows with this key as `rows` names stood in slots that are `gone`: they are at `rows`
  /// of `slot` now. Equal rows are interchangeable. False when there are fewer.
  template <class Gone>
  bool relocate(Key key, std::span<const std::uint32_t> rows, std::uint32_t slot,
                const Gone& gone) {
    std::size_t moved = 0;
    for (std::uint64_t n = 0; moved < rows.size() && (n == 0 || multiset_); ++n) {
      const auto found = map_.find(nth(key, n));
      if (found == map_.end()) return false;
      if (gone(found->second.slot)) found->second = {slot, rows[moved++]};
    }
    return moved == rows.size();
  }

 private:
  /// Rows with this key in a multiset: they hold the ordinals 0…count−1, so gallop, then bisect.
  std::uint64_t count(Key key) const {
    std::uint64_t high = 1;
    while (map_.contains(nth(key, high - 1))) high *= 2;
    std::uint64_t low = high / 2;  // ordinal low−1 is present (or low is 0), ordinal high−1 is not
    --high;
    while (low < high) {
      const std::uint64_t middle = (low + high) / 2;
      if (map_.contains(nth(key, middle))) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  bool multiset_;
  boost::unordered_flat_map<Key, Location, KeyHash> map_;
};

}  // namespace minato::ingest
