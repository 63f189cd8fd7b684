// Inside src/lake only: the engine's table functions over memory of ours. No copy per row or value
// object: fixed-width columns are gathered, strings stay where they are (StringRef is the engine's
// own layout).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lake/engine_impl.h"
#include "lake/writer.h"

namespace minato::lake {

/// Registers minato_rows(id) and minato_positions(id) in the engine of `session`. Once per engine.
Status register_row_functions(Session& session);

/// Where minato_rows() takes its rows from: once, in order, on one thread at a time.
struct RowsFeed {
  TableSchemaPtr schema;
  /// Sets the next part, which stays in place until the next call; none (no batch): the end.
  std::function<Status(RowsPart&)> next;
  Status status;         // of the last next()
  std::size_t rows = 0;  // handed out
};

/// While it lives, minato_rows(id()) yields the rows of `feed`.
class LentRows {
 public:
  explicit LentRows(RowsFeed& feed);
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
