// The shapes of the captured tables at the stream's place, and what a DDL statement in the log does to them.
// Promise: what cannot be followed for sure ends as `lost` (the table is to be read anew), never as a guess.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/change.h"

namespace minato::ingest::mysql {

/// What one statement means: changes to apply in order, and tables whose contents must be read anew.
struct ShapeChanges {
  std::vector<SchemaChange> ddl;
  std::vector<TableName> lost;
};

class ShapeBook {
 public:
  /// Reads the captured tables' shapes as the source has them now.
  using ReadShapes = std::function<Result<std::vector<TableSchemaPtr>>()>;

  ShapeBook(std::vector<std::string> patterns, const std::vector<TableSchemaPtr>& shapes, ReadShapes read_shapes);

  /// nullptr for tables that are not captured, unknown or lost.
  TableSchemaPtr find(const TableName& table) const;
  /// Forgets a shape that turned out not to be the source's.
  void lose(const TableName& table);
  std::vector<TableName> names() const;
  /// Grows with each change, so that what was compiled from a shape can be told to be old.
  std::uint64_t version() const { return version_; }

  /// A statement of the log (UTF-8) that is no row change; `database` is its default database.
  Result<ShapeChanges> apply(std::string_view statement, const std::string& database, std::uint64_t sql_mode);

 private:
  bool captured(const TableName& table) const;

  std::vector<std::string> patterns_;
  std::map<TableName, TableSchemaPtr> known_;
  ReadShapes read_shapes_;
  std::uint64_t version_ = 1;
};

}  // namespace minato::ingest::mysql
