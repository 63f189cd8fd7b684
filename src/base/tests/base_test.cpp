// Goal: errors travel with their code and texts; failpoints act when told. Method: direct calls.
#include <gtest/gtest.h>

#include "base/failpoint.h"
#include "base/result.h"

namespace minato {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Code::invalid, "odd");
  return n / 2;
}
Result<int> quarter(int n) {
  TRY_ASSIGN(const int once, half(n));
  TRY_ASSIGN(const int twice, half(once));
  return twice;
}

TEST(Result, TryReturnsTheFirstError) {
  EXPECT_EQ(*quarter(8), 2);
  const auto odd = quarter(6);
  ASSERT_FALSE(odd);
  EXPECT_EQ(describe(odd.error()), "invalid: odd");
}

TEST(Result, EveryCodeHasProperties) {
  for (int code = 0; code <= static_cast<int>(Code::internal); ++code) {
    const auto& row = properties(static_cast<Code>(code));
    EXPECT_EQ(row.sqlstate.size(), 5U) << row.name;
    EXPECT_GE(row.http_status, 400) << row.name;
  }
}

TEST(Failpoint, NothingWithoutTheEnvironment) { EXPECT_TRUE(failpoint("base.unknown")); }

}  // namespace
}  // namespace minato
