// ResultRowDecoder: rows of a result set in the binary protocol, as prepared statements send them.
// https://mariadb.com/kb/en/resultset-row/ ("Binary resultset row")
#include "wire/mysql_rows.h"
#include "wire/mysql_values.h"

namespace minato::wire {
namespace {

using Read = ResultRowDecoder::Read;

tl::unexpected<Error> malformed() {
  return fail(Code::invalid, "The source sent a row that does not fit its table's columns.");
}

/// How many bytes of a number the server sends; 0: the type is no number.
unsigned number_size(std::uint8_t type) {
  switch (type) {
    case type_tiny: return 1;
    case type_short:
    case type_year: return 2;
    case type_int24:
    case type_long:
    case type_float: return 4;
    case type_longlong:
    case type_double: return 8;
    default: return 0;
  }
}

bool is_bytes(std::uint8_t type) {
  // 249…251 are the other BLOBs, which no event of the log names.
  return type == type_varchar || type == type_vector || type == type_json || type == type_enum ||
         type == type_set || type >= 249;
}

Read number_read(unsigned size) {
  switch (size) {
    case 1: return Read::fixed1;
    case 2: return Read::fixed2;
    case 4: return Read::fixed4;
    default: return Read::fixed8;
  }
}

/// Nothing when the server announces a type that the declared one does not give.
std::optional<Read> read_of(const MysqlType& declared, ColumnType lake, std::uint8_t type) {
  const auto when = [](bool fits, Read read) { return fits ? std::optional(read) : std::nullopt; };
  if (declared.kind == MysqlKind::bit) {
    return when(type == type_bit, lake.kind == TypeKind::boolean ? Read::boolean : Read::bits);
  }
  switch (lake.kind) {
    case TypeKind::decimal: return when(type == type_newdecimal, Read::decimal);
    case TypeKind::varchar:
    case TypeKind::json: return when(is_bytes(type) || type == type_newdecimal, Read::text);
    case TypeKind::blob: return when(is_bytes(type), Read::bytes);
    case TypeKind::date: return when(type == type_date || type == type_newdate, Read::date);
    case TypeKind::timestamp: return when(type == type_datetime, Read::datetime);
    case TypeKind::timestamptz: return when(type == type_timestamp, Read::datetime);
    case TypeKind::interval_us: return when(type == type_time, Read::time);
    default: return when(number_size(type) == width(lake), number_read(width(lake)));
  }
}

bool append_decimal(std::string_view text, ColumnType type, ColumnData& column) {
  Int128 value = 0;
  if (!parse_decimal(text, type.precision, type.scale, value)) return false;
  switch (width(type)) {
    case 2: column.append(static_cast<std::int16_t>(value)); return true;
    case 4: column.append(static_cast<std::int32_t>(value)); return true;
    case 8: column.append(static_cast<std::int64_t>(value)); return true;
    default: column.append(value); return true;
  }
}

void append_text(std::string_view text, ColumnData& column, StringArena& arena,
                 DecodeCounts& counts) {
  if (valid_utf8(text)) [[likely]] {
    column.append_string(text, arena);
    return;
  }
  ++counts.bad_text;
  std::string valid;
  append_valid_utf8(text, valid);
  column.append_string(valid, arena);
}

bool append_bits(std::string_view bytes, Read read, ColumnData& column) {
  if (bytes.empty() || bytes.size() > 8) return false;
  const std::uint64_t value = load_be(as_bytes(bytes).data(), static_cast<unsigned>(bytes.size()));
  if (read == Read::boolean) {
    column.append(static_cast<std::uint8_t>(value & 1));
  } else {
    column.append(value);
  }
  return true;
}

/// hh:mm:ss, then microseconds when there are more than three bytes.
std::int64_t clock_us(const std::uint8_t* at, std::size_t size) {
  const std::int64_t seconds = (at[0] * 60LL + at[1]) * 60 + at[2];
  return seconds * us_per_second + (size > 3 ? load<std::uint32_t>(at + 3) : 0);
}

/// Year, month, day, then hours … as far as they are not zero: 0, 4, 7 or 11 bytes.
bool append_moment(Bytes bytes, Read read, ColumnData& column, DecodeCounts& counts) {
  if (!bytes.empty() && bytes.size() != 4 && bytes.size() != 7 && bytes.size() != 11) return false;
  const std::uint8_t* at = bytes.data();
  const int year = bytes.empty() ? 0 : load<std::uint16_t>(at);
  if (bytes.empty() || !is_day(static_cast<unsigned>(year), at[2], at[3])) {
    ++counts.zero_dates;
    column.append_null();
    return true;
  }
  const std::int32_t days = days_from_civil(year, at[2], at[3]);
  if (read == Read::date) {
    column.append(days);
  } else {
    const std::int64_t clock = bytes.size() > 4 ? clock_us(at + 4, bytes.size() - 4) : 0;
    column.append(days * us_per_day + clock);
  }
  return true;
}

/// Sign, days, hh:mm:ss, microseconds: 0, 8 or 12 bytes.
bool append_time(Bytes bytes, ColumnData& column) {
  constexpr std::uint32_t days_max = 34;  // 838:59:59
  if (!bytes.empty() && bytes.size() != 8 && bytes.size() != 12) return false;
  std::int64_t us = 0;
  if (!bytes.empty()) {
    const std::uint8_t* at = bytes.data();
    const auto days = load<std::uint32_t>(at + 1);
    if (days > days_max) return false;
    us = days * us_per_day + clock_us(at + 5, bytes.size() - 5);
    if (at[0] != 0) us = -us;
  }
  column.append(us);
  return true;
}

template <class T>
bool append_fixed(ByteReader& in, ColumnData& column) {
  const Bytes bytes = in.take(sizeof(T));
  if (bytes.empty()) return false;
  column.append(load<T>(bytes.data()));
  return true;
}

}  // namespace

Result<ResultRowDecoder> ResultRowDecoder::compile(const TableSchema& schema, Bytes types) {
  ResultRowDecoder decoder;
  CHECK(types.size() == schema.columns.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    const Column& column = schema.columns[i];
    TRY_ASSIGN(const MysqlType declared, parse_source_type(column.source_type));
    CHECK(lake_type(declared) == column.type);
    const auto read = read_of(declared, column.type, types[i]);
    if (!read) {
      return fail(Code::conflict, "The source sends " + display(schema.name) + "." + column.name +
                                      " (" + column.source_type + ") as type " +
                                      std::to_string(types[i]) + ".");
    }
    decoder.steps_.push_back({*read, column.type});
  }
  return decoder;
}

Status ResultRowDecoder::decode(Bytes packet, RowBatch& into, DecodeCounts& counts) const {
  ByteReader in(packet);
  // A zero byte, then a bit per column that is NULL, from the third bit on.
  const Bytes head = in.take(1 + (steps_.size() + 9) / 8);
  if (!in.ok() || head[0] != 0) return malformed();
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    ColumnData& column = into.columns[i];
    if ((head[1 + (i + 2) / 8] >> ((i + 2) & 7) & 1) != 0) {
      column.append_null();
      continue;
    }
    if (!decode_value(steps_[i], in, column, *into.arena, counts)) return malformed();
  }
  return in.empty() ? Status{} : malformed();
}

bool ResultRowDecoder::decode_value(const Step& step, ByteReader& in, ColumnData& column,
                                    StringArena& arena, DecodeCounts& counts) {
  switch (step.read) {
    case Read::fixed1: return append_fixed<std::uint8_t>(in, column);
    case Read::fixed2: return append_fixed<std::uint16_t>(in, column);
    case Read::fixed4: return append_fixed<std::uint32_t>(in, column);
    case Read::fixed8: return append_fixed<std::uint64_t>(in, column);
    default: break;
  }
  const Bytes value = in.take(in.packed());
  if (!in.ok()) return false;
  switch (step.read) {
    case Read::text: append_text(as_text(value), column, arena, counts); return true;
    case Read::bytes: column.append_string(as_text(value), arena); return true;
    case Read::decimal: return append_decimal(as_text(value), step.type, column);
    case Read::date:
    case Read::datetime: return append_moment(value, step.read, column, counts);
    case Read::time: return append_time(value, column);
    default: return append_bits(as_text(value), step.read, column);
  }
}

}  // namespace minato::wire
