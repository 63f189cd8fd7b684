// Reads tables as of one position of the binary log, without locks that block the source's writers.
#pragma once

#include <functional>
#include <stop_token>

#include "ingest/mysql/position.h"
#include "ingest/source.h"

namespace minato::ingest::mysql {

/// See Source::snapshot(). Error{conflict} when a table's shape changed underneath: to be tried
/// again.
Status read_snapshot(
    const SourceOptions& options, const std::vector<TableName>& tables,
    const std::function<Status(const LogPosition&, const std::vector<TableSchemaPtr>&)>& opened,
    const SnapshotSink& sink, std::stop_token stop);

}  // namespace minato::ingest::mysql
