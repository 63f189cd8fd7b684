// Goal: what only MySQL's log has (sets of GTIDs, tagged GTIDs, compressed transactions, JSON in
// binary) becomes the right values, and no bytes at all do harm. Method: bytes taken from a live
// MySQL 9.7 and made by hand; sets at random against a plain set of numbers; every prefix and every
// changed byte. (Against a live server: ingest/tests/mysql8_live_test.cpp.)
#include <gtest/gtest.h>
#include <zstd.h>

#include <random>
#include <set>

#include "wire/mysql_binlog.h"
#include "wire/mysql_gtid.h"
#include "wire/mysql_json.h"
#include "wire/mysql_payload.h"

namespace minato::wire {
namespace {

using Raw = std::vector<std::uint8_t>;

Raw from_hex(std::string_view hex) {
  Raw raw;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    raw.push_back(static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return raw;
}

constexpr std::string_view uuid = "bd8f0b75-e814-11f1-99f2-02fc00000001";

std::string set_text(std::string_view text) {
  const auto set = MysqlGtidSet::parse(text);
  return set ? set->text() : "refused";
}

TEST(MysqlGtid, sets_print_as_the_server_prints_them) {
  const std::string a(uuid);
  EXPECT_EQ(set_text(""), "");
  EXPECT_EQ(set_text(a + ":1-5"), a + ":1-5");
  EXPECT_EQ(set_text(a + ":7:1-5:6"), a + ":1-7");
  EXPECT_EQ(set_text(a + ":1-3:blue:1:5-7"), a + ":1-3:blue:1:5-7");
  EXPECT_EQ(set_text(a + ":blue:2,\n" + a + ":9"), a + ":9:blue:2");
  EXPECT_EQ(set_text("BD8F0B75E81411F199F202FC00000001:1"), a + ":1");
  for (const char* bad :
       {":0", ":5-3", "", ":", ":x-1", ":1-", ":9223372036854775807", ":1:TooLoud:1", ":1-2-3"}) {
    EXPECT_EQ(set_text(a + bad), "refused") << bad;
  }
  EXPECT_EQ(set_text("bd8f0b75-e814-11f1-99f2-02fc0000000:1"), "refused");
}

TEST(MysqlGtid, sets_at_random) {
  std::mt19937_64 random(4711);
  for (int round = 0; round < 300; ++round) {
    MysqlGtidSet set;
    std::set<std::uint64_t> plain;
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t number = 1 + random() % 50;
      set.add(MysqlGtid{{}, number});
      plain.insert(number);
    }
    MysqlGtidSet other;
    bool covered = true;
    for (int i = 0; i < 3; ++i) {
      const std::uint64_t number = 1 + random() % 50;
      other.add(MysqlGtid{{}, number});
      covered = covered && plain.contains(number);
    }
    EXPECT_EQ(set.covers(other), covered) << set.text() << " / " << other.text();
    const auto again = MysqlGtidSet::parse(set.text());
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, set);
    EXPECT_TRUE(set.covers(*again) && again->covers(set));
  }
}

TEST(MysqlGtid, encoding_is_what_the_server_takes) {
  const std::string id = "bd8f0b75e81411f199f202fc00000001";
  const auto plain = MysqlGtidSet::parse(std::string(uuid) + ":1-3");
  const Raw expected = from_hex("0100000000000000" + id +
                                "0100000000000000"
                                "0100000000000000"
                                "0400000000000000");
  EXPECT_EQ(plain->encode(), as_text(expected));
  const auto tagged = MysqlGtidSet::parse(std::string(uuid) + ":1-3:blue:1");
  const Raw with_tag = from_hex("0102000000000001" + id +
                                "00"
                                "0100000000000000"
                                "0100000000000000"
                                "0400000000000000" +
                                id +
                                "08626c7565"
                                "0100000000000000"
                                "0100000000000000"
                                "0200000000000000");
  EXPECT_EQ(tagged->encode(), as_text(with_tag));
}

// The body of a GTID_TAGGED_LOG event of MySQL 9.7.4.
const Raw& tagged_body() {
  static const Raw body = from_hex(
      "027200000002f5023d0216eaa1032822c5036502c90304f1030000000204040608626c756508080a"
      "100c7f35bddcca066106107d041283120b");
  return body;
}

TEST(MysqlGtid, tagged_event) {
  const auto gtid = parse_mysql_tagged_gtid(tagged_body());
  ASSERT_TRUE(gtid);
  MysqlGtidSet set;
  set.add(*gtid);
  EXPECT_EQ(set.text(), std::string(uuid) + ":blue:1");
  for (std::size_t size = 0; size < tagged_body().size(); ++size) {
    (void)parse_mysql_tagged_gtid(Bytes(tagged_body()).first(size));
  }
}

std::string json(const Raw& value) {
  std::string text;
  return append_mysql_json(value, text) ? text : "refused";
}

// {"a": 1, "c": {"x": "é\"\n\u0001"}, "bb": [1, 2, -3, true, null, 1.5, 1e300, 100.0, …]}, as
// MySQL 9.7.4 stored it.
const Raw& document() {
  static const Raw raw = from_hex(
      "0003007900190001001a0001001b000200050100001d00022f0061636262010012000b0001000c0c"
      "007805c3a9220a010a004a0005010005020005fdff0401000400000b22000b2a000b32000a3a000a"
      "4200000000000000f83f9c7500883ce4377e0000000000005940351cdcdf02000000ffffffffffff"
      "ffff");
  return raw;
}

TEST(MysqlJson, document_of_a_live_server) {
  EXPECT_EQ(
      json(document()),
      "{\"a\": 1, \"c\": {\"x\": \"é\\\"\\n\\u0001\"}, \"bb\": [1, 2, -3, true, null, 1.5, 1e300, "
      "100.0, 12345678901, 18446744073709551615]}");
  EXPECT_EQ(json({}), "null");
  EXPECT_EQ(json({4, 1}), "true");
  EXPECT_EQ(json({4, 3}), "refused");
  EXPECT_EQ(json({12, 2, 'h', 'i'}), "\"hi\"");
  EXPECT_EQ(json({12, 3, 'h', 'i'}), "refused");
}

TEST(MysqlJson, no_prefix_and_no_changed_byte_does_harm) {
  for (std::size_t size = 1; size < document().size(); ++size) {
    (void)json(Raw(document().begin(), document().begin() + static_cast<std::ptrdiff_t>(size)));
  }
  for (std::size_t at = 0; at < document().size(); ++at) {
    for (const int value : {0, 1, 2, 3, 11, 12, 15, 127, 128, 255}) {
      Raw changed = document();
      changed[at] = static_cast<std::uint8_t>(value);
      const std::string text = json(changed);
      EXPECT_LE(text.size(), document().size() * 16 + 200);
    }
  }
}

TEST(MysqlJson, arrays_that_share_their_contents_do_not_explode) {
  // Ten arrays of two, each element the next array: 1,024 values in 100 bytes, were they followed.
  Raw raw = {2};
  for (int level = 0; level < 200; ++level) {
    // count 2, size to the end, two entries pointing right behind this array
    const std::uint16_t size = static_cast<std::uint16_t>(10 * (200 - level) + 1);
    for (const int byte : {2, 0, size & 255, size >> 8, 2, 10, 0, 2, 10, 0}) {
      raw.push_back(static_cast<std::uint8_t>(byte));
    }
  }
  raw.push_back(0);
  EXPECT_EQ(json(raw), "refused");
}

Raw inner_event(std::size_t body) {
  Raw raw(event_header_size + body, 'x');
  raw[4] = static_cast<std::uint8_t>(BinlogEvent::xid);
  for (unsigned i = 0; i < 4; ++i) raw[9 + i] = static_cast<std::uint8_t>(raw.size() >> (8 * i));
  return raw;
}

Raw payload(const Raw& events, bool compressed) {
  Raw data = events;
  if (compressed) {
    data.resize(ZSTD_compressBound(events.size()));
    data.resize(ZSTD_compress(data.data(), data.size(), events.data(), events.size(), 3));
  }
  const std::uint8_t kind_size = compressed ? 1 : 3;
  Raw raw = {2, kind_size};
  if (compressed) {
    raw.push_back(0);
  } else {
    raw.insert(raw.end(), {252, 255, 0});
  }
  raw.insert(raw.end(), {1, 4, 253});
  for (unsigned i = 0; i < 3; ++i) raw.push_back(static_cast<std::uint8_t>(data.size() >> (8 * i)));
  raw.push_back(0);
  raw.insert(raw.end(), data.begin(), data.end());
  return raw;
}

TEST(MysqlPayload, events_come_one_by_one) {
  Raw events;
  const std::vector<std::size_t> sizes = {0, 8, 3'000'000, 1};
  for (const std::size_t size : sizes) {
    const Raw one = inner_event(size);
    events.insert(events.end(), one.begin(), one.end());
  }
  for (const bool compressed : {true, false}) {
    const Raw body = payload(events, compressed);
    auto reader = PayloadReader::open(body);
    ASSERT_TRUE(reader);
    for (const std::size_t size : sizes) {
      const auto event = reader->next();
      ASSERT_TRUE(event && *event);
      EXPECT_EQ((*event)->size(), event_header_size + size);
    }
    const auto end = reader->next();
    ASSERT_TRUE(end);
    EXPECT_FALSE(*end);
  }
}

TEST(MysqlPayload, what_is_cut_off_is_refused) {
  const Raw one = inner_event(5000);
  for (const bool compressed : {true, false}) {
    Raw half(one.begin(), one.begin() + 2000);
    const Raw body = payload(half, compressed);
    auto reader = PayloadReader::open(body);
    ASSERT_TRUE(reader);
    EXPECT_FALSE(reader->next());
  }
  const Raw body = payload(one, true);
  for (std::size_t size = 0; size < body.size(); ++size) {
    auto reader = PayloadReader::open(Bytes(body).first(size));
    EXPECT_FALSE(reader && reader->next()) << size;
  }
  for (std::size_t at = 0; at < body.size(); ++at) {
    Raw changed = body;
    changed[at] ^= 0x55;
    auto reader = PayloadReader::open(changed);
    for (int i = 0; reader && i < 10; ++i) {
      const auto event = reader->next();
      if (!event || !*event) break;
    }
  }
}

}  // namespace
}  // namespace minato::wire
