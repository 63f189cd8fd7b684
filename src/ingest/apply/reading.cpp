#include "ingest/apply/reading.h"

#include "base/failpoint.h"

namespace minato::ingest {
namespace {

/// What the lake's table is to be when the shape's rows take the place of its own.
Result<Reading::Table> target(lake::Lake& lake, const TableSchemaPtr& shape) {
  TRY_ASSIGN(const std::optional<lake::LakeTable> known, lake.find_table(shape->name));
  Reading::Table table;
  table.shape = shape;
  TRY_ASSIGN(table.target, known
                               ? lake::altered(*known, shape->columns, {}, lake::Contents::replaced)
                               : lake.draft(shape->name, shape->columns));
  table.shaped = !known || known->columns != table.target.columns;
  return table;
}

}  // namespace

Status Reading::opened(const View& view, lake::Lake& lake, SnapshotWriter& writer) {
  position_ = view.position;
  for (const TableSchemaPtr& shape : view.shapes) {
    TRY_ASSIGN(Table table, target(lake, shape));
    writer.open(table.target);
    tables_.insert_or_assign(shape->name, std::move(table));
  }
  return {};
}

void Reading::count(const RowBatch& rows) {
  const std::lock_guard lock(mutex_);
  rows_[rows.schema->name] += rows.rows();
}

Result<std::unique_ptr<Reading>> Reading::begin(Source& source, lake::Lake& lake,
                                                std::vector<TableName> tables) {
  std::unique_ptr<Reading> reading(new Reading());
  std::promise<Status> open;
  std::promise<Result<SnapshotWriter::Files>> end;
  std::future<Status> is_open = open.get_future();
  reading->files_ = end.get_future();
  auto work = [&source, &lake, self = reading.get(), tables = std::move(tables),
               open = std::move(open), end = std::move(end)](const std::stop_token& stop) mutable {
    SnapshotWriter writer(lake);
    bool told = false;
    const auto opened = [&](const View& view) -> Status {
      TRY(self->opened(view, lake, writer));
      told = true;
      open.set_value({});
      return {};
    };
    const auto sink = [&](RowBatch&& rows) -> Status {
      TRY(failpoint("ingest.snapshot_batch"));
      self->count(rows);
      return writer.put(std::move(rows));
    };
    const Status read = source.snapshot(tables, opened, sink, stop);
    if (!told) open.set_value(read);
    end.set_value(read ? writer.finish() : Result<SnapshotWriter::Files>(fail(read.error())));
  };
  reading->thread_ = std::jthread(std::move(work));
  TRY(is_open.get());
  return reading;
}

}  // namespace minato::ingest
