#include "marts/run.h"

#include "base/failpoint.h"
#include "marts/definition.h"
#include "marts/watchdog.h"
#include "state/jobs.h"

namespace minato::marts {
namespace {

constexpr std::size_t error_bytes_max = 2000;

SystemTime now() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::string in_words(std::chrono::seconds time) {
  if (time < std::chrono::minutes(2)) return std::to_string(time.count()) + " s";
  return std::to_string(time.count() / 60) + " minutes";
}

/// Ends the reading transaction whatever happens.
class Reading {
 public:
  explicit Reading(lake::Session& session) : session_(session) {}
  ~Reading() { (void)session_.run("ROLLBACK"); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

 private:
  lake::Session& session_;
};

}  // namespace

std::string error_text(const Error& error) {
  const bool about_sql = error.code == Code::invalid || error.code == Code::not_found ||
                         error.code == Code::unsupported || error.code == Code::exhausted;
  std::string out = about_sql && !error.detail.empty() ? error.detail : error.message;
  if (out.size() > error_bytes_max) {
    out.resize(error_bytes_max);
    // Not in the middle of a character.
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80) out.pop_back();
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xC0) out.pop_back();
    out += "…";
  }
  return out;
}

Status Run::execute(const std::stop_token& stop) {
  record_.started_at = now();
  TRY_ASSIGN(const std::optional<state::MartDefinition> mart,
             state::mart_definition(db_, record_.job.table));
  if (!mart) return fail(Code::conflict, "The mart was removed before it ran.");
  record_.hash = mart->hash;
  Watchdog watchdog(session_, limits_.timeout, limits_.grace, stop);
  Status status = refresh(*mart);
  if (status) return {};
  switch (watchdog.verdict()) {
    case Watchdog::Verdict::stopped: return fail(Code::cancelled, "The worker stops.");
    case Watchdog::Verdict::timeout:
      return fail(Code::deadline, "It took longer than " + in_words(limits_.timeout) +
                                      " and was ended. Make it smaller: fewer columns, an earlier "
                                      "filter, or an intermediate mart.");
    case Watchdog::Verdict::fine: break;
  }
  return status;
}

Status Run::refresh(const state::MartDefinition& mart) {
  TRY(open_snapshot(mart.name));
  const Reading reading(session_);
  TRY(state::note_snapshot(db_, record_.job, record_.snapshot_read));
  TRY(failpoint("mart.before_describe"));
  TRY_ASSIGN(const lake::Prepared described, session_.prepare(mart.sql));
  if (described.kind() != lake::StatementKind::select) {
    return fail(Code::invalid, "A mart is one SELECT.");
  }
  TRY_ASSIGN(const MartColumns columns, mart_columns(described.columns()));
  TRY_ASSIGN(const std::optional<lake::LakeTable> known, lake_.find_table(mart.name));
  TRY_ASSIGN(const lake::LakeTable table,
             known ? lake::altered(*known, columns.columns, {}, lake::Contents::replaced)
                   : lake_.draft(mart.name, columns.columns));
  TRY(failpoint("mart.before_write"));
  TRY_ASSIGN(std::vector<lake::DataFile> files,
             lake_.write_query(table, session_, converted(columns, mart.sql)));
  TRY(failpoint("mart.after_write"));
  return commit(table, !known || known->columns != table.columns, std::move(files));
}

Status Run::open_snapshot(const TableName& mart) {
  // Names without a schema are tables of the mart's own folder; before its first mart is built
  // there are none.
  if (!session_.run("USE minato." + quote_identifier(mart.schema))) TRY(session_.run("USE minato"));
  TRY(session_.run("BEGIN TRANSACTION READ ONLY"));
  const Result<lake::Rows> rows = session_.query("SELECT id FROM minato.current_snapshot()");
  if (!rows) {
    (void)session_.run("ROLLBACK");
    return fail(rows.error());
  }
  record_.snapshot_read = rows->integer(0, 0);
  return {};
}

Status Run::commit(const lake::LakeTable& table, bool shaped, std::vector<lake::DataFile> files) {
  record_.rows = 0;
  for (const lake::DataFile& file : files) {
    record_.rows += static_cast<std::int64_t>(file.record_count);
  }
  lake::CommitRequest request;
  if (shaped) request.ddl.push_back({table});
  lake::TableCommit& change = request.tables.emplace_back();
  change.table_id = table.table_id;
  change.add = std::move(files);
  change.replace_all = true;
  request.message = "mart " + display(record_.job.table);
  request.with = [&](pg::Connection& connection, const lake::Committed& made) -> Status {
    record_.table_id = made.tables.front().table_id;
    TRY(failpoint("mart.in_commit"));
    return state::mart_succeeded(connection, record_, made.snapshot_id);
  };
  TRY(lake_.commit(request));
  return failpoint("mart.after_commit");
}

}  // namespace minato::marts
