#include "wire/mysql_binlog.h"

#include <zlib.h>

#include <algorithm>

#include "wire/mysql_types.h"

namespace minato::wire {
namespace {

tl::unexpected<Error> malformed(std::string_view what) {
  return fail(Code::invalid, "The source's binary log has a malformed " + std::string(what) +
                                 " event. Check the log with mariadb-binlog; if it is damaged, "
                                 "purge it and let Minato read the tables anew.");
}

constexpr std::size_t uncompressed_max = std::size_t{1} << 30;

struct RowsLayout {
  RowsEvent::Kind kind;
  bool v2;
  bool compressed;
};

std::optional<RowsLayout> rows_layout(BinlogEvent type) {
  using Kind = RowsEvent::Kind;
  switch (type) {
    case BinlogEvent::write_rows_v1: return RowsLayout{Kind::insert, false, false};
    case BinlogEvent::update_rows_v1: return RowsLayout{Kind::update, false, false};
    case BinlogEvent::delete_rows_v1: return RowsLayout{Kind::remove, false, false};
    case BinlogEvent::write_rows_v2: return RowsLayout{Kind::insert, true, false};
    case BinlogEvent::update_rows_v2: return RowsLayout{Kind::update, true, false};
    case BinlogEvent::delete_rows_v2: return RowsLayout{Kind::remove, true, false};
    case BinlogEvent::write_rows_compressed_v1: return RowsLayout{Kind::insert, false, true};
    case BinlogEvent::update_rows_compressed_v1: return RowsLayout{Kind::update, false, true};
    case BinlogEvent::delete_rows_compressed_v1: return RowsLayout{Kind::remove, false, true};
    case BinlogEvent::write_rows_compressed: return RowsLayout{Kind::insert, true, true};
    case BinlogEvent::update_rows_compressed: return RowsLayout{Kind::update, true, true};
    case BinlogEvent::delete_rows_compressed: return RowsLayout{Kind::remove, true, true};
    default: return std::nullopt;
  }
}

bool all_set(Bytes bitmap, std::uint64_t bits) {
  for (std::uint64_t i = 0; i < bits; ++i) {
    if ((bitmap[i / 8] >> (i % 8) & 1) == 0) return false;
  }
  return true;
}

/// One column's metadata inside TABLE_MAP (MySQL internals, "Table_map_event", m_field_metadata).
void read_column_meta(ByteReader& meta, TableMapColumn& column) {
  switch (column.type) {
    case type_float:
    case type_double:
    case type_blob:
    case type_geometry:
    case type_json:
    case type_vector:
    case type_blob_compressed:
    case type_timestamp2:
    case type_datetime2:
    case type_time2: column.meta = meta.u8(); return;
    case type_varchar:
    case type_varchar_compressed:
    case type_bit: column.meta = meta.u16(); return;
    case type_newdecimal: {
      const std::uint8_t precision = meta.u8();
      column.meta = static_cast<std::uint16_t>(precision << 8 | meta.u8());
      return;
    }
    case type_string:
    case type_enum:
    case type_set:
    case type_var_string: {
      // The upper two bits of a length above 255 are folded, inverted, into the type byte.
      const std::uint8_t real = meta.u8();
      const std::uint8_t low = meta.u8();
      if (real == type_enum || real == type_set) {
        column.type = real;
        column.meta = low;
      } else if ((real & 0x30) != 0x30) {
        column.meta = static_cast<std::uint16_t>(low | ((real & 0x30) ^ 0x30) << 4);
      } else {
        column.meta = low;
      }
      return;
    }
    default: return;
  }
}

}  // namespace

Result<Event> parse_event(Bytes bytes, const LogFormat& format, bool verify) {
  ByteReader in(bytes);
  Event event;
  EventHeader& header = event.header;
  header.timestamp = in.u32();
  header.type = static_cast<BinlogEvent>(in.u8());
  header.server_id = in.u32();
  header.size = in.u32();
  header.next_position = in.u32();
  header.flags = in.u16();
  if (!in.ok() || header.size != bytes.size()) return malformed("(header)");
  event.body = in.rest();
  if (format.checksum) {
    if (event.body.size() < 4) return malformed("(checksum)");
    event.body = event.body.first(event.body.size() - 4);
    if (verify) {
      const auto sum = crc32(0, bytes.data(), static_cast<uInt>(bytes.size() - 4));
      if (sum != load<std::uint32_t>(bytes.data() + bytes.size() - 4))
        return malformed("(checksum)");
    }
  }
  return event;
}

Result<LogFormat> parse_format_description(Bytes bytes) {
  // header, version 2, server version 50, creation time 4, header length 1, post-header lengths,
  // algorithm 1, CRC 4
  constexpr std::size_t fixed = event_header_size + 2 + 50 + 4 + 1;
  if (bytes.size() < fixed + 30 + 5) return malformed("FORMAT_DESCRIPTION");
  ByteReader in(bytes.subspan(event_header_size));
  if (in.u16() != 4) return malformed("FORMAT_DESCRIPTION");
  LogFormat format;
  const std::string_view version = in.text(50);
  format.server_version = std::string(version.substr(0, version.find('\0')));
  format.mariadb = format.server_version.find("MariaDB") != std::string::npos;
  in.u32();
  if (in.u8() != event_header_size) return malformed("FORMAT_DESCRIPTION");
  const std::uint8_t algorithm = bytes[bytes.size() - 5];
  if (algorithm > 1 && algorithm != 255) {
    return fail(Code::unsupported, "The source's binary log uses an unknown checksum algorithm.");
  }
  format.checksum = algorithm == 1;
  const Bytes lengths = in.rest();
  const std::uint8_t table_map = lengths[static_cast<std::size_t>(BinlogEvent::table_map) - 1];
  format.table_id_size = table_map == 6 ? 4 : 6;
  return format;
}

Result<Rotate> parse_rotate(Bytes body) {
  ByteReader in(body);
  Rotate rotate;
  rotate.position = in.u64();
  rotate.file = as_text(in.rest());
  if (!in.ok() || rotate.file.empty()) return malformed("ROTATE");
  return rotate;
}

Result<GtidEvent> parse_gtid(Bytes body) {
  ByteReader in(body);
  GtidEvent gtid;
  gtid.sequence = in.u64();
  gtid.domain = in.u32();
  const std::uint8_t flags = in.u8();
  if (!in.ok()) return malformed("GTID");
  gtid.standalone = (flags & 1) != 0;
  gtid.ddl = (flags & 32) != 0;
  gtid.prepared_xa = (flags & 64) != 0;
  gtid.completed_xa = (flags & 128) != 0;
  if ((flags & 2) != 0) in.u64();  // group commit id
  if (gtid.prepared_xa || gtid.completed_xa) {
    in.u32();
    const std::size_t name = in.u8();
    in.take(name + in.u8());
  }
  // Zeros up to 10.7, where nothing else follows.
  constexpr std::uint8_t start_alter = 2;
  constexpr std::uint8_t rollback_alter = 8;
  if (in.ok() && !in.empty()) gtid.without_effect = (in.u8() & (start_alter | rollback_alter)) != 0;
  return gtid;
}

Result<std::vector<GtidListEntry>> parse_gtid_list(Bytes body) {
  ByteReader in(body);
  const std::uint32_t count = in.u32() & 0x0fffffff;
  if (!in.ok() || in.left() / 16 < count) return malformed("GTID_LIST");
  std::vector<GtidListEntry> list(count);
  for (GtidListEntry& entry : list) {
    entry.domain = in.u32();
    entry.server_id = in.u32();
    entry.sequence = in.u64();
  }
  return list;
}

Result<XaPrepare> parse_xa_prepare(Bytes body) {
  ByteReader in(body);
  XaPrepare prepare;
  prepare.one_phase = in.u8() != 0;
  const std::uint32_t format = in.u32();
  const std::uint32_t gtrid = in.u32();
  const std::uint32_t bqual = in.u32();
  const Bytes first = in.take(gtrid);
  const Bytes second = in.take(bqual);
  if (!in.ok()) return malformed("XA PREPARE");
  const auto hex = [](Bytes bytes) {
    std::string out = "X'";
    for (const std::uint8_t byte : bytes) {
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    }
    return out + "'";
  };
  prepare.xid = hex(first) + "," + hex(second) + "," + std::to_string(format);
  return prepare;
}

Result<QueryEvent> parse_query(Bytes body, bool compressed, std::string& storage) {
  ByteReader in(body);
  QueryEvent query;
  in.u32();  // thread
  in.u32();  // seconds of execution
  const std::uint8_t database_size = in.u8();
  query.error = in.u16();
  ByteReader status(in.take(in.u16()));
  query.database = in.text(database_size);
  in.u8();
  if (!in.ok()) return malformed("QUERY");
  // Status variables come in ascending order; those after the time zone do not concern us.
  for (bool more = true; more && !status.empty() && status.ok();) {
    switch (status.u8()) {
      case 0: status.u32(); break;
      case 1: query.sql_mode = status.u64(); break;
      case 2: status.take(static_cast<std::size_t>(status.u8()) + 1); break;
      case 6: status.take(status.u8()); break;
      case 3: status.u32(); break;
      case 4:
        query.client_charset = status.u16();
        status.u32();  // of the connection, of the server
        break;
      case 5:
        query.time_zone = status.text(status.u8());
        more = false;
        break;
      default: more = false;
    }
  }
  query.text = as_text(in.rest());
  if (compressed) {
    std::vector<std::uint8_t> text;
    TRY(uncompress_block(in.rest(), text, uncompressed_max));
    storage.assign(text.begin(), text.end());
    query.text = storage;
  }
  return query;
}

Result<std::uint64_t> peek_table_id(Bytes body, const LogFormat& format) {
  if (body.size() < format.table_id_size) return malformed("TABLE_MAP");
  return load_le(body.data(), format.table_id_size);
}

Result<TableMap> parse_table_map(Bytes body, const LogFormat& format) {
  ByteReader in(body);
  TableMap map;
  map.table_id = in.le(format.table_id_size);
  in.u16();
  map.database = in.text(in.u8());
  in.u8();
  map.table = in.text(in.u8());
  in.u8();
  const std::uint64_t count = in.packed();
  const Bytes types = in.take(count);
  ByteReader meta(in.take(in.packed()));
  if (!in.ok() || count > 4096) return malformed("TABLE_MAP");
  const Bytes nullable = in.take((count + 7) / 8);
  if (!in.ok()) return malformed("TABLE_MAP");
  map.columns.resize(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    map.columns[i].type = types[i];
    map.columns[i].nullable = (nullable[i / 8] >> (i % 8) & 1) != 0;
    read_column_meta(meta, map.columns[i]);
  }
  if (!meta.ok() || !meta.empty()) return malformed("TABLE_MAP");
  map.optional = in.rest();
  return map;
}

Result<TableMetadata> parse_metadata(const TableMap& map) {
  TableMetadata found;
  ByteReader in(map.optional);
  while (!in.empty() && in.ok()) {
    const std::uint8_t kind = in.u8();
    ByteReader value(in.take(in.packed()));
    if (!in.ok()) return malformed("TABLE_MAP");
    if (kind == 1) {  // signedness, most significant bit first
      for (const std::uint8_t bits : value.rest()) {
        for (int bit = 7; bit >= 0; --bit) found.is_unsigned.push_back((bits >> bit & 1) != 0);
      }
    } else if (kind == 4) {
      while (!value.empty() && value.ok()) found.names.push_back(value.text(value.packed()));
    } else if (kind == 8 || kind == 9) {
      found.has_primary_key = true;
      while (!value.empty() && value.ok()) {
        found.primary_key.push_back(static_cast<std::uint32_t>(value.packed()));
        if (kind == 9) value.packed();  // prefix length
      }
    }
    if (!value.ok()) return malformed("TABLE_MAP");
  }
  if (!found.names.empty() && found.names.size() != map.columns.size())
    return malformed("TABLE_MAP");
  for (const std::uint32_t index : found.primary_key) {
    if (index >= map.columns.size()) return malformed("TABLE_MAP");
  }
  return found;
}

bool is_rows_event(BinlogEvent type) { return rows_layout(type).has_value(); }

Result<RowsEvent> parse_rows(const Event& event, const LogFormat& format,
                             std::vector<std::uint8_t>& storage) {
  const auto layout = rows_layout(event.header.type);
  if (!layout) return malformed("row");
  ByteReader in(event.body);
  RowsEvent rows;
  rows.kind = layout->kind;
  rows.table_id = in.le(format.table_id_size);
  const std::uint16_t flags = in.u16();
  rows.statement_end = (flags & 1) != 0;
  rows.foreign_keys = (flags & 2) == 0;
  if (layout->v2) {
    const std::uint16_t extra = in.u16();
    if (extra < 2) return malformed("row");
    in.take(extra - 2u);
  }
  rows.width = in.packed();
  if (!in.ok() || rows.width > 4096) return malformed("row");
  const std::size_t bitmap = (rows.width + 7) / 8;
  const Bytes first = in.take(bitmap);
  const Bytes second = rows.kind == RowsEvent::Kind::update ? in.take(bitmap) : first;
  if (!in.ok()) return malformed("row");
  rows.full_image = all_set(first, rows.width) && all_set(second, rows.width);
  rows.rows = in.rest();
  if (layout->compressed) {
    TRY(uncompress_block(in.rest(), storage, uncompressed_max));
    rows.rows = storage;
  }
  return rows;
}

Status uncompress_block(Bytes packed, std::vector<std::uint8_t>& out, std::size_t limit) {
  // First byte: 0x80, algorithm in bits 4..6 (0: zlib), bytes of the length in bits 0..2; the
  // length is big-endian.
  if (packed.size() < 2 || (packed[0] & 0xf0) != 0x80) return malformed("compressed");
  const unsigned size_bytes = packed[0] & 7;
  if (size_bytes < 1 || size_bytes > 4 || packed.size() < 1 + size_bytes)
    return malformed("compressed");
  const std::uint64_t size = load_be(packed.data() + 1, size_bytes);
  if (size > limit) {
    return fail(Code::exhausted, "A compressed event of the source's binary log is too large.");
  }
  // A stated size far beyond what deflate can reach is a lie that must not cost memory.
  const Bytes input = packed.subspan(1 + size_bytes);
  if (size / 1100 > input.size()) return malformed("compressed");
  out.resize(size);
  uLongf got = size;
  const int rc = uncompress(out.data(), &got, input.data(), input.size());
  if (rc != Z_OK || got != size) return malformed("compressed");
  return {};
}

Status uncompress_column(Bytes packed, std::vector<std::uint8_t>& out) {
  const unsigned size_bytes = packed.empty() ? 0 : packed[0] & 7;
  if (size_bytes < 1 || size_bytes > 4 || packed.size() < 1 + size_bytes || packed[0] >> 4 != 8) {
    return malformed("compressed");
  }
  const std::uint64_t size = load_be(packed.data() + 1, size_bytes);
  const Bytes input = packed.subspan(1 + size_bytes);
  if (size / 1100 > input.size()) return malformed("compressed");
  out.resize(size + 1);
  z_stream stream{};
  const bool raw = (packed[0] & 8) != 0;
  if (inflateInit2(&stream, raw ? -MAX_WBITS : MAX_WBITS) != Z_OK) return malformed("compressed");
  stream.next_in = const_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int rc = inflate(&stream, Z_FINISH);
  const std::size_t got = stream.total_out;
  inflateEnd(&stream);
  if (rc != Z_STREAM_END || got != size) return malformed("compressed");
  out.resize(size);
  return {};
}

}  // namespace minato::wire
