// Goal: rows of a prepared SELECT become the right values, and no bytes make the decoder read
// outside or hang. Method: one row of all kinds by hand; each prefix of it and each changed byte.
#include <gtest/gtest.h>

#include <algorithm>

#include "wire/mysql_rows.h"
#include "wire/mysql_values.h"

namespace minato::wire {
namespace {

using Raw = std::vector<std::uint8_t>;

struct Field {
  const char* declared;
  std::uint8_t type;  // as the server announces it
  Raw bytes;          // of the value, with its length where it has one
};

Raw text(std::string_view value) {
  Raw raw(1 + value.size());
  raw[0] = static_cast<std::uint8_t>(value.size());
  std::copy(value.begin(), value.end(), raw.begin() + 1);
  return raw;
}

const std::vector<Field>& fields() {
  static const std::vector<Field> all = {
      {"tinyint(4)", type_tiny, {0xfe}},
      {"smallint(6) unsigned", type_short, {0xff, 0xff}},
      {"mediumint(9)", type_int24, {0xfd, 0xff, 0xff, 0xff}},
      {"bigint(20) unsigned", type_longlong, Raw(8, 0xff)},
      {"year(4)", type_year, {0xea, 0x07}},
      {"double", type_double, {0, 0, 0, 0, 0, 0, 0xf8, 0x3f}},
      {"decimal(12,2)", type_newdecimal, text("-1234567.89")},
      {"bit(1)", type_bit, text("\x01")},
      {"bit(12)", type_bit, text("\x0a\xbc")},
      {"date", type_date, {4, 0xea, 0x07, 2, 28}},
      {"datetime(6)", type_datetime, {11, 0xea, 0x07, 2, 28, 23, 59, 58, 0x40, 0xe2, 0x01, 0}},
      {"timestamp", type_timestamp, {7, 0xea, 0x07, 1, 1, 0, 0, 1}},
      {"time(6)", type_time, {12, 1, 34, 0, 0, 0, 22, 59, 59, 1, 0, 0, 0}},
      {"varchar(40) utf8mb4", 253, text("a text that is not inlined: 港")},
      {"enum('x','y') utf8mb4", 254, text("y")},
      {"varbinary(9)", 253, text("\xff\xfe")},
      {"decimal(65,2)", type_newdecimal, text("12.50")},
      {"int(11)", type_long, {}},  // NULL in row()
  };
  return all;
}

TableSchemaPtr schema() {
  auto shape = std::make_shared<TableSchema>();
  shape->name = {"shop", "t"};
  for (const Field& field : fields()) {
    const std::string name = "c" + std::to_string(shape->columns.size());
    shape->columns.push_back(lake_column(name, *parse_source_type(field.declared), true));
  }
  return shape;
}

Raw types() {
  Raw out;
  for (const Field& field : fields()) out.push_back(field.type);
  return out;
}

Raw row() {
  Raw raw(1 + (fields().size() + 9) / 8);
  for (std::size_t i = 0; i < fields().size(); ++i) {
    const Raw& bytes = fields()[i].bytes;
    if (bytes.empty()) raw[1 + (i + 2) / 8] |= static_cast<std::uint8_t>(1 << ((i + 2) & 7));
    raw.insert(raw.end(), bytes.begin(), bytes.end());
  }
  return raw;
}

TEST(ResultRows, values) {
  const auto decoder = ResultRowDecoder::compile(*schema(), types());
  ASSERT_TRUE(decoder) << describe(decoder.error());
  RowBatch batch(schema());
  DecodeCounts counts;
  ASSERT_TRUE(decoder->decode(row(), batch, counts));
  const auto& columns = batch.columns;
  EXPECT_EQ(columns[0].get<std::int8_t>(0), -2);
  EXPECT_EQ(columns[1].get<std::uint16_t>(0), 65535);
  EXPECT_EQ(columns[2].get<std::int32_t>(0), -3);
  EXPECT_EQ(columns[3].get<std::uint64_t>(0), UINT64_MAX);
  EXPECT_EQ(columns[4].get<std::int16_t>(0), 2026);
  EXPECT_EQ(columns[5].get<double>(0), 1.5);
  EXPECT_EQ(columns[6].get<std::int64_t>(0), -123456789);
  EXPECT_EQ(columns[7].get<std::uint8_t>(0), 1);
  EXPECT_EQ(columns[8].get<std::uint64_t>(0), 0xabcU);
  const std::int32_t day = days_from_civil(2026, 2, 28);
  EXPECT_EQ(columns[9].get<std::int32_t>(0), day);
  EXPECT_EQ(columns[10].get<std::int64_t>(0), (day + 1) * us_per_day - 2 * us_per_second + 123'456);
  EXPECT_EQ(columns[11].get<std::int64_t>(0),
            days_from_civil(2026, 1, 1) * us_per_day + us_per_second);
  EXPECT_EQ(columns[12].get<std::int64_t>(0), -((838LL * 60 + 59) * 60 + 59) * us_per_second - 1);
  EXPECT_EQ(columns[13].string(0), "a text that is not inlined: 港");
  EXPECT_EQ(columns[14].string(0), "y");
  EXPECT_EQ(columns[15].string(0), "\xff\xfe");
  EXPECT_EQ(columns[16].string(0), "12.50");
  EXPECT_TRUE(columns[17].is_null(0));
  EXPECT_EQ(counts.zero_dates + counts.bad_text, 0U);
}

TEST(ResultRows, days_that_are_none_are_null_and_counted) {
  auto shape = std::make_shared<TableSchema>();
  shape->name = {"shop", "t"};
  shape->columns = {lake_column("d", *parse_source_type("date"), true),
                    lake_column("t", *parse_source_type("datetime"), true)};
  const auto decoder = ResultRowDecoder::compile(*shape, Raw{type_date, type_datetime});
  ASSERT_TRUE(decoder);
  RowBatch batch(shape);
  DecodeCounts counts;
  // '0000-00-00', and the 31st of February at a time of day.
  ASSERT_TRUE(decoder->decode(Raw{0, 0, 0, 7, 0xea, 0x07, 2, 31, 1, 2, 3}, batch, counts));
  EXPECT_TRUE(batch.columns[0].is_null(0));
  EXPECT_TRUE(batch.columns[1].is_null(0));
  EXPECT_EQ(counts.zero_dates, 2U);
}

TEST(ResultRows, another_type_than_the_declared_one_is_a_conflict) {
  for (std::size_t i = 0; i < fields().size(); ++i) {
    Raw wrong = types();
    wrong[i] = wrong[i] == type_date ? type_time : type_date;
    const auto decoder = ResultRowDecoder::compile(*schema(), wrong);
    ASSERT_FALSE(decoder) << fields()[i].declared;
    EXPECT_EQ(decoder.error().code, Code::conflict);
  }
}

TEST(ResultRows, broken_rows_are_refused_or_whole) {
  const auto decoder = ResultRowDecoder::compile(*schema(), types());
  ASSERT_TRUE(decoder);
  const Raw good = row();
  const auto whole = [&](const Raw& raw) {
    RowBatch batch(schema());
    DecodeCounts counts;
    const Raw exact(raw);  // NOLINT(performance-unnecessary-copy-initialization): bytes outside
                           // would be the sanitizer's
    if (!decoder->decode(exact, batch, counts)) return false;
    for (const ColumnData& column : batch.columns) EXPECT_EQ(column.size(), 1U);
    return true;
  };
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(whole(Raw(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))));
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int value : {0, 1, 0x7f, 0xfb, 0xfc, 0xfe, 0xff}) {
      Raw changed = good;
      changed[at] = static_cast<std::uint8_t>(value);
      whole(changed);
    }
  }
}

}  // namespace
}  // namespace minato::wire
