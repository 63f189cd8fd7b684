// Goal: the binary log's bytes become the right values, and no bytes at all make the decoder read
// outside or crash. Method: events made by hand; decimals and temporal values at random against
// simple arithmetic; every prefix of valid events, and every single changed byte.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <memory>
#include <random>

#include "base/testing/seed.h"
#include "wire/mysql_binlog.h"
#include "wire/mysql_rows.h"
#include "wire/mysql_values.h"

namespace minato::wire {
namespace {

using Raw = std::vector<std::uint8_t>;

void put(Raw& raw, std::uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) raw.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}
void put(Raw& raw, std::string_view text) { raw.insert(raw.end(), text.begin(), text.end()); }

Raw event(BinlogEvent type, const Raw& body, bool checksum) {
  Raw raw;
  put(raw, 1'700'000'000, 4);
  raw.push_back(static_cast<std::uint8_t>(type));
  put(raw, 7, 4);
  put(raw, event_header_size + body.size() + (checksum ? 4 : 0), 4);
  put(raw, 4711, 4);
  put(raw, 0, 2);
  raw.insert(raw.end(), body.begin(), body.end());
  if (checksum) put(raw, crc32(0, raw.data(), static_cast<uInt>(raw.size())), 4);
  return raw;
}

Raw format_description(bool checksum) {
  Raw body;
  put(body, 4, 2);
  Raw version(50);
  const std::string_view text = "10.11.6-MariaDB-log";
  std::copy(text.begin(), text.end(), version.begin());
  body.insert(body.end(), version.begin(), version.end());
  put(body, 0, 4);
  body.push_back(19);
  body.insert(body.end(), 171, 8);
  body.push_back(checksum ? 1 : 0);
  put(body, 0, 4);
  return event(BinlogEvent::format_description, body, false);
}

/// shop.t (id INT, name VARCHAR(20) utf8mb4, m DECIMAL(10,2), at DATETIME(3))
TableSchemaPtr schema() {
  auto shape = std::make_shared<TableSchema>();
  shape->name = {"shop", "t"};
  for (const auto& [name, type] :
       {std::pair("id", "int(11)"), std::pair("name", "varchar(20) utf8mb4"),
        std::pair("m", "decimal(10,2)"), std::pair("at", "datetime(3)")}) {
    shape->columns.push_back(lake_column(name, *parse_source_type(type), true));
  }
  return shape;
}
Raw table_map_body() {
  Raw body;
  put(body, 99, 6);
  put(body, 1, 2);
  put(body, std::string_view("\4shop\0\1t\0", 9));
  put(body, std::string_view("\4\3\17\366\22", 5));
  put(body, std::string_view("\5\120\0\12\2\3", 6));
  put(body, 0x0e, 1);
  return body;
}
Raw rows_body() {
  Raw body;
  put(body, 99, 6);
  put(body, 1, 2);
  body.push_back(4);
  body.push_back(0x0f);
  for (int row = 0; row < 3; ++row) {
    body.push_back(row == 2 ? 0x0e : 0);
    put(body, 1000 + row, 4);
    if (row == 2) continue;
    put(body, std::string_view("\6\346\235\261\345\214\227", 7));  // 東北 has other bytes: any
                                                                   // valid UTF-8 does
    put(body, std::string_view("\200\0\0\14\42", 5));              // 12.34
    // 2026-11-24 11:22:33.123 in five bytes, big-endian, then 1230
    const std::uint64_t packed =
        0x8000000000ULL + ((((2026ULL * 13 + 11) << 5 | 24) << 17) | (11U << 12 | 22U << 6 | 33U));
    for (int i = 4; i >= 0; --i) body.push_back(static_cast<std::uint8_t>(packed >> (8 * i)));
    body.push_back(1230 >> 8);
    body.push_back(1230 & 255);
  }
  return body;
}

struct Decoded {
  TableChanges changes{schema()};
  DecodeCounts counts;
};
Result<std::uint64_t> decode(Bytes map_event, Bytes rows_event, const LogFormat& format,
                             Decoded& into) {
  TRY_ASSIGN(const Event map, parse_event(map_event, format, false));
  TRY_ASSIGN(const TableMap table, parse_table_map(map.body, format));
  TRY(parse_metadata(table));
  TRY_ASSIGN(const RowDecoder decoder, RowDecoder::compile(table, *schema()));
  TRY_ASSIGN(const Event event, parse_event(rows_event, format, false));
  Raw storage;
  TRY_ASSIGN(const RowsEvent rows, parse_rows(event, format, storage));
  return decoder.decode(rows, into.changes, into.counts);
}

TEST(MysqlBinlog, checksum_is_what_the_format_description_says) {
  for (const bool checksum : {false, true}) {
    const auto format = parse_format_description(format_description(checksum));
    ASSERT_TRUE(format) << describe(format.error());
    EXPECT_EQ(format->checksum, checksum);
    EXPECT_TRUE(format->mariadb);
    EXPECT_EQ(format->table_id_size, 6);
    Raw raw = event(BinlogEvent::xid, {1, 2, 3, 4, 5, 6, 7, 8}, checksum);
    const auto parsed = parse_event(raw, *format, true);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->body.size(), 8U);
    EXPECT_EQ(parsed->header.next_position, 4711U);
    raw[20] ^= 1;
    EXPECT_EQ(parse_event(raw, *format, true).has_value(), !checksum);
  }
}

TEST(MysqlBinlog, rows_become_columns) {
  const LogFormat format;
  Decoded got;
  const auto changes = decode(event(BinlogEvent::table_map, table_map_body(), false),
                              event(BinlogEvent::write_rows_v1, rows_body(), false), format, got);
  ASSERT_TRUE(changes) << describe(changes.error());
  EXPECT_EQ(*changes, 3U);
  const auto& columns = got.changes.rows.columns;
  EXPECT_EQ(columns[0].get<std::int32_t>(1), 1001);
  EXPECT_EQ(columns[1].string(0), "\346\235\261\345\214\227");
  EXPECT_EQ(columns[2].get<std::int64_t>(0), 1234);
  const std::int64_t day = days_from_civil(2026, 11, 24);
  EXPECT_EQ(columns[3].get<std::int64_t>(0), ((day * 24 + 11) * 60 + 22) * 60'000'000 + 33'123'000);
  EXPECT_TRUE(columns[1].is_null(2) && columns[2].is_null(2) && columns[3].is_null(2));
}

TEST(MysqlBinlog, partial_rows_are_refused) {
  Raw body = rows_body();
  body[9] = 0x07;  // the last column is not there
  Decoded got;
  const auto changes = decode(event(BinlogEvent::table_map, table_map_body(), false),
                              event(BinlogEvent::write_rows_v1, body, false), {}, got);
  ASSERT_FALSE(changes);
  EXPECT_NE(changes.error().message.find("binlog_row_image"), std::string::npos);
}

TEST(MysqlBinlog, no_prefix_and_no_changed_byte_does_harm) {
  const LogFormat format;
  const Raw map = event(BinlogEvent::table_map, table_map_body(), false);
  const Raw rows = event(BinlogEvent::write_rows_v1, rows_body(), false);
  const auto sized = [](Raw body) { return std::make_unique<Raw>(std::move(body)); };
  for (std::size_t cut = 0; cut < map.size() - event_header_size; ++cut) {
    const Raw body = table_map_body();
    const auto exact =
        sized(event(BinlogEvent::table_map, Raw(body.begin(), body.begin() + cut), false));
    Decoded got;
    EXPECT_FALSE(decode(*exact, rows, format, got)) << cut;
  }
  // A row event may end after any whole row: those prefixes are valid.
  int accepted = 0;
  for (std::size_t cut = 0; cut < rows_body().size(); ++cut) {
    const Raw body = rows_body();
    const auto exact =
        sized(event(BinlogEvent::write_rows_v1, Raw(body.begin(), body.begin() + cut), false));
    Decoded got;
    accepted += decode(map, *exact, format, got) ? 1 : 0;
  }
  EXPECT_EQ(accepted, 3);
  for (std::size_t at = event_header_size; at < rows.size(); ++at) {
    for (const std::uint8_t change : {0x01, 0x80, 0xff}) {
      Raw changed = rows;
      changed[at] ^= change;
      Decoded got;
      (void)decode(map, changed, format, got);
      changed = map;
      if (at >= map.size()) continue;
      changed[at] ^= change;
      Decoded other;
      (void)decode(changed, rows, format, other);
    }
  }
  for (std::size_t cut = 0; cut < format_description(true).size() - 1; ++cut) {
    const Raw whole = format_description(true);
    (void)parse_format_description(Raw(whole.begin(), whole.begin() + cut));
  }
}

TEST(MysqlBinlog, compressed_rows) {
  const Raw plain = rows_body();
  constexpr std::size_t fixed = 10;  // table id, flags, width, bitmap
  Raw packed(plain.begin(), plain.begin() + fixed);
  uLongf size = compressBound(plain.size());
  Raw block(size);
  ASSERT_EQ(compress(block.data(), &size, plain.data() + fixed, plain.size() - fixed), Z_OK);
  packed.push_back(0x81);
  packed.push_back(static_cast<std::uint8_t>(plain.size() - fixed));
  packed.insert(packed.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(size));
  Decoded got;
  const auto changes = decode(event(BinlogEvent::table_map, table_map_body(), false),
                              event(BinlogEvent::write_rows_compressed_v1, packed, false), {}, got);
  ASSERT_TRUE(changes) << describe(changes.error());
  EXPECT_EQ(*changes, 3U);
}

TEST(MysqlValues, decimals_at_random) {
  std::mt19937_64 random(test_seed());
  for (int n = 0; n < 20'000; ++n) {
    const auto precision = static_cast<unsigned>(1 + random() % 38);
    const auto scale = static_cast<unsigned>(random() % (precision + 1));
    std::string digits;
    for (unsigned i = 0; i < precision; ++i) digits += static_cast<char>('0' + random() % 10);
    const bool negative = random() % 2 == 0;
    // As the source stores it: groups of nine from the point outwards, big-endian, sign bit
    // flipped.
    Raw stored;
    const auto group = [&](std::string_view part) {
      constexpr unsigned bytes[] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
      const std::uint64_t value = part.empty() ? 0 : std::stoull(std::string(part));
      for (unsigned i = bytes[part.size()]; i-- > 0;)
        stored.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    };
    const std::string whole = digits.substr(0, precision - scale);
    const std::string part = digits.substr(precision - scale);
    group(whole.substr(0, whole.size() % 9));
    for (std::size_t i = whole.size() % 9; i < whole.size(); i += 9) group(whole.substr(i, 9));
    for (std::size_t i = 0; i < part.size(); i += 9) group(part.substr(i, 9));
    stored[0] ^= 0x80;
    if (negative) {
      for (std::uint8_t& byte : stored) byte = static_cast<std::uint8_t>(~byte);
    }
    ASSERT_EQ(stored.size(), decimal_size(precision, scale));
    Int128 value = 0;
    ASSERT_TRUE(decimal_value(stored.data(), precision, scale, value));
    Int128 expected = 0;
    for (const char digit : digits) expected = expected * 10 + (digit - '0');
    if (negative) expected = -expected;
    EXPECT_TRUE(value == expected) << digits << " " << precision << "," << scale;
    // And by way of text.
    char text[40] = {};
    bool sign = false;
    ASSERT_TRUE(decimal_digits(stored.data(), precision, scale, sign, text));
    Int128 parsed = 0;
    ASSERT_TRUE(
        parse_decimal(decimal_text(sign, {text, precision}, scale), precision, scale, parsed));
    EXPECT_TRUE(parsed == expected) << digits;
  }
}

TEST(MysqlValues, texts_that_are_no_values) {
  Int128 value = 0;
  for (const char* text : {"", "-", "1.", "x", "1.2.3", "12345", "1.234", "--1", "1e3"}) {
    // "-" and "1." have no digits to lose: what counts is that nothing is made up.
    EXPECT_TRUE(!parse_decimal(text, 4, 2, value) || value == 0 || value == 100) << text;
  }
}

TEST(MysqlTypes, round_trip) {
  for (const char* text : {"int",
                           "bigint unsigned",
                           "decimal(10,2)",
                           "varchar(20) cp932",
                           "char(3) utf8mb4",
                           "enum('a','it''s','b,c')",
                           "set('x','y')",
                           "datetime(6)",
                           "time",
                           "text utf8mb4",
                           "longblob",
                           "bit(5)",
                           "binary(16)",
                           "varchar(0) utf8mb3",
                           "char(0) utf8mb4",
                           "double",
                           "uuid",
                           "varchar(9) /*!100301 COMPRESSED*/ latin1",
                           "mediumtext ujis",
                           "year",
                           "geometry"}) {
    const auto type = parse_source_type(text);
    ASSERT_TRUE(type) << text;
    EXPECT_EQ(source_type(*type), text);
    EXPECT_EQ(*parse_source_type(source_type(*type)), *type) << text;
  }
  EXPECT_EQ(*parse_source_type("bit(0)"), *parse_source_type("bit(1)"));
  EXPECT_EQ(lake_type(*parse_source_type("decimal(65,2)")).kind, TypeKind::varchar);
  EXPECT_FALSE(parse_source_type("decimal(70,2)"));
  EXPECT_FALSE(parse_source_type("money"));
  EXPECT_FALSE(parse_source_type("enum('a'"));
}

}  // namespace
}  // namespace minato::wire
