// Child processes: output, exit codes, limits.
#include "runtime/child.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <thread>

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

TEST(Child, FactsOfAProcessThatLivesEndedAndIsGone) {
  const pid_t pid = spawn({.argv = {"sleep", "100"}}).value();
  const auto command = std::string("sleep") + '\0' + "100" + '\0';
  std::optional<ProcessFacts> facts;
  for (int tries = 0; tries < 1000; ++tries) {
    facts = process_facts(pid);
    ASSERT_TRUE(facts);
    if (facts->command == command) break;  // not any more in the middle of its exec
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(facts->command, command);
  EXPECT_EQ(facts->name, "sleep");
  EXPECT_EQ(facts->threads, 1);
  EXPECT_FALSE(facts->ended());
  kill(pid, SIGKILL);
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  facts = process_facts(pid);
  ASSERT_TRUE(facts);
  EXPECT_TRUE(facts->ended());
  EXPECT_EQ(facts->command, "");
  EXPECT_TRUE(wait_for_end(pid, seconds(5)));
  EXPECT_FALSE(process_facts(pid));
}

}  // namespace
}  // namespace minato::runtime
