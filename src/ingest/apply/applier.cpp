#include "ingest/apply/applier.h"

#include <algorithm>

#include "base/log.h"

namespace minato::ingest {

Applier::Held& Applier::hold(const TableName& table) {
  const auto found = held_.find(table);
  if (found != held_.end()) return found->second;
  Held held;
  held.entry = lanes_.entry(table);
  held.turn = std::unique_lock(held.entry->turn);
  return held_.emplace(table, std::move(held)).first->second;
}

Result<Lane*> Applier::lane(const TableSchemaPtr& schema) {
  Held& held = hold(schema->name);
  std::unique_ptr<Lane>& lane = held.entry->lane;
  if (lane && lane->schema() != schema && lane->schema()->columns != schema->columns) {
    // The source's reader announces new shapes as DDL; rows of another shape mean that one was
    // missed.
    return fail(Code::conflict, "Rows of " + display(schema->name) + " have an unannounced shape.");
  }
  if (!lane) {
    TRY_ASSIGN(const std::optional<lake::LakeTable> table, find(schema->name));
    if (!table) return fail(Code::conflict, display(schema->name) + " is not in the lake.");
    if (table->columns.size() != schema->columns.size()) {
      return fail(Code::conflict,
                  "The lake's " + display(schema->name) + " has another shape than the source's.");
    }
    lane = std::make_unique<Lane>(lake_, *table, schema, limits_.lane);
  }
  return lane.get();
}

void Applier::lose(const TableName& table) {
  lost_.insert(table);
  const auto found = held_.find(table);
  if (found == held_.end()) return;
  if (found->second.entry->lane) found->second.entry->lane->forget();
  held_.erase(found);
}

Status Applier::take(const StreamBatch& batch) {
  for (const TableName& table : batch.lost) lose(table);
  for (const TableChanges& changes : batch.tables) {
    const TableName& name = changes.rows.schema->name;
    if (lost_.contains(name) || changes.ops.empty()) continue;
    Result<Lane*> target = lane(changes.rows.schema);
    Status status = target ? (*target)->apply(changes) : Status(fail(target.error()));
    if (status) continue;
    if (status.error().code != Code::conflict) return status;
    log::error("table stopped", {{"table", display(name)}, {"error", status.error()}});
    lose(name);
  }
  return {};
}

bool Applier::open(const TableName& table) const {
  const auto held = held_.find(table);
  return held != held_.end() && held->second.entry->lane && held->second.entry->lane->open();
}

/// The table is another one now: so is its lane.
void Applier::begin_anew(const TableName& table) {
  CHECK(!open(table));
  hold(table).entry->lane.reset();
}

Result<std::optional<lake::LakeTable>> Applier::find(const TableName& table) {
  const auto named = names_.find(table);
  if (named == names_.end()) return lake_.find_table(table);
  if (!named->second) return std::nullopt;
  return shaped_.at(*named->second).table;
}

void Applier::shape(const TableName& name, const lake::LakeTable& after) {
  begin_anew(name);
  if (name != after.name) {
    begin_anew(after.name);
    names_[name] = std::nullopt;
  }
  shaped_[after.table_id] = {after};
  names_[after.name] = after.table_id;
}

Status Applier::drop(const TableName& table) {
  TRY_ASSIGN(const std::optional<lake::LakeTable> known, find(table));
  if (!known) return {};
  begin_anew(table);
  names_[table] = std::nullopt;
  if (known->table_id < 0) {
    shaped_.erase(known->table_id);
  } else {
    shaped_[known->table_id] = {*known, true};
  }
  return {};
}

void Applier::replace(const lake::LakeTable& table, const TableSchemaPtr& schema,
                      std::vector<lake::DataFile> files) {
  begin_anew(table.name);
  auto lane = std::make_unique<Lane>(lake_, table, schema, limits_.lane);
  lane->replace(std::move(files));
  hold(table.name).entry->lane = std::move(lane);
}

Status Applier::prepare(lake::CommitRequest& request, std::vector<Lane*>& prepared,
                        std::vector<TableDelta>& deltas) {
  for (const auto& [id, change] : shaped_) request.ddl.push_back(change);
  for (auto& [table, held] : held_) {
    Lane* lane = held.entry->lane.get();
    if (lane == nullptr || !lane->open()) continue;
    const std::int64_t rows = lane->rows_delta();
    TRY_ASSIGN(std::optional<lake::TableCommit> change, lane->prepare());
    if (!change) continue;
    change->live_rows_delta = rows;
    request.tables.push_back(std::move(*change));
    prepared.push_back(lane);
    deltas.push_back({table, rows, lane->replaces()});
    used_[table] = commits_;
  }
  // Another shape is another table to those who read it, also without a row that changes.
  const auto told = [&](const TableName& table) {
    return std::ranges::find(deltas, table, &TableDelta::table) != deltas.end();
  };
  for (const auto& [id, change] : shaped_) {
    if (!change.drop && !told(change.table.name)) deltas.push_back({change.table.name, 0, false});
  }
  return {};
}

Result<bool> Applier::commit(const std::string& message, const std::string& extra_info,
                             const Records& records) {
  lake::CommitRequest request;
  std::vector<Lane*> prepared;
  std::vector<TableDelta> deltas;
  ++commits_;
  TRY(prepare(request, prepared, deltas));
  if (request.tables.empty() && request.ddl.empty()) {
    release();
    return false;
  }
  request.message = message;
  request.extra_info = extra_info;
  request.with = [&](pg::Connection& connection, const lake::Committed& made) {
    return records(connection, made.snapshot_id, deltas);
  };
  TRY_ASSIGN(const lake::Committed committed, lake_.commit(request));
  CHECK(committed.tables.size() == prepared.size());
  for (std::size_t n = 0; n < prepared.size(); ++n) prepared[n]->committed(committed.tables[n]);
  // Drafts have ids of their own now.
  for (const auto& [table, id] : names_) hold(table).entry->lane.reset();
  release();
  trim_indexes();
  return true;
}

void Applier::release() {
  shaped_.clear();
  names_.clear();
  held_.clear();
}

void Applier::abandon() {
  for (auto& [table, held] : held_) held.entry->lane.reset();
  release();
}

/// Key indexes of tables that were not touched lately make room for those that are.
void Applier::trim_indexes() {
  std::vector<std::pair<std::uint64_t, TableName>> by_age;
  by_age.reserve(used_.size());
  for (const auto& [table, commit] : used_) by_age.emplace_back(commit, table);
  std::ranges::sort(by_age, std::greater<>{});
  std::size_t total = 0;
  for (const auto& [commit, table] : by_age) {
    const auto entry = lanes_.entry(table);
    const std::unique_lock turn(entry->turn, std::try_to_lock);
    if (!turn || !entry->lane) continue;
    total += entry->lane->index_bytes();
    if (total <= limits_.index_bytes) continue;
    total -= entry->lane->index_bytes();
    entry->lane->drop_index();
  }
}

}  // namespace minato::ingest
