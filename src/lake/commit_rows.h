// Inside src/lake only: the catalogue rows of a commit.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lake/stats.h"
#include "lake/writer.h"
#include "runtime/pg.h"

namespace minato::lake {

struct TableState {
  std::string path;
  std::int64_t next_row_id = 0;
  bool has_stats = false;                          // rows were added before
  std::map<std::int64_t, ColumnType> types;        // by column id
  std::map<std::int64_t, TableColumnStats> stats;  // by column id; absent: unknown
};

struct CatalogueState {
  std::int64_t snapshot_id = 0;
  std::int64_t schema_version = 0;
  std::int64_t next_catalog_id = 0;
  std::int64_t next_file_id = 0;
  std::vector<TableState> tables;  // as in the request
};

/// Begins the transaction, takes the commit lock and reads what the commit builds on: one round
/// trip.
Result<CatalogueState> begin_commit(pg::Connection& connection);
/// Reads the tables that get files or lose some; `ids`: theirs, as in the request. One round trip.
/// Error{conflict} when a table is no longer there.
Status read_table_states(pg::Connection& connection, const std::vector<std::int64_t>& ids,
                         const std::string& data_path, CatalogueState& state);

/// Writes the snapshot: one round trip. `changes`: those of DDL. Error{conflict} when a file that
/// is ended or deleted from is not live.
Result<Committed> write_rows_of(pg::Connection& connection, const CommitRequest& request,
                                const std::vector<std::int64_t>& ids, const CatalogueState& state,
                                const std::string& changes, const std::string& token);

}  // namespace minato::lake
