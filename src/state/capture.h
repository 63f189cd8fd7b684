// Records of capture: sources with their positions, the shapes of their tables, the lake's tables.
// Functions that take the connection of an open transaction become part of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/change.h"
#include "runtime/pg.h"

namespace minato::state {

struct StoredSource {
  Position position;                   // empty: nothing was read yet
  std::vector<TableSchemaPtr> shapes;  // of its streaming tables at that position
};

/// Makes the source's record if there is none; state `starting`. One that failed stays in `error`
/// until a try comes further: its state does not flicker with each try.
Status source_starts(pg::Connection& connection, const std::string& source);
Result<StoredSource> load_source(pg::Connection& connection, const std::string& source);
/// `settings` tell whom and what it captures from now on; all tables that they reach are known by
/// now, as streaming or being read.
Status source_streams(pg::Connection& connection, const std::string& source,
                      const std::string& settings);
Status source_failed(pg::Connection& connection, const std::string& source, const Error& error);
/// The source's log no longer reaches back to the stored position: that is forgotten, so that all
/// its tables are read anew, and an incident opens until they are.
Status source_gap(pg::Connection& connection, const std::string& source, const Error& error);
/// Resolves that incident when no table of the source is to be read anew any more.
Status source_gap_ends(pg::Connection& connection, const std::string& source);
struct SourceLag {
  std::int64_t ms = 0;
  std::optional<std::int64_t> bytes;  // written to the source's log and not in the lake
};
/// `error` is empty while connected; else why not (state `waiting`).
Status source_lag(pg::Connection& connection, const std::string& source, const SourceLag& lag,
                  const std::string& error);
/// The same while the stream waits: for tables that are read, or after an error. State and error
/// stay as they are.
Status source_falls_behind(pg::Connection& connection, const std::string& source,
                           const SourceLag& lag);
/// Everything up to `position` is in the lake; it was up to `before`. Adds to the counters.
/// Error{conflict} when it was not: another process captures the source.
Status source_reached(pg::Connection& connection, const std::string& source, const Position& before,
                      const Position& position, SystemTime source_time, std::uint64_t transactions,
                      std::uint64_t changes);

// One source fills a table of the lake: those below that take a table for `source` return
// Error{conflict} when another one does, which names it.

/// The tables are to be read from the source (first time or anew).
Status tables_await_reading(pg::Connection& connection, const std::string& source,
                            const std::vector<TableName>& tables);
/// They are being read now. In a transaction of its own.
Status tables_snapshotting(pg::Connection& connection, const std::string& source,
                           const std::vector<TableName>& tables);
/// No pattern of the source reaches the tables any more: their changes are not captured, so that
/// they are to be read anew should one do so again.
Status tables_stopped(pg::Connection& connection, const std::vector<TableName>& tables);
struct RowsRead {
  TableName table;
  std::int64_t rows = 0;
};
/// How far the reading of these tables has come.
Status tables_read(pg::Connection& connection, const std::vector<RowsRead>& tables);
/// The table follows the stream from now on, in this shape.
Status table_streams(pg::Connection& connection, const std::string& source,
                     const TableSchema& shape);
/// The table is to be read anew: state `repairing`, an incident opens. `why` is a text for people;
/// empty: its changes contradicted the lake.
Status table_lost(pg::Connection& connection, const std::string& source, const TableName& table,
                  const std::string& why = {});
Status table_dropped(pg::Connection& connection, const std::string& source, const TableName& table);
Status table_renamed(pg::Connection& connection, const std::string& source, const TableName& from,
                     const TableSchema& shape);
struct TableChange {
  TableName table;
  std::int64_t rows = 0;  // added to its number of rows, or their number with `reset`
  bool reset = false;
};
/// A lake snapshot changed the rows of these tables. One statement, whatever their number: this is
/// on the way of every commit.
Status tables_changed(pg::Connection& connection, const std::vector<TableChange>& changes,
                      std::int64_t snapshot, SystemTime source_time);

}  // namespace minato::state
