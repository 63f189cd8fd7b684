// Goal: the round's promises over long random histories: order, one call at a time, nothing rung
// for nothing, nothing left unrung, whatever dies and however the clock jumps. Method: the desk on
// a real journal with a clock of our own; carriers are dice. The seed is printed.
#include "oncall/desk.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "base/testing/seed.h"

namespace minato::oncall {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class World {
 public:
  explicit World(const std::string& teams)
      : directory_("/dev/shm/minato-desk-test." + std::to_string(::getpid())) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    const TeamsFile file = parse_teams(teams, "teams.toml");
    EXPECT_TRUE(file.problems.empty()) << to_string(file.problems);
    teams_ = file.teams;
    restart();
  }
  ~World() { std::filesystem::remove_all(directory_); }

  /// As after kill -9: only what was committed is known.
  void restart() {
    desk_.reset();
    journal_.reset();
    journal_.emplace(Journal::open(directory_ / "journal.db").value());
    DeskClock clock;
    clock.now = [this] { return system; };
    clock.steady = [this] { return steady; };
    desk_.emplace(*journal_, std::vector<std::string>{"one", "two"}, clock);
    in_transaction([&] {
      const Status configured = desk_->configure(teams_, "data", default_speech("en"));
      return configured ? desk_->load() : configured;
    });
  }

  template <class Body>
  void in_transaction(Body body) {
    ASSERT_TRUE(journal_->begin());
    const Status done = body();
    ASSERT_TRUE(done) << describe(done.error());
    const Status advanced = desk_->advance();
    ASSERT_TRUE(advanced) << describe(advanced.error());
    ASSERT_TRUE(journal_->commit());
    for (Ask& ask : desk_->take_asks()) asks.push_back(std::move(ask));
  }
  void pass(milliseconds time) {
    steady += time;
    system += time;
    in_transaction([] { return Status(); });
  }
  void raise(const std::string& key, Severity severity = Severity::critical) {
    in_transaction([&]() -> Status {
      Alarm alarm;
      alarm.key = key;
      alarm.title = key;
      alarm.severity = severity;
      TRY(desk_->raise(alarm));
      return {};
    });
  }
  void end(const std::string& attempt, Outcome outcome, const std::string& keys = "") {
    in_transaction([&] {
      CallReport report;
      report.state = CallState::ended;
      report.outcome = outcome;
      report.keys = keys;
      return desk_->reported(attempt, report);
    });
  }
  std::vector<Attempt> attempts() {
    auto out = journal_->attempts({.limit = 100'000}).value();
    std::ranges::reverse(out);
    std::ranges::stable_sort(out, [](const Attempt& a, const Attempt& b) {
      return std::pair(a.round, a.number) < std::pair(b.round, b.number);
    });
    return out;
  }
  Desk& desk() { return *desk_; }
  Journal& journal() { return *journal_; }

  SystemTime system{std::chrono::sys_days(std::chrono::year(2026) / 11 / 26)};
  Desk::Steady steady{seconds(1'000'000)};
  std::vector<Ask> asks;

 private:
  std::filesystem::path directory_;
  Teams teams_;
  std::optional<Journal> journal_;
  std::optional<Desk> desk_;
};

constexpr const char* kTeams = R"(
[team.data]
members = [ {name = "A", phone = "+819000000001"}, {name = "B", phone = "+819000000002"},
            {name = "C", phone = "+819000000003"} ]
round_pause_seconds = 30
regroup_seconds = 60
)";

TEST(Desk, RingsInOrderUntilKeyOne) {
  World world(kTeams);
  world.raise("x");
  std::string order;
  for (int i = 0; i < 7; ++i) {
    const auto all = world.attempts();
    ASSERT_EQ(all.size(), static_cast<std::size_t>(i + 1));
    order += all.back().person;
    world.end(all.back().id, i == 6 ? Outcome::none : Outcome::no_answer, i == 6 ? "1" : "");
    if (i % 3 == 2) world.pass(seconds(30));
  }
  EXPECT_EQ(order, "ABCABCA");
  EXPECT_EQ(world.desk().ringing(), 0U);
  const auto incident = world.journal().incident("x").value();
  EXPECT_EQ(incident->state, IncidentState::acknowledged);
  EXPECT_EQ(incident->acknowledged_by, "A");
  world.pass(seconds(600));
  EXPECT_EQ(world.attempts().size(), 7U);
}

TEST(Desk, WhatCameDuringTheCallRingsLaterAsOneGroup) {
  World world(kTeams);
  world.raise("x");
  for (int i = 0; i < 100; ++i) world.raise("late" + std::to_string(i));
  world.end(world.attempts().back().id, Outcome::none, "1");
  EXPECT_EQ(world.journal().incident("x").value()->state, IncidentState::acknowledged);
  EXPECT_EQ(world.journal().incident("late0").value()->state, IncidentState::open);
  world.pass(seconds(59));
  EXPECT_EQ(world.attempts().size(), 1U);
  world.pass(seconds(2));
  ASSERT_EQ(world.attempts().size(), 2U);
  world.end(world.attempts().back().id, Outcome::none, "1");
  EXPECT_EQ(world.journal().incident("late99").value()->state, IncidentState::acknowledged);
}

TEST(Desk, AWorseOneIsNotAcknowledgedByACallThatDidNotTellOfIt) {
  World world(kTeams);
  world.raise("x", Severity::error);
  world.raise("x", Severity::critical);  // while the call is on its way
  world.end(world.attempts().back().id, Outcome::none, "1");
  EXPECT_EQ(world.journal().incident("x").value()->state, IncidentState::open);
}

TEST(Desk, ACarrierThatSaysNothingIsGivenUp) {
  World world(kTeams);
  world.raise("x");
  world.pass(seconds(61));
  const auto all = world.attempts();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].outcome, Outcome::carrier_failed);
  EXPECT_EQ(all[1].person, "A");
  EXPECT_EQ(all[1].carrier, "two");
}

