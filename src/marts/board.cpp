#include "marts/board.h"

#include <algorithm>

#include "base/check.h"

namespace minato::marts {
namespace {

// Looking for the nearest name costs milliseconds with thousands of tables: when hundreds of marts
// miss their inputs, the cause is not a slip of the hand.
constexpr int suggestions_max = 50;

bool has_job(const state::MartProgress& mart) {
  return mart.state == state::MartState::queued || mart.state == state::MartState::running;
}

}  // namespace

void Board::set_refresh_seconds(int seconds) {
  if (seconds == refresh_seconds_) return;
  refresh_seconds_ = seconds;
  stale_facts_ = true;
}

void Board::define(Definition definition, Result<std::vector<Read>> reads) {
  Entry& entry = entries_[definition.name];
  entry = {};
  entry.file = definition.file;
  if (reads) {
    entry.reads = std::move(*reads);
  } else {
    entry.invalid = display(finding_of(definition, reads.error()));
  }
  entry.definition = std::move(definition);
  entry.to_record = true;
  stale_graph_ = true;
}

void Board::broken(const TableName& name, const Finding& finding) {
  Entry& entry = entries_[name];
  entry.definition.reset();
  entry.reads.clear();
  entry.file = finding.file;
  entry.invalid = display(finding);
  entry.to_record = true;
  stale_graph_ = true;
}

void Board::removed(const TableName& name) { stale_graph_ |= entries_.erase(name) > 0; }

void Board::tables(const std::vector<state::LakeTable>& tables, bool all) {
  if (all) {
    const auto same = [&](const state::LakeTable& t) { return tables_.contains(folded(t.name)); };
    stale_facts_ |= tables.size() != tables_.size() || !std::ranges::all_of(tables, same);
    tables_.clear();
  }
  for (const state::LakeTable& table : tables) {
    const std::string key = folded(table.name);
    const auto [place, added] = tables_.insert_or_assign(key, table);
    if (added && !all) stale_facts_ = true;
    facts_.newest_snapshot = std::max(facts_.newest_snapshot, table.last_snapshot);
    const auto known = table_index_.find(key);
    if (known == table_index_.end()) continue;
    TableFacts& facts = facts_.tables[static_cast<std::size_t>(known->second)];
    if (facts.exists != (table.state != state::TableState::dropped)) stale_facts_ = true;
    fill_table(facts, &table);
  }
}

void Board::progress(const std::vector<state::MartProgress>& marts, bool all) {
  if (all) progress_.clear();
  for (const state::MartProgress& mart : marts) {
    progress_.insert_or_assign(mart.name, mart);
    const auto found = mart_index_.find(folded(mart.name));
    if (found != mart_index_.end()) fill_progress(static_cast<std::size_t>(found->second));
  }
  stale_facts_ |= all;
}

std::vector<state::MartDefinition> Board::definitions_to_record() {
  std::vector<state::MartDefinition> out;
  for (auto& [name, entry] : entries_) {
    if (!std::exchange(entry.to_record, false)) continue;
    const auto recorded = progress_.find(name);
    if (!entry.definition) {
      // Unreadable from the first sight on: a record is needed to tell so. Else the last good one
      // stays.
      if (recorded != progress_.end() && !recorded->second.removed_at) continue;
      out.push_back({name, entry.file, "", "", {}, {}});
      continue;
    }
    const Definition& definition = *entry.definition;
    state::MartDefinition record{
        name, definition.file, definition.sql, definition.hash, definition.refresh_seconds, {}};
    for (const Read& read : entry.reads) record.inputs.push_back(read.table);
    out.push_back(std::move(record));
  }
  return out;
}

std::vector<TableName> Board::to_mark_removed() const {
  std::vector<TableName> out;
  for (const auto& [name, mart] : progress_) {
    if (!mart.removed_at && !entries_.contains(name)) out.push_back(name);
  }
  return out;
}

std::vector<TableName> Board::to_drop(SystemTime before) const {
  std::vector<TableName> out;
  for (const auto& [name, mart] : progress_) {
    if (mart.removed_at && *mart.removed_at <= before && !entries_.contains(name)) {
      out.push_back(name);
    }
  }
  return out;
}

int Board::table_index(const TableName& name) {
  const auto [place, added] =
      table_index_.emplace(folded(name), static_cast<int>(facts_.tables.size()));
  if (added) {
    facts_.tables.push_back({name, false, false, "", 0});
    const auto found = tables_.find(place->first);
    fill_table(facts_.tables.back(), found == tables_.end() ? nullptr : &found->second);
  }
  return place->second;
}

void Board::fill_table(TableFacts& facts, const state::LakeTable* table) const {
  facts.exists = table != nullptr && table->state != state::TableState::dropped;
  facts.last_snapshot = table == nullptr ? 0 : table->last_snapshot;
  facts.readable = facts.exists && state::is_readable(table->state);
  facts.unreadable = "has not been built yet";
  if (!facts.exists || facts.readable) return;
  facts.unreadable = table->state == state::TableState::repairing
                         ? "is being read anew after a difference was found"
                     : table->last_snapshot > 0 ? "is being read anew"
                                                : "is being read for the first time";
}

void Board::find_missing(MartFacts& facts, const Entry& entry) {
  for (const Read& read : entry.reads) {
    const TableFacts& table = facts_.tables[static_cast<std::size_t>(table_index(read.table))];
    if (table.exists || graph_.find(read.table) >= 0) continue;
    std::string text = "There is no table " + display(read.table) + ".";
    if (entry.definition && suggestions_left_ > 0) {
      --suggestions_left_;
      const Finding finding = unknown_table(*entry.definition, read, known_);
      text = finding.message + (finding.suggestion.empty() ? "" : " ") + finding.suggestion;
    }
    facts.missing.push_back(std::move(text));
  }
}

std::string Board::clash(const Graph::Node& node, const Entry& entry) const {
  if (!entry.invalid.empty()) return entry.invalid;
  if (node.cycle >= 0) return cycle_sentence(graph_, node) + " " + cycle_advice;
  const auto table = tables_.find(folded(node.name));
  if (table != tables_.end() && !table->second.source.empty()) {
    return entry.file + " has the name of the captured table " + display(table->second.name) +
           ": give the file another name or folder.";
  }
  return "";
}

void Board::fill_static(std::size_t index, const Entry& entry) {
  const Graph::Node& node = graph_.nodes()[index];
  MartFacts& facts = facts_.marts[index];
  facts.name = node.name;
  facts.invalid = clash(node, entry);
  for (const TableName& read : node.reads) facts.tables.push_back(table_index(read));
  // In a circle there is no upstream first.
  if (node.cycle < 0) facts.upstream = node.upstream;
  const auto refresh = entry.definition ? entry.definition->refresh_seconds : std::nullopt;
  facts.interval = std::chrono::seconds(refresh.value_or(refresh_seconds_));
  find_missing(facts, entry);
  fill_progress(index);
}

void Board::fill_progress(std::size_t index) {
  MartFacts& facts = facts_.marts[index];
  const auto found = progress_.find(facts.name);
  if (found == progress_.end()) {
    facts.changed = true;
    return;
  }
  const state::MartProgress& mart = found->second;
  facts.job = has_job(mart);
  facts.changed = mart.hash != mart.built_hash;
  facts.built_snapshot = mart.built_snapshot;
  facts.last_started_at = mart.last_started_at;
  facts.failures = mart.failures;
  facts.next_try_at = mart.next_try_at;
}

void Board::rebuild() {
  if (!stale_graph_ && !stale_facts_) return;
  if (stale_graph_) {
    std::vector<GraphMart> nodes;
    for (const auto& [name, entry] : entries_) {
      GraphMart& node = nodes.emplace_back(GraphMart{name, entry.file, {}});
      for (const Read& read : entry.reads) node.reads.push_back(read.table);
    }
    graph_ = Graph(std::move(nodes));
    twins_.clear();
    for (const auto& [name, entry] : entries_) {
      const Graph::Node& node = graph_.nodes()[static_cast<std::size_t>(graph_.find(name))];
      if (node.name != name) twins_.emplace_back(name, node.name);
    }
  }
  std::unordered_map<std::string, MartMemory> before;
  for (const auto& [key, place] : mart_index_) {
    before[key] = memory_[static_cast<std::size_t>(place)];
  }
  const std::int64_t newest = facts_.newest_snapshot;
  facts_ = {};
  facts_.newest_snapshot = newest;
  known_.clear();
  for (const auto& [key, table] : tables_) known_.push_back(table.name);
  suggestions_left_ = suggestions_max;
  table_index_.clear();
  mart_index_.clear();
  facts_.marts.resize(graph_.nodes().size());
  memory_.assign(graph_.nodes().size(), {});
  for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
    const std::string key = folded(graph_.nodes()[i].name);
    mart_index_[key] = static_cast<int>(i);
    if (const auto found = before.find(key); found != before.end()) memory_[i] = found->second;
    fill_static(i, entries_.at(graph_.nodes()[i].name));
  }
  stale_graph_ = stale_facts_ = false;
}

