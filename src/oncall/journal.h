// The journal: everything that on-call must remember, in one SQLite file of its own, so that it
// rings when PostgreSQL and the lake are down. What is committed here survives a power cut.
// One thread writes (between begin() and commit()); others open their own journal for reading.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oncall/model.h"
#include "oncall/sqlite.h"

namespace minato::oncall {

/// A team's walk through its rota, until somebody acknowledges. At most one runs per team.
struct Round {
  std::int64_t id = 0;
  std::string team;
  bool running = true;
  std::string ended_because;  // "acknowledged", "resolved", "max_rounds"
  SystemTime started_at{};
  std::optional<SystemTime> ended_at;
  std::int64_t lap = 1;             // how often the rota began
  std::vector<std::string> people;  // of this lap, in order
  std::int64_t position = 0;        // in `people`: who is rung now or next
  bool second = false;              // the second ring to the same person
  std::int64_t carrier = 0;         // which of the carriers is tried
  std::int64_t attempts = 0;        // so far
  std::int64_t told_arrival = 0;    // the newest incident that was told
  SystemTime due{};                 // when the next attempt is to be made
};

struct Happening {  // of an incident's history
  SystemTime at{};
  std::string what;  // opened, repeated, acknowledged, resolved, reopened …
  std::string who;
  std::string note;
};

/// A person is away, or stands in for another.
struct Change {
  std::int64_t id = 0;
  std::string team;
  SystemTime from{};
  SystemTime to{};
  std::string person;      // who is away, or whose turn is taken
  std::string instead_by;  // empty: an absence
  std::string note;
};

/// Something to be told to the outside, until it has been told or was tried in vain for a day.
struct Note {
  std::int64_t id = 0;
  std::string kind;     // "notify" (team's hook), "zabbix" (acknowledgement)
  std::string target;   // team or source
  std::string payload;  // JSON
  std::int64_t tries = 0;
  SystemTime due{};
  SystemTime made_at{};
};

struct IncidentFilter {
  std::string team;
  std::optional<IncidentState> state;
  std::string key;
  std::int64_t after_seq = 0;
  std::int64_t limit = 1000;  // newest first
};

struct AttemptFilter {
  std::int64_t round = 0;
  std::optional<SystemTime> from;
  std::optional<SystemTime> to;
  std::int64_t limit = 10'000;  // newest first
};

class Journal {
 public:
  /// Makes or upgrades the file. Error{unavailable} when another process has it open for writing.
  static Result<Journal> open(const std::filesystem::path& file);
  static Result<Journal> open_to_read(const std::filesystem::path& file);

  Status begin() { return db_.script("begin immediate"); }
  Status commit() { return db_.script("commit"); }
  void rollback() { (void)db_.script("rollback"); }

  /// Stored as it is; `seq` and `id` are given.
  Status add(Incident& incident);
  Status update(const Incident& incident);
  Result<std::optional<Incident>> unresolved(const std::string& key);
  Result<std::vector<Incident>> all_unresolved();
  Result<std::vector<Incident>> incidents(const IncidentFilter& filter);
  Result<std::optional<Incident>> incident(const std::string& id);
  /// That an incident of this key ever was.
  Result<bool> known(const std::string& key);
  /// Returns the happening's number, which increases over all incidents.
  Result<std::int64_t> happened(std::int64_t seq, const Happening& happening);
  Result<std::vector<Happening>> history(std::int64_t seq);

  Status add(Round& round);
  Status update(const Round& round);
  Result<std::vector<Round>> running();
  /// Of each team the newest, running or not.
  Result<std::vector<Round>> newest_rounds();

  Status add(const Attempt& attempt);
  Status update(const Attempt& attempt);
  Result<std::vector<Attempt>> not_ended();
  /// Those whose call Minato ended after `since`: a crash may have kept the carrier from hearing
  /// it.
  Result<std::vector<Attempt>> cut_short(SystemTime since);
  Result<std::optional<Attempt>> attempt(const std::string& id);
  Result<std::vector<Attempt>> attempts(const AttemptFilter& filter);
  /// Those that told of it, in order.
  Result<std::vector<Attempt>> attempts_about(const Incident& incident);

  /// By state; by outcome ("" for those that go on).
  Result<std::map<std::string, std::int64_t>> count_incidents();
  Result<std::map<std::string, std::int64_t>> count_attempts();

  Status add(Change& change);
  Result<bool> remove_change(std::int64_t id);
  /// Those that have not ended at `now`.
  Result<std::vector<Change>> changes(SystemTime now);

  Status add(const Note& note);
  Result<std::vector<Note>> notes_due(SystemTime now);
  Status told(std::int64_t id);
  Status not_told(const Note& note, const std::string& error, SystemTime next);

  /// False when the object (by name and stamp) was seen before.
  Result<bool> see_object(const std::string& drop, const std::string& name,
                          const std::string& stamp);

  Status beat(const std::string& name, SystemTime at);
  Result<std::optional<SystemTime>> last_beat(const std::string& name);

  /// Counts changes; the same while nothing changed.
  Result<std::int64_t> version();

 private:
  explicit Journal(Database db) : db_(std::move(db)) {}
  Result<std::map<std::string, std::int64_t>> counts(const char* sql);
  Database db_;
};

}  // namespace minato::oncall
