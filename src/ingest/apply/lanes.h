// All lanes of the process, by table: applies and maintenance take turns per table, and never wait
// for another table.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "ingest/apply/lane.h"
#include "lake/maintenance.h"

namespace minato::ingest {

class Lanes {
 public:
  struct Entry {
    std::mutex turn;  // held while a commit that touches the table is open, or a compaction runs
    std::unique_ptr<Lane> lane;  // nothing until the table's first change; guarded by `turn`
  };

  std::shared_ptr<Entry> entry(const TableName& table) {
    const std::lock_guard lock(mutex_);
    auto& slot = entries_[table];
    if (!slot) slot = std::make_shared<Entry>();
    return slot;
  }

  /// Runs `slice` while no commit touches `table`; the lane takes over what it did. After an error
  /// (the commit may be in doubt) the lane reads the table's files again.
  Result<std::optional<lake::Compacted>> with_lane(const TableName& table,
                                                   const lake::CompactionSlice& slice) {
    const auto found = entry(table);
    const std::lock_guard turn(found->turn);
    auto done = slice();
    if (!found->lane) return done;
    if (!done) {
      found->lane->forget();
    } else if (*done) {
      found->lane->compacted(**done);
    }
    return done;
  }

 private:
  std::mutex mutex_;
  std::map<TableName, std::shared_ptr<Entry>> entries_;
};

}  // namespace minato::ingest