std::optional<state::MartPlan> Board::plan(const TableName& name, const Decision& decision) {
  const auto found = progress_.find(name);
  if (found == progress_.end() || has_job(found->second)) return std::nullopt;
  state::MartProgress& mart = found->second;
  state::MartPlan out{name, state::MartState::ok, "", "", {}};
  switch (decision.kind) {
    case Decision::Kind::run: return std::nullopt;
    case Decision::Kind::nothing: break;
    case Decision::Kind::wait: {
      const bool built = mart.built_snapshot && mart.hash == mart.built_hash;
      out.state = built ? state::MartState::ok : state::MartState::waiting;
      out.why = decision.why;
      out.next_try_at = decision.at;
      break;
    }
    case Decision::Kind::failed:
      out.state = state::MartState::failed;
      out.error = mart.error;
      out.next_try_at = mart.next_try_at;
      break;
    case Decision::Kind::invalid:
      out.state = state::MartState::invalid;
      out.why = out.error = decision.why;
      break;
  }
  if (mart.failures > 0 && decision.kind != Decision::Kind::nothing) {
    // What is known of the last failure stays until the next try.
    out.next_try_at = mart.next_try_at;
    if (out.error.empty()) out.error = mart.error;
  }
  if (out.state == mart.state && out.why == mart.why && out.error == mart.error &&
      out.next_try_at == mart.next_try_at) {
    return std::nullopt;
  }
  mart.state = out.state;
  mart.why = out.why;
  mart.error = out.error;
  mart.next_try_at = out.next_try_at;
  return out;
}

