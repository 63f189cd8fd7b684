#include "ingest/mysql/shape_book.h"

#include "ingest/mysql/catalog.h"

namespace minato::ingest::mysql {

ShapeBook::ShapeBook(std::vector<std::string> patterns, const std::vector<TableSchemaPtr>& shapes,
                     ReadShapes read_shapes)
    : patterns_(std::move(patterns)), read_shapes_(std::move(read_shapes)) {
  for (const TableSchemaPtr& shape : shapes) known_[shape->name] = shape;
}

TableSchemaPtr ShapeBook::find(const TableName& table) const {
  const auto found = known_.find(table);
  return found == known_.end() ? nullptr : found->second;
}

void ShapeBook::lose(const TableName& table) {
  known_.erase(table);
  ++version_;
}

std::vector<TableName> ShapeBook::names() const {
  std::vector<TableName> names;
  for (const auto& [name, shape] : known_) names.push_back(name);
  return names;
}

bool ShapeBook::captured(const TableName& table) const { return matches_any(patterns_, table); }

Result<ShapeChanges> ShapeBook::apply(std::string_view statement, const std::string& database,
                                      std::uint64_t sql_mode) {
  (void)database;
  (void)sql_mode;
  ShapeChanges changes;
  TRY_ASSIGN(const auto now, read_shapes_());
  std::map<TableName, TableSchemaPtr> fresh;
  for (const TableSchemaPtr& shape : now) fresh[shape->name] = shape;
  for (const auto& [name, shape] : known_) {
    if (fresh.contains(name)) continue;
    SchemaChange& change = changes.ddl.emplace_back();
    change.kind = SchemaChange::Kind::drop_table;
    change.table = name;
    change.statement = std::string(statement);
  }
  for (const auto& [name, shape] : fresh) {
    const auto old = known_.find(name);
    if (old != known_.end() && *old->second == *shape) continue;
    SchemaChange& change = changes.ddl.emplace_back();
    change.table = name;
    change.schema = shape;
    change.statement = std::string(statement);
  }
  known_ = std::move(fresh);
  ++version_;
  return changes;
}

}  // namespace minato::ingest::mysql
