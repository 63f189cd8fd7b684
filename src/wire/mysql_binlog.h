// Events of the MySQL/MariaDB binary log: bytes in, values out. Pure functions, no sockets, no
// allocation beyond what is returned. Promise: malformed or truncated bytes give Error{invalid};
// nothing outside them is read. Formats: mariadb.com/kb "Replication Protocol", MySQL internals
// "Binlog Event"; checked against live servers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/mysql_bytes.h"

namespace minato::wire {

/// Event types that Minato looks at; any other number may occur and is passed over.
enum class BinlogEvent : std::uint8_t {
  query = 2,
  stop = 3,
  rotate = 4,
  format_description = 15,
  xid = 16,
  table_map = 19,
  write_rows_v1 = 23,
  update_rows_v1 = 24,
  delete_rows_v1 = 25,
  incident = 26,
  heartbeat = 27,
  write_rows_v2 = 30,
  update_rows_v2 = 31,
  delete_rows_v2 = 32,
  mysql_gtid = 33,
  mysql_anonymous_gtid = 34,
  xa_prepare = 38,
  partial_update_rows = 39,  // MySQL, binlog_row_value_options=PARTIAL_JSON
  transaction_payload = 40,  // MySQL, binlog_transaction_compression
  heartbeat_v2 = 41,
  mysql_gtid_tagged = 42,
  gtid = 162,  // MariaDB from here on
  gtid_list = 163,
  start_encryption = 164,
  query_compressed = 165,
  write_rows_compressed_v1 = 166,
  update_rows_compressed_v1 = 167,
  delete_rows_compressed_v1 = 168,
  write_rows_compressed = 169,
  update_rows_compressed = 170,
  delete_rows_compressed = 171,
};

struct EventHeader {
  std::uint32_t timestamp = 0;  // seconds, source's clock; 0 in events made up for the connection
  BinlogEvent type{};
  std::uint32_t server_id = 0;
  std::uint32_t size = 0;
  std::uint32_t next_position = 0;  // 0 in artificial events
  std::uint16_t flags = 0;
  bool artificial() const { return (flags & 0x20) != 0; }
};
inline constexpr std::size_t event_header_size = 19;

/// What the FORMAT_DESCRIPTION of a log says about the events that follow it.
struct LogFormat {
  std::string server_version;
  bool checksum = false;  // each event ends with 4 bytes of CRC32
  bool mariadb = false;
  std::uint8_t table_id_size = 6;
};

struct Event {
  EventHeader header;
  Bytes body;  // after the header, without the checksum
};

/// Splits one packet's event. The checksum is cut off, and with `verify` compared.
Result<Event> parse_event(Bytes event, const LogFormat& format, bool verify);
/// From the whole event: its own checksum field tells whether there is one (never the session's
/// setting).
Result<LogFormat> parse_format_description(Bytes event);

struct Rotate {
  std::uint64_t position = 0;
  std::string_view file;
};
Result<Rotate> parse_rotate(Bytes body);

/// MariaDB's start of an event group. The server id is in the event's header.
struct GtidEvent {
  std::uint64_t sequence = 0;
  std::uint32_t domain = 0;
  bool standalone = false;  // the group is one statement (DDL) and has no COMMIT
  bool ddl = false;
  bool prepared_xa = false;   // the group ends with XA PREPARE, not with a commit
  bool completed_xa = false;  // XA COMMIT or ROLLBACK of an earlier group
  // START ALTER or ROLLBACK ALTER (binlog_alter_two_phase, MariaDB 10.8): the group's statement
  // changes nothing, COMMIT ALTER says it again.
  bool without_effect = false;
};
Result<GtidEvent> parse_gtid(Bytes body);

struct GtidListEntry {
  std::uint32_t domain = 0;
  std::uint32_t server_id = 0;
  std::uint64_t sequence = 0;
};
Result<std::vector<GtidListEntry>> parse_gtid_list(Bytes body);

/// The identity of a prepared XA transaction, as XA COMMIT writes it: X'…',X'…',1.
struct XaPrepare {
  std::string xid;
  bool one_phase = false;  // commits at once
};
Result<XaPrepare> parse_xa_prepare(Bytes body);

struct QueryEvent {
  std::string_view database;
  std::string_view text;  // in the client's character set
  std::uint64_t sql_mode = 0;
  std::uint16_t client_charset = 0;  // collation id; 0: not said
  std::string_view time_zone;        // "+09:00", "Asia/Tokyo", "SYSTEM"; empty: it did not matter
  std::int32_t error = 0;
};
/// `storage` holds the text when the event is compressed, and must outlive the result.
Result<QueryEvent> parse_query(Bytes body, bool compressed, std::string& storage);

/// A table's columns as the log describes them: what decides how row events are read.
struct TableMapColumn {
  std::uint8_t type = 0;   // MYSQL_TYPE_…; ENUM and SET resolved from STRING
  std::uint16_t meta = 0;  // maximal bytes, precision << 8 | scale, fractional digits, … by type
  bool nullable = false;
};
struct TableMap {
  std::uint64_t table_id = 0;
  std::string_view database;  // UTF-8 (the server's system character set); these point into the
                              // event
  std::string_view table;
  std::vector<TableMapColumn> columns;
  Bytes optional;  // binlog_row_metadata, see parse_metadata()
};
Result<TableMap> parse_table_map(Bytes body, const LogFormat& format);
/// Only the id: to pass over what is known already.
Result<std::uint64_t> peek_table_id(Bytes body, const LogFormat& format);

/// binlog_row_metadata: MINIMAL gives signedness and character sets, FULL names, keys and values as
/// well.
struct TableMetadata {
  std::vector<bool> is_unsigned;           // per numeric column, in order
  std::vector<std::string_view> names;     // per column; empty unless FULL
  std::vector<std::uint32_t> primary_key;  // column indexes
  bool has_primary_key = false;
};
Result<TableMetadata> parse_metadata(const TableMap& map);

/// A WRITE, UPDATE or DELETE event up to its rows.
struct RowsEvent {
  enum class Kind : std::uint8_t { insert, update, remove };
  Kind kind = Kind::insert;
  std::uint64_t table_id = 0;
  bool statement_end = false;
  bool foreign_keys = true;  // the session had foreign_key_checks=1: keys did what they say
  std::uint64_t width = 0;
  bool full_image = true;  // every column present in every image (binlog_row_image=FULL)
  Bytes rows;
};
bool is_rows_event(BinlogEvent type);
/// `storage` holds the rows of a compressed event, and must outlive the result.
Result<RowsEvent> parse_rows(const Event& event, const LogFormat& format,
                             std::vector<std::uint8_t>& storage);

/// MariaDB's compressed blocks (log_bin_compress). `limit` bounds what is unpacked.
Status uncompress_block(Bytes packed, std::vector<std::uint8_t>& out, std::size_t limit);

/// A value of a COMPRESSED column: method 8 (zlib) in the upper half of the first byte.
Status uncompress_column(Bytes packed, std::vector<std::uint8_t>& out);

}  // namespace minato::wire
