#include "ingest/apply/runner.h"

#include <algorithm>
#include <condition_variable>

#include "base/failpoint.h"
#include "base/log.h"
#include "state/capture.h"
#include "state/tables.h"

namespace minato::ingest {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds report_interval{1};
// Sources send a heartbeat every 5 s.
constexpr std::chrono::milliseconds silence_normal{7'000};

SystemTime clock_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

void sleep_until(steady_clock::time_point end, std::stop_token stop) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_until(lock, stop, end, [] { return false; });
}

}  // namespace

SourceRunner::SourceRunner(RunnerOptions options, lake::Lake& lake, Lanes& lanes)
    : options_(std::move(options)), lake_(lake), lanes_(lanes) {}

SourceRunner::~SourceRunner() { stop(); }

void SourceRunner::start() {
  thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

void SourceRunner::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void SourceRunner::run(std::stop_token stop) {
  auto wait = options_.retry_min;
  while (!stop.stop_requested()) {
    const auto begun = steady_clock::now();
    const Status status = run_once(stop);
    joining_.reset();
    applier_.reset();
    if (source_) source_->stop();
    if (stop.stop_requested()) break;
    CHECK(!status);
    if (steady_clock::now() - begun > options_.retry_max) wait = options_.retry_min;
    log::error("source stopped",
               {{"source", name()}, {"error", status.error()}, {"retry_ms", wait.count()}});
    if (state_ && state_->alive()) {
      const bool gap = status.error().code == Code::source_gap;
      if (gap) log::warn("all tables of the source are read anew", {{"source", name()}});
      (void)(gap ? state::source_gap : state::source_failed)(*state_, name(), status.error());
    } else {
      state_.reset();
    }
    const auto again = steady_clock::now() + wait;
    while (!stop.stop_requested() && steady_clock::now() < again) {
      sleep_until(std::min(again, steady_clock::now() + report_interval), stop);
      report_waiting();
    }
    wait = std::min(wait * 2, options_.retry_max);
  }
  source_.reset();
}

/// From the stored position until an error or the end.
Status SourceRunner::run_once(std::stop_token stop) {
  if (!state_ || !state_->alive()) {
    TRY_ASSIGN(pg::Connection connection, pg::Connection::open(options_.state_conninfo));
    state_ = std::move(connection);
  }
  TRY(state::source_starts(*state_, name()));
  source_ = make_mysql_source(options_.source);
  applier_ = std::make_unique<Applier>(lake_, lanes_, options_.limits);
  whole_ = true;
  records_.clear();
  told_.clear();
  unread_.clear();
  transactions_ = changes_ = 0;
  TRY(begin());
  while (!stop.stop_requested()) {
    TRY(stream(stop));
    TRY(repair(stop));
  }
  return {};
}

bool SourceRunner::captured(const TableName& table) const {
  return std::ranges::any_of(options_.source.tables, [&](const std::string& pattern) {
    return matches_pattern(pattern, table);
  });
}

/// Reads the stored position and shapes, and begins to read tables that have none yet. Without a
/// position, the stream is to begin at that of the first of them.
Status SourceRunner::begin() {
  TRY_ASSIGN(const state::StoredSource stored, state::load_source(*state_, name()));
  position_ = reached_ = stored.position;
  shapes_.clear();
  for (const TableSchemaPtr& shape : stored.shapes) {
    if (captured(shape->name)) shapes_[shape->name] = shape;
  }
  TRY_ASSIGN(const std::vector<TableSchemaPtr> present, source_->tables());
  std::vector<TableName> fresh;
  for (const TableSchemaPtr& table : present) {
    if (!shapes_.contains(table->name)) fresh.push_back(table->name);
  }
  TRY(let_go(present));
  for (const TableName& table : fresh) unread(table);
  TRY(state::tables_await_reading(*state_, name(), fresh));
  if (!position_.text.empty() && fresh.empty()) return {};
  TRY_ASSIGN(const std::vector<TableName> first, one_reading(fresh));
  TRY(read_tables(first));
  if (!position_.text.empty()) return {};
  reached_ = joining_->reading->position();
  // No event will tell of tables that were made between the list and the view.
  TRY_ASSIGN(const std::vector<TableSchemaPtr> since, source_->tables());
  std::vector<TableName> made;
  for (const TableSchemaPtr& table : since) {
    if (!applier_->lost().contains(table->name)) made.push_back(table->name);
  }
  for (const TableName& table : made) unread(table);
  TRY(state::tables_await_reading(*state_, name(), made));
  return commit();
}

/// Tables that no pattern reaches any more; and those that are gone at the source, of which no
/// event will tell: all after a gap in its log, else those that waited to be read anew.
Status SourceRunner::let_go(const std::vector<TableSchemaPtr>& present) {
  TRY_ASSIGN(const std::vector<state::LakeTable> known, state::lake_tables(*state_));
  std::vector<TableName> stopped;
  for (const state::LakeTable& table : known) {
    if (table.source != name()) continue;
    if (!captured(table.name)) {
      if (table.state != state::TableState::stopped) stopped.push_back(table.name);
      continue;
    }
    if (!position_.text.empty() && shapes_.contains(table.name)) continue;
    const auto named = [&](const TableSchemaPtr& shape) { return shape->name == table.name; };
    if (std::ranges::any_of(present, named)) continue;
    applier_->lose(table.name);  // repair() looks for it again, and drops it
  }
  return state::tables_stopped(*state_, stopped);
}

/// Streams until a stop, an error, or a table that must be read anew.
Status SourceRunner::stream(std::stop_token stop) {
  std::vector<TableSchemaPtr> shapes;
  for (const auto& [table, shape] : shapes_) shapes.push_back(shape);
  std::optional<Position> cut;
  if (joining_) {
    for (const TableName& table : joining_->tables) applier_->lose(table);
    cut = joining_->reading->position();
    joining_->reached = source_->covers(position_, *cut);
  }
  TRY(source_->start(position_, shapes, cut));
  TRY(state::source_streams(*state_, name(), describe(options_.source)));
  while (!stop.stop_requested()) {
    TRY_ASSIGN(std::optional<StreamBatch> batch, source_->next(std::chrono::milliseconds(250)));
    report(!batch);
    if (batch) TRY(take(*batch, stop));
    if (!whole_) continue;
    // Small pieces gather at the source's reader while this waits; a backlog comes in full pieces
    // and does not wait.
    const bool full = batch && batch->rows >= options_.source.batch_rows_max / 2;
    const auto begun = steady_clock::now();
    if (joining_) TRY(joining_->look(std::chrono::milliseconds(0)));
    const bool join_now = joining_ && joining_->reached && joining_->files;
    if (join_now) TRY(join());
    if (batch || join_now) TRY(commit());
    if (joining_ && !joining_->reached) joining_->reached = source_->covers(reached_, *cut);
    if (!joining_ && !due().empty()) return {};
    if (batch && !full) sleep_until(begun + options_.commit_interval, stop);
  }
  return {};
}

Status SourceRunner::take(StreamBatch& batch, const std::stop_token& stop) {
  TRY(failpoint("ingest.take"));
  if (!batch.ddl.empty()) {
    CHECK(batch.tables.empty());
    // A view of the source keeps such statements from its tables: it has been read to its end.
    const bool joining = std::ranges::any_of(batch.ddl, [&](const SchemaChange& change) {
      return joins(change.table) || joins(change.new_name);
    });
    if (joining && joining_->reached) {
      TRY(await_reading(stop));
      TRY(join());
    }
    // Rows of before are of another shape.
    if (whole_) TRY(commit());
    for (const SchemaChange& change : batch.ddl) TRY(follow(change));
  }
  for (const TableName& table : batch.lost) lost_why_[table] = batch.lost_why[table];
  if (joining_) joining_->hold(batch);
  TRY(applier_->take(batch));
  whole_ = batch.at_boundary;
  reached_ = batch.end;
  source_time_ = std::max(source_time_, batch.last_commit);
  transactions_ += batch.transactions;
  changes_ += batch.rows;
  if (joining_ && joining_->held_bytes > options_.held_bytes_max) {
    TRY(await_reading(stop));
    TRY(join());
  }
  // And rows of after may follow in the next piece.
  return !batch.ddl.empty() && batch.at_boundary ? commit() : Status{};
}

/// Into the open commit: the lake's table, the shape and the position change together.
Status SourceRunner::follow(const SchemaChange& change) {
  using Kind = SchemaChange::Kind;
  if (joins(change.table)) {
    // What was read is newer than this statement. Under the new name it was not.
    const TableName& to = change.new_name;
    if (change.kind == Kind::rename_table && captured(to) && !joins(to)) {
      appears(to);
    }
    return {};
  }
  // Another table was given the name before that was read under it.
  if (change.kind == Kind::rename_table && joins(change.new_name)) return drop_table(change.table);
  log::info("schema change", {{"source", name()},
                              {"table", display(change.table)},
                              {"kind", static_cast<int>(change.kind)}});
  repairs_.erase(change.table);  // what was wrong with it may be over
  // A transaction that changes rows and then their table's shape (none that we know does): its
  // commit cannot be split.
  if (applier_->open(change.table)) applier_->lose(change.table);
  switch (change.kind) {
    case Kind::upsert_table: return upsert_table(change);
    case Kind::truncate_table: return truncate_table(change.table);
    case Kind::drop_table: return drop_table(change.table);
    case Kind::rename_table: return rename_table(change.table, change.new_name);
  }
  CHECK(false);
}

Status SourceRunner::upsert_table(const SchemaChange& change) {
  CHECK(change.schema != nullptr);
  const TableName& table = change.table;
  if (applier_->lost().contains(table)) return {};
  TRY_ASSIGN(const std::optional<lake::LakeTable> known, applier_->find(table));
  const auto after = known ? lake::altered(*known, change.schema->columns, change.renames,
                                           lake::Contents::kept, change.initials)
                           : lake_.draft(table, change.schema->columns);
  if (!after && after.error().code == Code::unsupported) {
    log::info("table is read anew", {{"table", display(table)}, {"why", after.error()}});
    applier_->lose(table);
    return {};
  }
  if (!after) return fail(after.error());
  applier_->shape(table, *after);
  shapes_[table] = change.schema;
  record([this, shape = change.schema](pg::Connection& c) {
    return state::table_streams(c, name(), *shape);
  });
  return {};
}

Status SourceRunner::truncate_table(const TableName& table) {
  const auto shape = shapes_.find(table);
  if (shape == shapes_.end() || applier_->lost().contains(table)) return {};
  TRY_ASSIGN(const std::optional<lake::LakeTable> found, applier_->find(table));
  if (found) {
    applier_->replace(*found, shape->second, {});
  } else {
    applier_->lose(table);
  }
  return {};
}

Status SourceRunner::drop_table(const TableName& table) {
  if (shapes_.erase(table) == 0 && !applier_->lost().contains(table)) return {};
  TRY(applier_->drop(table));
  found(table);
  record([this, table](pg::Connection& c) { return state::table_dropped(c, name(), table); });
  return {};
}

/// A table whose rows we do not have gets a captured name: they must be read.
void SourceRunner::appears(const TableName& table) {
  unread(table);
  record(
      [this, table](pg::Connection& c) { return state::tables_await_reading(c, name(), {table}); });
}

Status SourceRunner::rename_table(const TableName& from, const TableName& to) {
  const auto found = shapes_.find(from);
  if (found == shapes_.end() || applier_->lost().contains(from)) {
    if (captured(to)) appears(to);
    return drop_table(from);
  }
  if (!captured(to)) return drop_table(from);
  auto shape = std::make_shared<TableSchema>(*found->second);
  shape->name = to;
  TRY_ASSIGN(std::optional<lake::LakeTable> table, applier_->find(from));
  if (!table) return fail(Code::conflict, display(from) + " is not in the lake.");
  TRY(applier_->drop(to));
  table->name = to;
  applier_->shape(from, *table);
  shapes_.erase(found);
  shapes_[to] = shape;
  record([this, from, shape](pg::Connection& c) {
    return state::table_renamed(c, name(), from, *shape);
  });
  return {};
}

Status SourceRunner::commit() {
  std::map<TableName, std::string> lost;
  for (const TableName& table : applier_->lost()) {
    if (!joins(table) && !unread_.contains(table)) lost[table] = lost_why_[table];
  }
  const auto records = [&](pg::Connection& connection, std::int64_t snapshot,
                           const std::vector<TableDelta>& deltas) -> Status {
    for (const auto& step : records_) TRY(step(connection));
    TRY(state::tables_changed(connection, deltas, snapshot, source_time_));
    for (const auto& [table, why] : lost) {
      const auto told = told_.find(table);
      if (told != told_.end() && told->second == why) continue;  // not at every commit
      TRY(state::table_lost(connection, name(), table, why));
    }
    return state::source_reached(connection, name(), position_, reached_, source_time_,
                                 transactions_, changes_);
  };
  const bool moved = !(reached_ == position_) || !records_.empty() || told_ != lost;
  TRY(failpoint("ingest.before_commit"));
  TRY_ASSIGN(const bool committed, applier_->commit("capture " + name(), reached_.text, records));
  TRY(failpoint("ingest.after_commit"));
  if (!committed && moved) {
    TRY(pg::transaction(*state_,
                        [&](pg::Connection& connection) { return records(connection, 0, {}); }));
  }
  position_ = reached_;
  transactions_ = changes_ = 0;
  records_.clear();
  told_ = std::move(lost);
  return {};
}

void SourceRunner::report(bool idle) {
  if (steady_clock::now() - reported_ < report_interval) return;
  reported_ = steady_clock::now();
  report_reading();
  const Source::Lag lag = source_->lag(position_);
  const auto behind =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock_now() - source_time_);
  // A source that says nothing, not even a heartbeat, may have committed since it was last heard.
  const bool silent = lag.silent > silence_normal;
  const bool caught_up = idle && lag.connected && !silent;
  state::SourceLag out;
  if (silent) {
    out.ms = lag.silent.count();
  } else if (!caught_up && source_time_ != SystemTime{}) {
    out.ms = std::max<std::int64_t>(behind.count(), 0);
  }
  if (lag.bytes) out.bytes = static_cast<std::int64_t>(*lag.bytes);
  if (Status status = state::source_lag(*state_, name(), out, lag.connected ? "" : lag.error);
      !status) {
    log::warn("status not written", {{"source", name()}, {"error", status.error()}});
  }
}

/// How far the joining tables are.
void SourceRunner::report_reading() {
  if (!joining_) return;
  std::vector<state::RowsRead> progress;
  for (const auto& [table, rows] : joining_->reading->rows()) {
    progress.push_back({table, static_cast<std::int64_t>(rows)});
  }
  if (Status status = state::tables_read(*state_, progress); !status) {
    log::warn("status not written", {{"source", name()}, {"error", status.error()}});
  }
}

/// The stream waits, and its source goes on.
void SourceRunner::report_waiting() {
  if (steady_clock::now() - reported_ < report_interval) return;
  reported_ = steady_clock::now();
  if (!source_ || !state_ || !state_->alive()) return;
  report_reading();
  const Source::Lag lag = source_->lag(position_);
  state::SourceLag out;
  if (lag.bytes) out.bytes = static_cast<std::int64_t>(*lag.bytes);
  if (lag.bytes != 0U) out.ms = lag.silent.count();
  if (Status status = state::source_falls_behind(*state_, name(), out); !status) {
    log::warn("status not written", {{"source", name()}, {"error", status.error()}});
  }
}

}  // namespace minato::ingest
