// Tables that are being read as of one position of the stream, and what the stream brings of them
// meanwhile: what comes before that position is in what is read, what comes afterwards is held.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "ingest/apply/reading.h"

namespace minato::ingest {

struct Joining {
  explicit Joining(std::unique_ptr<Reading> begun);
  bool has(const TableName& table) const { return tables.contains(table); }
  /// Takes over the files when all rows are read, which may be until `limit`; the error if one
  /// ended the reading.
  Status look(std::chrono::milliseconds limit);
  /// Takes out of `batch` what concerns these tables. Those that it loses join no more.
  void hold(StreamBatch& batch);

  std::unique_ptr<Reading> reading;
  std::set<TableName> tables;                  // to join
  std::optional<SnapshotWriter::Files> files;  // when all is read
  bool reached = false;                        // the stream is at the position, or past it
  std::map<TableName, TableChanges> held;
  std::size_t held_bytes = 0;
};

}  // namespace minato::ingest
