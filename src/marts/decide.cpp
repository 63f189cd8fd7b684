#include "marts/decide.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace minato::marts {
namespace {

/// Longest time that a mart whose turn has come waits for one whose turn is yet to come.
constexpr Duration patience_max = std::chrono::minutes(10);

/// What the readers of a mart have to expect of it.
struct Outlook {
  bool runs = false;                // it is stale and will run, or does so now
  bool passes = false;              // when a mart above it runs, it will follow
  bool above = false;               // a mart above it runs
  std::int64_t since_snapshot = 0;  // stale since then
  SystemTime due{};  // when it can start; now or earlier: it waits for nothing but a worker
};

class Decider {
 public:
  Decider(const Facts& facts, std::vector<MartMemory>& memory, SystemTime now)
      : facts_(facts),
        memory_(memory),
        now_(now),
        outlook_(facts.marts.size()),
        visited_(facts.marts.size(), -1) {
    CHECK(memory.size() == facts.marts.size());
    out_.marts.resize(facts.marts.size());
  }

  Decisions run() {
    for (std::size_t i = 0; i < facts_.marts.size(); ++i) {
      for (const int up : facts_.marts[i].upstream) {
        CHECK(up >= 0 && static_cast<std::size_t>(up) < i);
        const Outlook& theirs = outlook_[static_cast<std::size_t>(up)];
        outlook_[i].above |= theirs.runs || (theirs.passes && theirs.above);
      }
      out_.marts[i] = one(i);
      if (out_.marts[i].at) wake(*out_.marts[i].at);
    }
    return std::move(out_);
  }

 private:
  Decision one(std::size_t i) {
    const MartFacts& mart = facts_.marts[i];
    const bool stale = remember(i);
    if (!mart.invalid.empty()) return {Decision::Kind::invalid, mart.invalid, {}};
    if (mart.job) {
      expect(i, now_);
      return {};
    }
    if (!mart.missing.empty()) return {Decision::Kind::wait, mart.missing.front(), {}};
    for (const int place : mart.tables) {
      const TableFacts& table = facts_.tables[static_cast<std::size_t>(place)];
      if (!table.readable) {
        return {Decision::Kind::wait,
                "waits for " + display(table.name) + ", which " + table.unreadable,
                {}};
      }
    }
    if (!stale) {
      outlook_[i].passes = true;
      return {};
    }
    if (mart.failures > 0) {
      // No time: it is not tried again before something changes.
      // Later than a wait can last: the clock was set back, and must not hold it.
      const bool wait = !mart.next_try_at ||
                        (*mart.next_try_at > now_ && *mart.next_try_at <= now_ + retry_wait_max);
      if (wait) {
        return {Decision::Kind::failed, "", mart.next_try_at};
      }
      expect(i, now_);
      return {Decision::Kind::run, "", {}};
    }
    return when(i);
  }

  Decision when(std::size_t i) {
    const MartFacts& mart = facts_.marts[i];
    MartMemory& memory = memory_[i];
    const bool at_once = mart.changed || !mart.built_snapshot;
    // Started in what is now the future: a clock that was set back must not hold a mart for hours.
    const bool told = mart.last_started_at && *mart.last_started_at <= now_ + mart.interval;
    if (!at_once && told) {
      const SystemTime due = *mart.last_started_at + mart.interval;
      if (due > now_) {
        expect(i, due);
        return {Decision::Kind::wait, "new data has arrived", due};
      }
    }
    if (!memory.due_since) {
      memory.due_since = now_;
      memory.due_snapshot = facts_.newest_snapshot;
    }
    expect(i, now_);
    const SystemTime patience =
        *memory.due_since + (at_once ? Duration(0) : std::min(mart.interval / 2, patience_max));
    const int other = blocker(static_cast<int>(i), i, patience);
    if (other < 0) return {Decision::Kind::run, "", {}};
    const Outlook& theirs = outlook_[static_cast<std::size_t>(other)];
    expect(i, std::max(now_, theirs.due));
    wake(patience);
    return {Decision::Kind::wait,
            "waits for " + display(facts_.marts[static_cast<std::size_t>(other)].name) +
                ", which runs first",
            theirs.due > now_ ? std::optional(theirs.due) : std::nullopt};
  }

  /// A mart above `place` that has to run before `reader`; -1: none. Goes up through those that
  /// would only follow.
  int blocker(int place, std::size_t reader, SystemTime patience) {
    for (const int up : facts_.marts[static_cast<std::size_t>(place)].upstream) {
      const Outlook& theirs = outlook_[static_cast<std::size_t>(up)];
      if (std::exchange(visited_[static_cast<std::size_t>(up)], static_cast<int>(reader)) ==
          static_cast<int>(reader)) {
        continue;
      }
      const bool old_enough = theirs.since_snapshot <= memory_[reader].due_snapshot;
      const bool soon = theirs.due <= now_ || theirs.due <= patience;
      if (theirs.runs && old_enough && soon) return up;
      const bool go_on = theirs.runs ? soon : theirs.passes;
      if (!go_on || !theirs.above) continue;
      if (const int found = blocker(up, reader, patience); found >= 0) return found;
    }
    return -1;
  }

  void expect(std::size_t i, SystemTime due) {
    outlook_[i].runs = true;
    outlook_[i].due = due;
    outlook_[i].since_snapshot = memory_[i].stale ? memory_[i].since_snapshot : 0;
  }

  void wake(SystemTime at) {
    if (at > now_ && (!out_.wake_at || at < *out_.wake_at)) out_.wake_at = at;
  }

  bool remember(std::size_t i) {
    const MartFacts& mart = facts_.marts[i];
    MartMemory& memory = memory_[i];
    bool stale = mart.changed || !mart.built_snapshot;
    for (const int place : mart.tables) {
      const TableFacts& table = facts_.tables[static_cast<std::size_t>(place)];
      stale = stale || table.last_snapshot > *mart.built_snapshot;
    }
    if (!stale) {
      memory = {};
    } else if (!memory.stale || memory.built_snapshot != mart.built_snapshot) {
      memory = {true, facts_.newest_snapshot, mart.built_snapshot, {}, 0};
    }
    return stale;
  }

  const Facts& facts_;
  std::vector<MartMemory>& memory_;
  SystemTime now_;
  std::vector<Outlook> outlook_;
  std::vector<int> visited_;
  Decisions out_;
};

}  // namespace

Decisions decide(const Facts& facts, std::vector<MartMemory>& memory, SystemTime now) {
  return Decider(facts, memory, now).run();
}

std::chrono::seconds back_off(int failures, std::chrono::seconds min, std::chrono::seconds max) {
  CHECK(failures >= 1);
  std::chrono::seconds wait = min;
  for (int n = 1; n < failures && wait < max; ++n) wait *= 2;
  return std::min(wait, max);
}

}  // namespace minato::marts
