#include "gate/parameters.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <optional>

#include "base/text.h"
#include "gate/types.h"
#include "gate/value_text.h"
#include "sql/scan.h"

namespace minato::gate {
namespace {

using Text = std::string_view;

tl::unexpected<Error> bad(Text type) {
  return fail(Code::invalid, "A parameter is not a valid value of type " + std::string(type) + ".");
}

std::uint64_t big_endian(Text bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}
std::int64_t int64_of(Text bytes) { return static_cast<std::int64_t>(big_endian(bytes)); }
std::int32_t int32_of(Text bytes) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(big_endian(bytes)));
}

std::optional<bool> boolean(Text text) {
  const std::string word = lower(text);
  for (const Text yes : {"t", "true", "1", "on", "yes", "y"}) {
    if (word == yes) return true;
  }
  for (const Text no : {"f", "false", "0", "off", "no", "n"}) {
    if (word == no) return false;
  }
  return std::nullopt;
}

Result<std::string> bytea(Text text) {
  if (text.starts_with("\\x")) {
    text.remove_prefix(2);
    if (text.size() % 2 != 0) return bad("bytea");
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
      int byte = 0;
      const auto end = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
      if (end.ec != std::errc() || end.ptr != text.data() + i + 2) return bad("bytea");
      bytes.push_back(static_cast<char>(byte));
    }
    return bytes;
  }
  std::string bytes;  // the old "escape" format
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes.push_back(text[i]);
    } else if (i + 1 < text.size() && text[i + 1] == '\\') {
      bytes.push_back(text[++i]);
    } else {
      int byte = 0;
      if (i + 3 >= text.size()) return bad("bytea");
      const auto end = std::from_chars(text.data() + i + 1, text.data() + i + 4, byte, 8);
      if (end.ec != std::errc() || end.ptr != text.data() + i + 4 || byte > 255)
        return bad("bytea");
      bytes.push_back(static_cast<char>(byte));
      i += 3;
    }
  }
  return bytes;
}

/// A decimal type with as many digits behind the point as the text has; DOUBLE for what no decimal
/// holds.
std::string numeric_cast(Text text) {
  std::size_t whole = 0;
  std::size_t fraction = 0;
  bool point = false;
  for (const char c : text) {
    if (c == '.') {
      point = true;
    } else if (c >= '0' && c <= '9') {
      ++(point ? fraction : whole);
    } else if (c != '-' && c != '+') {
      return "DOUBLE";
    }
  }
  if (fraction > 38 || whole + fraction > 38) return "DOUBLE";
  return "DECIMAL(38," + std::to_string(fraction) + ")";
}

Result<std::string> numeric_text(Text bytes) {
  if (bytes.size() < 8) return bad("numeric");
  const auto groups = static_cast<std::size_t>(big_endian(bytes.substr(0, 2)));
  const auto weight = static_cast<std::int16_t>(big_endian(bytes.substr(2, 2)));
  const std::uint64_t sign = big_endian(bytes.substr(4, 2));
  const std::uint64_t scale = big_endian(bytes.substr(6, 2));
  if (bytes.size() != 8 + 2 * groups || scale > 16383) return bad("numeric");
  if (sign == 0xc000) return std::string("NaN");
  if (sign == 0xd000) return std::string("Infinity");
  if (sign == 0xf000) return std::string("-Infinity");
  if (sign != 0 && sign != 0x4000) return bad("numeric");
  const auto group = [&](int index) {
    if (index < 0 || static_cast<std::size_t>(index) >= groups) return std::string("0000");
    const std::uint64_t value =
        big_endian(bytes.substr(8 + 2 * static_cast<std::size_t>(index), 2));
    std::string digits = std::to_string(value);
    if (digits.size() < 4) digits.insert(0, 4 - digits.size(), '0');
    return digits;
  };
  std::string whole;
  for (int i = 0; i <= weight; ++i) whole += group(i);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  std::string fraction;
  for (int i = weight + 1; fraction.size() < scale; ++i) fraction += group(i);
  fraction.resize(scale);
  std::string text = sign == 0x4000 ? "-" : "";
  text += whole.empty() ? "0" : whole;
  if (scale != 0) text += "." + fraction;
  return text;
}

/// One element of the engine's list text.
void append_item(std::string& out, const std::optional<std::string>& item) {
  if (out.size() > 1) out += ", ";
  if (!item) {
    out += "NULL";
    return;
  }
  out.push_back('"');
  for (const char c : *item) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
}

