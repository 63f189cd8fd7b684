#include "gate/value_text.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <type_traits>
#include <vector>

#include "wire/pgwire.h"

namespace minato::gate {
namespace {

constexpr std::int64_t kDay = 86'400'000'000;

/// `width` digits with leading zeros; more when the value needs them.
void append_padded(std::string& out, std::uint64_t value, std::size_t width) {
  char buffer[20];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  const auto size = static_cast<std::size_t>(end - buffer);
  if (size < width) out.append(width - size, '0');
  out.append(buffer, size);
}

/// ".25": microseconds without trailing zeros; nothing for none.
void append_fraction(std::string& out, std::uint64_t micros) {
  if (micros == 0) return;
  out.push_back('.');
  append_padded(out, micros, 6);
  while (out.back() == '0') out.pop_back();
}

void append_clock(std::string& out, std::uint64_t micros) {
  append_padded(out, micros / 3'600'000'000, 2);
  out.push_back(':');
  append_padded(out, micros / 60'000'000 % 60, 2);
  out.push_back(':');
  append_padded(out, micros / 1'000'000 % 60, 2);
  append_fraction(out, micros % 1'000'000);
}

/// Year, month, day of days since 1970 (proleptic Gregorian), without the era; returns whether it
/// is before Christ.
bool append_civil(std::string& out, std::int64_t days) {
  const std::int64_t z = days + 719468;
  const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const auto of_era = static_cast<std::uint64_t>(z - era * 146097);
  const std::uint64_t year_of_era =
      (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const std::uint64_t day_of_year =
      of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::uint64_t shifted = (5 * day_of_year + 2) / 153;
  const std::uint64_t day = day_of_year - (153 * shifted + 2) / 5 + 1;
  const std::uint64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  const std::int64_t year =
      static_cast<std::int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0);
  append_padded(out, static_cast<std::uint64_t>(year > 0 ? year : 1 - year), 4);
  out.push_back('-');
  append_padded(out, month, 2);
  out.push_back('-');
  append_padded(out, day, 2);
  return year <= 0;
}

/// The number behind the 'e' at `e`.
int exponent_after(std::string_view text, std::size_t e) {
  std::string_view power = text.substr(e + 1);
  if (power.front() == '+') power.remove_prefix(1);
  int exponent = 0;
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  return exponent;
}

std::uint64_t odd_part(std::uint64_t number) { return number >> std::countr_zero(number); }

/// Whether `middle` = `digits` · 10^`exponent` exactly, for numbers that differ by less than a
/// factor of two: then only the odd parts can tell, digits · 5^exponent against the mantissa.
bool is_decimal(long double middle, std::uint64_t digits, int exponent) {
  constexpr int kMost = 27;  // 5^27 < 2^63; a larger power is no part of such a mantissa
  if (!std::isfinite(middle) || digits == 0 || std::abs(exponent) > kMost) return false;
  int unused = 0;
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::frexp(middle, &unused), 64));
  unsigned __int128 power = 1;
  for (int i = std::abs(exponent); i > 0; --i) power *= 5;
  return exponent >= 0 ? odd_part(digits) * power == odd_part(mantissa)
                       : odd_part(digits) == odd_part(mantissa) * power;
}

/// True when these digits (d[.d…]e±x) stand exactly between `value` and a neighbour: they read back
/// only by rounding to even, and PostgreSQL (f2s.c, d2s.c: acceptBounds false) prints one digit
/// more.
template <class Float>
bool on_edge(Float value, std::string_view text) {
  const std::size_t e = text.find('e');
  std::uint64_t digits = 0;
  for (const char c : text.substr(0, e)) {
    if (c != '.') digits = digits * 10 + static_cast<std::uint64_t>(c - '0');
  }
  int exponent = exponent_after(text, e);
  if (e > 2) exponent -= static_cast<int>(e) - 2;
  const long double exact = value;
  const long double below = std::nextafter(value, Float{0});
  const long double above = std::nextafter(value, std::numeric_limits<Float>::infinity());
  return is_decimal((exact + below) / 2, digits, exponent) ||
         is_decimal((exact + above) / 2, digits, exponent);
}

/// Shortest digits that read back the same, laid out as PostgreSQL does (d2s.c, f2s.c): plain
/// between 1e-4 and 10^`plain_max`, else with an exponent of at least two digits.
template <class Float>
void append_shortest(std::string& out, Float value, int plain_max) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::signbit(value)) out.push_back('-');
  value = std::abs(value);
  if (std::isinf(value)) {
    out += "Infinity";
    return;
  }
  if (value == 0) {
    out.push_back('0');
    return;
  }
  char buffer[40];
  char* end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  for (int precision = 1; precision <= 17 && on_edge(value, {buffer, end}); ++precision) {
    if (precision <= std::find(buffer, end, 'e') - buffer - 2) continue;
    end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific,
                        precision)
              .ptr;
  }
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = text.find('e');
  const int exponent = exponent_after(text, e);
  std::string digits(1, text[0]);
  if (e > 2) digits.append(text.substr(2, e - 2));
  if (exponent < -4 || exponent >= plain_max) {
    out.push_back(digits[0]);
    if (digits.size() > 1) out.append(".").append(digits, 1);
    out.append(exponent < 0 ? "e-" : "e+");
    append_padded(out, static_cast<std::uint64_t>(std::abs(exponent)), 2);
    return;
  }
  if (exponent < 0) {
    out.append("0.").append(static_cast<std::size_t>(-exponent - 1), '0').append(digits);
    return;
  }
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) {
    out.append(digits).append(whole - digits.size(), '0');
  } else {
    out.append(digits, 0, whole).append(".").append(digits, whole);
  }
}