Board::Writes Board::decide(SystemTime now) {
  rebuild();
  Decisions decisions = marts::decide(facts_, memory_, now);
  Writes out;
  out.wake_at = decisions.wake_at;
  for (std::size_t i = 0; i < facts_.marts.size(); ++i) {
    const MartFacts& mart = facts_.marts[i];
    const Decision& decision = decisions.marts[i];
    if (decision.kind == Decision::Kind::run) {
      const auto record = progress_.find(mart.name);
      if (record == progress_.end()) continue;  // its definition is about to be recorded
      // What people just saved goes before the routine.
      out.jobs.push_back({state::JobKind::refresh, mart.name, mart.changed ? 10 : 0});
      record->second.state = state::MartState::queued;
      record->second.why = "waits for a free worker";
      facts_.marts[i].job = true;
    } else if (auto plan = this->plan(mart.name, decision)) {
      out.plans.push_back(std::move(*plan));
    }
  }
  for (const auto& [name, other] : twins_) {
    const Decision decision{Decision::Kind::invalid,
                            "The name differs from " + display(other) +
                                " in upper and lower case only: rename one of the files.",
                            {}};
    if (auto plan = this->plan(name, decision)) out.plans.push_back(std::move(*plan));
  }
  return out;
}

}  // namespace minato::marts
