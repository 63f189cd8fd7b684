// Single values of MySQL in the lake's terms: dates, times, decimals. Used by the binary log's
// decoder and by the result sets', so that a row is the same whichever way it came.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace minato::wire {

using Int128 = __int128;

inline constexpr std::int64_t us_per_second = 1'000'000;
inline constexpr std::int64_t us_per_day = 86'400 * us_per_second;

/// Days since 1970-01-01 (proleptic Gregorian).
constexpr std::int32_t days_from_civil(int year, unsigned month, unsigned day) {
  year -= month <= 2 ? 1 : 0;
  const int era = (year >= 0 ? year : year - 399) / 400;
  const auto year_of_era = static_cast<unsigned>(year - era * 400);
  const unsigned day_of_year = (153 * (month + (month > 2 ? -3U : 9U)) + 2) / 5 + day - 1;
  const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + static_cast<std::int32_t>(day_of_era) - 719468;
}

/// False for what is no day: '0000-00-00', '2024-00-10', '2024-02-31' (the source may hold them;
/// the lake cannot).
constexpr bool is_day(unsigned year, unsigned month, unsigned day) {
  if (month < 1 || month > 12 || day < 1 || day > 31) return false;
  if (day <= 28) return true;
  if (month == 2) return day == 29 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0);
  const bool thirty = month == 4 || month == 6 || month == 9 || month == 11;
  return day <= (thirty ? 30U : 31U);
}

/// 10^n for n in 0..38.
constexpr std::array<Int128, 39> powers_of_ten() {
  std::array<Int128, 39> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}
inline constexpr std::array<Int128, 39> power10 = powers_of_ten();

/// A DECIMAL as the binary log stores it: big-endian groups of nine digits, sign in the first bit.
/// `digits` receives exactly precision - scale + scale digits ('0'..'9'); false when a group is out
/// of range.
bool decimal_digits(const std::uint8_t* at, unsigned precision, unsigned scale, bool& negative,
                    char* digits);
/// The same as a number; precision ≤ 38. False when it is malformed.
bool decimal_value(const std::uint8_t* at, unsigned precision, unsigned scale, Int128& value);
unsigned decimal_size(unsigned precision, unsigned scale);
/// As the server prints it: no leading zeros, `scale` digits after the point.
std::string decimal_text(bool negative, std::string_view digits, unsigned scale);
/// Text such as "-12.50" as value × 10^scale; false when it does not fit or is malformed.
bool parse_decimal(std::string_view text, unsigned precision, unsigned scale, Int128& value);

/// Text of UUID, INET4 and INET6 columns from their stored bytes; empty when the size is wrong.
std::string uuid_text(std::string_view stored);
std::string inet4_text(std::string_view stored);
std::string inet6_text(std::string_view stored);

}  // namespace minato::wire
