// The durable queue. A running job belongs to the PostgreSQL session that claimed it (advisory
// lock): when the worker dies, so does its session, and the job goes back. `attempt` fences: only
// the last claim may finish it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/change.h"
#include "runtime/pg.h"

namespace minato::state {

inline constexpr const char* job_channel = "minato_job";        // "queued", or "run <mart_run id>"
inline constexpr const char* commit_channel = "minato_commit";  // payload: snapshot id

enum class JobKind { refresh, drop };
std::string_view name_of(JobKind kind);

struct Job {
  std::int64_t id = 0;
  JobKind kind = JobKind::refresh;
  TableName table;
  int priority = 0;
  bool running = false;
  SystemTime enqueued_at{};
  std::string worker;
  int attempt = 0;
};

struct NewJob {
  JobKind kind = JobKind::refresh;
  TableName table;
  int priority = 0;  // larger first
};
/// At most one of a kind per mart: one that waits takes the higher priority. Marts become `queued`.
/// NOTIFYs.
Status enqueue(pg::Connection& connection, const std::vector<NewJob>& jobs);

/// The next job, now `running` on this connection's session, which must live until the job is done.
/// Never a mart that has another job running. `worker` is for people ("host:pid/thread").
Result<std::optional<Job>> claim(pg::Connection& connection, const std::string& worker);
/// After the job has left the table: the session lets go of it. Not within a transaction.
Status release(pg::Connection& connection, const Job& job);
/// Back to the queue, as if it had not been claimed: the worker stops. The session lets go of it.
Status give_back(pg::Connection& connection, const Job& job);
/// Takes the job out of the queue, in the transaction that makes its results visible.
/// Error{conflict} when it was given to another worker meanwhile.
Status complete(pg::Connection& connection, const Job& job);

/// The lake snapshot that a running job reads; and the oldest of all, for maintenance to keep.
Status note_snapshot(pg::Connection& connection, const Job& job, std::int64_t snapshot);
Result<std::optional<std::int64_t>> oldest_snapshot_read(pg::Connection& connection);

Result<std::vector<Job>> jobs(pg::Connection& connection);

}  // namespace minato::state
