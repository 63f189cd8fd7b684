// All lanes of the process, by table: applies and maintenance take turns per table, and never wait
// for another table.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "ingest/apply/lane.h"

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

  /// Runs `work` while no commit touches `table`; afterwards the lane reads the table's files
  /// again.
  Status with_lane(const TableName& table, const std::function<Status()>& work) {
    const auto found = entry(table);
    const std::lock_guard turn(found->turn);
    Status status = work();
    if (found->lane) found->lane->forget();
    return status;
  }

 private:
  std::mutex mutex_;
  std::map<TableName, std::shared_ptr<Entry>> entries_;
};

}  // namespace minato::ingest
