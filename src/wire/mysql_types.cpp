#include "wire/mysql_types.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace minato::wire {
namespace {

using Kind = MysqlKind;

struct Named {
  std::string_view name;
  Kind kind;
  std::uint32_t length;  // default length
};
// Canonical names first: source_type() prints the first name of a kind.
constexpr auto names = std::to_array<Named>({
    {"tinyint", Kind::tinyint, 0},
    {"smallint", Kind::smallint, 0},
    {"mediumint", Kind::mediumint, 0},
    {"int", Kind::integer, 0},
    {"bigint", Kind::bigint, 0},
    {"float", Kind::float32, 0},
    {"double", Kind::float64, 0},
    {"decimal", Kind::decimal, 0},
    {"bit", Kind::bit, 1},
    {"year", Kind::year, 0},
    {"date", Kind::date, 0},
    {"datetime", Kind::datetime, 0},
    {"timestamp", Kind::timestamp, 0},
    {"time", Kind::time, 0},
    {"char", Kind::character, 1},
    {"varchar", Kind::varchar, 0},
    {"text", Kind::text, 65535},
    {"binary", Kind::binary, 1},
    {"varbinary", Kind::varbinary, 0},
    {"blob", Kind::blob, 65535},
    {"enum", Kind::enumeration, 0},
    {"set", Kind::set, 0},
    {"json", Kind::json, 0},
    {"geometry", Kind::geometry, 0},
    {"uuid", Kind::uuid, 0},
    {"inet4", Kind::inet4, 0},
    {"inet6", Kind::inet6, 0},
    {"integer", Kind::integer, 0},
    {"int1", Kind::tinyint, 0},
    {"int2", Kind::smallint, 0},
    {"int3", Kind::mediumint, 0},
    {"int4", Kind::integer, 0},
    {"int8", Kind::bigint, 0},
    {"middleint", Kind::mediumint, 0},
    {"bool", Kind::tinyint, 0},
    {"boolean", Kind::tinyint, 0},
    {"float4", Kind::float32, 0},
    {"float8", Kind::float64, 0},
    {"real", Kind::float64, 0},
    {"double precision", Kind::float64, 0},
    {"dec", Kind::decimal, 0},
    {"numeric", Kind::decimal, 0},
    {"fixed", Kind::decimal, 0},
    {"number", Kind::decimal, 0},
    {"character", Kind::character, 1},
    {"character varying", Kind::varchar, 0},
    {"char varying", Kind::varchar, 0},
    {"varcharacter", Kind::varchar, 0},
    {"varchar2", Kind::varchar, 0},
    {"nchar", Kind::character, 1},
    {"nvarchar", Kind::varchar, 0},
    {"char byte", Kind::binary, 1},
    {"tinytext", Kind::text, 255},
    {"mediumtext", Kind::text, 16777215},
    {"longtext", Kind::text, 4294967295},
    {"long", Kind::text, 16777215},
    {"long varchar", Kind::text, 16777215},
    {"clob", Kind::text, 4294967295},
    {"tinyblob", Kind::blob, 255},
    {"mediumblob", Kind::blob, 16777215},
    {"longblob", Kind::blob, 4294967295},
    {"long varbinary", Kind::blob, 16777215},
    {"vector", Kind::blob, 0},  // MySQL 9: its floats, little-endian
    {"point", Kind::geometry, 0},
    {"linestring", Kind::geometry, 0},
    {"polygon", Kind::geometry, 0},
    {"multipoint", Kind::geometry, 0},
    {"multilinestring", Kind::geometry, 0},
    {"multipolygon", Kind::geometry, 0},
    {"geometrycollection", Kind::geometry, 0},
    {"geomcollection", Kind::geometry, 0},
});

Result<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fail(Code::invalid, "a column type has the argument '" + std::string(text) + "'");
  }
  return value;
}

