#include "wire/mysql_initial.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include <cctz/time_zone.h>

#include "model/time.h"
#include "wire/mysql_charset.h"
#include "wire/mysql_values.h"

namespace minato::wire {
namespace {

using Kind = MysqlKind;
using Maybe = std::optional<InitialValue>;

const InitialValue null_value{};

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

int number(std::string_view digits) {
  int value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

/// Of a literal without fraction or one of zeros only: nothing is rounded.
std::optional<Int128> whole(std::string_view text) {
  Int128 value = 0;
  const auto point = text.find('.');
  const std::string_view fraction = point == std::string_view::npos ? "" : text.substr(point + 1);
  if (fraction.find_first_not_of('0') != std::string_view::npos) return std::nullopt;
  const std::string_view integral = text.substr(0, point);
  if (integral.find_first_of("0123456789") == std::string_view::npos) return std::nullopt;
  if (!parse_decimal(integral, 38, 0, value)) return std::nullopt;
  return value;
}

struct Range {
  Int128 min;
  Int128 max;
};

Range range(const MysqlType& type) {
  static constexpr std::array<unsigned, 5> bits{8, 16, 24, 32, 64};  // tinyint … bigint
  const Int128 values = Int128{1} << bits.at(static_cast<std::size_t>(type.kind));
  if (type.is_unsigned) return {0, values - 1};
  return {-values / 2, values / 2 - 1};
}

Maybe integer(Int128 value, const Range& allowed) {
  if (value < allowed.min || value > allowed.max) return std::nullopt;
  const bool negative = value < 0;
  std::string digits;
  for (Int128 rest = negative ? -value : value; rest > 0; rest /= 10) {
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
  }
  std::ranges::reverse(digits);
  return InitialValue{(negative ? "-" : "") + (digits.empty() ? "0" : digits)};
}

constexpr const char* clock_form = "%Y-%m-%d %H:%M:%S";

/// YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, from the year 1000 on, exactly as it would be printed.
std::optional<cctz::civil_second> wall_clock(const std::string& text) {
  const std::string full = text.size() == 10 ? text + " 00:00:00" : text;
  const cctz::time_zone utc = cctz::utc_time_zone();
  cctz::time_point<cctz::seconds> time;
  if (full.size() != 19 || !cctz::parse(clock_form, full, utc, &time) ||
      cctz::format(clock_form, time, utc) != full) {
    return std::nullopt;
  }
  return cctz::convert(time, utc);
}

/// nullopt: unknown. "SYSTEM" is: the log does not tell which that is.
std::optional<cctz::time_zone> zone_of(std::string_view name) {
  if (name.size() == 6 && (name[0] == '+' || name[0] == '-') && name[3] == ':' &&
      all_digits(name.substr(1, 2)) && all_digits(name.substr(4, 2))) {
    const int minutes = number(name.substr(1, 2)) * 60 + number(name.substr(4, 2));
    return cctz::fixed_time_zone(std::chrono::minutes(name[0] == '-' ? -minutes : minutes));
  }
  const bool plain = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == '_';
  });
  // The zones of "right/" count leap seconds.
  const bool known = plain && !name.empty() && name != "SYSTEM" && !name.starts_with("right/");
  cctz::time_zone zone;
  if (!known || !cctz::load_time_zone(std::string(name), &zone)) return std::nullopt;
  return zone;
}

/// Dates of zeros are NULL in the lake. A TIMESTAMP is an instant: not certain where clocks are set
/// back or forward.
Maybe moment(Kind kind, const std::string& text, std::string_view time_zone) {
  if (text == "0000-00-00" || (kind != Kind::date && text == "0000-00-00 00:00:00")) {
    return null_value;
  }
  const auto wall = wall_clock(text);
  if (!wall || (kind == Kind::date && text.size() != 10)) return std::nullopt;
  if (kind != Kind::timestamp) return InitialValue{text};
  const auto zone = zone_of(time_zone);
  if (!zone) return std::nullopt;
  const auto found = zone->lookup(*wall);
  if (found.kind != cctz::time_zone::civil_lookup::UNIQUE) return std::nullopt;
  return InitialValue{rfc3339(found.pre)};
}

/// With fractions, the statement's seconds are not all.
Maybe of_now(const MysqlType& type, const StatementTime& statement) {
  if (type.fraction > 0 || statement.seconds == 0) return std::nullopt;
  const cctz::time_point<cctz::seconds> now{cctz::seconds(statement.seconds)};
  if (type.kind == Kind::timestamp) return InitialValue{rfc3339(now)};
  const auto zone = zone_of(statement.time_zone);
  if (type.kind != Kind::datetime || !zone) return std::nullopt;
  return InitialValue{cctz::format(clock_form, now, *zone)};
}

Maybe text_value(const MysqlType& type, const std::string& text) {
  if (!valid_utf8(text) || text.find('\0') != std::string::npos || text.ends_with(' ') ||
      !holds(type.charset, text)) {
    return std::nullopt;
  }
  const auto characters = std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
  // TEXT(n) is of unknown length; the smallest has 255 bytes.
  const bool fits = type.kind == Kind::text ? text.size() <= 255 : characters <= type.length;
  return fits ? Maybe(InitialValue{text}) : std::nullopt;
}

Maybe member(const MysqlType& type, const std::string& text) {
  if (type.kind == Kind::set && text.empty()) return InitialValue{""};
  if (std::ranges::find(type.values, text) == type.values.end()) return std::nullopt;
  return InitialValue{text};
}

/// As large as every value between is a FLOAT, also one of FLOAT(7,2).
constexpr Range exact_floats{-(1 << 20), 1 << 20};

Maybe of_constant(const MysqlType& type, const DefaultConstant& constant,
                  std::string_view time_zone) {
  const std::string& text = constant.text;
  switch (type.kind) {
    case Kind::tinyint:
    case Kind::smallint:
    case Kind::mediumint:
    case Kind::integer:
    case Kind::bigint: {
      const auto value = whole(text);
      return value ? integer(*value, range(type)) : std::nullopt;
    }
    case Kind::float32:
    case Kind::float64: {
      const auto value = whole(text);
      if (!value || (*value < 0 && type.is_unsigned)) return std::nullopt;
      return integer(*value, exact_floats);
    }
    case Kind::decimal: {
      Int128 value = 0;
      if (type.precision > 38 || text.find_first_of("0123456789") == std::string::npos ||
          !parse_decimal(text, type.precision, type.scale, value) ||
          (value < 0 && type.is_unsigned)) {
        return std::nullopt;
      }
      return InitialValue{text};
    }
    case Kind::bit: {
      if (type.length != 1 || constant.quoted || (text != "0" && text != "1")) return std::nullopt;
      return InitialValue{text == "1" ? "true" : "false"};
    }
    case Kind::year: {
      const bool plain = text.size() == 4 && all_digits(text) && text >= "1901" && text <= "2155";
      return plain ? Maybe(InitialValue{text}) : std::nullopt;
    }
    case Kind::date:
    case Kind::datetime:
    case Kind::timestamp:
      return constant.quoted ? moment(type.kind, text, time_zone) : std::nullopt;
    case Kind::character:
    case Kind::varchar:
    case Kind::text: return constant.quoted ? text_value(type, text) : std::nullopt;
    case Kind::enumeration:
    case Kind::set: return constant.quoted ? member(type, text) : std::nullopt;
    default: return std::nullopt;
  }
}

/// Of a column that is NOT NULL and has no default ("implicit default" in the manuals).
Maybe of_not_null(const MysqlType& type) {
  switch (type.kind) {
    case Kind::tinyint:
    case Kind::smallint:
    case Kind::mediumint:
    case Kind::integer:
    case Kind::bigint:
    case Kind::float32:
    case Kind::float64: return InitialValue{"0"};
    case Kind::decimal: return type.precision > 38 ? std::nullopt : Maybe(InitialValue{"0"});
    case Kind::bit: return type.length == 1 ? Maybe(InitialValue{"false"}) : std::nullopt;
    case Kind::date:
    case Kind::datetime: return null_value;
    case Kind::character:
    case Kind::varchar:
    case Kind::text:
    case Kind::set: return InitialValue{""};
    case Kind::enumeration: return InitialValue{type.values.at(0)};
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<InitialValue> initial_value(const ColumnDefinition& column,
                                          const StatementTime& statement) {
  if (column.computed || column.primary_key) return std::nullopt;
  if (column.now) return of_now(column.type, statement);
  if (column.constant) return of_constant(column.type, *column.constant, statement.time_zone);
  if (column.not_null) return of_not_null(column.type);
  // A TIMESTAMP may be NOT NULL DEFAULT now() without saying so.
  if (column.type.kind == Kind::timestamp && !column.explicit_null) return std::nullopt;
  return null_value;
}

}  // namespace minato::wire
