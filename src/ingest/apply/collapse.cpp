#include "ingest/apply/collapse.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <numeric>

namespace minato::ingest {
namespace {

constexpr std::uint32_t kNone = 0xffffffff;

struct State {
  bool existed = false;        // before the piece
  std::uint32_t last = kNone;  // the row that holds the key now
};

bool adds(Op op) { return op == Op::insert || op == Op::update_after; }

Collapsed inserts_only(const TableChanges& changes, bool with_keys) {
  Collapsed out;
  out.inserts.resize(changes.ops.size());
  std::iota(out.inserts.begin(), out.inserts.end(), 0U);
  if (with_keys) append_keys(key_columns(changes.rows), out.insert_keys);
  return out;
}

/// Rows of a table without a key are a multiset: a removal takes an equal row of this piece if
/// there is one, else one of the lake.
Collapsed collapse_multiset(const TableChanges& changes, const std::vector<Key>& keys) {
  boost::unordered_flat_map<Key, std::vector<std::uint32_t>, KeyHash> added;
  std::vector<bool> stays(changes.ops.size(), false);
  Collapsed out;
  for (std::uint32_t row = 0; row < changes.ops.size(); ++row) {
    if (adds(changes.ops[row])) {
      added[keys[row]].push_back(row);
      stays[row] = true;
      continue;
    }
    const auto found = added.find(keys[row]);
    if (found != added.end() && !found->second.empty()) {
      stays[found->second.back()] = false;
      found->second.pop_back();
    } else {
      out.removes.push_back(keys[row]);
    }
  }
  for (std::uint32_t row = 0; row < changes.ops.size(); ++row) {
    if (!stays[row]) continue;
    out.inserts.push_back(row);
    out.insert_keys.push_back(keys[row]);
  }
  return out;
}

}  // namespace

Result<Collapsed> collapse(const TableChanges& changes, bool with_keys) {
  CHECK(changes.ops.size() == changes.rows.rows());
  if (std::ranges::all_of(changes.ops, [](Op op) { return op == Op::insert; })) {
    return inserts_only(changes, with_keys);
  }
  std::vector<Key> keys;
  append_keys(key_columns(changes.rows), keys);
  if (changes.rows.schema->key.empty()) return collapse_multiset(changes, keys);

  boost::unordered_flat_map<Key, State, KeyHash> states;
  states.reserve(keys.size());
  for (std::uint32_t row = 0; row < keys.size(); ++row) {
    const auto [entry, fresh] = states.try_emplace(keys[row]);
    State& state = entry->second;
    if (adds(changes.ops[row])) {
      if (!fresh && state.last != kNone) {
        return fail(Code::conflict, "The source inserted a key of " +
                                        display(changes.rows.schema->name) +
                                        " that it had inserted before.");
      }
      state.last = row;
    } else {
      if (!fresh && state.last == kNone) {
        return fail(Code::conflict, "The source deleted a key of " +
                                        display(changes.rows.schema->name) +
                                        " that it had deleted before.");
      }
      if (fresh) state.existed = true;
      state.last = kNone;
    }
  }
  Collapsed out;
  for (const auto& [key, state] : states) {
    if (state.existed) out.removes.push_back(key);
  }
  for (std::uint32_t row = 0; row < keys.size(); ++row) {
    if (!adds(changes.ops[row]) || states.find(keys[row])->second.last != row) continue;
    out.inserts.push_back(row);
    out.insert_keys.push_back(keys[row]);
  }
  return out;
}

}  // namespace minato::ingest