Status set_length(MysqlType& type, const std::vector<std::string>& arguments) {
  TRY_ASSIGN(const std::uint32_t first, number(arguments[0]));
  switch (type.kind) {
    case Kind::decimal: {
      std::uint32_t scale = 0;
      if (arguments.size() > 1) {
        TRY_ASSIGN(scale, number(arguments[1]));
      }
      const std::uint32_t precision = first == 0 ? 10 : first;
      if (precision > 65 || scale > 38 || scale > precision) {
        return fail(Code::invalid,
                    "a column is DECIMAL(" + arguments[0] + "," + std::to_string(scale) + ")");
      }
      type.precision = static_cast<std::uint8_t>(precision);
      type.scale = static_cast<std::uint8_t>(scale);
      return {};
    }
    case Kind::datetime:
    case Kind::timestamp:
    case Kind::time:
      if (first > 6) return fail(Code::invalid, "a column has more than 6 digits of a second");
      type.fraction = static_cast<std::uint8_t>(first);
      return {};
    case Kind::float32:
      // FLOAT(25…53) is a DOUBLE; FLOAT(7,2) keeps its kind.
      if (arguments.size() == 1 && first > 24) type.kind = Kind::float64;
      return {};
    case Kind::bit: type.length = std::max(first, 1U); return {};  // BIT(0) is BIT(1)
    case Kind::character:
    case Kind::varchar:
    case Kind::binary:
    case Kind::varbinary: type.length = first; return {};
    case Kind::text:
    case Kind::blob:
      type.length = 0;  // TEXT(n) is the smallest of the four that holds n: not worth to know here
      return {};
    default: return {};  // display widths do not matter
  }
}

std::string quoted(const std::string& value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

/// Reads "(…)" at `at`; quoted members as values, anything else split at commas.
Result<std::vector<std::string>> arguments(std::string_view text, std::size_t& at) {
  std::vector<std::string> found;
  std::string value;
  for (++at; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\'') {
      for (++at; at < text.size(); ++at) {
        if (text[at] == '\'') {
          if (at + 1 >= text.size() || text[at + 1] != '\'') break;
          ++at;
        }
        value += text[at];
      }
    } else if (c == ',' || c == ')') {
      found.push_back(std::exchange(value, {}));
      if (c == ')') {
        ++at;
        return found;
      }
    } else if (c != ' ') {
      value += c;
    }
  }
  return fail(Code::invalid, "a column type lacks its closing bracket: " + std::string(text));
}

bool holds_all(const std::vector<std::string>& most, const std::vector<std::string>& some) {
  return std::ranges::all_of(
      some, [&](const std::string& value) { return std::ranges::find(most, value) != most.end(); });
}

int integer_rank(MysqlKind kind) { return kind <= MysqlKind::bigint ? static_cast<int>(kind) : -1; }
int text_rank(MysqlKind kind) {
  if (kind == MysqlKind::character) return 0;
  if (kind == MysqlKind::varchar) return 1;
  return kind == MysqlKind::text ? 2 : -1;
}

bool keeps_text(const MysqlType& from, const MysqlType& to) {
  if (to.charset != from.charset && to.charset != "utf8mb4") return false;
  const int before = text_rank(from.kind);
  const int after = text_rank(to.kind);
  return after > before || (after == before && to.length >= from.length);
}

}  // namespace

bool has_charset(MysqlKind kind) {
  return kind == Kind::character || kind == Kind::varchar || kind == Kind::text;
}

Result<MysqlType> mysql_type(std::string_view name, const std::vector<std::string>& args) {
  const std::string wanted = lower(name);
  const auto* found = std::find_if(names.begin(), names.end(),
                                   [&](const Named& named) { return named.name == wanted; });
  if (found == names.end()) {
    return fail(Code::unsupported,
                "Minato does not know the column type '" + std::string(name) + "'.");
  }
  MysqlType type;
  type.kind = found->kind;
  type.length = found->length;
  if (type.kind == Kind::decimal) type.precision = 10;
  if (wanted == "nchar" || wanted == "nvarchar") type.charset = "utf8mb3";
  if (type.kind == Kind::enumeration || type.kind == Kind::set) {
    const std::size_t most = type.kind == Kind::set ? 64 : 65535;
    if (args.empty() || args.size() > most)
      return fail(Code::invalid, "an ENUM or SET without members");
    type.values = args;
  } else if (!args.empty()) {
    TRY(set_length(type, args));
  }
  return type;
}

Result<MysqlType> parse_source_type(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && text[at] != '(' && text[at] != ' ') ++at;
  const std::string_view name = text.substr(0, at);
  std::vector<std::string> args;
  if (at < text.size() && text[at] == '(') {
    TRY_ASSIGN(args, arguments(text, at));
  }
  TRY_ASSIGN(MysqlType type, mysql_type(name, args));
  std::string_view rest = text.substr(at);
  if (const auto note = rest.find("/*"); note != std::string_view::npos) {
    type.compressed = rest.find("COMPRESSED") != std::string_view::npos;
    const auto end = rest.find("*/", note);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 2);
  }
  while (!rest.empty()) {
    const auto space = rest.find(' ');
    const std::string_view word = rest.substr(0, space);
    rest = space == std::string_view::npos ? std::string_view{} : rest.substr(space + 1);
    if (word == "unsigned" || word == "zerofill") {
      type.is_unsigned = true;
    } else if (!word.empty() && has_charset(type.kind)) {
      type.charset = std::string(word);
    }
  }
  if (type.charset == "utf8") type.charset = "utf8mb3";
  return type;
}

