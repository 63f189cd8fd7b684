// Chunks and vectors in place, and their values as text.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "lake/engine_impl.h"

namespace minato::lake {
namespace {

__extension__ typedef unsigned __int128 UInt128;

std::string digits(UInt128 value) {
  char buffer[40];
  char* end = buffer + sizeof buffer;
  char* at = end;
  do {
    *--at = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  return {at, end};
}

std::string signed_digits(Int128 value) {
  return value < 0 ? "-" + digits(-static_cast<UInt128>(value))
                   : digits(static_cast<UInt128>(value));
}

std::string padded(std::int64_t value, std::size_t size) {
  std::string text = std::to_string(value);
  return text.size() < size ? std::string(size - text.size(), '0') + text : text;
}

Int128 decimal_value(const Vector& vector, std::size_t row) {
  const std::uint8_t precision = vector.type().precision;
  if (precision <= 4) return vector.get<std::int16_t>(row);
  if (precision <= 9) return vector.get<std::int32_t>(row);
  return precision <= 18 ? Int128{vector.get<std::int64_t>(row)} : vector.get<Int128>(row);
}

std::string decimal_text(Int128 value, std::uint8_t scale) {
  std::string text = digits(value < 0 ? -static_cast<UInt128>(value) : static_cast<UInt128>(value));
  if (scale > 0) {
    if (text.size() <= scale) text.insert(0, scale + 1U - text.size(), '0');
    text.insert(text.size() - scale, ".");
  }
  return value < 0 ? "-" + text : text;
}

template <class T>
std::string float_text(T value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, end.ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

/// Proleptic Gregorian calendar; years before 1 are written as (BC).
std::string date_text(std::int64_t days) {
  if (days == INT32_MAX) return "infinity";
  if (days == -INT32_MAX) return "-infinity";
  // Days since 0000-03-01 in eras of 400 years.
  const std::int64_t shifted = days + 719468;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const std::int64_t of_era = shifted - era * 146097;
  const std::int64_t year_of_era =
      (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_index = (5 * of_year + 2) / 153;
  const std::int64_t day = of_year - (153 * month_index + 2) / 5 + 1;
  const std::int64_t month = month_index < 10 ? month_index + 3 : month_index - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  const std::string text =
      padded(year > 0 ? year : 1 - year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2);
  return year > 0 ? text : text + " (BC)";
}

/// `ticks` of the day, `per_second` of them in a second.
std::string time_text(std::int64_t ticks, std::int64_t per_second) {
  const std::int64_t seconds = ticks / per_second;
  std::string text = padded(seconds / 3600, 2) + ":" + padded(seconds / 60 % 60, 2) + ":" +
                     padded(seconds % 60, 2);
  const std::int64_t rest = ticks % per_second;
  if (rest != 0) {
    std::string fraction = padded(rest, std::to_string(per_second).size() - 1);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    text += "." + fraction;
  }
  return text;
}

std::string timestamp_text(std::int64_t ticks, std::int64_t per_second) {
  if (ticks == INT64_MAX) return "infinity";
  if (ticks == -INT64_MAX) return "-infinity";
  const std::int64_t per_day = per_second * 86400;
  const std::int64_t days = ticks / per_day - (ticks % per_day < 0 ? 1 : 0);
  return date_text(days) + " " + time_text(ticks - days * per_day, per_second);
}

std::string timetz_text(std::uint64_t bits) {
  const std::int64_t offset = 57599 - static_cast<std::int64_t>(bits & 0xFFFFFF);
  const std::int64_t size = offset < 0 ? -offset : offset;
  std::string text = time_text(static_cast<std::int64_t>(bits >> 24), 1'000'000) +
                     (offset < 0 ? "-" : "+") + padded(size / 3600, 2);
  if (size % 3600 != 0) text += ":" + padded(size / 60 % 60, 2);
  if (size % 60 != 0) text += ":" + padded(size % 60, 2);
  return text;
}

std::string interval_text(Interval value) {
  std::string out;
  const auto add = [&](std::int64_t count, const char* unit) {
    if (count == 0) return;
    if (!out.empty()) out += ' ';
    out += std::to_string(count) + " " + unit + (count == 1 || count == -1 ? "" : "s");
  };
  add(value.months / 12, "year");
  add(value.months % 12, "month");
  add(value.days, "day");
  if (value.micros != 0 || out.empty()) {
    if (!out.empty()) out += ' ';
    if (value.micros < 0) out += '-';
    out += time_text(value.micros < 0 ? -value.micros : value.micros, 1'000'000);
  }
  return out;
}

std::string uuid_text(Int128 value) {
  static constexpr char kHex[] = "0123456789abcdef";
  const UInt128 bits = static_cast<UInt128>(value) ^ (UInt128{1} << 127);
  std::string out;
  for (int n = 0; n < 32; ++n) {
    if (n == 8 || n == 12 || n == 16 || n == 20) out += '-';
    out += kHex[static_cast<int>(bits >> (124 - 4 * n)) & 15];
  }
  return out;
}

std::string blob_text(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 32 && byte < 127 && c != '\\' && c != '\'' && c != '"') {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

/// First byte: unused bits at the front of the second.
std::string bit_text(std::string_view bytes) {
  std::string out;
  const auto skip = bytes.empty() ? 0U : static_cast<unsigned char>(bytes[0]);
  for (std::size_t n = 8 + skip; n < bytes.size() * 8; ++n) {
    out += (static_cast<unsigned char>(bytes[n / 8]) >> (7 - n % 8) & 1) != 0 ? '1' : '0';
  }
  return out;
}

std::uint32_t enumeration_index(const Vector& vector, std::size_t row) {
  const std::size_t values = vector.type().names.size();
  if (values <= 256) return vector.get<std::uint8_t>(row);
  return values <= 65536 ? vector.get<std::uint16_t>(row) : vector.get<std::uint32_t>(row);
}

std::string nested_text(const Vector& vector, std::size_t row);

std::string element(const Vector& vector, std::size_t row) {
  return to_text(vector, row).value_or("NULL");
}

std::string nested_text(const Vector& vector, std::size_t row) {
  const Type& type = vector.type();
  std::string out;
  const auto separate = [&] { out += out.size() > 1 ? ", " : ""; };
  if (type.id == TypeId::structure) {
    out = "{";
    for (std::size_t n = 0; n < type.children.size(); ++n) {
      separate();
      out += "'" + type.names[n] + "': " + element(vector.child(n), row);
    }
    return out + "}";
  }
  if (type.id == TypeId::union_) {
    return element(vector.child(1 + vector.child(0).get<std::uint8_t>(row)), row);
  }
  ListEntry entry{row * type.array_size, type.array_size};
  if (type.id != TypeId::array) entry = vector.get<ListEntry>(row);
  const Vector items = vector.child(0);
  out = type.id == TypeId::map ? "{" : "[";
  for (std::uint64_t n = entry.offset; n < entry.offset + entry.length; ++n) {
    separate();
    out += type.id == TypeId::map ? element(items.child(0), n) + "=" + element(items.child(1), n)
                                  : element(items, n);
  }
  return out + (type.id == TypeId::map ? "}" : "]");
}

std::string number_text(const Vector& vector, std::size_t row) {
  switch (vector.type().id) {
    case TypeId::int8: return std::to_string(vector.get<std::int8_t>(row));
    case TypeId::int16: return std::to_string(vector.get<std::int16_t>(row));
    case TypeId::int32: return std::to_string(vector.get<std::int32_t>(row));
    case TypeId::int64: return std::to_string(vector.get<std::int64_t>(row));
    case TypeId::int128: return signed_digits(vector.get<Int128>(row));
    case TypeId::uint8: return std::to_string(vector.get<std::uint8_t>(row));
    case TypeId::uint16: return std::to_string(vector.get<std::uint16_t>(row));
    case TypeId::uint32: return std::to_string(vector.get<std::uint32_t>(row));
    case TypeId::uint64: return std::to_string(vector.get<std::uint64_t>(row));
    case TypeId::uint128: return digits(vector.get<UInt128>(row));
    case TypeId::float32: return float_text(vector.get<float>(row));
    case TypeId::float64: return float_text(vector.get<double>(row));
    default: return decimal_text(decimal_value(vector, row), vector.type().scale);
  }
}

}  // namespace

Vector::Vector(const Type* type, void* handle) : type_(type), handle_(handle) {
  const auto vector = static_cast<duckdb_vector>(handle);
  data_ = static_cast<const std::byte*>(duckdb_vector_get_data(vector));
  validity_ = duckdb_vector_get_validity(vector);
}

Vector Vector::child(std::size_t index) const {
  const auto vector = static_cast<duckdb_vector>(handle_);
  CHECK(index < type_->children.size());
  const Type* type = &type_->children[index];
  switch (type_->id) {
    case TypeId::list:
    case TypeId::map: return {type, duckdb_list_vector_get_child(vector)};
    case TypeId::array: return {type, duckdb_array_vector_get_child(vector)};
    case TypeId::structure:
    case TypeId::union_: return {type, duckdb_struct_vector_get_child(vector, index)};
    default: CHECK(!"a type without children");
  }
}

std::optional<std::string> to_text(const Vector& vector, std::size_t row) {
  if (vector.is_null(row)) return std::nullopt;
  switch (vector.type().id) {
    case TypeId::boolean: return vector.get<bool>(row) ? "true" : "false";
    case TypeId::varchar: return std::string(vector.string(row));
    case TypeId::blob: return blob_text(vector.string(row));
    case TypeId::bit: return bit_text(vector.string(row));
    case TypeId::date: return date_text(vector.get<std::int32_t>(row));
    case TypeId::time: return time_text(vector.get<std::int64_t>(row), 1'000'000);
    case TypeId::time_ns: return time_text(vector.get<std::int64_t>(row), 1'000'000'000);
    case TypeId::timetz: return timetz_text(vector.get<std::uint64_t>(row));
    case TypeId::timestamp_s: return timestamp_text(vector.get<std::int64_t>(row), 1);
    case TypeId::timestamp_ms: return timestamp_text(vector.get<std::int64_t>(row), 1000);
    case TypeId::timestamp: return timestamp_text(vector.get<std::int64_t>(row), 1'000'000);
    case TypeId::timestamp_ns: return timestamp_text(vector.get<std::int64_t>(row), 1'000'000'000);
    case TypeId::timestamptz:
      return timestamp_text(vector.get<std::int64_t>(row), 1'000'000) + "+00";
    case TypeId::interval: return interval_text(vector.get<Interval>(row));
    case TypeId::uuid: return uuid_text(vector.get<Int128>(row));
    case TypeId::enumeration: return vector.type().names.at(enumeration_index(vector, row));
    case TypeId::list:
    case TypeId::array:
    case TypeId::structure:
    case TypeId::map:
    case TypeId::union_: return nested_text(vector, row);
    case TypeId::null:
    case TypeId::unknown: return std::nullopt;
    default: return number_text(vector, row);
  }
}

Chunk::~Chunk() {
  auto chunk = static_cast<duckdb_data_chunk>(handle_);
  if (chunk != nullptr) duckdb_destroy_data_chunk(&chunk);
}

std::size_t Chunk::rows() const {
  return duckdb_data_chunk_get_size(static_cast<duckdb_data_chunk>(handle_));
}

Vector Chunk::column(std::size_t index) const {
  CHECK(index < columns_->size());
  return {&(*columns_)[index].type,
          duckdb_data_chunk_get_vector(static_cast<duckdb_data_chunk>(handle_), index)};
}

}  // namespace minato::lake
