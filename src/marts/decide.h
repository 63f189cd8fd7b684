// When each mart runs, and one sentence why it does not: a pure function of what is known and of
// the time. A mart is stale when it was never built, its statement changed, or an input has a newer
// snapshot than it was built from. A stale mart starts at once, but
//   - at most once per interval (start to start), unless its statement changed: its turn is now;
//   - when its turn has come, not before the stale marts above it (that it reads, directly or not)
//     have run. So that this ends under a constant stream, it waits once for those that were stale
//     when its turn came, and for one whose own turn comes later only up to half its interval;
//   - a mart that fails is tried again with back-off and holds up nobody: its readers use its last
//     good contents.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/change.h"

namespace minato::marts {

using Duration = std::chrono::microseconds;

/// A table of the lake, a mart's one included.
struct TableFacts {
  TableName name;
  bool exists = false;
  bool readable = false;           // false: being read for the first time, or repaired
  std::string unreadable;          // "is being read for the first time"
  std::int64_t last_snapshot = 0;  // of its last arrival
};

struct MartFacts {
  TableName name;
  // From its file and the graph.
  std::string invalid;        // not empty: it cannot run, and why
  std::vector<int> tables;    // inputs: positions in Facts::tables
  std::vector<int> upstream;  // inputs that are marts: positions in Facts::marts, smaller than its
                              // own
  std::vector<std::string> missing;  // one sentence per input that exists nowhere
  Duration interval{};
  // From its record.
  bool job = false;      // queued or running: nothing to decide
  bool changed = false;  // the present contents were not built by this definition
  std::optional<std::int64_t> built_snapshot;  // nothing: never built
  std::optional<SystemTime> last_started_at;
  int failures = 0;  // in a row, of this definition
  std::optional<SystemTime> next_try_at;
};

/// What is remembered of a mart between two decisions (in memory; lost at a restart without harm).
struct MartMemory {
  bool stale = false;
  std::int64_t since_snapshot = 0;             // newest snapshot known when it became stale
  std::optional<std::int64_t> built_snapshot;  // that this belongs to
  std::optional<SystemTime> due_since;         // its turn came
  std::int64_t due_snapshot = 0;               // newest snapshot known then
};

struct Facts {
  std::vector<TableFacts> tables;
  std::vector<MartFacts> marts;  // upstream first
  std::int64_t newest_snapshot = 0;
};

struct Decision {
  enum class Kind : std::uint8_t {
    nothing,  // has a job, or is up to date
    run,      // enqueue now
    wait,     // stale, but not yet: `why`, perhaps until `at`
    failed,   // waits for its next try at `at`
    invalid,  // cannot run: `why`
  };
  Kind kind = Kind::nothing;
  std::string why;
  std::optional<SystemTime> at;
};

struct Decisions {
  std::vector<Decision> marts;        // as Facts::marts
  std::optional<SystemTime> wake_at;  // nothing changes by time alone before that
};

/// `memory` has an element per mart and is brought up to date.
Decisions decide(const Facts& facts, std::vector<MartMemory>& memory, SystemTime now);

/// No failed mart waits longer for its next try.
inline constexpr std::chrono::seconds retry_wait_max{600};

/// Back-off after the n-th failure in a row (from 1): min, 2·min, 4·min … max.
std::chrono::seconds back_off(int failures, std::chrono::seconds min, std::chrono::seconds max);

}  // namespace minato::marts
