// Which tables the runner reads beside the stream, when, and how they join it.
#include <algorithm>

#include "base/failpoint.h"
#include "base/log.h"
#include "ingest/apply/runner.h"
#include "state/capture.h"

namespace minato::ingest {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_interval{250};
// Between one repair of a table and the next: doubled each time.
constexpr std::chrono::seconds repair_wait_min{1};
constexpr std::chrono::minutes repair_wait_max{10};
constexpr std::chrono::minutes repair_forgotten{30};
// A table is gone when it was looked for so often in vain: lists of tables leave out one that is
// being altered that very moment.
constexpr int gone_after = 3;

}  // namespace

/// The stream leaves its rows out until they are read, which is nothing to be alarmed about.
void SourceRunner::unread(const TableName& table) {
  applier_->lose(table);
  unread_.insert(table);
}

/// Those to be read in one view. Tables that people can read already are read together, however
/// large: what they see must fit together. New ones appear as they come, small ones first.
Result<std::vector<TableName>> SourceRunner::one_reading(const std::vector<TableName>& tables) {
  std::vector<TableName> known;
  std::vector<TableName> fresh;
  for (const TableName& table : tables) {
    TRY_ASSIGN(const std::optional<lake::LakeTable> now, applier_->find(table));
    (now ? known : fresh).push_back(table);
  }
  if (!known.empty()) return known;
  if (fresh.size() < 2) return fresh;
  TRY_ASSIGN(auto sizes, source_->sizes());
  std::ranges::stable_sort(fresh, {}, [&](const TableName& table) { return sizes[table]; });
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  for (const TableName& table : fresh) {
    bytes += sizes[table];
    const bool enough = bytes > options_.reading_bytes_max || count == options_.reading_tables_max;
    if (enough && count > 0) break;
    ++count;
  }
  fresh.resize(count);
  return fresh;
}

/// Begins to read tables. They join when the stream has passed the view's position and all their
/// rows are read.
Status SourceRunner::read_tables(const std::vector<TableName>& tables) {
  TRY(state::tables_snapshotting(*state_, name(), tables));
  log::info("reading tables", {{"source", name()}, {"tables", tables.size()}});
  TRY(failpoint("ingest.before_reading"));
  TRY_ASSIGN(auto reading, Reading::begin(*source_, lake_, tables));
  for (const TableName& table : tables) {
    // Dropped since they were listed: repair() looks for it once more.
    if (!reading->tables().contains(table)) applier_->lose(table);
  }
  joining_.emplace(std::move(reading));
  return {};
}

/// The stream waits until the joining tables are read.
Status SourceRunner::await_reading(const std::stop_token& stop) {
  while (!joining_->files) {
    if (stop.stop_requested()) return fail(Code::cancelled, "stopped");
    TRY(joining_->look(look_interval));
    report_waiting();
  }
  return {};
}

/// Nothing is amiss with the table any more.
void SourceRunner::found(const TableName& table) {
  applier_->found(table);
  unread_.erase(table);
  told_.erase(table);
  lost_why_.erase(table);
}

/// The joining tables become part of the open commit, with what was held of them.
Status SourceRunner::join() {
  for (const TableName& table : joining_->tables) {
    const Reading::Table& read = joining_->reading->tables().at(table);
    found(table);
    TRY_ASSIGN(const std::optional<lake::LakeTable> now, applier_->find(table));
    if (now ? now->table_id != read.target.table_id : read.target.table_id > 0) {
      return fail(Code::conflict, display(table) + " changed in the lake while it was read.");
    }
    if (read.shaped) applier_->shape(table, read.target);
    applier_->replace(read.target, read.shape, std::move(joining_->files->at(table)));
  }
  StreamBatch held;
  for (auto& [table, changes] : joining_->held) held.tables.push_back(std::move(changes));
  TRY(applier_->take(held));
  for (const TableName& table : joining_->tables) {
    if (applier_->lost().contains(table)) continue;  // by what was held
    shapes_[table] = joining_->reading->tables().at(table).shape;
    record([this, shape = shapes_[table]](pg::Connection& c) {
      return state::table_streams(c, name(), *shape);
    });
  }
  record([this](pg::Connection& c) { return state::source_gap_ends(c, name()); });
  log::info("tables joined", {{"source", name()}, {"tables", joining_->tables.size()}});
  joining_.reset();
  return {};
}

/// The lost tables whose time to be read anew has come.
std::vector<TableName> SourceRunner::due() const {
  std::vector<TableName> out;
  for (const TableName& table : applier_->lost()) {
    const auto repair = repairs_.find(table);
    if (repair == repairs_.end() || repair->second.not_before <= steady_clock::now()) {
      out.push_back(table);
    }
  }
  return out;
}

/// Tables whose rows contradicted the lake, and new ones, are read. The stream goes on as soon as
/// the source has opened a view of them.
Status SourceRunner::repair(std::stop_token stop) {
  const std::vector<TableName> tables = due();
  if (stop.stop_requested() || tables.empty()) return {};
  source_->stop();
  TRY_ASSIGN(const std::vector<TableSchemaPtr> present, source_->tables());
  std::vector<TableName> there;
  for (const TableName& table : tables) {
    const auto named = [&](const TableSchemaPtr& shape) { return shape->name == table; };
    if (std::ranges::any_of(present, named)) {
      there.push_back(table);
    } else if (try_again(table) > gone_after) {
      // The stream, which has no shape, will not say so.
      log::info("table is gone at the source", {{"table", display(table)}});
      TRY(drop_table(table));
    }
  }
  TRY_ASSIGN(const std::vector<TableName> now, one_reading(there));
  for (const TableName& table : now) {
    try_again(table);
    shapes_.erase(table);
  }
  TRY(commit());
  return now.empty() ? Status{} : read_tables(now);
}

/// Sets when the table's next turn is at the earliest; how many there were with this one.
int SourceRunner::try_again(const TableName& table) {
  const auto now = steady_clock::now();
  Repair& repair = repairs_[table];
  if (now - repair.not_before > repair_forgotten) repair.attempts = 0;
  const auto wait = repair_wait_min * (1 << std::min(repair.attempts++, 10));
  repair.not_before = now + std::min<std::chrono::seconds>(wait, repair_wait_max);
  return repair.attempts;
}

}  // namespace minato::ingest
