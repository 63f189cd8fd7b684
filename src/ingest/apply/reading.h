// Tables that are read as of one position of the stream, on a thread of their own: the stream goes
// on meanwhile. What they turn into in the lake is decided here; nothing of it is visible before
// the runner commits it.
#pragma once

#include <chrono>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "ingest/apply/snapshot_writer.h"
#include "ingest/source.h"
#include "lake/writer.h"

namespace minato::ingest {

class Reading {
 public:
  struct Table {
    TableSchemaPtr shape;
    lake::LakeTable target;  // the lake's table as it is to be for these rows
    bool shaped = false;     // it is to be made or altered for that
  };

  /// Waits until the source has the view; its rows come afterwards. `source` and `lake` outlive
  /// this; nobody else may read tables of `source` meanwhile.
  static Result<std::unique_ptr<Reading>> begin(Source& source, lake::Lake& lake,
                                                std::vector<TableName> tables);
  /// Ends the reading; files that were not taken go.
  ~Reading() = default;
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  const Position& position() const { return position_; }
  /// Those that were there.
  const std::map<TableName, Table>& tables() const { return tables_; }
  /// True when all rows are written, or an error ended it.
  bool wait(std::chrono::milliseconds limit) const {
    return files_.wait_for(limit) == std::future_status::ready;
  }
  /// Tables whose rows have begun to come, with their number so far.
  std::map<TableName, std::uint64_t> rows() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  /// Waits for the end; once.
  Result<SnapshotWriter::Files> files() { return files_.get(); }

 private:
  Reading() = default;
  Status opened(const View& view, lake::Lake& lake, SnapshotWriter& writer);
  void count(const RowBatch& rows);

  Position position_;  // these two are the thread's until the view is open
  std::map<TableName, Table> tables_;
  mutable std::mutex mutex_;
  std::map<TableName, std::uint64_t> rows_;
  std::future<Result<SnapshotWriter::Files>> files_;
  std::jthread thread_;
};

}  // namespace minato::ingest