/// '{1,NULL,"a b"}' to '["1", NULL, "a b"]'; one dimension.
Result<std::string> list_of_text(Text text) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return bad("array");
  text = text.substr(1, text.size() - 2);
  std::string out = "[";
  std::size_t at = 0;
  while (at < text.size()) {
    std::string item;
    bool quoted = false;
    if (text[at] == '{')
      return fail(Code::unsupported, "Arrays of arrays are not supported as parameters.");
    if (text[at] == '"') {
      quoted = true;
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        item.push_back(text[at]);
      }
      if (at++ >= text.size()) return bad("array");
    } else {
      for (; at < text.size() && text[at] != ','; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        item.push_back(text[at]);
      }
    }
    const bool null = !quoted && (item == "NULL" || item == "null");
    append_item(out, null ? std::nullopt : std::optional(item));
    if (at < text.size() && text[at++] != ',') return bad("array");
  }
  return out + "]";
}

Result<std::string> binary_as_text(Text bytes, std::uint32_t type);

Result<std::string> list_of_binary(Text bytes, std::uint32_t element) {
  if (bytes.size() < 12) return bad("array");
  const std::int32_t dimensions = int32_of(bytes.substr(0, 4));
  if (big_endian(bytes.substr(8, 4)) != element) return bad("array");
  if (dimensions == 0) return std::string("[]");
  if (dimensions != 1) {
    return fail(Code::unsupported, "Arrays of arrays are not supported as parameters.");
  }
  if (bytes.size() < 20) return bad("array");
  const std::int32_t count = int32_of(bytes.substr(12, 4));
  bytes.remove_prefix(20);
  std::string out = "[";
  for (std::int32_t i = 0; i < count; ++i) {
    if (bytes.size() < 4) return bad("array");
    const std::int32_t size = int32_of(bytes.substr(0, 4));
    bytes.remove_prefix(4);
    if (size == -1) {
      append_item(out, std::nullopt);
      continue;
    }
    if (size < 0 || static_cast<std::size_t>(size) > bytes.size()) return bad("array");
    TRY_ASSIGN(const std::string item,
               binary_as_text(bytes.substr(0, static_cast<std::size_t>(size)), element));
    append_item(out, item);
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  if (!bytes.empty()) return bad("array");
  return out + "]";
}

std::int64_t unix_micros(std::int64_t micros) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (micros == Limits::max()) return micros;
  if (micros == Limits::min()) return -Limits::max();
  return micros > Limits::max() - epoch_micros ? Limits::max() : micros + epoch_micros;
}

std::int32_t unix_days(std::int32_t days) {
  using Limits = std::numeric_limits<std::int32_t>;
  if (days == Limits::max()) return days;
  if (days == Limits::min()) return -Limits::max();
  return days > Limits::max() - epoch_days ? Limits::max() : days + epoch_days;
}

/// Bytes that the fixed-size types must have.
bool fits(Text bytes, std::uint32_t type) {
  const PgType known = [&] {
    for (const auto& [id, size] : {std::pair{oid::boolean, 1},
                                   {oid::int2, 2},
                                   {oid::int4, 4},
                                   {oid::oid, 4},
                                   {oid::int8, 8},
                                   {oid::float4, 4},
                                   {oid::float8, 8},
                                   {oid::date, 4},
                                   {oid::time, 8},
                                   {oid::timestamp, 8},
                                   {oid::timestamptz, 8},
                                   {oid::interval, 16},
                                   {oid::uuid, 16}}) {
      if (id == type) return PgType{type, static_cast<std::int16_t>(size), -1};
    }
    return PgType{type, -1, -1};
  }();
  return known.size < 0 || bytes.size() == static_cast<std::size_t>(known.size);
}

