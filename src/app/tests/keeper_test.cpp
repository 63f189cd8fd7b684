// The supervisor's heart: a process that dies is started again with a back-off, one that keeps
// dying is reported, and all end in time. Time is jumped, except where a real process has to end.
#include "app/supervisor/keeper.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "app/supervisor/settling.h"
#include "runtime/child.h"

namespace minato::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ProcessSpec shell(const std::string& name, const std::string& script) {
  return {.name = name, .start = [=] {
            return runtime::spawn({.argv = {"/bin/sh", "-c", script}});
          }};
}

// Ticks at `now` until the process of this name is seen to have ended.
void tick_until_end(Keeper& keeper, const std::string& name, Clock::time_point now) {
  for (int i = 0; i < 5000 && keeper.find(name)->pid > 0; ++i) {
    keeper.tick(now);
    std::this_thread::sleep_for(milliseconds(1));
  }
  ASSERT_EQ(keeper.find(name)->pid, 0);
}

TEST(Keeper, StartsAgainWithBackOffAndReports) {
  bool failing = false;
  Keeper keeper([&](const ProcessState& state) { failing = state.failing; });
  Clock::time_point now = Clock::now();
  keeper.add(shell("crash", "exit 3"), now);
  for (int death = 1; death <= 4; ++death) {
    tick_until_end(keeper, "crash", now);
    const ProcessState& state = *keeper.find("crash");
    EXPECT_EQ(state.restarts, death);
    EXPECT_EQ(state.last_end, "exit code 3");
    EXPECT_EQ(state.next_start - now, restart_delay(death));
    EXPECT_EQ(failing, death >= 4);
    keeper.tick(now + restart_delay(death) - milliseconds(1));
    EXPECT_EQ(keeper.find("crash")->pid, 0) << "not before the delay is over";
    now += restart_delay(death);
    keeper.tick(now);
    EXPECT_GT(keeper.find("crash")->pid, 0);
  }
  keeper.stop_all(seconds(5));
}

TEST(Keeper, DelayIsShortAndBounded) {
  EXPECT_EQ(restart_delay(1), milliseconds(200));
  EXPECT_EQ(restart_delay(2), milliseconds(400));
  EXPECT_EQ(restart_delay(100), milliseconds(5000));
}

TEST(Keeper, StayingUpIsForgiven) {
  int changes = 0;
  Keeper keeper([&](const ProcessState&) { ++changes; });
  Clock::time_point now = Clock::now();
  keeper.add(shell("role", "exec sleep 100"), now);
  kill(keeper.find("role")->pid, SIGKILL);
  tick_until_end(keeper, "role", now);
  EXPECT_EQ(keeper.find("role")->last_end, "killed by signal 9 (Killed)");
  now += seconds(1);
  keeper.tick(now);
  EXPECT_EQ(keeper.find("role")->quick_deaths, 1);
  ASSERT_TRUE(keeper.next_due());
  keeper.tick(now + seconds(30));
  EXPECT_EQ(keeper.find("role")->quick_deaths, 0);
  EXPECT_FALSE(keeper.next_due());
  EXPECT_EQ(keeper.find("role")->restarts, 1);
  keeper.stop_all(seconds(5));
}

TEST(Keeper, WantedRestartIsNoDeath) {
  Keeper keeper([](const ProcessState&) {});
  const Clock::time_point now = Clock::now();
  keeper.add(shell("role", "exec sleep 100"), now);
  const pid_t before = keeper.find("role")->pid;
  keeper.restart("role", now);
  for (int i = 0; i < 5000 && keeper.find("role")->pid == before; ++i) {
    keeper.tick(now);
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_NE(keeper.find("role")->pid, before);
  EXPECT_EQ(keeper.find("role")->quick_deaths, 0);
  keeper.stop_all(seconds(5));
}

TEST(Keeper, WhoDoesNotListenIsKilled) {
  Keeper keeper([](const ProcessState&) {});
  const std::string deaf = ::testing::TempDir() + "minato-deaf-" + std::to_string(getpid());
  keeper.add(shell("deaf", "trap '' TERM; touch " + deaf + "; while :; do sleep 0.05; done"),
             Clock::now());
  for (int i = 0; i < 5000 && !std::filesystem::remove(deaf); ++i) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  const auto began = Clock::now();
  keeper.stop_all(milliseconds(300));
  EXPECT_LT(Clock::now() - began, seconds(4));
  EXPECT_EQ(keeper.find("deaf")->pid, 0);
}

TEST(Keeper, AProgramThatIsMissingIsADeath) {
  Keeper keeper([](const ProcessState&) {});
  const Clock::time_point now = Clock::now();
  keeper.add(
      {.name = "none", .start = [] { return runtime::spawn({.argv = {"/no/such/program"}}); }},
      now);
  tick_until_end(keeper, "none", now);
  EXPECT_EQ(keeper.find("none")->last_end, "exit code 127");
}

TEST(Settling, AFileIsTakenOverOnceAndNotWhileItIsBeingWritten) {
  const Clock::time_point start{};
  Settling file("old");
  EXPECT_FALSE(file.changed("old", start + seconds(9)));
  EXPECT_FALSE(file.changed("", start + seconds(10)));  // truncated
  EXPECT_FALSE(file.changed("half", start + seconds(10) + Settling::kRest));
  EXPECT_FALSE(file.changed("new", start + seconds(11)));
  EXPECT_FALSE(file.changed("new", start + seconds(11) + Settling::kRest / 2));
  EXPECT_TRUE(file.changed("new", start + seconds(11) + Settling::kRest));
  EXPECT_FALSE(file.changed("new", start + seconds(12)));
  EXPECT_FALSE(file.changed("half", start + seconds(13)));
  EXPECT_FALSE(file.changed("new", start + seconds(14)));  // as it was
  EXPECT_FALSE(file.changed("new", start + seconds(15)));
  file.complete();  // SIGHUP
  EXPECT_TRUE(file.changed("next", start + seconds(16)));
  EXPECT_FALSE(file.changed("next", start + seconds(17)));
}

}  // namespace
}  // namespace minato::app
