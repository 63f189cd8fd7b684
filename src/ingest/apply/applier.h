// Takes the pieces of one source's stream into the lake: rows into lanes, lanes into commits. A
// commit holds whole source transactions of all tables and the source's position; nothing else
// makes changes visible.
#pragma once

#include <functional>
#include <set>
#include <vector>

#include "ingest/apply/lanes.h"
#include "state/capture.h"

namespace minato::ingest {

struct ApplyLimits {
  LaneLimits lane;
  std::size_t index_bytes =
      512UL * 1024 * 1024;  // all key indexes together; the least recently used go first
};

/// What a commit did to one table, for Minato's records.
using TableDelta = state::TableChange;

class Applier {
 public:
  /// Called inside the commit's PostgreSQL transaction.
  using Records =
      std::function<Status(pg::Connection&, std::int64_t snapshot, const std::vector<TableDelta>&)>;

  Applier(lake::Lake& lake, Lanes& lanes, ApplyLimits limits)
      : lake_(lake), lanes_(lanes), limits_(limits) {}
  ~Applier() { abandon(); }

  /// Rows of `batch` go into the open commit. Tables whose rows contradict the lake are put into
  /// `lost()`, and their rows left out. An error means that nothing of the open commit may be used:
  /// abandon().
  Status take(const StreamBatch& batch);
  /// The table as the open commit leaves it; nullopt: there is none.
  Result<std::optional<lake::LakeTable>> find(const TableName& table);
  /// The open commit makes or alters the table that is called `name` now; `after` may have another
  /// name. From here on changes of the table must have its new shape. Not when the open commit has
  /// changes of the old one: see open(table).
  void shape(const TableName& name, const lake::LakeTable& after);
  /// The open commit drops the table. A table that is not there: success.
  Status drop(const TableName& table);
  /// The open commit replaces all rows of `table` by those of `files`, none for TRUNCATE; changes
  /// that are taken from here on are of these.
  void replace(const lake::LakeTable& table, const TableSchemaPtr& schema,
               std::vector<lake::DataFile> files);

  /// Commits what is open. True: a lake commit was made and `records` ran inside it; false: nothing
  /// was open.
  Result<bool> commit(const std::string& message, const std::string& extra_info,
                      const Records& records);
  /// Forgets the open commit; the lanes read the lake again.
  void abandon();
  /// Whether the open commit has changes of the table's rows.
  bool open(const TableName& table) const;

  /// Tables to be left out until they are read anew.
  const std::set<TableName>& lost() const { return lost_; }
  void lose(const TableName& table);
  void found(const TableName& table) { lost_.erase(table); }

 private:
  struct Held {
    std::shared_ptr<Lanes::Entry> entry;
    std::unique_lock<std::mutex> turn;
  };

  Result<Lane*> lane(const TableSchemaPtr& schema);
  Held& hold(const TableName& table);
  void begin_anew(const TableName& table);
  Status prepare(lake::CommitRequest& request, std::vector<Lane*>& prepared,
                 std::vector<TableDelta>& deltas);
  void release();
  void trim_indexes();

  lake::Lake& lake_;
  Lanes& lanes_;
  ApplyLimits limits_;
  std::map<TableName, Held> held_;                 // lanes of the open commit
  std::map<std::int64_t, lake::TableDdl> shaped_;  // by id: tables that the open commit shapes
  std::map<TableName, std::optional<std::int64_t>> names_;  // their names: who has them afterwards
  std::set<TableName> lost_;
  std::map<TableName, std::uint64_t> used_;  // commit number of the last use, for trim_indexes()
  std::uint64_t commits_ = 0;
};

}  // namespace minato::ingest
