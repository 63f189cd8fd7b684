// Inside src/lake only: the engine's table functions over memory of ours. No copy per row or value
// object: fixed-width columns are gathered, strings stay where they are (StringRef is the engine's
// own layout).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lake/engine_impl.h"
#include "lake/writer.h"

namespace minato::lake {

/// Registers minato_rows(id) and minato_positions(id) in the engine of `session`. Once per engine.
Status register_row_functions(Session& session);

/// While it lives, minato_rows(id()) yields the parts' rows in order. All parts must have the same
/// columns.
class LentRows {
 public:
  explicit LentRows(std::span<const RowsPart> parts);
  LentRows(const LentRows&) = delete;
  LentRows& operator=(const LentRows&) = delete;
  ~LentRows();
  std::string id() const { return std::to_string(id_); }

 private:
  std::uint64_t id_;
};

/// While it lives, minato_positions(id()) yields the positions as BIGINT column pos.
class LentPositions {
 public:
  explicit LentPositions(std::span<const std::uint32_t> positions);
  LentPositions(const LentPositions&) = delete;
  LentPositions& operator=(const LentPositions&) = delete;
  ~LentPositions();
  std::string id() const { return std::to_string(id_); }

 private:
  std::uint64_t id_;
};

}  // namespace minato::lake
