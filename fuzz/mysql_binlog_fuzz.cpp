// Fuzzer: events of a MySQL or MariaDB binary log, as they come in packets.
// Property: any bytes parse or are refused; nothing outside them is read; compressed blocks do not
// unpack without bound.
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "wire/mysql_binlog.h"
#include "wire/mysql_gtid.h"
#include "wire/mysql_json.h"
#include "wire/mysql_payload.h"
#include "wire/mysql_types.h"

namespace {

using namespace minato::wire;

void parse_payload(Bytes body) {
  auto reader = PayloadReader::open(body);
  for (int i = 0; reader && i < 100; ++i) {
    const auto event = reader->next();
    if (!event || !*event) return;
    CHECK((*event)->size() >= event_header_size);
  }
}

/// What parses prints, and what was printed parses to the same.
void parse_set(std::string_view text) {
  const auto set = MysqlGtidSet::parse(text);
  if (!set) return;
  const auto again = MysqlGtidSet::parse(set->text());
  CHECK(again && *again == *set && again->covers(*set));
}

void parse_body(const Event& event, const LogFormat& format) {
  std::string text;
  std::vector<std::uint8_t> storage;
  if (is_rows_event(event.header.type)) {
    const auto rows = parse_rows(event, format, storage);
    if (rows) CHECK(rows->rows.size() <= (64U << 20));
  }
  switch (event.header.type) {
    case BinlogEvent::rotate: (void)parse_rotate(event.body); break;
    case BinlogEvent::gtid: (void)parse_gtid(event.body); break;
    case BinlogEvent::gtid_list: (void)parse_gtid_list(event.body); break;
    case BinlogEvent::mysql_gtid: (void)parse_mysql_gtid(event.body); break;
    case BinlogEvent::mysql_gtid_tagged: (void)parse_mysql_tagged_gtid(event.body); break;
    case BinlogEvent::transaction_payload: parse_payload(event.body); break;
    case BinlogEvent::query: (void)parse_query(event.body, false, text); break;
    case BinlogEvent::query_compressed: (void)parse_query(event.body, true, text); break;
    case BinlogEvent::table_map:
      if (const auto map = parse_table_map(event.body, format)) (void)parse_metadata(*map);
      break;
    default: break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  LogFormat format;
  format.mariadb = (data[0] & 1) != 0;
  format.checksum = (data[0] & 2) != 0;
  format.table_id_size = (data[0] & 4) != 0 ? 4 : 6;
  const Bytes bytes(data + 1, size - 1);
  // The size field is put right: almost all of the inputs would end there.
  std::vector<std::uint8_t> packet(bytes.begin(), bytes.end());
  if (packet.size() >= event_header_size) {
    for (unsigned i = 0; i < 4; ++i) packet[9 + i] = (packet.size() >> (8 * i)) & 0xff;
  }
  (void)parse_format_description(packet);
  if (const auto event = parse_event(packet, format, (data[0] & 8) != 0))
    parse_body(*event, format);
  (void)parse_source_type(as_text(bytes));
  parse_set(as_text(bytes));
  std::string json;
  if (append_mysql_json(bytes, json)) CHECK(json.size() <= 16 * size + 200);
  return 0;
}
