// All that the scheduler knows, in memory: definitions from files, the lake's tables and the marts'
// records from PostgreSQL. Turns decisions into what is to be written. No I/O.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "marts/decide.h"
#include "marts/graph.h"
#include "marts/lineage.h"
#include "state/marts.h"
#include "state/tables.h"

namespace minato::marts {

class Board {
 public:
  explicit Board(int refresh_seconds) : refresh_seconds_(refresh_seconds) {}
  void set_refresh_seconds(int seconds);

  // From marts/.
  void define(Definition definition, Result<std::vector<Read>> reads);
  /// The file cannot be used: no refreshes until it is put right; contents stay.
  void broken(const TableName& name, const Finding& finding);
  void removed(const TableName& name);

  // From PostgreSQL. `all`: what is not among them is gone.
  void tables(const std::vector<state::LakeTable>& tables, bool all);
  void progress(const std::vector<state::MartProgress>& marts, bool all);

  /// Definitions that the records lack, or have otherwise; each told once.
  std::vector<state::MartDefinition> definitions_to_record();
  /// Recorded marts without a file that are not marked yet; and those marked before `before`.
  std::vector<TableName> to_mark_removed() const;
  std::vector<TableName> to_drop(SystemTime before) const;
  const std::map<TableName, state::MartProgress>& progress() const { return progress_; }
  std::int64_t newest_snapshot() const { return facts_.newest_snapshot; }

  struct Writes {
    std::vector<state::NewJob> jobs;
    std::vector<state::MartPlan> plans;
    std::optional<SystemTime> wake_at;
  };
  /// What to write now. The board takes it as written: after an error load everything again.
  Writes decide(SystemTime now);

 private:
  struct Entry {
    std::optional<Definition> definition;  // nothing: never readable
    std::vector<Read> reads;
    std::string invalid;  // why it cannot run, by its file alone
    std::string file;
    bool to_record = false;
  };

  void rebuild();
  void fill_static(std::size_t index, const Entry& entry);
  void fill_progress(std::size_t index);
  int table_index(const TableName& name);
  void fill_table(TableFacts& facts, const state::LakeTable* table) const;
  void find_missing(MartFacts& facts, const Entry& entry);
  std::string clash(const Graph::Node& node, const Entry& entry) const;
  std::optional<state::MartPlan> plan(const TableName& name, const Decision& decision);

  int refresh_seconds_;
  std::map<TableName, Entry> entries_;
  std::map<TableName, state::MartProgress> progress_;
  std::unordered_map<std::string, state::LakeTable> tables_;  // by folded name
  bool stale_graph_ = true;                                   // definitions changed
  bool stale_facts_ = true;                                   // tables came or went
  Graph graph_;
  std::vector<std::pair<TableName, TableName>> twins_;  // names that the engine takes for others
  Facts facts_;
  std::vector<MartMemory> memory_;
  std::vector<TableName> known_;                      // for suggestions
  std::unordered_map<std::string, int> table_index_;  // folded name → Facts::tables
  std::unordered_map<std::string, int> mart_index_;   // folded name → Facts::marts
  int suggestions_left_ = 0;
};

}  // namespace minato::marts
