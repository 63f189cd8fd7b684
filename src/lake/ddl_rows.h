// Inside src/lake only: the catalogue rows of a commit's DDL, as the extension writes them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lake/commit_rows.h"
#include "lake/writer.h"
#include "runtime/pg.h"

namespace minato::lake {

/// What DDL did to the catalogue, for the rest of the commit.
struct DdlRows {
  std::vector<std::int64_t> table_ids;  // as CommitRequest::ddl
  std::string changes;                  // for ducklake_snapshot_changes
};

/// Writes the rows into the snapshot after `state`, in the open transaction, and takes the ids that
/// it needs from `state`. Error{conflict} when a table is not what the caller knew, Error{exists}
/// when two tables or schemas would have names that differ only in case.
Result<DdlRows> write_ddl(pg::Connection& connection, const CommitRequest& request,
                          const std::string& data_path, CatalogueState& state);

}  // namespace minato::lake
