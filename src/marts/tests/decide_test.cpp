// The scheduler's decisions: single rules by example, and a simulated platform (random graph,
// arrivals, run times, failures, changed definitions) in which the promises of decide.h are checked
// at every step.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "marts/decide.h"

namespace minato::marts {
namespace {

using std::chrono::seconds;
using Kind = Decision::Kind;

SystemTime at(int second) { return SystemTime(seconds(1'000'000 + second)); }

TableFacts table(const std::string& name, std::int64_t snapshot) {
  return {{"shop", name}, true, true, "", snapshot};
}

/// Built from snapshot `built`, started at `started`.
MartFacts built(const std::string& name, std::int64_t snapshot, int started, int interval = 60) {
  MartFacts mart;
  mart.name = {"m", name};
  mart.interval = seconds(interval);
  mart.built_snapshot = snapshot;
  mart.last_started_at = at(started);
  return mart;
}

Decisions decide_once(const Facts& facts, int now) {
  std::vector<MartMemory> memory(facts.marts.size());
  return decide(facts, memory, at(now));
}

TEST(Decide, RunsAtOnceWhenTheIntervalHasPassedElseWhenItHas) {
  Facts facts{{table("orders", 7)}, {built("a", 5, 0)}, 7};
  facts.marts[0].tables = {0};
  EXPECT_EQ(decide_once(facts, 60).marts[0].kind, Kind::run);
  const Decisions early = decide_once(facts, 20);
  EXPECT_EQ(early.marts[0].kind, Kind::wait);
  EXPECT_EQ(early.marts[0].at, at(60));
  EXPECT_EQ(early.wake_at, at(60));
  facts.marts[0].changed = true;
  EXPECT_EQ(decide_once(facts, 20).marts[0].kind, Kind::run);
  facts.marts[0].changed = false;
  facts.tables[0].last_snapshot = 5;
  const Decisions fresh = decide_once(facts, 60);
  EXPECT_EQ(fresh.marts[0].kind, Kind::nothing);
  EXPECT_FALSE(fresh.wake_at.has_value());
}

TEST(Decide, AClockSetBackHoldsNobodyLongerThanTwoIntervals) {
  Facts facts{{table("orders", 7)}, {built("a", 5, 60)}, 7};
  facts.marts[0].tables = {0};
  EXPECT_EQ(decide_once(facts, 0).marts[0].at, at(120));
  for (const int started : {61, 100'000}) {
    facts.marts[0].last_started_at = at(started);
    EXPECT_EQ(decide_once(facts, 0).marts[0].kind, Kind::run);
  }
}

TEST(Decide, SaysWhatItWaitsFor) {
  Facts facts{{table("orders", 0)}, {built("a", 5, 0)}, 7};
  facts.marts[0].tables = {0};
  facts.marts[0].built_snapshot.reset();
  facts.tables[0].readable = false;
  facts.tables[0].unreadable = "is being read for the first time";
  EXPECT_EQ(decide_once(facts, 0).marts[0].why,
            "waits for shop.orders, which is being read for the first time");
  facts.marts[0].missing = {"line 1, column 15: there is no table shop.ordes."};
  EXPECT_EQ(decide_once(facts, 0).marts[0].why, facts.marts[0].missing[0]);
  facts.marts[0].invalid = "m.a → m.a";
  EXPECT_EQ(decide_once(facts, 0).marts[0].kind, Kind::invalid);
}

TEST(Decide, AReaderWaitsForTheStaleMartAboveIt) {
  // a and b read orders, b reads a as well; c reads b.
  Facts facts{{table("orders", 7), table("a", 6), table("b", 6)},
              {built("a", 5, 0), built("b", 6, 0), built("c", 6, 0)},
              7};
  facts.marts[0].tables = {0};
  facts.marts[1].tables = {0, 1};
  facts.marts[1].upstream = {0};
  facts.marts[2].tables = {2};
  facts.marts[2].upstream = {1};
  const Decisions first = decide_once(facts, 60);
  EXPECT_EQ(first.marts[0].kind, Kind::run);
  EXPECT_EQ(first.marts[1].why, "waits for m.a, which runs first");
  EXPECT_EQ(first.marts[2].kind, Kind::nothing);
  // Running is not done.
  facts.marts[0].job = true;
  EXPECT_EQ(decide_once(facts, 60).marts[1].kind, Kind::wait);
  // A failing mart holds up nobody.
  facts.marts[0].job = false;
  facts.marts[0].failures = 2;
  facts.marts[0].next_try_at = at(90);
  const Decisions failing = decide_once(facts, 60);
  EXPECT_EQ(failing.marts[0].kind, Kind::failed);
  EXPECT_EQ(failing.marts[1].kind, Kind::run);
  EXPECT_EQ(decide_once(facts, 90).marts[0].kind, Kind::run);
  // The clock was set back by more than a wait can last.
  EXPECT_EQ(decide_once(facts, 89 - static_cast<int>(retry_wait_max.count())).marts[0].kind,
            Kind::run);
}

TEST(Decide, AlsoThroughAMartThatIsUpToDate) {
  // top is stale and due; middle reads only top; bottom reads middle and orders, and is stale by
  // orders.
  Facts facts{{table("orders", 7), table("top", 3), table("middle", 4)},
              {built("top", 5, 0), built("middle", 5, 0), built("bottom", 5, 0)},
              7};
  facts.marts[0].tables = {0};
  facts.marts[1].tables = {1};
  facts.marts[1].upstream = {0};
  facts.marts[2].tables = {0, 2};
  facts.marts[2].upstream = {1};
  EXPECT_EQ(decide_once(facts, 60).marts[2].why, "waits for m.top, which runs first");
}

TEST(Decide, PatienceWithALaterTurnHasAnEnd) {
  Facts facts{{table("orders", 7), table("a", 6)}, {built("a", 5, 50), built("b", 6, 0)}, 7};
  facts.marts[0].tables = {0};
  facts.marts[1].tables = {0, 1};
  facts.marts[1].upstream = {0};
  std::vector<MartMemory> memory(2);
  // b's turn came at 60, a's comes at 110: too late for half of 60 s.
  EXPECT_EQ(decide(facts, memory, at(60)).marts[1].kind, Kind::run);
  facts.marts[0].last_started_at = at(25);  // a's turn comes at 85
  memory.assign(2, {});
  const Decisions waits = decide(facts, memory, at(60));
  EXPECT_EQ(waits.marts[1].kind, Kind::wait);
  EXPECT_EQ(waits.marts[1].at, at(85));
  // A changed statement waits for nobody's turn.
  facts.marts[1].changed = true;
  EXPECT_EQ(decide_once(facts, 60).marts[1].kind, Kind::run);
}

TEST(Decide, BackOff) {
  EXPECT_EQ(back_off(1, seconds(10), seconds(600)), seconds(10));
  EXPECT_EQ(back_off(3, seconds(10), seconds(600)), seconds(40));
  EXPECT_EQ(back_off(1000, seconds(10), seconds(600)), seconds(600));
}

/// A platform in small: the world that decide() sees, and what really happens.
class Simulation {
 public:
  explicit Simulation(unsigned seed) : random_(seed) {
    bases_ = 1 + pick(3);
    const int marts = 1 + pick(10);
    facts_.newest_snapshot = 1;
    for (int t = 0; t < bases_ + marts; ++t) {
      facts_.tables.push_back(table("t" + std::to_string(t), t < bases_ ? 1 : 0));
      facts_.tables.back().readable = facts_.tables.back().exists = t < bases_;
      facts_.tables.back().unreadable = "is not there yet (simulated)";
    }
    for (int m = 0; m < marts; ++m) {
      MartFacts mart;
      mart.name = {"m", std::to_string(m)};
      const int intervals[] = {5, 20, 60};
      mart.interval = seconds(intervals[pick(3)]);
      mart.changed = true;
      std::set<int> reads;
      for (int k = pick(4); k >= 0; --k) reads.insert(pick(bases_ + m));
      mart.tables.assign(reads.begin(), reads.end());
      for (const int read : reads) {
        if (read >= bases_) mart.upstream.push_back(read - bases_);
      }
      facts_.marts.push_back(mart);
    }
    memory_.resize(facts_.marts.size());
    runs_.resize(facts_.marts.size());
  }

  /// Arrivals for `length` seconds, then quiet until everything ought to be done.
  void run(int length) {
    for (now_ = 0; now_ < length + 1000; ++now_) {
      const bool busy = now_ < length;
      if (busy && pick(3) == 0) arrive();
      if (busy && pick(40) == 0) facts_.marts[any()].changed = true;
      finish(busy);
      step();
      if (::testing::Test::HasFailure()) return;
    }
    for (std::size_t m = 0; m < facts_.marts.size(); ++m) {
      // Nothing arrived was lost.
      EXPECT_FALSE(stale(m)) << "mart " << m;
      EXPECT_FALSE(facts_.marts[m].job);
      EXPECT_GT(runs_[m].count, 0) << "mart " << m;
    }
  }

 private:
  struct Run {
    int ends = 0;
    std::int64_t read = 0;
    bool of_change = false;
    int count = 0;
    int ready_since = -1;  // stale, its turn come, all readable
  };
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::size_t any() {
    return static_cast<std::size_t>(pick(static_cast<int>(facts_.marts.size())));
  }

  bool stale(std::size_t m) const {
    const MartFacts& mart = facts_.marts[m];
    if (mart.changed || !mart.built_snapshot) return true;
    return std::ranges::any_of(mart.tables, [&](int t) {
      return facts_.tables[static_cast<std::size_t>(t)].last_snapshot > *mart.built_snapshot;
    });
  }

  void arrive() {
    ++facts_.newest_snapshot;
    for (int t = 0; t < bases_; ++t) {
      if (pick(2) == 0) {
        facts_.tables[static_cast<std::size_t>(t)].last_snapshot = facts_.newest_snapshot;
      }
    }
  }

  void finish(bool busy) {
    for (std::size_t m = 0; m < facts_.marts.size(); ++m) {
      MartFacts& mart = facts_.marts[m];
      if (!mart.job || runs_[m].ends > now_) continue;
      mart.job = false;
      if (busy && pick(6) == 0) {
        ++mart.failures;
        mart.next_try_at = at(now_ + 5 * mart.failures);
        continue;
      }
      ++runs_[m].count;
      mart.failures = 0;
      mart.next_try_at.reset();
      mart.built_snapshot = runs_[m].read;
      if (runs_[m].of_change) mart.changed = false;
      TableFacts& own = facts_.tables[static_cast<std::size_t>(bases_) + m];
      own.last_snapshot = ++facts_.newest_snapshot;
      own.exists = own.readable = true;
    }
  }

  void step() {
    const Decisions decisions = decide(facts_, memory_, at(now_));
    for (std::size_t m = 0; m < facts_.marts.size(); ++m) {
      const MartFacts& mart = facts_.marts[m];
      const Decision& decision = decisions.marts[m];
      if (mart.job) {
        EXPECT_EQ(decision.kind, Kind::nothing);
        continue;
      }
      if (decision.kind == Kind::nothing) {
        EXPECT_FALSE(stale(m) && mart.failures == 0) << "mart " << m << " at " << now_;
      } else if (decision.kind != Kind::run) {
        EXPECT_TRUE(!decision.why.empty() || decision.at) << "mart " << m << " at " << now_;
      }
      liveness(m, decision);
      if (decision.kind == Kind::run) check_start(m, decisions);
    }
    for (std::size_t m = 0; m < facts_.marts.size(); ++m) {
      if (decisions.marts[m].kind != Kind::run) continue;
      MartFacts& mart = facts_.marts[m];
      mart.job = true;
      mart.last_started_at = at(now_);
      runs_[m].ends = now_ + pick(6);
      runs_[m].read = facts_.newest_snapshot;
      runs_[m].of_change = mart.changed;
      runs_[m].ready_since = -1;
    }
  }

  /// When `m` may start now.
  void check_start(std::size_t m, const Decisions& decisions) {
    const MartFacts& mart = facts_.marts[m];
    SCOPED_TRACE("mart " + std::to_string(m) + " at " + std::to_string(now_));
    EXPECT_TRUE(stale(m));
    if (mart.failures > 0) {
      EXPECT_LE(*mart.next_try_at, at(now_));
      return;
    }
    if (!mart.changed && mart.built_snapshot) {
      EXPECT_LE(*mart.last_started_at + mart.interval, at(now_));
    }
    const std::int64_t turn = memory_[m].due_snapshot;
    for (const int up : mart.upstream) {
      const auto u = static_cast<std::size_t>(up);
      const MartFacts& other = facts_.marts[u];
      const bool was_stale_at_turn = stale(u) && memory_[u].since_snapshot <= turn;
      if (!was_stale_at_turn) continue;
      // It may only be passed by when its own turn is too far away, or it fails, or cannot run.
      const Decision& theirs = decisions.marts[u];
      const bool later = theirs.at && *theirs.at > at(now_);
      const bool cannot =
          theirs.kind == Kind::wait && theirs.why.find("simulated") != std::string::npos;
      EXPECT_FALSE(other.job || theirs.kind == Kind::run) << "runs before " << up;
      EXPECT_TRUE(later || cannot) << "runs before " << up;
    }
  }

  /// Under a constant stream nobody starves: a mart whose turn has come starts within the time that
  /// those above it and its patience can take.
  void liveness(std::size_t m, const Decision& decision) {
    const MartFacts& mart = facts_.marts[m];
    const bool turn =
        decision.kind == Kind::wait && mart.failures == 0 && memory_[m].due_since && !mart.changed;
    if (!turn) {
      runs_[m].ready_since = -1;
    } else if (runs_[m].ready_since < 0) {
      runs_[m].ready_since = now_;
    }
    if (!turn) return;
    EXPECT_LT(now_ - runs_[m].ready_since, 30 + 7 * 12) << "mart " << m << " starves";
  }

  std::mt19937 random_;
  int bases_ = 0;
  int now_ = 0;
  Facts facts_;
  std::vector<MartMemory> memory_;
  std::vector<Run> runs_;
};

TEST(Decide, PromisesHoldInASimulatedPlatform) {
  for (unsigned seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation(seed).run(400);
    if (HasFailure()) return;
  }
}

TEST(Decide, ThousandsOfMartsTakeMilliseconds) {
  std::mt19937 random(3);
  Facts facts;
  facts.newest_snapshot = 10;
  for (int t = 0; t < 5000; ++t) facts.tables.push_back(table("t" + std::to_string(t), 9));
  for (int m = 0; m < 5000; ++m) {
    MartFacts mart = built("m" + std::to_string(m), 8, 0);
    for (int k = 0; k < 5; ++k) {
      mart.tables.push_back(static_cast<int>(random() % 5000));
      if (m > 0) mart.upstream.push_back(static_cast<int>(random() % static_cast<unsigned>(m)));
    }
    facts.marts.push_back(mart);
  }
  std::vector<MartMemory> memory(facts.marts.size());
  const auto begin = std::chrono::steady_clock::now();
  decide(facts, memory, at(60));
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(std::chrono::duration<double>(took).count(),
            0.5);  // ~2 ms; sanitizers and busy machines
}

}  // namespace
}  // namespace minato::marts
