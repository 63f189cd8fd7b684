// Child processes: output, exit codes, limits.
#include "runtime/child.h"

#include <gtest/gtest.h>

namespace minato::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Child, RunsToTheEnd) {
  const auto result =
      run({.argv = {"sh", "-c", "cat; echo err >&2; exit 7"}, .input = "in\n"}, seconds(10));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->exit_code, 7);
  EXPECT_EQ(result->output, "in\nerr\n");
}

TEST(Child, MoreOutputThanAPipeHolds) {
  const auto result = run({.argv = {"sh", "-c", "head -c 300000 /dev/zero"}}, seconds(10));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->exit_code, 0);
}

TEST(Child, TooSlowIsKilled) {
  const auto result = run({.argv = {"sleep", "100"}}, milliseconds(100));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::deadline);
}

TEST(Child, MissingProgram) {
  const auto result = run({.argv = {"no-such-program"}}, seconds(10));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->exit_code, 127);
}

}  // namespace
}  // namespace minato::runtime
