#include "gate/values.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/check.h"
#include "gate/value_text.h"
#include "wire/pgwire.h"

namespace minato::gate {
namespace {

using lake::Int128;
using lake::TypeId;
using lake::Vector;
using wire::pgwire::put16;
using wire::pgwire::put32;
using wire::pgwire::put64;

void integer(std::string& out, std::int64_t value, int bytes, bool binary) {
  if (!binary) return append_integer(out, value);
  if (bytes == 2) return put16(out, static_cast<std::uint16_t>(value));
  if (bytes == 4) return put32(out, static_cast<std::uint32_t>(value));
  put64(out, static_cast<std::uint64_t>(value));
}

void decimal(std::string& out, Int128 value, int scale, bool binary) {
  if (!binary) return append_decimal(out, value, scale);
  const auto magnitude = static_cast<unsigned __int128>(value);
  append_numeric_binary(out, value < 0, digits_of(value < 0 ? -magnitude : magnitude), scale);
}

void unsigned_numeric(std::string& out, unsigned __int128 value, bool binary) {
  if (!binary) return append_unsigned(out, value);
  append_numeric_binary(out, false, digits_of(value), 0);
}

Int128 decimal_at(const Vector& vector, std::size_t row) {
  const int precision = vector.type().precision;
  if (precision <= 4) return vector.get<std::int16_t>(row);
  if (precision <= 9) return vector.get<std::int32_t>(row);
  if (precision <= 18) return vector.get<std::int64_t>(row);
  return vector.get<Int128>(row);
}

void date(std::string& out, std::int32_t days, bool binary) {
  if (!binary) return append_date(out, days);
  using Limits = std::numeric_limits<std::int32_t>;
  if (days == -Limits::max()) {
    days = Limits::min();
  } else if (days != Limits::max()) {
    days -= epoch_days;
  }
  put32(out, static_cast<std::uint32_t>(days));
}

void timestamp(std::string& out, std::int64_t micros, bool with_zone, bool binary) {
  if (!binary) return append_timestamp(out, micros, with_zone);
  using Limits = std::numeric_limits<std::int64_t>;
  if (micros == -Limits::max()) {
    micros = Limits::min();
  } else if (micros != Limits::max()) {
    micros -= epoch_micros;
  }
  put64(out, static_cast<std::uint64_t>(micros));
}

/// Seconds or milliseconds to microseconds; infinities stay, what overflows becomes infinite.
std::int64_t to_micros(std::int64_t value, std::int64_t factor) {
  using Limits = std::numeric_limits<std::int64_t>;
  std::int64_t micros = 0;
  if (value == Limits::max() || value == -Limits::max()) return value;
  if (__builtin_mul_overflow(value, factor, &micros))
    return value < 0 ? -Limits::max() : Limits::max();
  return micros;
}

std::int64_t nanos_to_micros(std::int64_t nanos) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (nanos == Limits::max() || nanos == -Limits::max()) return nanos;
  return nanos >= 0 ? nanos / 1000 : -((-nanos + 999) / 1000);
}

void time(std::string& out, std::int64_t micros, bool binary) {
  if (!binary) return append_time(out, micros);
  put64(out, static_cast<std::uint64_t>(micros));
}

void timetz(std::string& out, std::uint64_t bits, bool binary) {
  const auto micros = static_cast<std::int64_t>(bits >> 24);
  const int east = 57599 - static_cast<int>(bits & 0xffffff);
  if (!binary) {
    append_time(out, micros);
    return append_zone(out, east);
  }
  put64(out, static_cast<std::uint64_t>(micros));
  put32(out, static_cast<std::uint32_t>(-east));
}

void interval(std::string& out, const lake::Interval& value, bool binary) {
  if (!binary) return append_interval(out, value);
  put64(out, static_cast<std::uint64_t>(value.micros));
  put32(out, static_cast<std::uint32_t>(value.days));
  put32(out, static_cast<std::uint32_t>(value.months));
}

void uuid(std::string& out, Int128 value, bool binary) {
  auto bits = static_cast<unsigned __int128>(value) ^ (static_cast<unsigned __int128>(1) << 127);
  std::string bytes;
  put64(bytes, static_cast<std::uint64_t>(bits >> 64));
  put64(bytes, static_cast<std::uint64_t>(bits));
  if (binary) {
    out += bytes;
  } else {
    append_uuid(out, bytes);
  }
}

const std::string& enumerated(const Vector& vector, std::size_t row) {
  const auto& names = vector.type().names;
  if (names.size() <= 0xff) return names.at(vector.get<std::uint8_t>(row));
  if (names.size() <= 0xffff) return names.at(vector.get<std::uint16_t>(row));
  return names.at(vector.get<std::uint32_t>(row));
}

struct Items {
  Vector items;
  std::size_t begin;
  std::size_t count;
};
Items items_of(const Vector& vector, std::size_t row) {
  if (vector.type().id == TypeId::array) {
    const auto count = static_cast<std::size_t>(vector.type().array_size);
    return {vector.child(0), row * count, count};
  }
  const auto entry = vector.get<lake::ListEntry>(row);
  return {vector.child(0), static_cast<std::size_t>(entry.offset),
          static_cast<std::size_t>(entry.length)};
}

bool needs_quotes(std::string_view item) {
  if (item.empty()) return true;
  if (item.size() == 4 && (item[0] | 32) == 'n' && (item[1] | 32) == 'u' && (item[2] | 32) == 'l' &&
      (item[3] | 32) == 'l') {
    return true;
  }
  return item.find_first_of(std::string_view("{}\",\\ \t\n\r\v\f")) != std::string_view::npos;
}

void array_text(std::string& out, const Items& list) {
  out.push_back('{');
  std::string item;
  for (std::size_t i = 0; i < list.count; ++i) {
    if (i != 0) out.push_back(',');
    const std::size_t at = list.begin + i;
    if (list.items.is_null(at)) {
      out += "NULL";
      continue;
    }
    item.clear();
    append_value(item, list.items, at, false);
    if (!needs_quotes(item)) {
      out += item;
      continue;
    }
    out.push_back('"');
    for (const char c : item) {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    out.push_back('"');
  }
  out.push_back('}');
}

void array_binary(std::string& out, const Items& list) {
  bool nulls = false;
  for (std::size_t i = 0; i < list.count && !nulls; ++i) nulls = list.items.is_null(list.begin + i);
  put32(out, list.count == 0 ? 0 : 1);
  put32(out, nulls ? 1 : 0);
  put32(out, pg_type(list.items.type()).oid);
  if (list.count == 0) return;
  put32(out, static_cast<std::uint32_t>(list.count));
  put32(out, 1);
  for (std::size_t i = list.begin; i < list.begin + list.count; ++i) {
    if (list.items.is_null(i)) {
      put32(out, 0xffffffffU);
      continue;
    }
    std::string item;
    append_value(item, list.items, i, true);
    put32(out, static_cast<std::uint32_t>(item.size()));
    out += item;
  }
}

/// Lists, and all that has no counterpart in PostgreSQL.
void composite(std::string& out, const Vector& vector, std::size_t row, bool binary) {
  const TypeId id = vector.type().id;
  const bool is_array =
      (id == TypeId::list || id == TypeId::array) && pg_type(vector.type()).oid != oid::text;
  if (!is_array) {
    out += lake::to_text(vector, row).value_or("");
  } else if (binary) {
    array_binary(out, items_of(vector, row));
  } else {
    array_text(out, items_of(vector, row));
  }
}

void temporal(std::string& out, const Vector& vector, std::size_t row, bool binary) {
  switch (vector.type().id) {
    case TypeId::date: return date(out, vector.get<std::int32_t>(row), binary);
    case TypeId::time: return time(out, vector.get<std::int64_t>(row), binary);
    case TypeId::time_ns: return time(out, vector.get<std::int64_t>(row) / 1000, binary);
    case TypeId::timetz: return timetz(out, vector.get<std::uint64_t>(row), binary);
    case TypeId::timestamp_s:
      return timestamp(out, to_micros(vector.get<std::int64_t>(row), 1'000'000), false, binary);
    case TypeId::timestamp_ms:
      return timestamp(out, to_micros(vector.get<std::int64_t>(row), 1'000), false, binary);
    case TypeId::timestamp_ns:
      return timestamp(out, nanos_to_micros(vector.get<std::int64_t>(row)), false, binary);
    case TypeId::timestamp: return timestamp(out, vector.get<std::int64_t>(row), false, binary);
    case TypeId::timestamptz: return timestamp(out, vector.get<std::int64_t>(row), true, binary);
    case TypeId::interval: return interval(out, vector.get<lake::Interval>(row), binary);
    default: CHECK(false && "not a type of time");
  }
}

void wide_number(std::string& out, const Vector& vector, std::size_t row, bool binary) {
  switch (vector.type().id) {
    case TypeId::uint64: return unsigned_numeric(out, vector.get<std::uint64_t>(row), binary);
    case TypeId::int128: return decimal(out, vector.get<Int128>(row), 0, binary);
    case TypeId::uint128:
      return unsigned_numeric(out, static_cast<unsigned __int128>(vector.get<Int128>(row)), binary);
    default: return decimal(out, decimal_at(vector, row), vector.type().scale, binary);
  }
}

}  // namespace

void append_value(std::string& out, const Vector& vector, std::size_t row, bool binary) {
  switch (vector.type().id) {
    case TypeId::boolean: {
      const bool value = vector.get<std::uint8_t>(row) != 0;
      out.push_back(binary ? static_cast<char>(value) : (value ? 't' : 'f'));
      return;
    }
    case TypeId::int8: return integer(out, vector.get<std::int8_t>(row), 2, binary);
    case TypeId::uint8: return integer(out, vector.get<std::uint8_t>(row), 2, binary);
    case TypeId::int16: return integer(out, vector.get<std::int16_t>(row), 2, binary);
    case TypeId::uint16: return integer(out, vector.get<std::uint16_t>(row), 4, binary);
    case TypeId::int32: return integer(out, vector.get<std::int32_t>(row), 4, binary);
    case TypeId::uint32: return integer(out, vector.get<std::uint32_t>(row), 8, binary);
    case TypeId::int64: return integer(out, vector.get<std::int64_t>(row), 8, binary);
    case TypeId::float32:
      if (binary) return put32(out, std::bit_cast<std::uint32_t>(vector.get<float>(row)));
      return append_float(out, vector.get<float>(row));
    case TypeId::float64:
      if (binary) return put64(out, std::bit_cast<std::uint64_t>(vector.get<double>(row)));
      return append_float(out, vector.get<double>(row));
    case TypeId::varchar: out += vector.string(row); return;
    case TypeId::blob:
      if (binary) {
        out += vector.string(row);
        return;
      }
      return append_bytea(out, vector.string(row));
    case TypeId::uint64:
    case TypeId::int128:
    case TypeId::uint128:
    case TypeId::decimal: return wide_number(out, vector, row, binary);
    case TypeId::uuid: return uuid(out, vector.get<Int128>(row), binary);
    case TypeId::enumeration: out += enumerated(vector, row); return;
    case TypeId::date:
    case TypeId::time:
    case TypeId::time_ns:
    case TypeId::timetz:
    case TypeId::timestamp_s:
    case TypeId::timestamp_ms:
    case TypeId::timestamp_ns:
    case TypeId::timestamp:
    case TypeId::timestamptz:
    case TypeId::interval: return temporal(out, vector, row, binary);
    default: return composite(out, vector, row, binary);
  }
}

std::size_t append_rows(std::string& out, const lake::Chunk& chunk,
                        const std::vector<std::int16_t>& formats, std::size_t begin,
                        std::size_t end, std::size_t bytes_max) {
  const std::size_t columns = chunk.columns();
  std::vector<Vector> vectors;
  vectors.reserve(columns);
  for (std::size_t i = 0; i < columns; ++i) vectors.push_back(chunk.column(i));
  wire::pgwire::RowWriter writer(out);
  std::size_t row = begin;
  for (; row < end && out.size() < bytes_max; ++row) {
    writer.begin(columns);
    for (std::size_t i = 0; i < columns; ++i) {
      if (vectors[i].is_null(row)) {
        writer.null();
        continue;
      }
      writer.open();
      append_value(out, vectors[i], row, wire::pgwire::format_of(formats, i) == 1);
      writer.close();
    }
    writer.end();
  }
  return row;
}

}  // namespace minato::gate
