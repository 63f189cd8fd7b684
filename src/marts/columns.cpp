#include "marts/columns.h"

#include <unordered_set>

#include "marts/graph.h"

namespace minato::marts {
namespace {

struct Stored {
  ColumnType type;
  bool as_json = false;
};

Stored stored(const lake::Type& type) {
  using lake::TypeId;
  switch (type.id) {
    case TypeId::boolean: return {{TypeKind::boolean}};
    case TypeId::int8: return {{TypeKind::int8}};
    case TypeId::int16: return {{TypeKind::int16}};
    case TypeId::int32: return {{TypeKind::int32}};
    case TypeId::int64: return {{TypeKind::int64}};
    case TypeId::uint8: return {{TypeKind::uint8}};
    case TypeId::uint16: return {{TypeKind::uint16}};
    case TypeId::uint32: return {{TypeKind::uint32}};
    case TypeId::uint64: return {{TypeKind::uint64}};
    // sum() of integers; Parquet has no 128-bit integers.
    case TypeId::int128:
    case TypeId::uint128: return {{TypeKind::decimal, 38, 0}};
    case TypeId::float32: return {{TypeKind::float32}};
    case TypeId::float64: return {{TypeKind::float64}};
    case TypeId::decimal: return {{TypeKind::decimal, type.precision, type.scale}};
    case TypeId::varchar: return {{type.alias == "JSON" ? TypeKind::json : TypeKind::varchar}};
    case TypeId::blob: return {{TypeKind::blob}};
    case TypeId::date: return {{TypeKind::date}};
    case TypeId::time:
    case TypeId::time_ns: return {{TypeKind::time}};
    case TypeId::timestamp_s:
    case TypeId::timestamp_ms:
    case TypeId::timestamp:
    case TypeId::timestamp_ns: return {{TypeKind::timestamp}};
    case TypeId::timestamptz: return {{TypeKind::timestamptz}};
    case TypeId::list:
    case TypeId::array:
    case TypeId::structure:
    case TypeId::map:
    case TypeId::union_: return {{TypeKind::json}, true};
    case TypeId::bit:
    case TypeId::timetz:
    case TypeId::interval:
    case TypeId::uuid:
    case TypeId::enumeration:
    case TypeId::null:
    case TypeId::unknown: return {{TypeKind::varchar}};
  }
  return {{TypeKind::varchar}};
}

}  // namespace

Result<MartColumns> mart_columns(const std::vector<lake::ResultColumn>& answered) {
  MartColumns out;
  std::unordered_set<std::string> names;
  for (const lake::ResultColumn& column : answered) {
    if (!names.insert(folded({"", column.name})).second) {
      return fail(Code::invalid, "Two columns are named " + column.name +
                                     ": give one of them another name with AS.");
    }
    const Stored as = stored(column.type);
    out.columns.push_back({column.name, as.type, true, ""});
    const std::string place = "c" + std::to_string(out.columns.size());
    out.expressions.push_back(as.as_json ? "to_json(" + place + ")::VARCHAR" : place);
  }
  return out;
}

std::string converted(const MartColumns& columns, const std::string& sql) {
  std::string expressions, names;
  for (std::size_t n = 0; n < columns.columns.size(); ++n) {
    expressions += (n == 0 ? "" : ", ") + columns.expressions[n];
    names += (n == 0 ? "c" : ", c") + std::to_string(n + 1);
  }
  // The line break ends a comment at the end of the statement.
  return "SELECT " + expressions + " FROM (" + sql + "\n) mart(" + names + ")";
}

}  // namespace minato::marts
