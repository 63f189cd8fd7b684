// What calls cost: least charges, months, and what is not charged at all.
#include "oncall/cost.h"

#include <gtest/gtest.h>

namespace minato::oncall {
namespace {

constexpr Price kPrice{6, 60};  // yen a minute: 0.1 and 1 a second

SystemTime at(std::int64_t seconds) { return SystemTime{std::chrono::seconds(seconds)}; }

Attempt call(const std::string& carrier, std::int64_t placed, std::optional<std::int64_t> talked) {
  Attempt out;
  out.carrier = carrier;
  out.placed_at = at(placed);
  if (talked) out.answered_at = at(placed + 8);
  out.ended_at = at(placed + 8 + talked.value_or(0));
  return out;
}

TEST(Cost, LeastCharges) {
  EXPECT_DOUBLE_EQ(yen_of_call(kPrice, 0), 0);
  EXPECT_DOUBLE_EQ(yen_of_call(kPrice, 1), 1 + 60);
  EXPECT_DOUBLE_EQ(yen_of_call(kPrice, 10), 1 + 60);
  EXPECT_DOUBLE_EQ(yen_of_call(kPrice, 40), 4 + 60);
  EXPECT_DOUBLE_EQ(yen_of_call(kPrice, 61), 6.1 + 61);
  EXPECT_DOUBLE_EQ(yen_of_call(usual_price("drill"), 100), 0);
  EXPECT_DOUBLE_EQ(yen_of_call(usual_price("sip"), 100), 0);
  EXPECT_GT(yen_of_call(usual_price("amazon-connect"), 40), 10);
  EXPECT_GT(yen_of_call(usual_price("twilio"), 40), 10);
}

TEST(Cost, OnlyAnsweredCallsByMonthAndCarrier) {
  constexpr std::int64_t november = 1'793'491'200;  // 2026-11-01
  constexpr std::int64_t december = november + 30 * 86'400;
  Attempt never = call("sip", november, std::nullopt);
  never.placed_at.reset();
  const auto lines = costs({call("line", november, 40), call("line", november + 60, std::nullopt),
                            call("line", december - 1, 70), call("line", december, 1),
                            call("free", november, 100), never},
                           {{"line", kPrice}});
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].carrier, "free");
  EXPECT_DOUBLE_EQ(lines[0].yen, 0);
  EXPECT_EQ(lines[0].seconds, 100);
  EXPECT_EQ(lines[1].month, "2026-11");
  EXPECT_EQ(lines[1].calls, 3);
  EXPECT_EQ(lines[1].answered, 2);
  EXPECT_EQ(lines[1].seconds, 110);
  EXPECT_DOUBLE_EQ(lines[1].yen, 64 + 77);
  EXPECT_EQ(lines[2].month, "2026-12");
  EXPECT_DOUBLE_EQ(lines[2].yen, 61);
}

TEST(Cost, PartsOfASecondCountAsAWhole) {
  Attempt attempt = call("line", 1'000, 60);
  attempt.ended_at = *attempt.ended_at + std::chrono::milliseconds(1);
  const auto lines = costs({attempt}, {{"line", kPrice}});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].seconds, 61);
}

TEST(Cost, PricesOfTheSettingsReplaceTheUsual) {
  Settings settings;
  settings.carrier["a"].kind = "twilio";
  settings.carrier["b"].kind = "twilio";
  settings.prices["b"] = kPrice;
  const PriceTable prices = prices_of(settings);
  EXPECT_EQ(prices.at("a"), usual_price("twilio"));
  EXPECT_EQ(prices.at("b"), kPrice);
}

TEST(Cost, Months) {
  const auto december = month_of("2026-12");
  ASSERT_TRUE(december);
  EXPECT_EQ(rfc3339(december->first).substr(0, 10), "2026-12-01");
  EXPECT_EQ(rfc3339(december->second).substr(0, 10), "2027-01-01");
  for (const char* bad :
       {"", "2026", "2026-13", "2026-00", "26-11", "2026-1", "2026-1x", "2026/11"}) {
    EXPECT_FALSE(month_of(bad)) << bad;
  }
}

}  // namespace
}  // namespace minato::oncall
