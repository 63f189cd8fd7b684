#include "state/jobs.h"

#include "base/check.h"
#include "state/sql.h"

namespace minato::state {
namespace {

constexpr std::string_view kind_names[] = {"refresh", "drop"};

JobKind parse_kind(std::string_view text) {
  return text == "drop" ? JobKind::drop : JobKind::refresh;
}

constexpr const char* lost_job = "This run lost its job to another worker.";
constexpr const char* columns =
    "j.id, j.kind, j.schema_name, j.name, j.priority, j.state = 'running', "
    "minato.to_us(j.enqueued_at), j.worker, j.attempt";

Job read(const pg::Rows& rows, int row) {
  Job job;
  job.id = rows.integer(row, 0);
  job.kind = parse_kind(rows.text(row, 1));
  job.table = {rows.string(row, 2), rows.string(row, 3)};
  job.priority = static_cast<int>(rows.integer(row, 4));
  job.running = rows.boolean(row, 5);
  job.enqueued_at = *time_at(rows, row, 6);
  job.worker = rows.string(row, 7);
  job.attempt = static_cast<int>(rows.integer(row, 8));
  return job;
}

Result<std::optional<Job>> claim_in_transaction(pg::Connection& connection,
                                                const std::string& worker) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query(
                 "with next as (select id from minato.job q where state = 'queued' and not exists "
                 "(select from minato.job r where r.state = 'running' and "
                 "r.schema_name = q.schema_name and r.name = q.name) "
                 "order by priority desc, id limit 1 for update skip locked) "
                 "update minato.job j set state = 'running', started_at = clock_timestamp(), "
                 "worker = $1, attempt = j.attempt + 1 from next where j.id = next.id returning " +
                     std::string(columns),
                 {worker}));
  if (rows.size() == 0) return std::nullopt;
  Job job = read(rows, 0);
  // False: the session of the worker that lost this job is not quite gone; somebody tries again
  // soon.
  TRY_ASSIGN(const pg::Rows locked,
             connection.query("select pg_try_advisory_lock(minato.job_lock($1::bigint))",
                              {param(job.id)}));
  if (!locked.boolean(0, 0)) return fail(Code::conflict, "The job is still held by a lost worker.");
  if (job.kind == JobKind::refresh) {
    TRY(
        connection.query("update minato.mart set state = 'running', why = '', "
                         "last_started_at = clock_timestamp() "
                         "where schema_name = $1 and mart_name = $2",
                         {job.table.schema, job.table.name}));
  }
  return job;
}

}  // namespace

std::string_view name_of(JobKind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

Status enqueue(pg::Connection& connection, const std::vector<NewJob>& jobs) {
  if (jobs.empty()) return {};
  using N = const NewJob&;
  const std::vector<pg::Param> params = {
      text_array(jobs, [](N j) { return std::string(name_of(j.kind)); }),
      text_array(jobs, [](N j) { return j.table.schema; }),
      text_array(jobs, [](N j) { return j.table.name; }),
      integer_array(jobs, [](N j) { return std::optional<std::int64_t>(j.priority); })};
  // One statement: a commit of its own, or part of the caller's transaction.
  TRY(connection.query(
      "with wanted as (select * from unnest($1::text[], $2::text[], $3::text[], $4::int[]) "
      "with ordinality as w(kind, schema_name, name, priority, n)), "
      "added as (insert into minato.job(kind, schema_name, name, priority) "
      "select kind, schema_name, name, priority from wanted order by n "
      "on conflict (kind, schema_name, name) do update "
      "set priority = greatest(job.priority, excluded.priority) "
      "returning kind, schema_name, name, state), "
      "marked as (update minato.mart m set state = 'queued', why = 'waits for a free worker' "
      "from added a where m.schema_name = a.schema_name and m.mart_name = a.name "
      "and a.kind = 'refresh' and a.state = 'queued') "
      "select pg_notify('minato_job', 'queued')",
      params));
  return {};
}

Result<std::optional<Job>> claim(pg::Connection& connection, const std::string& worker) {
  TRY(connection.begin());
  Result<std::optional<Job>> job = claim_in_transaction(connection, worker);
  if (!job) {
    connection.rollback();
    if (job.error().code == Code::conflict) return std::nullopt;
    return job;
  }
  if (!*job) {
    connection.rollback();
    return job;
  }
  TRY(connection.commit());
  return job;
}

Status release(pg::Connection& connection, const Job& job) {
  TRY(connection.query("select pg_advisory_unlock(minato.job_lock($1::bigint))", {param(job.id)}));
  return {};
}

Status complete(pg::Connection& connection, const Job& job) {
  return expect_affected(
      connection.query("delete from minato.job where id = $1::bigint and attempt = $2::int "
                       "and state = 'running'",
                       {param(job.id), param(std::int64_t{job.attempt})}),
      1, Code::conflict, lost_job);
}

Status give_back(pg::Connection& connection, const Job& job) {
  TRY(connection.query(
      "with back as (update minato.job set state = 'queued', started_at = null, worker = '', "
      "attempt = attempt - 1 where id = $1::bigint and attempt = $2::int and state = 'running' "
      "returning schema_name, name), "
      "marked as (update minato.mart m set state = 'queued', why = 'waits for a free worker' "
      "from back b where m.schema_name = b.schema_name and m.mart_name = b.name) "
      "select pg_notify('minato_job', 'queued') from back",
      {param(job.id), param(std::int64_t{job.attempt})}));
  return release(connection, job);
}

Status note_snapshot(pg::Connection& connection, const Job& job, std::int64_t snapshot) {
  return expect_affected(
      connection.query("update minato.job set snapshot = $3::bigint where id = $1::bigint "
                       "and attempt = $2::int and state = 'running'",
                       {param(job.id), param(std::int64_t{job.attempt}), param(snapshot)}),
      1, Code::conflict, lost_job);
}

Result<std::optional<std::int64_t>> oldest_snapshot_read(pg::Connection& connection) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query("select min(snapshot) from minato.job where state = 'running'"));
  return integer_at(rows, 0, 0);
}

Result<std::vector<Job>> jobs(pg::Connection& connection) {
  TRY_ASSIGN(const pg::Rows rows, connection.query("select " + std::string(columns) +
                                                   " from minato.job j order by j.id"));
  std::vector<Job> out;
  for (int row = 0; row < rows.size(); ++row) out.push_back(read(rows, row));
  return out;
}

}  // namespace minato::state
