#include "gate/types.h"

#include <array>

namespace minato::gate {
namespace {

struct Known {
  std::uint32_t oid;
  std::uint32_t array;
  std::int16_t size;
  std::string_view engine;  // for parameters
  std::string_view name;
};

// A numeric parameter is cast with room for both sides of its point; Bind narrows it to the value's
// own scale.
constexpr std::array<Known, 23> kKnown{{
    {oid::boolean, 1000, 1, "BOOLEAN", "boolean"},
    {oid::bytea, 1001, -1, "BLOB", "bytea"},
    {oid::name, 1003, 64, "VARCHAR", "name"},
    {oid::int8, 1016, 8, "BIGINT", "bigint"},
    {oid::int2, 1005, 2, "SMALLINT", "smallint"},
    {oid::int4, 1007, 4, "INTEGER", "integer"},
    {oid::text, 1009, -1, "VARCHAR", "text"},
    {oid::oid, 1028, 4, "BIGINT", "oid"},
    {oid::json, 199, -1, "VARCHAR", "json"},
    {oid::float4, 1021, 4, "FLOAT", "real"},
    {oid::float8, 1022, 8, "DOUBLE", "double precision"},
    {oid::bpchar, 1014, -1, "VARCHAR", "character"},
    {oid::varchar, 1015, -1, "VARCHAR", "character varying"},
    {oid::date, 1182, 4, "DATE", "date"},
    {oid::time, 1183, 8, "TIME", "time without time zone"},
    {oid::timestamp, 1115, 8, "TIMESTAMP", "timestamp without time zone"},
    {oid::timestamptz, 1185, 8, "TIMESTAMP WITH TIME ZONE", "timestamp with time zone"},
    {oid::interval, 1187, 16, "INTERVAL", "interval"},
    {oid::timetz, 1270, 12, "", "time with time zone"},
    {oid::numeric, 1231, -1, "DECIMAL(38,10)", "numeric"},
    {oid::uuid, 2951, 16, "UUID", "uuid"},
    {oid::jsonb, 3807, -1, "VARCHAR", "jsonb"},
    {oid::unknown, 0, -1, "", "unknown"},
}};

const Known* find(std::uint32_t type) {
  for (const Known& known : kKnown) {
    if (known.oid == type) return &known;
  }
  return nullptr;
}

const Known* find_array(std::uint32_t type) {
  for (const Known& known : kKnown) {
    if (known.array == type && type != 0) return &known;
  }
  return nullptr;
}

PgType sized(std::uint32_t type) { return {type, find(type)->size, -1}; }

PgType numeric(int precision, int scale) {
  PgType type = sized(oid::numeric);
  if (precision > 0) type.modifier = (precision << 16 | scale) + 4;
  return type;
}

PgType list_type(const lake::Type& type) {
  const lake::Type& item = type.children.at(0);
  using enum lake::TypeId;
  const bool nested = item.id == list || item.id == array || item.id == structure ||
                      item.id == map || item.id == union_ || item.id == unknown;
  const std::uint32_t of = nested ? 0 : array_of(pg_type(item).oid);
  return of == 0 ? sized(oid::text) : PgType{of, -1, -1};
}

}  // namespace

PgType pg_type(const lake::Type& type) {
  using enum lake::TypeId;
  switch (type.id) {
    case boolean: return sized(oid::boolean);
    case int8:
    case uint8:
    case int16: return sized(oid::int2);
    case uint16:
    case int32: return sized(oid::int4);
    case uint32:
    case int64: return sized(oid::int8);
    case int128:
    case uint64:
    case uint128: return numeric(0, 0);
    case float32: return sized(oid::float4);
    case float64: return sized(oid::float8);
    case decimal: return numeric(type.precision, type.scale);
    case varchar: return sized(type.alias == "JSON" ? oid::json : oid::text);
    case blob: return sized(oid::bytea);
    case date: return sized(oid::date);
    case time:
    case time_ns: return sized(oid::time);
    case timetz: return sized(oid::timetz);
    case timestamp_s:
    case timestamp_ms:
    case timestamp:
    case timestamp_ns: return sized(oid::timestamp);
    case timestamptz: return sized(oid::timestamptz);
    case interval: return sized(oid::interval);
    case uuid: return sized(oid::uuid);
    case list:
    case array: return list_type(type);
    case bit:
    case enumeration:
    case structure:
    case map:
    case union_:
    case null:
    case unknown: break;
  }
  return sized(oid::text);
}

std::uint32_t array_of(std::uint32_t element) {
  const Known* known = find(element);
  return known == nullptr ? 0 : known->array;
}

std::uint32_t element_of(std::uint32_t array) {
  const Known* known = find_array(array);
  return known == nullptr ? 0 : known->oid;
}

std::string engine_type(std::uint32_t type) {
  if (const Known* known = find(type)) return std::string(known->engine);
  if (const Known* known = find_array(type); known != nullptr && !known->engine.empty()) {
    return std::string(known->engine) + "[]";
  }
  return {};
}

std::string_view type_name(std::uint32_t type) {
  if (const Known* known = find(type)) return known->name;
  return find_array(type) != nullptr ? "array" : "this type";
}

}  // namespace minato::gate
