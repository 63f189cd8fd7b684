// Descriptions of the engine's types.
#include "lake/engine_impl.h"

namespace minato::lake {
namespace {

std::string taken(char* text) {
  std::string out = text != nullptr ? text : "";
  duckdb_free(text);
  return out;
}

TypeId type_id(duckdb_type type) {
  switch (type) {
    case DUCKDB_TYPE_BOOLEAN: return TypeId::boolean;
    case DUCKDB_TYPE_TINYINT: return TypeId::int8;
    case DUCKDB_TYPE_SMALLINT: return TypeId::int16;
    case DUCKDB_TYPE_INTEGER: return TypeId::int32;
    case DUCKDB_TYPE_BIGINT: return TypeId::int64;
    case DUCKDB_TYPE_HUGEINT: return TypeId::int128;
    case DUCKDB_TYPE_UTINYINT: return TypeId::uint8;
    case DUCKDB_TYPE_USMALLINT: return TypeId::uint16;
    case DUCKDB_TYPE_UINTEGER: return TypeId::uint32;
    case DUCKDB_TYPE_UBIGINT: return TypeId::uint64;
    case DUCKDB_TYPE_UHUGEINT: return TypeId::uint128;
    case DUCKDB_TYPE_FLOAT: return TypeId::float32;
    case DUCKDB_TYPE_DOUBLE: return TypeId::float64;
    case DUCKDB_TYPE_DECIMAL: return TypeId::decimal;
    case DUCKDB_TYPE_VARCHAR: return TypeId::varchar;
    case DUCKDB_TYPE_BLOB: return TypeId::blob;
    case DUCKDB_TYPE_BIT: return TypeId::bit;
    case DUCKDB_TYPE_DATE: return TypeId::date;
    case DUCKDB_TYPE_TIME: return TypeId::time;
    case DUCKDB_TYPE_TIME_NS: return TypeId::time_ns;
    case DUCKDB_TYPE_TIME_TZ: return TypeId::timetz;
    case DUCKDB_TYPE_TIMESTAMP_S: return TypeId::timestamp_s;
    case DUCKDB_TYPE_TIMESTAMP_MS: return TypeId::timestamp_ms;
    case DUCKDB_TYPE_TIMESTAMP: return TypeId::timestamp;
    case DUCKDB_TYPE_TIMESTAMP_NS: return TypeId::timestamp_ns;
    case DUCKDB_TYPE_TIMESTAMP_TZ: return TypeId::timestamptz;
    case DUCKDB_TYPE_INTERVAL: return TypeId::interval;
    case DUCKDB_TYPE_UUID: return TypeId::uuid;
    case DUCKDB_TYPE_ENUM: return TypeId::enumeration;
    case DUCKDB_TYPE_LIST: return TypeId::list;
    case DUCKDB_TYPE_ARRAY: return TypeId::array;
    case DUCKDB_TYPE_STRUCT: return TypeId::structure;
    case DUCKDB_TYPE_MAP: return TypeId::map;
    case DUCKDB_TYPE_UNION: return TypeId::union_;
    case DUCKDB_TYPE_SQLNULL: return TypeId::null;
    default: return TypeId::unknown;
  }
}

void add_child(Type& out, duckdb_logical_type child) {
  const LogicalType owned(child);
  out.children.push_back(describe_type(owned.handle));
}

void describe_fields(Type& out, duckdb_logical_type type) {
  const idx_t count = duckdb_struct_type_child_count(type);
  for (idx_t n = 0; n < count; ++n) {
    out.names.push_back(taken(duckdb_struct_type_child_name(type, n)));
    add_child(out, duckdb_struct_type_child_type(type, n));
  }
}

void describe_members(Type& out, duckdb_logical_type type) {
  Type tag;
  tag.id = TypeId::uint8;
  out.children.push_back(tag);
  out.names.emplace_back();
  const idx_t count = duckdb_union_type_member_count(type);
  for (idx_t n = 0; n < count; ++n) {
    out.names.push_back(taken(duckdb_union_type_member_name(type, n)));
    add_child(out, duckdb_union_type_member_type(type, n));
  }
}

Type describe_map_entry(duckdb_logical_type type) {
  Type entry;
  entry.id = TypeId::structure;
  entry.names = {"key", "value"};
  add_child(entry, duckdb_map_type_key_type(type));
  add_child(entry, duckdb_map_type_value_type(type));
  return entry;
}

const char* simple_name(TypeId id) {
  switch (id) {
    case TypeId::boolean: return "BOOLEAN";
    case TypeId::int8: return "TINYINT";
    case TypeId::int16: return "SMALLINT";
    case TypeId::int32: return "INTEGER";
    case TypeId::int64: return "BIGINT";
    case TypeId::int128: return "HUGEINT";
    case TypeId::uint8: return "UTINYINT";
    case TypeId::uint16: return "USMALLINT";
    case TypeId::uint32: return "UINTEGER";
    case TypeId::uint64: return "UBIGINT";
    case TypeId::uint128: return "UHUGEINT";
    case TypeId::float32: return "FLOAT";
    case TypeId::float64: return "DOUBLE";
    case TypeId::varchar: return "VARCHAR";
    case TypeId::blob: return "BLOB";
    case TypeId::bit: return "BIT";
    case TypeId::date: return "DATE";
    case TypeId::time: return "TIME";
    case TypeId::time_ns: return "TIME_NS";
    case TypeId::timetz: return "TIME WITH TIME ZONE";
    case TypeId::timestamp_s: return "TIMESTAMP_S";
    case TypeId::timestamp_ms: return "TIMESTAMP_MS";
    case TypeId::timestamp: return "TIMESTAMP";
    case TypeId::timestamp_ns: return "TIMESTAMP_NS";
    case TypeId::timestamptz: return "TIMESTAMP WITH TIME ZONE";
    case TypeId::interval: return "INTERVAL";
    case TypeId::uuid: return "UUID";
    case TypeId::null: return "NULL";
    default: return "UNKNOWN";
  }
}

std::string fields(const Type& type, std::size_t first) {
  std::string out;
  for (std::size_t n = first; n < type.children.size(); ++n) {
    if (!out.empty()) out += ", ";
    out += quote_identifier(type.names[n]) + " " + sql_name(type.children[n]);
  }
  return "(" + out + ")";
}

}  // namespace

Type describe_type(duckdb_logical_type type) {
  Type out;
  out.id = type_id(duckdb_get_type_id(type));
  out.alias = taken(duckdb_logical_type_get_alias(type));
  switch (out.id) {
    case TypeId::decimal:
      out.precision = duckdb_decimal_width(type);
      out.scale = duckdb_decimal_scale(type);
      break;
    case TypeId::enumeration: {
      const std::uint32_t count = duckdb_enum_dictionary_size(type);
      for (std::uint32_t n = 0; n < count; ++n) {
        out.names.push_back(taken(duckdb_enum_dictionary_value(type, n)));
      }
      break;
    }
    case TypeId::list: add_child(out, duckdb_list_type_child_type(type)); break;
    case TypeId::array:
      out.array_size = duckdb_array_type_array_size(type);
      add_child(out, duckdb_array_type_child_type(type));
      break;
    case TypeId::structure: describe_fields(out, type); break;
    case TypeId::map: out.children.push_back(describe_map_entry(type)); break;
    case TypeId::union_: describe_members(out, type); break;
    default: break;
  }
  return out;
}

std::string sql_name(const Type& type) {
  if (!type.alias.empty()) return type.alias;
  switch (type.id) {
    case TypeId::decimal:
      return "DECIMAL(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
    case TypeId::list: return sql_name(type.children[0]) + "[]";
    case TypeId::array:
      return sql_name(type.children[0]) + "[" + std::to_string(type.array_size) + "]";
    case TypeId::structure: return "STRUCT" + fields(type, 0);
    case TypeId::union_: return "UNION" + fields(type, 1);
    case TypeId::map: {
      const Type& entry = type.children[0];
      return "MAP(" + sql_name(entry.children[0]) + ", " + sql_name(entry.children[1]) + ")";
    }
    case TypeId::enumeration: {
      std::string out;
      for (const std::string& name : type.names) {
        out += (out.empty() ? "" : ", ") + quote_literal(name);
      }
      return "ENUM(" + out + ")";
    }
    default: return simple_name(type.id);
  }
}

StatementKind describe_kind(duckdb_statement_type type) {
  switch (type) {
    case DUCKDB_STATEMENT_TYPE_SELECT: return StatementKind::select;
    case DUCKDB_STATEMENT_TYPE_INSERT: return StatementKind::insert;
    case DUCKDB_STATEMENT_TYPE_UPDATE: return StatementKind::update;
    case DUCKDB_STATEMENT_TYPE_DELETE: return StatementKind::remove;
    case DUCKDB_STATEMENT_TYPE_EXPLAIN: return StatementKind::explain;
    case DUCKDB_STATEMENT_TYPE_CREATE: return StatementKind::create;
    case DUCKDB_STATEMENT_TYPE_DROP: return StatementKind::drop;
    case DUCKDB_STATEMENT_TYPE_ALTER: return StatementKind::alter;
    case DUCKDB_STATEMENT_TYPE_COPY: return StatementKind::copy;
    case DUCKDB_STATEMENT_TYPE_ATTACH:
    case DUCKDB_STATEMENT_TYPE_DETACH: return StatementKind::attach;
    case DUCKDB_STATEMENT_TYPE_SET:
    case DUCKDB_STATEMENT_TYPE_VARIABLE_SET:
    case DUCKDB_STATEMENT_TYPE_PRAGMA: return StatementKind::set;
    case DUCKDB_STATEMENT_TYPE_TRANSACTION: return StatementKind::transaction;
    default: return StatementKind::other;
  }
}

}  // namespace minato::lake
