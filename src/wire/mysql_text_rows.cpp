// TextRowDecoder: rows of a result set in the text protocol.
#include <charconv>

#include "wire/mysql_rows.h"
#include "wire/mysql_values.h"

namespace minato::wire {
namespace {

tl::unexpected<Error> malformed() {
  return fail(Code::invalid, "The source sent a row that does not fit its table's columns.");
}

template <class T>
bool append_number(std::string_view text, ColumnData& column) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  column.append(value);
  return true;
}

bool append_float(std::string_view text, ColumnData& column) {
  // Selected as DOUBLE: exact, so that narrowing gives the stored bits.
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  column.append(static_cast<float>(value));
  return true;
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

template <class T>
bool append_parsed(Parsed parsed, const T& value, ColumnData& column, DecodeCounts& counts) {
  if (parsed == Parsed::malformed) return false;
  if (parsed == Parsed::value) {
    column.append(value);
  } else {
    ++counts.zero_dates;
    column.append_null();
  }
  return true;
}

void append_text(std::string_view text, ColumnData& column, StringArena& arena,
                 DecodeCounts& counts) {
  if (valid_utf8(text)) {
    column.append_string(text, arena);
    return;
  }
  ++counts.bad_text;
  std::string valid;
  append_valid_utf8(text, valid);
  column.append_string(valid, arena);
}

bool append_bits(std::string_view bytes, ColumnType type, ColumnData& column) {
  if (bytes.empty() || bytes.size() > 8) return false;
  const std::uint64_t value = load_be(as_bytes(bytes).data(), static_cast<unsigned>(bytes.size()));
  if (type.kind == TypeKind::boolean) {
    column.append(static_cast<std::uint8_t>(value & 1));
  } else {
    column.append(value);
  }
  return true;
}

bool append_integer(std::string_view text, TypeKind kind, ColumnData& column) {
  switch (kind) {
    case TypeKind::int8: return append_number<std::int8_t>(text, column);
    case TypeKind::int16: return append_number<std::int16_t>(text, column);
    case TypeKind::int32: return append_number<std::int32_t>(text, column);
    case TypeKind::int64: return append_number<std::int64_t>(text, column);
    case TypeKind::uint8: return append_number<std::uint8_t>(text, column);
    case TypeKind::uint16: return append_number<std::uint16_t>(text, column);
    case TypeKind::uint32: return append_number<std::uint32_t>(text, column);
    default: return append_number<std::uint64_t>(text, column);
  }
}

bool append_temporal(std::string_view text, TypeKind kind, ColumnData& column,
                     DecodeCounts& counts) {
  std::int64_t us = 0;
  std::int32_t days = 0;
  switch (kind) {
    case TypeKind::date: {
      const Parsed parsed = parse_date(text, days);
      return append_parsed(parsed, days, column, counts);
    }
    case TypeKind::interval_us: {
      const Parsed parsed = parse_time(text, us);
      return append_parsed(parsed, us, column, counts);
    }
    default: {
      const Parsed parsed = parse_datetime(text, us);
      return append_parsed(parsed, us, column, counts);
    }
  }
}

}  // namespace

Result<TextRowDecoder> TextRowDecoder::compile(const TableSchema& schema) {
  TextRowDecoder decoder;
  for (const Column& column : schema.columns) {
    TRY_ASSIGN(const MysqlType type, parse_source_type(column.source_type));
    CHECK(lake_type(type) == column.type);
    decoder.steps_.push_back({type.kind, column.type});
  }
  return decoder;
}

std::string TextRowDecoder::select_list(const TableSchema& schema) {
  std::string list;
  for (const Column& column : schema.columns) {
    const std::string name = quote_mysql_identifier(column.name);
    if (!list.empty()) list += ", ";
    // The text of a FLOAT has six digits, that of DOUBLE(m,d) is rounded.
    const bool real =
        column.type.kind == TypeKind::float32 || column.type.kind == TypeKind::float64;
    list += real ? "CAST(" + name + " AS DOUBLE)" : name;
  }
  return list;
}

Status TextRowDecoder::decode(Bytes packet, RowBatch& into, DecodeCounts& counts) const {
  ByteReader in(packet);
  StringArena& arena = *into.arena;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    ColumnData& column = into.columns[i];
    if (in.left() > 0 && in.rest()[0] == 0xfb) {
      in.u8();
      column.append_null();
      continue;
    }
    const std::string_view text = in.text(in.packed());
    if (!in.ok()) return malformed();
    bool fits = true;
    switch (steps_[i].type.kind) {
      case TypeKind::varchar:
      case TypeKind::json: append_text(text, column, arena, counts); break;
      case TypeKind::blob: column.append_string(text, arena); break;
      case TypeKind::float32: fits = append_float(text, column); break;
      case TypeKind::float64: fits = append_number<double>(text, column); break;
      case TypeKind::decimal: fits = append_decimal(text, steps_[i].type, column); break;
      case TypeKind::date:
      case TypeKind::timestamp:
      case TypeKind::timestamptz:
      case TypeKind::interval_us:
        fits = append_temporal(text, steps_[i].type.kind, column, counts);
        break;
      default:
        fits = steps_[i].kind == MysqlKind::bit ? append_bits(text, steps_[i].type, column)
                                                : append_integer(text, steps_[i].type.kind, column);
    }
    if (!fits) return malformed();
  }
  return in.empty() ? Status{} : malformed();
}

}  // namespace minato::wire