void append_part(std::string& out, std::int64_t value, std::string_view unit, bool& first,
                 bool& before) {
  if (value == 0) return;
  if (!first) out.push_back(' ');
  if (before && value > 0) out.push_back('+');
  append_integer(out, value);
  out.push_back(' ');
  out.append(unit);
  if (value != 1) out.push_back('s');
  before = value < 0;
  first = false;
}

}  // namespace

void append_integer(std::string& out, std::int64_t value) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

void append_float(std::string& out, double value) { append_shortest(out, value, 15); }
void append_float(std::string& out, float value) { append_shortest(out, value, 6); }

std::string digits_of(unsigned __int128 value) {
  std::string digits;
  do {
    digits.push_back(static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

void append_unsigned(std::string& out, unsigned __int128 value) { out += digits_of(value); }

void append_decimal(std::string& out, lake::Int128 value, int scale) {
  if (value < 0) out.push_back('-');
  const auto magnitude = static_cast<unsigned __int128>(value);
  std::string digits = digits_of(value < 0 ? -magnitude : magnitude);
  const auto fraction = static_cast<std::size_t>(scale);
  if (digits.size() <= fraction) digits.insert(0, fraction + 1 - digits.size(), '0');
  out.append(digits, 0, digits.size() - fraction);
  if (fraction != 0) out.append(".").append(digits, digits.size() - fraction);
}

void append_date(std::string& out, std::int32_t days) {
  if (days == std::numeric_limits<std::int32_t>::max()) {
    out += "infinity";
  } else if (days == -std::numeric_limits<std::int32_t>::max()) {
    out += "-infinity";
  } else if (append_civil(out, days)) {
    out += " BC";
  }
}

void append_time(std::string& out, std::int64_t micros) {
  append_clock(out, static_cast<std::uint64_t>(micros));
}

void append_timestamp(std::string& out, std::int64_t micros, bool with_zone) {
  if (micros == std::numeric_limits<std::int64_t>::max()) {
    out += "infinity";
    return;
  }
  if (micros == -std::numeric_limits<std::int64_t>::max()) {
    out += "-infinity";
    return;
  }
  std::int64_t day = micros / kDay;
  std::int64_t rest = micros % kDay;
  if (rest < 0) {
    rest += kDay;
    --day;
  }
  const bool before_christ = append_civil(out, day);
  out.push_back(' ');
  append_clock(out, static_cast<std::uint64_t>(rest));
  if (with_zone) out += "+00";
  if (before_christ) out += " BC";
}

void append_interval(std::string& out, const lake::Interval& interval) {
  bool first = true;
  bool before = false;
  append_part(out, interval.months / 12, "year", first, before);
  append_part(out, interval.months % 12, "mon", first, before);
  append_part(out, interval.days, "day", first, before);
  if (!first && interval.micros == 0) return;
  if (!first) out.push_back(' ');
  if (interval.micros < 0) {
    out.push_back('-');
  } else if (before) {
    out.push_back('+');
  }
  const auto magnitude = static_cast<std::uint64_t>(interval.micros);
  append_clock(out, interval.micros < 0 ? -magnitude : magnitude);
}

void append_bytea(std::string& out, std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += "\\x";
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
}

void append_uuid(std::string& out, std::string_view bytes) {
  std::string hex;
  append_bytea(hex, bytes);
  hex.erase(0, 2);
  for (const std::size_t at : {8, 13, 18, 23}) hex.insert(at, 1, '-');
  out += hex;
}

void append_zone(std::string& out, int seconds_east) {
  out.push_back(seconds_east < 0 ? '-' : '+');
  const auto seconds = static_cast<std::uint64_t>(std::abs(seconds_east));
  append_padded(out, seconds / 3600, 2);
  if (seconds % 3600 == 0) return;
  out.push_back(':');
  append_padded(out, seconds / 60 % 60, 2);
  if (seconds % 60 == 0) return;
  out.push_back(':');
  append_padded(out, seconds % 60, 2);
}

void append_numeric_binary(std::string& out, bool negative, const std::string& digits, int scale) {
  // Groups of four decimal digits, aligned at the point; leading and trailing groups of zeros are
  // left out.
  const auto fraction = static_cast<std::size_t>(scale);
  const std::size_t whole = digits.size() > fraction ? digits.size() - fraction : 0;
  std::string aligned((4 - whole % 4) % 4, '0');
  if (digits.size() < fraction) {
    aligned.append(fraction - digits.size(), '0');
  }
  aligned += digits;
  aligned.append((4 - aligned.size() % 4) % 4, '0');
  std::vector<std::uint16_t> groups;
  for (std::size_t at = 0; at < aligned.size(); at += 4) {
    groups.push_back(static_cast<std::uint16_t>(std::atoi(aligned.substr(at, 4).c_str())));
  }
  int weight = static_cast<int>((whole + 3) / 4) - 1;
  std::size_t begin = 0;
  while (begin < groups.size() && groups[begin] == 0) {
    ++begin;
    --weight;
  }
  while (groups.size() > begin && groups.back() == 0) groups.pop_back();
  const bool zero = begin == groups.size();
  using namespace wire::pgwire;
  put16(out, static_cast<std::uint16_t>(groups.size() - begin));
  put16(out, static_cast<std::uint16_t>(zero ? 0 : weight));
  put16(out, negative && !zero ? 0x4000 : 0);
  put16(out, static_cast<std::uint16_t>(scale));
  for (std::size_t i = begin; i < groups.size(); ++i) put16(out, groups[i]);
}

}  // namespace minato::gate
