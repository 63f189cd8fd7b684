// Writes what a first read yields into files, on a thread of its own beside the one that reads.
// Few bytes wait between the two; a table's rows go into few large files. Nothing becomes visible
// here: the files are handed over by finish(), or go.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "lake/writer.h"

namespace minato::ingest {

class SnapshotWriter {
 public:
  using Files = std::map<TableName, std::vector<lake::DataFile>>;

  explicit SnapshotWriter(lake::Lake& lake);
  /// Without finish(): stops; what was written goes.
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  /// Rows of `table` may come. Before the first put().
  void open(lake::LakeTable table);
  /// Waits while too much waits already. Tables come one after another. The writing thread's error
  /// is returned here, or by finish().
  Status put(RowBatch&& rows);
  /// After the last put(): waits until all is written; a (maybe empty) list for each table opened.
  Result<Files> finish();

 private:
  struct Open;  // the file that is being written
  void work();
  Status write_file(const RowBatch& first);
  const RowBatch* following(Open& file);
  bool wait_for_rows();

  lake::Lake& lake_;
  std::map<TableName, lake::LakeTable> tables_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<RowBatch> waiting_;  // the front one is being written
  std::size_t waiting_bytes_ = 0;
  bool complete_ = false;   // no more rows will come
  bool abandoned_ = false;  // nobody wants the files
  Status status_;           // of the writing thread
  Files files_;             // the writing thread's, until it has ended
  std::thread thread_;
};

}  // namespace minato::ingest
