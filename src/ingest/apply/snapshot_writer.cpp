#include "ingest/apply/snapshot_writer.h"

#include <algorithm>

namespace minato::ingest {
namespace {

constexpr std::size_t waiting_bytes_max = std::size_t{24} << 20;
// Of rows in memory; on disk about a third, which compaction need not touch again.
constexpr std::size_t file_bytes_max = std::size_t{768} << 20;
// The engine keeps a row group in memory until it is full.
constexpr std::size_t group_bytes = std::size_t{48} << 20;
constexpr std::size_t group_rows_max = 122'880;
constexpr std::size_t group_step = 2048;
constexpr std::size_t arena_bytes = std::size_t{1} << 20;

std::size_t row_bytes(const RowBatch& batch) { return batch.bytes() / batch.rows() + 1; }

}  // namespace

struct SnapshotWriter::Open {
  TableSchemaPtr schema;
  std::size_t row_bytes = 0;  // of its first rows, from which the size of its groups was taken
  std::size_t bytes = 0;
  std::size_t bytes_max = file_bytes_max;
  bool first = true;
};

SnapshotWriter::SnapshotWriter(lake::Lake& lake) : lake_(lake), thread_([this] { work(); }) {}

SnapshotWriter::~SnapshotWriter() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    complete_ = abandoned_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void SnapshotWriter::open(lake::LakeTable table) {
  const std::lock_guard lock(mutex_);
  const TableName name = table.name;
  tables_.insert_or_assign(name, std::move(table));
  files_[name];
}

Status SnapshotWriter::put(RowBatch&& rows) {
  if (rows.rows() == 0) return {};
  std::unique_lock lock(mutex_);
  CHECK(!complete_);
  changed_.wait(lock, [&] { return !status_ || waiting_bytes_ < waiting_bytes_max; });
  TRY(status_);
  waiting_bytes_ += rows.bytes();
  waiting_.push_back(std::move(rows));
  changed_.notify_all();
  return {};
}

Result<SnapshotWriter::Files> SnapshotWriter::finish() {
  {
    const std::lock_guard lock(mutex_);
    complete_ = true;
    changed_.notify_all();
  }
  thread_.join();
  if (!status_) {
    files_.clear();
    return fail(status_.error());
  }
  return std::move(files_);
}

void SnapshotWriter::work() {
  Status status;
  while (status && wait_for_rows()) status = write_file(waiting_.front());
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
  changed_.notify_all();
}

/// False: there will be none, or nobody wants them.
bool SnapshotWriter::wait_for_rows() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !waiting_.empty() || complete_; });
  return !waiting_.empty() && !abandoned_;
}

Status SnapshotWriter::write_file(const RowBatch& first) {
  Open open{first.schema, row_bytes(first)};
  const std::size_t fitting = group_bytes / open.row_bytes / group_step * group_step;
  const std::size_t group_rows = std::clamp(fitting, group_step, group_rows_max);
  // Rows so wide that the smallest group is too large: the file ends before it is full.
  if (fitting == 0) open.bytes_max = group_bytes;
  const lake::LakeTable& table = tables_.at(first.schema->name);
  TRY_ASSIGN(lake::DataFile file, lake_.write_stream(table, open.schema, group_rows,
                                                     [&](lake::RowsPart& part) -> Status {
                                                       part = {following(open), {}};
                                                       const std::lock_guard lock(mutex_);
                                                       if (abandoned_)
                                                         return fail(Code::cancelled, "stopped");
                                                       return {};
                                                     }));
  files_.at(open.schema->name).push_back(std::move(file));
  return {};
}

/// The next rows of the file; nothing when it ends here (another table, large enough, rows of
/// another size).
const RowBatch* SnapshotWriter::following(Open& file) {
  if (!std::exchange(file.first, false)) {
    const std::lock_guard lock(mutex_);
    waiting_bytes_ -= waiting_.front().bytes();
    waiting_.pop_front();
    changed_.notify_all();
  }
  if (!wait_for_rows()) return nullptr;
  const std::lock_guard lock(mutex_);
  const RowBatch& next = waiting_.front();
  // A last, small batch is not worth a file, however much its arena takes.
  const bool alike = next.bytes() <= 2 * file.row_bytes * next.rows() + arena_bytes;
  const bool fits = file.bytes == 0 || file.bytes + next.bytes() <= file.bytes_max;
  if (next.schema != file.schema || !alike || !fits) return nullptr;
  file.bytes += next.bytes();
  return &next;
}

}  // namespace minato::ingest