Result<std::string> binary_as_text(Text bytes, std::uint32_t type) {
  if (!fits(bytes, type)) return bad(type_name(type));
  std::string out;
  switch (type) {
    case oid::boolean: return std::string(bytes[0] != 0 ? "true" : "false");
    case oid::int2: return std::to_string(static_cast<std::int16_t>(big_endian(bytes)));
    case oid::int4: return std::to_string(int32_of(bytes));
    case oid::oid:
    case oid::int8: return std::to_string(int64_of(bytes));
    case oid::float4:
      append_float(out, std::bit_cast<float>(static_cast<std::uint32_t>(big_endian(bytes))));
      return out;
    case oid::float8: append_float(out, std::bit_cast<double>(big_endian(bytes))); return out;
    case oid::numeric: return numeric_text(bytes);
    case oid::date: append_date(out, unix_days(int32_of(bytes))); return out;
    case oid::time: append_time(out, int64_of(bytes)); return out;
    case oid::timestamp:
    case oid::timestamptz:
      append_timestamp(out, unix_micros(int64_of(bytes)), type == oid::timestamptz);
      return out;
    case oid::interval:
      append_interval(out, {int32_of(bytes.substr(12)), int32_of(bytes.substr(8, 4)),
                            int64_of(bytes.substr(0, 8))});
      return out;
    case oid::uuid: append_uuid(out, bytes); return out;
    case oid::jsonb:
      if (bytes.empty() || bytes[0] != 1) return bad("jsonb");
      return std::string(bytes.substr(1));
    default: return std::string(bytes);
  }
}

Result<lake::Value> whole_number(Text text, std::uint32_t type) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return bad(type_name(type));
  return value;
}

Result<Parameter> read_text(Text text, std::uint32_t type) {
  switch (type) {
    case oid::boolean: {
      const auto flag = boolean(text);
      if (!flag) return bad("boolean");
      return Parameter{*flag, {}};
    }
    case oid::int2:
    case oid::int4:
    case oid::int8:
    case oid::oid: {
      TRY_ASSIGN(lake::Value value, whole_number(text, type));
      return Parameter{std::move(value), {}};
    }
    case oid::bytea: {
      TRY_ASSIGN(std::string bytes, bytea(text));
      return Parameter{lake::Blob{std::move(bytes)}, {}};
    }
    case oid::numeric: return Parameter{std::string(text), numeric_cast(text)};
    default: break;
  }
  if (element_of(type) == 0) return Parameter{std::string(text), {}};
  TRY_ASSIGN(std::string list, list_of_text(text));
  return Parameter{std::move(list), {}};
}

Result<Parameter> read_binary(Text bytes, std::uint32_t type) {
  if (const std::uint32_t element = element_of(type); element != 0) {
    TRY_ASSIGN(std::string list, list_of_binary(bytes, element));
    return Parameter{std::move(list), {}};
  }
  if (type == oid::bytea) return Parameter{lake::Blob{std::string(bytes)}, {}};
  if (type == oid::float8 && bytes.size() == 8) {
    return Parameter{std::bit_cast<double>(big_endian(bytes)), {}};
  }
  TRY_ASSIGN(const std::string text, binary_as_text(bytes, type));
  return read_text(text, type);
}

}  // namespace

Result<Parameter> read_parameter(const wire::pgwire::Value& value, std::uint32_t type,
                                 bool binary) {
  if (!value) return Parameter{std::monostate(), {}};
  return binary ? read_binary(*value, type) : read_text(*value, type);
}

Result<std::string> with_casts(std::string_view sql, const std::vector<std::string>& casts) {
  if (std::all_of(casts.begin(), casts.end(), [](const auto& cast) { return cast.empty(); })) {
    return std::string(sql);
  }
  TRY_ASSIGN(const auto tokens, sql::scan(sql));
  std::string out;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Text text = tokens[i].text;
    const bool plain = tokens[i].kind != sql::TokenKind::string &&
                       tokens[i].kind != sql::TokenKind::comment &&
                       tokens[i].kind != sql::TokenKind::quoted_name;
    // "$1" is one token, or a "$" and the number behind it.
    Text number = plain && text.starts_with('$') ? text.substr(1) : Text();
    const bool parted = plain && text == "$" && i + 1 < tokens.size();
    if (parted) number = tokens[i + 1].text;
    std::size_t index = 0;
    const auto end = std::from_chars(number.data(), number.data() + number.size(), index);
    const bool parameter =
        !number.empty() && end.ec == std::errc() && end.ptr == number.data() + number.size();
    if (!parameter || index == 0 || index > casts.size() || casts[index - 1].empty()) {
      out += text;
      continue;
    }
    out += "(CAST($" + std::to_string(index) + " AS " + casts[index - 1] + "))";
    if (parted) ++i;
  }
  return out;
}

}  // namespace minato::gate
