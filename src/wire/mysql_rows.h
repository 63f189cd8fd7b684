// Rows of MySQL straight into columns: of row events and of result sets (both binary).
// A decoder is compiled once per table and version of its shape; decoding allocates only for long
// strings and growth. Promise: malformed bytes give an Error and nothing outside them is read.
// After an Error the batch is to be thrown away: its columns may differ in length.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/change.h"
#include "wire/mysql_binlog.h"
#include "wire/mysql_charset.h"
#include "wire/mysql_types.h"

namespace minato::wire {

/// What could not be kept as it was; for metrics and warnings.
struct DecodeCounts {
  std::uint64_t zero_dates = 0;  // '0000-00-00' and other non-days, NULL in the lake
  std::uint64_t bad_text = 0;    // values with ill-formed characters, '?' in the lake
};

class RowDecoder {
 public:
  /// Error{conflict} when the log describes other columns than `schema`: the shape must be read
  /// anew.
  static Result<RowDecoder> compile(const TableMap& map, const TableSchema& schema);

  /// Appends the event's rows; returns how many row changes (an UPDATE is one, and two rows).
  Result<std::uint64_t> decode(const RowsEvent& event, TableChanges& into,
                               DecodeCounts& counts) const;

  enum class Read : std::uint8_t {
    fixed1,
    fixed2,
    fixed4,
    fixed8,
    int24,
    uint24,
    decimal16,
    decimal32,
    decimal64,
    decimal128,
    decimal_text,
    bit,
    boolean,
    year,
    date,
    datetime,
    datetime_old,
    timestamp,
    timestamp_old,
    time,
    time_old,
    text,
    text_converted,
    bytes,
    packed,
    json,
    padded,
    enumeration,
    set,
    uuid,
    inet4,
    inet6,
  };
  struct Step {
    Read read{};
    std::uint8_t size = 0;  // of the value, or of its length prefix
    std::uint8_t precision = 0;
    std::uint8_t scale = 0;    // also: digits of a second
    std::uint32_t length = 0;  // of padded bytes
    bool is_packed_text = false;
    const Charset* charset = nullptr;
    std::vector<std::string> values;
  };

 private:
  Status decode_image(ByteReader& in, TableChanges& into, DecodeCounts& counts) const;
  std::vector<Step> steps_;
};

/// Rows of a prepared SELECT, character_set_results=utf8mb4, time_zone='+00:00'. Numbers and times
/// come as they are: half the server's work, and nothing is rounded on its way through text.
class ResultRowDecoder {
 public:
  /// `types`: what the server announces for each column (MYSQL_FIELD::type). Error{conflict} when
  /// `schema` says something else.
  static Result<ResultRowDecoder> compile(const TableSchema& schema, Bytes types);
  /// One row packet appended to `into`.
  Status decode(Bytes packet, RowBatch& into, DecodeCounts& counts) const;

  enum class Read : std::uint8_t {
    fixed1,
    fixed2,
    fixed4,
    fixed8,
    decimal,
    boolean,
    bits,
    date,
    datetime,
    time,
    text,
    bytes,
  };

 private:
  struct Step {
    Read read{};
    ColumnType type;
  };
  static bool decode_value(const Step& step, ByteReader& in, ColumnData& column, StringArena& arena,
                           DecodeCounts& counts);
  std::vector<Step> steps_;
};

}  // namespace minato::wire
