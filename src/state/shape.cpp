// TableSchema ↔ JSON. Types are written by name, so that stored shapes survive a reordering of the
// enum.
#include <array>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "state/sources.h"

namespace minato::state {
namespace {

using Json = nlohmann::json;

// Types are written by name: stored shapes survive a reordering of the enum.
constexpr std::array<std::pair<TypeKind, std::string_view>, 20> kinds = {{
    {TypeKind::boolean, "boolean"},
    {TypeKind::int8, "int8"},
    {TypeKind::int16, "int16"},
    {TypeKind::int32, "int32"},
    {TypeKind::int64, "int64"},
    {TypeKind::uint8, "uint8"},
    {TypeKind::uint16, "uint16"},
    {TypeKind::uint32, "uint32"},
    {TypeKind::uint64, "uint64"},
    {TypeKind::float32, "float32"},
    {TypeKind::float64, "float64"},
    {TypeKind::decimal, "decimal"},
    {TypeKind::varchar, "varchar"},
    {TypeKind::blob, "blob"},
    {TypeKind::json, "json"},
    {TypeKind::date, "date"},
    {TypeKind::time, "time"},
    {TypeKind::timestamp, "timestamp"},
    {TypeKind::timestamptz, "timestamptz"},
    {TypeKind::interval_us, "interval_us"},
}};

std::string_view kind_name(TypeKind kind) {
  for (const auto& [value, name] : kinds) {
    if (value == kind) return name;
  }
  CHECK(false);  // a new TypeKind needs its name above
}

bool parse_kind(std::string_view name, TypeKind& kind) {
  for (const auto& [value, text] : kinds) {
    if (text == name) {
      kind = value;
      return true;
    }
  }
  return false;
}

bool parse_column(const Json& json, Column& column) {
  if (!json.is_object()) return false;
  column.name = json.value("name", "");
  column.nullable = json.value("nullable", true);
  column.source_type = json.value("source_type", "");
  column.type.precision = json.value<std::uint8_t>("precision", 0);
  column.type.scale = json.value<std::uint8_t>("scale", 0);
  return parse_kind(json.value("type", ""), column.type.kind);
}

Result<TableSchemaPtr> parse(const Json& json) {
  const auto broken = fail(Code::invalid, "A stored table shape cannot be read.", json.dump());
  if (!json.is_object() || !json.contains("columns") || !json["columns"].is_array()) return broken;
  auto schema = std::make_shared<TableSchema>();
  schema->name = {json.value("schema", ""), json.value("table", "")};
  for (const Json& item : json["columns"]) {
    if (!parse_column(item, schema->columns.emplace_back())) return broken;
  }
  schema->charset = json.value("charset", "");
  for (const Json& item : json.value("key", Json::array())) {
    const auto index = item.get<std::uint32_t>();
    if (index >= schema->columns.size()) return broken;
    schema->key.push_back(index);
  }
  return schema;
}

}  // namespace

std::string to_json(const TableSchema& shape) {
  Json columns = Json::array();
  for (const Column& column : shape.columns) {
    Json item = {{"name", column.name}, {"type", kind_name(column.type.kind)}};
    if (column.type.precision != 0) item["precision"] = column.type.precision;
    if (column.type.scale != 0) item["scale"] = column.type.scale;
    if (!column.nullable) item["nullable"] = false;
    if (!column.source_type.empty()) item["source_type"] = column.source_type;
    columns.push_back(std::move(item));
  }
  const Json json = {{"schema", shape.name.schema},
                     {"table", shape.name.name},
                     {"columns", std::move(columns)},
                     {"key", shape.key},
                     {"charset", shape.charset}};
  // Identifiers are UTF-8 by contract; a byte that is not must not end the role.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<TableSchemaPtr> shape_from_json(std::string_view text) {
  try {
    return parse(Json::parse(text));
  } catch (const Json::exception& error) {
    return fail(Code::invalid, "A stored table shape cannot be read.", error.what());
  }
}

}  // namespace minato::state
