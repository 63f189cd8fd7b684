// The lake's tables as Minato records them: whose they are, how many rows, when something last
// arrived. Arrivals are written inside the lake's own commit, so a mart can never miss one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/change.h"
#include "runtime/pg.h"

namespace minato::state {

/// stopped: no pattern of its source reaches it any more; it stays as it was.
enum class TableState { snapshotting, streaming, repairing, dropped, mart, stopped };
std::string_view name_of(TableState state);
/// Its rows are those of one moment, and complete.
bool is_readable(TableState state);

struct LakeTable {
  TableName name;
  std::string source;  // empty: a mart's table
  std::int64_t table_id = 0;
  TableState state = TableState::snapshotting;
  std::int64_t rows = 0;
  std::optional<std::int64_t> rows_read;  // so far, while it is being read from the source
  std::optional<SystemTime> applied_at;
  std::optional<SystemTime> source_time;
  std::int64_t last_snapshot = 0;  // lake snapshot of the last arrival; 0: nothing yet
  std::string error;
};

Result<std::optional<LakeTable>> lake_table(pg::Connection& connection, const TableName& table);
Result<std::vector<LakeTable>> lake_tables(pg::Connection& connection);
/// Tables with an arrival after `snapshot`, and those not in state streaming or mart.
Result<std::vector<LakeTable>> lake_tables_since(pg::Connection& connection, std::int64_t snapshot);

/// Creates the record or gives it this owner, id and state; rows and arrivals are kept while the id
/// is the same.
Status put_lake_table(pg::Connection& connection, const TableName& table, const std::string& source,
                      std::int64_t table_id, TableState state);
/// `error` is one sentence for people, empty when all is well.
Status set_table_state(pg::Connection& connection, const TableName& table, TableState state,
                       const std::string& error = {});
/// A record of the new name is replaced.
Status rename_lake_table(pg::Connection& connection, const TableName& from, const TableName& to);
/// Forgets the table (captured tables that the source dropped stay as state dropped:
/// set_table_state).
Status remove_lake_table(pg::Connection& connection, const TableName& table);

/// What one commit did to one table.
struct Arrival {
  TableName table;
  std::int64_t rows = 0;  // added minus removed; with `reset`, the number of rows now
  bool reset = false;
  SystemTime source_time{};  // {}: not known, the old one is kept
};
/// One statement for all tables of a commit. Error{internal} when a table has no record.
Status arrive(pg::Connection& connection, std::int64_t snapshot,
              const std::vector<Arrival>& arrivals);

}  // namespace minato::state