std::string source_type(const MysqlType& type) {
  const bool sized = type.kind == Kind::text || type.kind == Kind::blob;
  const std::uint32_t size = type.length == 0 ? 65535 : type.length;
  const auto* named = std::find_if(names.begin(), names.end(), [&](const Named& each) {
    return each.kind == type.kind && (!sized || each.length == size);
  });
  CHECK(named != names.end());
  std::string out(named->name);
  if (type.kind == Kind::decimal) {
    out += "(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
  } else if (!type.values.empty()) {
    out += '(';
    for (const std::string& value : type.values) out += quoted(value) + ",";
    out.back() = ')';
  } else if (type.fraction > 0) {
    out += "(" + std::to_string(type.fraction) + ")";
  } else if (sized) {
    if (type.length == 0) out += "(0)";
  } else if (type.length > 0 || type.kind == Kind::varchar || type.kind == Kind::varbinary ||
             type.kind == Kind::character || type.kind == Kind::binary) {  // CHAR(0) there is
    out += "(" + std::to_string(type.length) + ")";
  }
  if (type.is_unsigned) out += " unsigned";
  if (type.compressed) out += " /*!100301 COMPRESSED*/";
  if (!type.charset.empty()) out += " " + type.charset;
  return out;
}

ColumnType lake_type(const MysqlType& type) {
  const bool u = type.is_unsigned;
  switch (type.kind) {
    case Kind::tinyint: return {u ? TypeKind::uint8 : TypeKind::int8};
    case Kind::smallint: return {u ? TypeKind::uint16 : TypeKind::int16};
    case Kind::mediumint:
    case Kind::integer: return {u ? TypeKind::uint32 : TypeKind::int32};
    case Kind::bigint: return {u ? TypeKind::uint64 : TypeKind::int64};
    case Kind::float32: return {TypeKind::float32};
    case Kind::float64: return {TypeKind::float64};
    case Kind::decimal:
      if (type.precision > 38) return {TypeKind::varchar};
      return {TypeKind::decimal, type.precision, type.scale};
    case Kind::bit: return {type.length == 1 ? TypeKind::boolean : TypeKind::uint64};
    case Kind::year: return {TypeKind::int16};
    case Kind::date: return {TypeKind::date};
    case Kind::datetime: return {TypeKind::timestamp};
    case Kind::timestamp: return {TypeKind::timestamptz};
    case Kind::time: return {TypeKind::interval_us};
    case Kind::character:
    case Kind::varchar:
    case Kind::text:
    case Kind::enumeration:
    case Kind::set:
    case Kind::uuid:
    case Kind::inet4:
    case Kind::inet6: return {TypeKind::varchar};
    case Kind::json: return {TypeKind::json};
    case Kind::binary:
    case Kind::varbinary:
    case Kind::blob:
    case Kind::geometry: return {TypeKind::blob};
  }
  return {TypeKind::blob};
}

Column lake_column(std::string name, const MysqlType& type, bool nullable) {
  const bool dated =
      type.kind == Kind::date || type.kind == Kind::datetime || type.kind == Kind::timestamp;
  return {std::move(name), lake_type(type), nullable || dated, source_type(type)};
}

bool keeps_values(const MysqlType& from, const MysqlType& to) {
  if (integer_rank(from.kind) >= 0) {
    const int before = integer_rank(from.kind);
    const int after = integer_rank(to.kind);
    return from.is_unsigned == to.is_unsigned ? after >= before
                                              : from.is_unsigned && after > before;
  }
  if (text_rank(from.kind) >= 0) return keeps_text(from, to);
  if (from.kind == MysqlKind::float32 && to.kind == MysqlKind::float64) return true;
  if (from.kind != to.kind || from.is_unsigned > to.is_unsigned) return from == to;
  switch (from.kind) {
    case MysqlKind::decimal:
      return to.scale == from.scale && to.precision >= from.precision &&
             from.is_unsigned == to.is_unsigned && (to.precision > 38) == (from.precision > 38);
    case MysqlKind::datetime:
    case MysqlKind::timestamp:
    case MysqlKind::time: return to.fraction >= from.fraction;
    case MysqlKind::varbinary:
    case MysqlKind::blob: return to.length >= from.length;
    case MysqlKind::bit: return to.length >= from.length && (from.length == 1) == (to.length == 1);
    case MysqlKind::enumeration:
    case MysqlKind::set: return holds_all(to.values, from.values);
    default: return from == to;
  }
}

}  // namespace minato::wire
