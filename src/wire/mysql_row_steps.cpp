#include "wire/mysql_row_steps.h"

#include "wire/mysql_values.h"

namespace minato::wire {
namespace {

using Read = RowDecoder::Read;
using Step = RowDecoder::Step;
using Kind = MysqlKind;

std::optional<Step> fixed(bool matches, std::uint8_t size) {
  if (!matches) return std::nullopt;
  Step step;
  step.size = size;
  step.read = size == 1   ? Read::fixed1
              : size == 2 ? Read::fixed2
              : size == 4 ? Read::fixed4
                          : Read::fixed8;
  return step;
}

std::optional<Step> decimal(const MysqlType& type, const TableMapColumn& column) {
  if (column.type != type_newdecimal || column.meta != (type.precision << 8 | type.scale))
    return std::nullopt;
  Step step;
  step.precision = type.precision;
  step.scale = type.scale;
  step.size = static_cast<std::uint8_t>(decimal_size(type.precision, type.scale));
  step.read = type.precision <= 4    ? Read::decimal16
              : type.precision <= 9  ? Read::decimal32
              : type.precision <= 18 ? Read::decimal64
              : type.precision <= 38 ? Read::decimal128
                                     : Read::decimal_text;
  return step;
}

std::optional<Step> temporal(const MysqlType& type, const TableMapColumn& column,
                             std::uint8_t modern, std::uint8_t old, unsigned base,
                             unsigned old_size, Read read, Read read_old) {
  Step step;
  step.scale = type.fraction;
  if (column.type == modern && column.meta == type.fraction) {
    step.read = read;
    step.size = static_cast<std::uint8_t>(base + (type.fraction + 1) / 2);
    return step;
  }
  // Before 5.6 there were no fractions; MariaDB's own old form with fractions is not told apart by
  // the log.
  if (column.type == old && type.fraction == 0) {
    step.read = read_old;
    step.size = static_cast<std::uint8_t>(old_size);
    return step;
  }
  return std::nullopt;
}

/// Values behind a length of 1 or 2 bytes: character types.
std::optional<Step> counted(const MysqlType& type, const TableMapColumn& column,
                            const Charset* charset) {
  const bool packed = column.type == type_varchar_compressed;
  const bool matches =
      type.kind == Kind::character || type.kind == Kind::binary
          ? column.type == type_string
          : column.type == type_varchar || column.type == type_var_string || packed;
  if (!matches) return std::nullopt;
  // The log counts bytes; another number means another length or character set than the shape says.
  const unsigned width = charset == nullptr ? 1 : charset->bytes_max();
  if (type.length != 0 && type.length * width != column.meta && !packed) return std::nullopt;
  Step step;
  step.size = column.meta > 255 ? 2 : 1;
  step.charset = charset;
  step.read = charset == nullptr   ? Read::bytes
              : charset->is_utf8() ? Read::text
                                   : Read::text_converted;
  if (type.kind == Kind::binary) {
    step.read = Read::padded;
    step.length = column.meta;
  } else if (packed) {
    step.read = Read::packed;
  }
  return step;
}

std::optional<Step> blob(const MysqlType& type, const TableMapColumn& column,
                         const Charset* charset) {
  const bool packed = column.type == type_blob_compressed;
  const bool json = column.type == type_json && type.kind == Kind::json;
  const bool plain = column.type == type_blob || column.type == type_geometry ||
                     (column.type == type_vector && type.kind == Kind::blob);
  if (!plain && !packed && !json) return std::nullopt;
  if (column.meta < 1 || column.meta > 4) return std::nullopt;
  // TINYTEXT, TEXT, MEDIUMTEXT and LONGTEXT have lengths of 1 to 4 bytes.
  const std::uint64_t length_max = (std::uint64_t{1} << 8 * column.meta) - 1;
  if (type.length != 0 && type.length != length_max) return std::nullopt;
  Step step;
  step.size = static_cast<std::uint8_t>(column.meta);
  step.charset = charset;
  step.read = packed               ? Read::packed
              : json               ? Read::json
              : charset == nullptr ? Read::bytes
              : charset->is_utf8() ? Read::text
                                   : Read::text_converted;
  return step;
}

std::optional<Step> members(const MysqlType& type, const TableMapColumn& column) {
  const bool is_set = type.kind == Kind::set;
  const std::size_t count = type.values.size();
  const std::size_t bytes = is_set ? (count > 32 ? 8 : (count + 7) / 8) : (count < 256 ? 1 : 2);
  if (column.type != (is_set ? type_set : type_enum) || column.meta != bytes) return std::nullopt;
  Step step;
  step.read = is_set ? Read::set : Read::enumeration;
  step.size = static_cast<std::uint8_t>(bytes);
  step.values = type.values;
  return step;
}

std::optional<Step> stored(const TableMapColumn& column, Read read) {
  if (column.type != type_string) return std::nullopt;
  Step step;
  step.read = read;
  step.size = 1;
  return step;
}

std::optional<Step> bits(const MysqlType& type, const TableMapColumn& column) {
  const unsigned count = (column.meta >> 8) * 8u + (column.meta & 0xff);
  if (column.type != type_bit || count != type.length || count < 1 || count > 64)
    return std::nullopt;
  Step step;
  step.read = count == 1 ? Read::boolean : Read::bit;
  step.size = static_cast<std::uint8_t>((count + 7) / 8);
  return step;
}

std::optional<Step> medium(const MysqlType& type, const TableMapColumn& column) {
  if (column.type != type_int24) return std::nullopt;
  Step step;
  step.read = type.is_unsigned ? Read::uint24 : Read::int24;
  step.size = 3;
  return step;
}

std::optional<Step> small(bool matches, Read read, std::uint8_t size) {
  if (!matches) return std::nullopt;
  Step step;
  step.read = read;
  step.size = size;
  return step;
}

}  // namespace

std::optional<Step> make_step(const MysqlType& type, const TableMapColumn& column,
                              const Charset* charset) {
  const std::uint8_t code = column.type;
  switch (type.kind) {
    case Kind::tinyint: return fixed(code == type_tiny, 1);
    case Kind::smallint: return fixed(code == type_short, 2);
    case Kind::mediumint: return medium(type, column);
    case Kind::integer: return fixed(code == type_long, 4);
    case Kind::bigint: return fixed(code == type_longlong, 8);
    case Kind::float32: return fixed(code == type_float && column.meta == 4, 4);
    case Kind::float64: return fixed(code == type_double && column.meta == 8, 8);
    case Kind::decimal: return decimal(type, column);
    case Kind::bit: return bits(type, column);
    case Kind::year: return small(code == type_year, Read::year, 1);
    case Kind::date: return small(code == type_date || code == type_newdate, Read::date, 3);
    case Kind::datetime:
      return temporal(type, column, type_datetime2, type_datetime, 5, 8, Read::datetime,
                      Read::datetime_old);
    case Kind::timestamp:
      return temporal(type, column, type_timestamp2, type_timestamp, 4, 4, Read::timestamp,
                      Read::timestamp_old);
    case Kind::time:
      return temporal(type, column, type_time2, type_time, 3, 3, Read::time, Read::time_old);
    case Kind::character:
    case Kind::varchar:
    case Kind::binary:
    case Kind::varbinary: return counted(type, column, charset);
    case Kind::text:
    case Kind::blob:
    case Kind::geometry: return blob(type, column, charset);
    case Kind::json: return blob(type, column, charset);
    case Kind::enumeration:
    case Kind::set: return members(type, column);
    case Kind::uuid: return stored(column, Read::uuid);
    case Kind::inet4: return stored(column, Read::inet4);
    case Kind::inet6: return stored(column, Read::inet6);
  }
  return std::nullopt;
}

}  // namespace minato::wire
