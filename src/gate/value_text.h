// Single values as PostgreSQL prints them (DateStyle ISO, IntervalStyle postgres, shortest floats)
// and its binary numeric. Pure; everything is appended to `out`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lake/engine.h"

namespace minato::gate {

/// Distance of PostgreSQL's epoch, 2000-01-01, from 1970-01-01.
inline constexpr std::int32_t epoch_days = 10957;
inline constexpr std::int64_t epoch_micros = 946'684'800'000'000;

void append_integer(std::string& out, std::int64_t value);
void append_float(std::string& out, double value);
void append_float(std::string& out, float value);
/// Decimal digits of |value|, without sign.
std::string digits_of(unsigned __int128 value);
/// value × 10^-scale
void append_decimal(std::string& out, lake::Int128 value, int scale);
void append_unsigned(std::string& out, unsigned __int128 value);
void append_date(std::string& out, std::int32_t days);
void append_time(std::string& out, std::int64_t micros);
void append_timestamp(std::string& out, std::int64_t micros, bool with_zone);
void append_interval(std::string& out, const lake::Interval& interval);
void append_bytea(std::string& out, std::string_view bytes);
/// 16 bytes, most significant first.
void append_uuid(std::string& out, std::string_view bytes);
/// "+09" or "-03:30"
void append_zone(std::string& out, int seconds_east);

/// numeric's binary form of digits × 10^-scale.
void append_numeric_binary(std::string& out, bool negative, const std::string& digits, int scale);

}  // namespace minato::gate
