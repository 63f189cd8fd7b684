#include "wire/mysql_rows.h"

#include <algorithm>

#include "wire/mysql_json.h"
#include "wire/mysql_row_steps.h"
#include "wire/mysql_values.h"

namespace minato::wire {
namespace {

using Read = RowDecoder::Read;
using Step = RowDecoder::Step;
using Kind = MysqlKind;

tl::unexpected<Error> malformed() {
  return fail(Code::invalid, "The source's binary log has a malformed row event.");
}

tl::unexpected<Error> mismatch(const TableSchema& schema, std::string_view column,
                               std::uint8_t type, std::uint16_t meta) {
  return fail(Code::conflict,
              "The binary log describes column " + display(schema.name) + "." +
                  std::string(column) + " differently than it is known.",
              "log type " + std::to_string(type) + " meta " + std::to_string(meta));
}

void append_text(std::string_view bytes, ColumnData& column, StringArena& arena,
                 DecodeCounts& counts) {
  if (valid_utf8(bytes)) [[likely]] {
    column.append_string(bytes, arena);
    return;
  }
  ++counts.bad_text;
  std::string valid;
  append_valid_utf8(bytes, valid);
  column.append_string(valid, arena);
}

void append_converted(std::string_view bytes, const Charset& charset, ColumnData& column,
                      StringArena& arena, DecodeCounts& counts) {
  if (charset.is_utf8()) return append_text(bytes, column, arena, counts);
  thread_local std::string text;
  text.clear();
  charset.convert(bytes, text);
  column.append_string(text, arena);
}

/// MariaDB's column compression: first byte algorithm << 4 | wrap << 3 | bytes of the length, or 0
/// for "as it is".
Status append_packed(Bytes value, const Step& step, ColumnData& column, StringArena& arena,
                     DecodeCounts& counts) {
  Bytes plain;
  std::vector<std::uint8_t> storage;
  if (!value.empty() && value[0] == 0) {
    plain = value.subspan(1);
  } else if (!value.empty()) {
    TRY(uncompress_column(value, storage));
    plain = storage;
  }
  if (step.charset == nullptr) {
    column.append_string(as_text(plain), arena);
  } else {
    append_converted(as_text(plain), *step.charset, column, arena, counts);
  }
  return {};
}

bool append_set(std::uint64_t value, const Step& step, ColumnData& column, StringArena& arena) {
  std::string text;
  for (std::size_t i = 0; i < step.values.size(); ++i) {
    if ((value >> i & 1) == 0) continue;
    if (!text.empty()) text += ',';
    text += step.values[i];
  }
  column.append_string(text, arena);
  return step.values.size() >= 64 || value >> step.values.size() == 0;
}

void append_or_null(bool valid, std::int64_t us, ColumnData& column, DecodeCounts& counts) {
  if (valid) {
    column.append(us);
  } else {
    ++counts.zero_dates;
    column.append_null();
  }
}

/// Big-endian fraction of a second after `digits` (0..6), as microseconds.
std::int64_t fraction_us(const std::uint8_t* at, unsigned digits) {
  switch ((digits + 1) / 2) {
    case 1: return at[0] * 10'000LL;
    case 2: return static_cast<std::int64_t>(load_be(at, 2)) * 100;
    case 3: return static_cast<std::int64_t>(load_be(at, 3));
    default: return 0;
  }
}

void append_date(const std::uint8_t* at, ColumnData& column, DecodeCounts& counts) {
  const auto packed = static_cast<std::uint32_t>(load_le(at, 3));
  const std::uint32_t year = packed >> 9;
  if (is_day(year, packed >> 5 & 15, packed & 31)) {
    column.append(days_from_civil(static_cast<int>(year), packed >> 5 & 15, packed & 31));
  } else {
    ++counts.zero_dates;
    column.append_null();
  }
}

bool append_civil(unsigned year, unsigned month, unsigned day, std::int64_t hours,
                  std::int64_t minutes, std::int64_t seconds, std::int64_t us, ColumnData& column,
                  DecodeCounts& counts) {
  if (hours > 23 || minutes > 59 || seconds > 59 || us >= us_per_second || year > 9999)
    return false;
  const bool valid = is_day(year, month, day);
  const std::int64_t days = valid ? days_from_civil(static_cast<int>(year), month, day) : 0;
  append_or_null(valid,
                 days * us_per_day + ((hours * 60 + minutes) * 60 + seconds) * us_per_second + us,
                 column, counts);
  return true;
}

bool append_datetime(const std::uint8_t* at, unsigned digits, ColumnData& column,
                     DecodeCounts& counts) {
  const std::uint64_t packed = load_be(at, 5) - 0x8000000000ULL;
  const auto year_month = static_cast<unsigned>(packed >> 22 & 0x1ffff);
  return append_civil(year_month / 13, year_month % 13, packed >> 17 & 31, packed >> 12 & 31,
                      packed >> 6 & 63, packed & 63, fraction_us(at + 5, digits), column, counts);
}

bool append_datetime_old(const std::uint8_t* at, ColumnData& column, DecodeCounts& counts) {
  const std::uint64_t digits = load_le(at, 8);
  const std::uint64_t date = digits / 1'000'000;
  const auto time = static_cast<std::int64_t>(digits % 1'000'000);
  if (date > 99991231) return false;
  return append_civil(static_cast<unsigned>(date / 10000), date / 100 % 100, date % 100,
                      time / 10000, time / 100 % 100, time % 100, 0, column, counts);
}

/// TIME(n): an offset binary of sign, 10 bits of hours, 6 of minutes, 6 of seconds, then the
/// fraction.
bool append_time(const std::uint8_t* at, unsigned digits, ColumnData& column) {
  const unsigned bytes = (digits + 1) / 2;
  const auto raw =
      static_cast<std::int64_t>(load_be(at, 3 + bytes)) - (std::int64_t{0x800000} << (8 * bytes));
  const std::int64_t magnitude = raw < 0 ? -raw : raw;
  const std::int64_t hms = magnitude >> (8 * bytes);
  const std::int64_t part = magnitude & ((std::int64_t{1} << (8 * bytes)) - 1);
  const std::int64_t scaled = bytes == 1 ? part * 10'000 : bytes == 2 ? part * 100 : part;
  const std::int64_t hours = hms >> 12 & 0x3ff;
  const std::int64_t minutes = hms >> 6 & 63;
  const std::int64_t seconds = hms & 63;
  if (minutes > 59 || seconds > 59 || scaled >= us_per_second) return false;
  const std::int64_t us = ((hours * 60 + minutes) * 60 + seconds) * us_per_second + scaled;
  column.append(raw < 0 ? -us : us);
  return true;
}

void append_time_old(const std::uint8_t* at, ColumnData& column) {
  auto digits = static_cast<std::int32_t>(load_le(at, 3) << 8) >> 8;
  const bool negative = digits < 0;
  if (negative) digits = -digits;
  const std::int64_t us =
      ((digits / 10000 * 60LL + digits / 100 % 100) * 60 + digits % 100) * us_per_second;
  column.append(negative ? -us : us);
}

bool append_decimal(const std::uint8_t* at, const Step& step, ColumnData& column,
                    StringArena& arena) {
  if (step.read == Read::decimal_text) {
    std::array<char, 81> digits{};
    bool negative = false;
    if (!decimal_digits(at, step.precision, step.scale, negative, digits.data())) return false;
    column.append_string(decimal_text(negative, {digits.data(), step.precision}, step.scale),
                         arena);
    return true;
  }
  Int128 value = 0;
  if (!decimal_value(at, step.precision, step.scale, value)) return false;
  if (step.read == Read::decimal16) {
    column.append(static_cast<std::int16_t>(value));
  } else if (step.read == Read::decimal32) {
    column.append(static_cast<std::int32_t>(value));
  } else if (step.read == Read::decimal64) {
    column.append(static_cast<std::int64_t>(value));
  } else {
    column.append(value);
  }
  return true;
}

/// Values of a size that the step knows; `at` has them in full.
bool append_fixed(const std::uint8_t* at, const Step& step, ColumnData& column, StringArena& arena,
                  DecodeCounts& counts) {
  switch (step.read) {
    case Read::fixed1: column.append(*at); return true;
    case Read::fixed2: column.append(load<std::uint16_t>(at)); return true;
    case Read::fixed4: column.append(load<std::uint32_t>(at)); return true;
    case Read::fixed8: column.append(load<std::uint64_t>(at)); return true;
    case Read::int24:
      column.append(static_cast<std::int32_t>(load_le(at, 3) << 8) >> 8);
      return true;
    case Read::uint24: column.append(static_cast<std::uint32_t>(load_le(at, 3))); return true;
    case Read::bit: column.append(load_be(at, step.size)); return true;
    case Read::boolean: column.append(static_cast<std::uint8_t>(*at & 1)); return true;
    case Read::year:
      column.append(static_cast<std::int16_t>(*at == 0 ? 0 : 1900 + *at));
      return true;
    case Read::date: append_date(at, column, counts); return true;
    case Read::datetime: return append_datetime(at, step.scale, column, counts);
    case Read::datetime_old: return append_datetime_old(at, column, counts);
    case Read::timestamp: {
      const auto seconds = static_cast<std::int64_t>(load_be(at, 4));
      const std::int64_t us = fraction_us(at + 4, step.scale);
      append_or_null(seconds != 0 || us != 0, seconds * us_per_second + us, column, counts);
      return us < us_per_second;
    }
    case Read::timestamp_old: {
      const auto seconds = static_cast<std::int64_t>(load_le(at, 4));
      append_or_null(seconds != 0, seconds * us_per_second, column, counts);
      return true;
    }
    case Read::time: return append_time(at, step.scale, column);
    case Read::time_old: append_time_old(at, column); return true;
    case Read::enumeration: {
      const std::uint64_t index = load_le(at, step.size);
      column.append_string(
          index == 0 || index > step.values.size() ? std::string_view() : step.values[index - 1],
          arena);
      return index <= step.values.size();
    }
    case Read::set: return append_set(load_le(at, step.size), step, column, arena);
    default: return append_decimal(at, step, column, arena);
  }
}

bool is_numeric(std::uint8_t type) {
  return (type >= type_tiny && type <= type_double) || type == type_longlong ||
         type == type_int24 || type == type_newdecimal;
}

/// binlog_row_metadata, where the source writes it: names and signedness must be what is known.
Status check_metadata(const TableMap& map, const TableSchema& schema) {
  TRY_ASSIGN(TableMetadata metadata, parse_metadata(map));
  // MariaDB counts YEAR among the numeric columns, MySQL does not.
  if (std::ranges::count(map.columns, type_year, &TableMapColumn::type) > 0) {
    metadata.is_unsigned.clear();
  }
  std::size_t numeric = 0;
  for (std::size_t i = 0; i < map.columns.size(); ++i) {
    const TableMapColumn& column = map.columns[i];
    const Column& known = schema.columns[i];
    if (!metadata.names.empty() && metadata.names[i] != known.name) {
      return mismatch(schema, known.name, column.type, column.meta);
    }
    if (!is_numeric(column.type) || numeric >= metadata.is_unsigned.size()) continue;
    const bool is_unsigned = metadata.is_unsigned[numeric++];
    const auto type = parse_source_type(known.source_type);
    const bool integer = type && type->kind <= MysqlKind::bigint;
    if (integer && type->is_unsigned != is_unsigned) {
      return mismatch(schema, known.name, column.type, column.meta);
    }
  }
  return {};
}

bool has_length(Read read) { return read >= Read::text && read <= Read::padded; }
bool is_stored(Read read) { return read >= Read::uuid; }

/// Values behind a length.
Status append_counted(Bytes value, const Step& step, ColumnData& column, StringArena& arena,
                      DecodeCounts& counts) {
  switch (step.read) {
    case Read::text: append_text(as_text(value), column, arena, counts); return {};
    case Read::text_converted:
      append_converted(as_text(value), *step.charset, column, arena, counts);
      return {};
    case Read::bytes: column.append_string(as_text(value), arena); return {};
    case Read::packed: return append_packed(value, step, column, arena, counts);
    case Read::json: {
      thread_local std::string text;
      text.clear();
      if (!append_mysql_json(value, text)) return malformed();
      append_text(text, column, arena, counts);
      return {};
    }
    case Read::padded: {
      // The log leaves out the zero bytes at the end of BINARY(n).
      if (value.size() > step.length) return malformed();
      std::string padded(as_text(value));
      padded.resize(step.length, '\0');
      column.append_string(padded, arena);
      return {};
    }
    default: {
      const std::size_t size = step.read == Read::inet4 ? 4 : 16;
      if (value.size() > size) return malformed();
      std::string bytes(as_text(value));
      bytes.resize(size, '\0');
      column.append_string(step.read == Read::uuid    ? uuid_text(bytes)
                           : step.read == Read::inet4 ? inet4_text(bytes)
                                                      : inet6_text(bytes),
                           arena);
      return {};
    }
  }
}

}  // namespace

Result<RowDecoder> RowDecoder::compile(const TableMap& map, const TableSchema& schema) {
  if (map.columns.size() != schema.columns.size()) {
    return fail(Code::conflict, "The binary log describes " + std::to_string(map.columns.size()) +
                                    " columns of " + display(schema.name) + ", but " +
                                    std::to_string(schema.columns.size()) + " are known.");
  }
  if (map.columns.empty()) return malformed();
  TRY(check_metadata(map, schema));
  RowDecoder decoder;
  for (std::size_t i = 0; i < map.columns.size(); ++i) {
    const Column& column = schema.columns[i];
    TRY_ASSIGN(const MysqlType type, parse_source_type(column.source_type));
    const Charset* charset = nullptr;
    if (has_charset(type.kind) || type.kind == Kind::json) {
      TRY_ASSIGN(charset, Charset::find(type.charset.empty() ? "utf8mb4" : type.charset));
    }
    if (lake_type(type) != column.type) {
      return mismatch(schema, column.name, map.columns[i].type, map.columns[i].meta);
    }
    auto step = make_step(type, map.columns[i], charset);
    if (!step) return mismatch(schema, column.name, map.columns[i].type, map.columns[i].meta);
    decoder.steps_.push_back(std::move(*step));
  }
  return decoder;
}

Status RowDecoder::decode_image(ByteReader& in, TableChanges& into, DecodeCounts& counts) const {
  const Bytes nulls = in.take((steps_.size() + 7) / 8);
  if (!in.ok()) return malformed();
  StringArena& arena = *into.rows.arena;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    ColumnData& column = into.rows.columns[i];
    if ((nulls[i / 8] >> (i % 8) & 1) != 0) {
      column.append_null();
      continue;
    }
    if (has_length(step.read) || is_stored(step.read)) {
      const Bytes value = in.take(in.le(step.size));
      if (!in.ok()) return malformed();
      if (step.read == Read::text) {
        append_text(as_text(value), column, arena, counts);
      } else {
        TRY(append_counted(value, step, column, arena, counts));
      }
      continue;
    }
    const Bytes value = in.take(step.size);
    if (!in.ok() || !append_fixed(value.data(), step, column, arena, counts)) return malformed();
  }
  return {};
}

Result<std::uint64_t> RowDecoder::decode(const RowsEvent& event, TableChanges& into,
                                         DecodeCounts& counts) const {
  CHECK(into.rows.columns.size() == steps_.size());
  if (event.width != steps_.size()) return malformed();
  if (!event.full_image) {
    return fail(Code::invalid,
                "The source writes partial rows into its binary log. Set "
                "binlog_row_image=FULL there (and in sessions that changed it), "
                "then let Minato read the table anew.");
  }
  ByteReader in(event.rows);
  std::uint64_t changes = 0;
  while (!in.empty()) {
    switch (event.kind) {
      case RowsEvent::Kind::insert: into.ops.push_back(Op::insert); break;
      case RowsEvent::Kind::remove: into.ops.push_back(Op::remove); break;
      case RowsEvent::Kind::update:
        into.ops.push_back(Op::update_before);
        TRY(decode_image(in, into, counts));
        into.ops.push_back(Op::update_after);
        break;
    }
    TRY(decode_image(in, into, counts));
    ++changes;
  }
  return changes;
}

}  // namespace minato::wire
