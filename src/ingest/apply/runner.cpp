#include "ingest/apply/runner.h"

#include <algorithm>
#include <condition_variable>

#include "base/failpoint.h"
#include "base/log.h"
#include "ingest/apply/snapshot_writer.h"
#include "state/capture.h"
#include "state/tables.h"

namespace minato::ingest {
namespace {

using std::chrono::steady_clock;

// Sources send a heartbeat every 5 s.
constexpr std::chrono::milliseconds silence_normal{7'000};

SystemTime now() {
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
    applier_.reset();
    if (source_) source_->stop();
    source_.reset();
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
    sleep_until(steady_clock::now() + wait, stop);
    wait = std::min(wait * 2, options_.retry_max);
  }
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
  joining_.reset();
  records_.clear();
  transactions_ = changes_ = 0;
  TRY(begin(stop));
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

/// Reads the stored position and shapes; tables that have none yet are read first.
Status SourceRunner::begin(std::stop_token stop) {
  TRY_ASSIGN(const state::StoredSource stored, state::load_source(*state_, name()));
  position_ = reached_ = stored.position;
  shapes_.clear();
  for (const TableSchemaPtr& shape : stored.shapes) {
    if (captured(shape->name)) shapes_[shape->name] = shape;
  }
  TRY_ASSIGN(const std::vector<TableSchemaPtr> present, source_->tables());
  std::vector<TableSchemaPtr> fresh;
  for (const TableSchemaPtr& table : present) {
    if (!shapes_.contains(table->name)) fresh.push_back(table);
  }
  if (position_.text.empty()) TRY(forget_gone(present));
  if (position_.text.empty() || !fresh.empty()) {
    TRY_ASSIGN(joining_, read_tables(fresh, stop));
    if (position_.text.empty()) {
      position_ = reached_ = joining_->position;
      TRY(join());
    }
  }
  return {};
}

/// After a gap in the source's log: tables that were dropped in it, of which no event will tell.
Status SourceRunner::forget_gone(const std::vector<TableSchemaPtr>& present) {
  TRY_ASSIGN(const std::vector<state::LakeTable> known, state::lake_tables(*state_));
  for (const state::LakeTable& table : known) {
    if (table.source != name() || !captured(table.name)) continue;
    const auto named = [&](const TableSchemaPtr& shape) { return shape->name == table.name; };
    if (std::ranges::any_of(present, named)) continue;
    log::info("table is gone at the source", {{"table", display(table.name)}});
    TRY(lake_.drop_table(table.name));
    TRY(state::table_dropped(*state_, name(), table.name));
  }
  return {};
}

Result<SourceRunner::Joining> SourceRunner::read_tables(const std::vector<TableSchemaPtr>& tables,
                                                        std::stop_token stop) {
  Joining joining;
  std::vector<TableName> names;
  for (const TableSchemaPtr& table : tables) names.push_back(table->name);
  TRY(state::tables_snapshotting(*state_, name(), names));
  log::info("reading tables", {{"source", name()}, {"tables", names.size()}});
  SnapshotWriter writer(lake_);
  const auto opened = [&](const std::vector<TableSchemaPtr>& shapes) -> Status {
    for (const TableSchemaPtr& shape : shapes) {
      auto altered = lake_.upsert_table(shape->name, shape->columns, {});
      if (!altered && altered.error().code == Code::unsupported) {
        altered = lake_.recreate_table(shape->name, shape->columns);
      }
      TRY_ASSIGN(lake::LakeTable target, std::move(altered));
      writer.open(std::move(target));
      joining.shapes.push_back(shape);
    }
    return {};
  };
  const auto sink = [&](RowBatch&& rows) -> Status {
    TRY(failpoint("ingest.snapshot_batch"));
    return writer.put(std::move(rows));
  };
  TRY_ASSIGN(joining.position, source_->snapshot(names, opened, sink, stop));
  TRY_ASSIGN(joining.files, writer.finish());
  return joining;
}

/// The stream stands exactly where the joining tables were read: they become part of the open
/// commit.
Status SourceRunner::join() {
  for (const TableSchemaPtr& shape : joining_->shapes) {
    TRY_ASSIGN(const std::optional<lake::LakeTable> table, lake_.find_table(shape->name));
    if (!table)
      return fail(Code::conflict,
                  display(shape->name) + " vanished from the lake while it was read.");
    applier_->found(shape->name);
    applier_->replace(shape->name, table->table_id, std::move(joining_->files[shape->name]));
    shapes_[shape->name] = shape;
    TRY(record(
        [this, shape](pg::Connection& c) { return state::table_streams(c, name(), *shape); }));
  }
  TRY(commit());
  log::info("tables joined", {{"source", name()}, {"tables", joining_->shapes.size()}});
  joining_.reset();
  return {};
}

/// Streams until a stop, an error, or a table that must be read anew.
Status SourceRunner::stream(std::stop_token stop) {
  std::vector<TableSchemaPtr> shapes;
  for (const auto& [table, shape] : shapes_) shapes.push_back(shape);
  // Rows of joining tables before their position are in what was read.
  if (joining_) {
    for (const TableSchemaPtr& shape : joining_->shapes) applier_->lose(shape->name);
    if (source_->covers(position_, joining_->position)) TRY(join());
  }
  TRY(source_->start(position_, shapes,
                     joining_ ? std::optional(joining_->position) : std::nullopt));
  TRY(state::source_streams(*state_, name()));
  while (!stop.stop_requested()) {
    TRY_ASSIGN(std::optional<StreamBatch> batch, source_->next(std::chrono::milliseconds(250)));
    report(!batch);
    if (!batch) continue;
    TRY(take(*batch));
    if (!batch->at_boundary) continue;
    // Small pieces gather at the source's reader while this waits; a backlog comes in full pieces
    // and does not wait.
    const bool full = batch->rows >= options_.source.batch_rows_max / 2;
    const auto begun = steady_clock::now();
    if (joining_ && source_->covers(reached_, joining_->position)) {
      TRY(join());
    } else {
      TRY(commit());
    }
    if (!joining_ && !applier_->lost().empty()) return {};
    if (full) continue;
    sleep_until(begun + options_.commit_interval, stop);
  }
  return {};
}

Status SourceRunner::take(StreamBatch& batch) {
  TRY(failpoint("ingest.take"));
  if (!batch.ddl.empty()) {
    CHECK(batch.tables.empty());
    TRY(commit());
    for (const SchemaChange& change : batch.ddl) TRY(follow(change));
  }
  TRY(applier_->take(batch));
  reached_ = batch.end;
  source_time_ = std::max(source_time_, batch.last_commit);
  transactions_ += batch.transactions;
  changes_ += batch.rows;
  return {};
}

Status SourceRunner::follow(const SchemaChange& change) {
  using Kind = SchemaChange::Kind;
  const bool is_joining = joining_ && joining_->files.contains(change.table);
  if (is_joining) return {};  // what was read is newer than this statement
  log::info("schema change", {{"source", name()},
                              {"table", display(change.table)},
                              {"kind", static_cast<int>(change.kind)}});
  switch (change.kind) {
    case Kind::upsert_table: return upsert_table(change);
    case Kind::truncate_table:
      if (!shapes_.contains(change.table)) return {};
      TRY(applier_->truncate(change.table));
      return commit();
    case Kind::drop_table:
      if (shapes_.erase(change.table) == 0) return {};
      TRY(lake_.drop_table(change.table));
      applier_->reset(change.table);
      return record([this, table = change.table](pg::Connection& c) {
        return state::table_dropped(c, name(), table);
      });
    case Kind::rename_table: {
      const auto found = shapes_.find(change.table);
      if (found == shapes_.end()) {
        // A table that was not captured gets a captured name: its rows must be read.
        if (captured(change.new_name)) applier_->lose(change.new_name);
        return {};
      }
      auto shape = std::make_shared<TableSchema>(*found->second);
      shapes_.erase(found);
      applier_->reset(change.table);
      if (!captured(change.new_name)) {
        TRY(lake_.drop_table(change.table));
        return record([this, table = change.table](pg::Connection& c) {
          return state::table_dropped(c, name(), table);
        });
      }
      shape->name = change.new_name;
      TRY(lake_.rename_table(change.table, change.new_name));
      applier_->reset(change.new_name);
      shapes_[change.new_name] = shape;
      return record([this, table = change.table, shape](pg::Connection& c) {
        return state::table_renamed(c, name(), table, *shape);
      });
    }
  }
  CHECK(false);
}

Status SourceRunner::upsert_table(const SchemaChange& change) {
  CHECK(change.schema != nullptr);
  const bool lost = applier_->lost().contains(change.table);
  if (lost) return {};
  const auto altered = lake_.upsert_table(change.table, change.schema->columns, change.renames);
  if (!altered && altered.error().code == Code::unsupported) {
    log::info("table is read anew", {{"table", display(change.table)}, {"why", altered.error()}});
    applier_->lose(change.table);
    return {};
  }
  TRY(altered);
  applier_->reset(change.table);
  shapes_[change.table] = change.schema;
  return record([this, shape = change.schema](pg::Connection& c) {
    return state::table_streams(c, name(), *shape);
  });
}

/// Shapes are stored with the position that they belong to: in the next commit.
Status SourceRunner::record(std::function<Status(pg::Connection&)> step) {
  records_.push_back(std::move(step));
  return {};
}

Status SourceRunner::commit() {
  const auto records = [&](pg::Connection& connection, std::int64_t snapshot,
                           const std::vector<TableDelta>& deltas) -> Status {
    for (const auto& step : records_) TRY(step(connection));
    TRY(state::tables_changed(connection, deltas, snapshot, source_time_));
    for (const TableName& table : applier_->lost()) {
      const bool joins = joining_ && joining_->files.contains(table);
      if (!joins) TRY(state::table_lost(connection, name(), table));
    }
    return state::source_reached(connection, name(), reached_, source_time_, transactions_,
                                 changes_);
  };
  const bool moved = !(reached_ == position_);
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
  return {};
}

/// Tables whose rows contradicted the lake are read anew, while the stream waits.
Status SourceRunner::repair(std::stop_token stop) {
  if (stop.stop_requested() || applier_->lost().empty()) return {};
  source_->stop();
  TRY_ASSIGN(const std::vector<TableSchemaPtr> present, source_->tables());
  std::vector<TableSchemaPtr> again;
  for (const TableName& table : std::set<TableName>(applier_->lost())) {
    shapes_.erase(table);
    const auto found =
        std::ranges::find(present, table, [](const TableSchemaPtr& shape) { return shape->name; });
    if (found != present.end()) {
      again.push_back(*found);
    } else {
      applier_->found(table);  // it is gone at the source; the stream will say so
    }
  }
  if (again.empty()) return {};
  TRY_ASSIGN(joining_, read_tables(again, stop));
  return {};
}

void SourceRunner::report(bool idle) {
  if (steady_clock::now() - reported_ < std::chrono::seconds(1)) return;
  reported_ = steady_clock::now();
  const Source::Lag lag = source_->lag();
  const auto behind = std::chrono::duration_cast<std::chrono::milliseconds>(now() - source_time_);
  // A source that says nothing, not even a heartbeat, may have committed since it was last heard.
  const bool silent = lag.silent > silence_normal;
  const bool caught_up = idle && lag.connected && !silent;
  std::int64_t lag_ms = 0;
  if (silent) {
    lag_ms = lag.silent.count();
  } else if (!caught_up && source_time_ != SystemTime{}) {
    lag_ms = std::max<std::int64_t>(behind.count(), 0);
  }
  if (Status status =
          state::source_lag(*state_, name(), lag_ms, static_cast<std::int64_t>(lag.bytes),
                            lag.connected ? "" : lag.error);
      !status) {
    log::warn("status not written", {{"source", name()}, {"error", status.error()}});
  }
}

}  // namespace minato::ingest
