#include "app/roles/oncall_records.h"

#include <sys/stat.h>

#include "app/roles/role.h"
#include "base/log.h"
#include "oncall/journal.h"
#include "state/capture.h"

namespace minato::app {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::seconds kLookEvery{3};
// Written anew each time: a year of a busy team is some thousand calls. The newest count.
constexpr std::int64_t kRowsMax = 200'000;

const TableName kIncidents{"main", "oncall_incidents"};
const TableName kAttempts{"main", "oncall_attempts"};

/// Fills a row column by column.
class Row {
 public:
  explicit Row(RowBatch& batch) : batch_(batch) {}
  Row& text(std::string_view value, bool empty_is_null = false) {
    ColumnData& column = batch_.columns[at_++];
    if (value.empty() && empty_is_null) {
      column.append_null();
    } else {
      column.append_string(value, *batch_.arena);
    }
    return *this;
  }
  Row& number(std::int64_t value) {
    batch_.columns[at_++].append(value);
    return *this;
  }
  Row& time(const std::optional<SystemTime>& value) {
    ColumnData& column = batch_.columns[at_++];
    if (value) {
      column.append(static_cast<std::int64_t>(value->time_since_epoch().count()));
    } else {
      column.append_null();
    }
    return *this;
  }

 private:
  RowBatch& batch_;
  std::size_t at_ = 0;
};

Column text_column(const char* name) { return {name, {TypeKind::varchar}, true, ""}; }
Column number_column(const char* name) { return {name, {TypeKind::int64}, true, ""}; }
Column time_column(const char* name) { return {name, {TypeKind::timestamptz}, true, ""}; }

RowBatch incidents_of(const std::vector<oncall::Incident>& incidents) {
  const auto schema = std::make_shared<TableSchema>(TableSchema{
      kIncidents,
      {text_column("id"), text_column("key"), text_column("team"), text_column("source"),
       text_column("severity"), text_column("state"), text_column("title"), text_column("text"),
       text_column("host"), number_column("occurrences"), time_column("opened_at"),
       time_column("acknowledged_at"), text_column("acknowledged_by"), time_column("resolved_at")},
      {}});
  RowBatch out(schema);
  for (const oncall::Incident& i : incidents) {
    const auto host = i.labels.find("host");
    Row(out)
        .text(i.id)
        .text(i.key)
        .text(i.team)
        .text(i.source)
        .text(oncall::name_of(i.severity))
        .text(oncall::name_of(i.state))
        .text(i.title)
        .text(i.text, true)
        .text(host == i.labels.end() ? "" : host->second, true)
        .number(i.occurrences)
        .time(i.opened_at)
        .time(i.acknowledged_at)
        .text(i.acknowledged_by, true)
        .time(i.resolved_at);
  }
  return out;
}

RowBatch attempts_of(const std::vector<oncall::Attempt>& attempts) {
  const auto schema = std::make_shared<TableSchema>(TableSchema{
      kAttempts,
      {text_column("attempt"), text_column("team"), number_column("round"), number_column("lap"),
       number_column("number"), text_column("person"), text_column("phone"), text_column("carrier"),
       text_column("carrier_id"), text_column("state"), text_column("outcome"), text_column("key"),
       time_column("planned_at"), time_column("placed_at"), time_column("answered_at"),
       time_column("ended_at")},
      {}});
  RowBatch out(schema);
  for (const oncall::Attempt& a : attempts) {
    Row(out)
        .text(a.id)
        .text(a.team)
        .number(a.round)
        .number(a.lap)
        .number(a.number)
        .text(a.person)
        .text(oncall::masked(a.phone))
        .text(a.carrier)
        .text(a.call, true)
        .text(oncall::name_of(a.state))
        .text(oncall::name_of(a.outcome), true)
        .text(a.key, true)
        .time(a.planned_at)
        .time(a.placed_at)
        .time(a.answered_at)
        .time(a.ended_at);
  }
  return out;
}

Status add_table(lake::Lake& lake, const RowBatch& rows, lake::CommitRequest& request,
                 std::vector<state::TableChange>& changes) {
  const TableName& name = rows.schema->name;
  TRY_ASSIGN(const auto known, lake.find_table(name));
  TRY_ASSIGN(const lake::LakeTable table,
             known ? lake::altered(*known, rows.schema->columns, {}, lake::Contents::replaced)
                   : lake.draft(name, rows.schema->columns));
  if (!known || known->columns != table.columns) request.ddl.push_back({table});
  lake::TableCommit& change = request.tables.emplace_back();
  change.table_id = table.table_id;
  change.replace_all = true;
  if (rows.rows() > 0) {
    TRY_ASSIGN(lake::DataFile file, lake.write_rows(table, rows, {}));
    change.add.push_back(std::move(file));
  }
  changes.push_back({name, static_cast<std::int64_t>(rows.rows()), true});
  return {};
}

Status copy(const fs::path& journal, lake::Lake& lake) {
  TRY_ASSIGN(oncall::Journal from, oncall::Journal::open_to_read(journal));
  TRY_ASSIGN(const auto incidents, from.incidents({.limit = kRowsMax}));
  oncall::AttemptFilter filter;
  filter.limit = kRowsMax;
  TRY_ASSIGN(const auto attempts, from.attempts(filter));
  lake::CommitRequest request;
  request.message = "on-call's records";
  std::vector<state::TableChange> changes;
  TRY(add_table(lake, incidents_of(incidents), request, changes));
  TRY(add_table(lake, attempts_of(attempts), request, changes));
  request.with = [&](pg::Connection& connection, const lake::Committed& made) -> Status {
    const auto now =
        std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    return state::tables_changed(connection, changes, made.snapshot_id, now);
  };
  TRY(lake.commit(request));
  return {};
}

/// Of the journal and its write-ahead log: another one when something was committed.
std::string stamp(const fs::path& journal) {
  std::string out;
  for (const char* tail : {"", "-wal"}) {
    struct stat info {};
    if (stat((journal.string() + tail).c_str(), &info) != 0) continue;
    out += std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + "/" +
           std::to_string(info.st_size) + " ";
  }
  return out;
}

}  // namespace

void keep_oncall_records(const fs::path& journal, lake::Lake& lake, std::stop_token stop) {
  std::string copied;
  bool failed = false;
  while (!stop.stop_requested()) {
    const std::string now = stamp(journal);
    if (now != copied && !now.empty()) {
      const Status done = copy(journal, lake);
      if (done) copied = now;
      if (!done && !failed) log::warn("oncall.records", {{"error", done.error()}});
      failed = !done;
    }
    pause(stop, kLookEvery);
  }
}

}  // namespace minato::app
