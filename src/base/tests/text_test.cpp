// Nearest names for messages.
#include "base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace minato {
namespace {

TEST(Text, EditDistanceCountsLettersNotBytes) {
  EXPECT_EQ(edit_distance("orders", "orders"), 0U);
  EXPECT_EQ(edit_distance("ordres", "orders"), 1U);
  EXPECT_EQ(edit_distance("Orders", "order"), 1U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("売上明細", "売上明紬"), 1U);
}

TEST(Text, SuggestsOnlyWhatIsNear) {
  const std::vector<std::string> tables = {"shop.orders", "shop.order_items", "売上.明細"};
  EXPECT_EQ(suggest("shop.ordrs", tables), "shop.orders");
  EXPECT_EQ(suggest("売上.明紬", tables), "売上.明細");
  EXPECT_FALSE(suggest("hr.salaries", tables));
  EXPECT_EQ(did_you_mean("shop.oders", tables), " Did you mean shop.orders?");
  EXPECT_EQ(did_you_mean("x", tables), "");
}

}  // namespace
}  // namespace minato
