#include "state/shape.h"

#include <nlohmann/json.hpp>

namespace minato::state {

using nlohmann::json;

std::string to_json(const TableSchema& shape) {
  json columns = json::array();
  for (const Column& column : shape.columns) {
    columns.push_back({{"name", column.name},
                       {"kind", static_cast<int>(column.type.kind)},
                       {"precision", column.type.precision},
                       {"scale", column.type.scale},
                       {"nullable", column.nullable},
                       {"source_type", column.source_type}});
  }
  return json{{"schema", shape.name.schema},
              {"name", shape.name.name},
              {"columns", columns},
              {"key", shape.key}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<TableSchemaPtr> shape_from_json(std::string_view text) {
  try {
    const json in = json::parse(text);
    auto shape = std::make_shared<TableSchema>();
    shape->name = {in.at("schema"), in.at("name")};
    for (const json& item : in.at("columns")) {
      Column column;
      column.name = item.at("name");
      const int kind = item.at("kind");
      if (kind < 0 || kind > static_cast<int>(TypeKind::interval_us))
        return fail(Code::invalid, "unknown column type");
      column.type = {static_cast<TypeKind>(kind), item.at("precision"), item.at("scale")};
      column.nullable = item.at("nullable");
      column.source_type = item.at("source_type");
      shape->columns.push_back(std::move(column));
    }
    for (const json& index : in.at("key")) {
      if (index.get<std::size_t>() >= shape->columns.size())
        return fail(Code::invalid, "key column out of range");
      shape->key.push_back(index);
    }
    return shape;
  } catch (const json::exception& error) {
    return fail(Code::invalid, "A stored table shape cannot be read.", error.what());
  }
}

}  // namespace minato::state
