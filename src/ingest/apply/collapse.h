// What a piece of changes amounts to: per key the row that must go and the row that must come.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "ingest/apply/key.h"
#include "model/change.h"

namespace minato::ingest {

struct Collapsed {
  std::vector<Key> removes;            // rows that stood in the lake before the piece and must go
  std::vector<std::uint32_t> inserts;  // rows of the piece that stay, ascending
  std::vector<Key> insert_keys;        // their keys; empty when not `with_keys`
};

/// Reduces `changes` to the last state of each key. Error{conflict} when the events contradict one
/// another (an insert of a key that is there, a delete of one that was just deleted). `with_keys`:
/// fill insert_keys even if the piece has inserts only (which otherwise needs no keys at all).
Result<Collapsed> collapse(const TableChanges& changes, bool with_keys);

}  // namespace minato::ingest
