// Goal: names, patterns and batches keep what was put in. Method: direct calls, awkward values.
#include <gtest/gtest.h>

#include "model/batch.h"
#include "model/names.h"

namespace minato {
namespace {

TEST(Names, QuotesWhatUsersInvent) {
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_literal("O'Neil"), "'O''Neil'");
  EXPECT_EQ(quote_mysql_identifier("注`文"), "`注``文`");
}

TEST(Names, Patterns) {
  EXPECT_TRUE(matches_pattern("shop.%", {"shop", "orders"}));
  EXPECT_TRUE(matches_pattern("*.order_*s", {"shop", "order_items"}));
  EXPECT_FALSE(matches_pattern("shop.order_*", {"shop", "orderXitems"}));
  EXPECT_FALSE(matches_pattern("shop", {"shop", "orders"}));
  EXPECT_TRUE(matches_pattern("%a%b%.t", {"xxaybyb", "t"}));
}

TEST(Batch, KeepsValuesNullsAndStrings) {
  auto schema = std::make_shared<TableSchema>();
  schema->columns = {{"id", {TypeKind::int64}}, {"name", {TypeKind::varchar}}};
  RowBatch batch(schema);
  for (std::int64_t row = 0; row < 1000; ++row) {
    batch.columns[0].append(row);
    if (row % 7 == 0) {
      batch.columns[1].append_null();
    } else {
      batch.columns[1].append_string(std::string(static_cast<std::size_t>(row % 40), 'x'),
                                     *batch.arena);
    }
  }
  for (std::size_t row = 0; row < 1000; ++row) {
    EXPECT_EQ(batch.columns[0].get<std::int64_t>(row), static_cast<std::int64_t>(row));
    ASSERT_EQ(batch.columns[1].is_null(row), row % 7 == 0);
    if (row % 7 != 0) {
      EXPECT_EQ(batch.columns[1].string(row), std::string(row % 40, 'x'));
    }
  }
  EXPECT_EQ(batch.rows(), 1000U);
}

}  // namespace
}  // namespace minato
