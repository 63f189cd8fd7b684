// Marts as Minato records them: definitions as read from their files, and how their runs went. The
// scheduler writes what is planned, workers write what happened; the results of a run are written
// inside the lake's commit.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/change.h"
#include "runtime/pg.h"
#include "state/jobs.h"

namespace minato::state {

enum class MartState { waiting, queued, running, ok, failed, invalid };
std::string_view name_of(MartState state);

/// What the file says.
struct MartDefinition {
  TableName name;
  std::string file;  // relative to the platform directory
  std::string sql;
  std::string hash;  // of everything that asks for a rebuild when it changes
  std::optional<int> refresh_seconds;
  std::vector<TableName> inputs;
};

/// How it went.
struct MartProgress {
  TableName name;
  std::string hash;        // of the recorded definition
  std::string built_hash;  // of the definition that made the present contents; empty: never built
  MartState state = MartState::waiting;
  std::optional<SystemTime> last_started_at;
  std::optional<SystemTime> last_success_at;
  std::optional<std::int64_t> duration_ms;
  std::optional<std::int64_t> built_snapshot;  // lake snapshot that the last good run read
  int failures = 0;                            // in a row
  std::optional<SystemTime> next_try_at;
  std::string error;
  std::string why;                       // one sentence when it is neither running nor up to date
  std::optional<SystemTime> removed_at;  // its file is gone since
};

Result<std::vector<MartProgress>> mart_progress(pg::Connection& connection);
/// Of these runs (ids as told by NOTIFY).
Result<std::vector<MartProgress>> mart_progress(pg::Connection& connection,
                                                const std::vector<std::int64_t>& runs);
Result<std::optional<MartDefinition>> mart_definition(pg::Connection& connection,
                                                      const TableName& name);
/// Adds or changes. A changed hash forgets failures and back-off; a mark of removal goes.
Status put_marts(pg::Connection& connection, const std::vector<MartDefinition>& marts);
/// Sets or clears removed_at.
Status mark_removed(pg::Connection& connection, const TableName& name, bool removed);

struct MartPlan {
  TableName name;
  MartState state = MartState::waiting;
  std::string why;
  std::string error;
  std::optional<SystemTime> next_try_at;
};
/// Of marts without a job; one statement for all.
Status plan_marts(pg::Connection& connection, const std::vector<MartPlan>& plans);

/// One run of a mart's job, for its last transaction.
struct MartRun {
  Job job;
  std::string hash;  // of the definition that ran
  SystemTime started_at{};
  std::int64_t table_id = 0;
  std::int64_t rows = 0;
  std::int64_t snapshot_read = 0;
};
/// Inside the lake's commit that made `snapshot`: mart, table, run history and job together;
/// NOTIFYs minato_job with "run <id>". Error{conflict} when the job is no longer this worker's or
/// the mart is gone: do not commit.
Status mart_succeeded(pg::Connection& connection, const MartRun& run, std::int64_t snapshot);
/// In a transaction of the caller's. Keeps the last good contents. Returns the failures in a row.
/// `retry_at` nothing: not before the definition or an input changes.
Result<int> mart_failed(pg::Connection& connection, const MartRun& run, const std::string& error,
                        std::optional<SystemTime> retry_at);
/// Failures in a row of the present definition.
Result<int> mart_failures(pg::Connection& connection, const TableName& name);
/// Whether its file is gone (or there is no record).
Result<bool> mart_removed(pg::Connection& connection, const TableName& name);
/// The job "drop" is done: forgets mart, table record and job. In a transaction of the caller's.
Status mart_dropped(pg::Connection& connection, const Job& job);

/// Back to the queue: running jobs whose worker's session is gone. A job that lost `attempts_max`
/// workers counts as failed instead, to be tried at `retry_at`. Returns how many were touched. Not
/// on a connection that runs jobs.
Result<int> requeue_lost(pg::Connection& connection, int attempts_max, SystemTime retry_at);

/// Forgets runs older than `age`.
Status prune_runs(pg::Connection& connection, std::chrono::hours age);

}  // namespace minato::state