TEST(Desk, ClocksThatJumpDelayNobody) {
  for (const auto jump : {std::chrono::hours(24 * 365), std::chrono::hours(-24 * 365)}) {
    World world(kTeams);
    world.raise("x");
    for (int i = 0; i < 3; ++i) world.end(world.attempts().back().id, Outcome::busy);
    ASSERT_EQ(world.attempts().size(), 3U);
    world.system += jump;
    world.pass(seconds(31));
    EXPECT_EQ(world.attempts().size(), 4U);
    for (int i = 0; i < 3; ++i) world.end(world.attempts().back().id, Outcome::busy);
    world.system += jump;
    world.restart();
    world.pass(seconds(61));
    EXPECT_GE(world.attempts().size(), 7U);
  }
}

using Dice = std::mt19937;

bool chance(Dice& dice, int percent) { return static_cast<int>(dice() % 100) < percent; }

/// Somebody acknowledges or resolves one of the open incidents.
void settle_one(World& world, Dice& dice) {
  const auto open = world.journal().incidents({.state = IncidentState::open}).value();
  if (open.empty()) return;
  const std::string key = open[dice() % open.size()].key;
  const bool resolve = chance(dice, 50);
  world.in_transaction([&]() -> Status {
    if (resolve) {
      TRY(world.desk().resolve(key, "test"));
    } else {
      TRY(world.desk().acknowledge(key, "test"));
    }
    return {};
  });
}

/// The carriers report of some calls: not placed, placed, ended with keys.
void report_calls(World& world, Dice& dice) {
  const auto open_calls = world.journal().not_ended();
  for (const Attempt& attempt : *open_calls) {
    if (chance(dice, 50)) continue;
    if (chance(dice, 20) && attempt.state == AttemptState::planned) {
      world.in_transaction([&] {
        return world.desk().not_placed(attempt.id, Error{Code::unavailable, "down", ""});
      });
      continue;
    }
    world.in_transaction([&] { return world.desk().placed(attempt.id, "c" + attempt.id); });
    if (chance(dice, 30)) continue;
    const char* keys[] = {"", "", "9", "2", "1", "91"};
    world.end(attempt.id, Outcome::no_answer, keys[dice() % std::size(keys)]);
  }
}

/// One call at a time, none without a reason, and nothing forgotten.
void expect_promises(World& world) {
  const auto live = world.journal().not_ended().value();
  ASSERT_LE(live.size(), 1U) << "two calls at a time";
  ASSERT_EQ(live.size(), world.desk().ringing());
  bool to_ring = false;
  const auto unresolved = world.journal().all_unresolved();
  for (const Incident& incident : *unresolved) {
    to_ring =
        to_ring || (incident.state == IncidentState::open && incident.severity >= Severity::error);
  }
  ASSERT_TRUE(to_ring || live.empty()) << "rung for nothing";
  // Either a call, or one is due within a pause.
  if (to_ring && live.empty()) {
    ASSERT_LE(world.desk().next_due() - world.steady, seconds(60));
  }
}

/// The order of each round: A B C A B C, the same person again only with the next carrier.
void expect_order(const std::vector<Attempt>& attempts) {
  std::int64_t round = -1;
  std::string expected;
  bool failed = false;
  for (const Attempt& attempt : attempts) {
    if (attempt.round != round) {
      round = attempt.round;
      expected = "A";
      ASSERT_EQ(attempt.number, 1);
      ASSERT_EQ(attempt.carrier, "one");
    } else if (failed) {
      ASSERT_EQ(attempt.carrier, "two");
    }
    ASSERT_EQ(attempt.person, expected) << "round " << round << " call " << attempt.number;
    failed = attempt.outcome == Outcome::carrier_failed && attempt.carrier == "one";
    if (!failed)
      expected = std::string(1, expected == "C" ? 'A' : static_cast<char>(expected[0] + 1));
  }
}

/// One long random life. What must hold is looked at after every step.
void live(std::uint32_t seed) {
  SCOPED_TRACE("MINATO_SEED=" + std::to_string(seed));
  Dice dice(seed);
  World world(kTeams);
  int raised = 0;
  for (int step = 0; step < 400; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    if (chance(dice, 20)) {
      const auto severity = static_cast<Severity>(dice() % 4);
      const int key = chance(dice, 50) ? raised++ : static_cast<int>(dice() % 10);
      world.raise("k" + std::to_string(key), severity);
    }
    if (chance(dice, 5)) world.restart();
    if (chance(dice, 3)) world.system += std::chrono::hours(static_cast<int>(dice() % 2000) - 1000);
    if (chance(dice, 5)) settle_one(world, dice);
    report_calls(world, dice);
    world.pass(milliseconds(dice() % 40'000));
    ASSERT_NO_FATAL_FAILURE(expect_promises(world));
  }
  expect_order(world.attempts());
}

TEST(Desk, HoldsItsPromisesOverRandomLives) {
  const std::uint32_t seed = test_seed();
  for (std::uint32_t i = 0; i < 15; ++i) live(seed + i);
}

}  // namespace
}  // namespace minato::oncall
