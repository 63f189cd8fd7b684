// Changes of a source in its order: what capture hands to apply.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/batch.h"
#include "model/time.h"

namespace minato {

/// A place in a source's stream of commits, as text that only the source's adapter interprets
/// (MariaDB: "gtid=0-1-42;file=bin.000003;pos=4711"). Empty: the beginning.
struct Position {
  std::string text;
  bool operator==(const Position&) const = default;
};

/// One row of a TableChanges. An UPDATE is two rows, before and after, adjacent and in this order.
enum class Op : std::uint8_t { insert, remove, update_before, update_after };

/// Changes of one table in source order: ops[i] belongs to row i.
struct TableChanges {
  explicit TableChanges(TableSchemaPtr schema) : rows(std::move(schema)) {}
  RowBatch rows;
  std::vector<Op> ops;
};
/// Puts copies of the changes of `from`, of the same shape, after those of `to`.
void append(TableChanges& to, const TableChanges& from);

/// What a DDL statement of the source means for the lake. Idempotent: applied twice it changes
/// nothing more.
struct SchemaChange {
  enum class Kind {
    upsert_table,  // `schema` is the table as it is now: created or altered; `renames` tell renamed
                   // columns
    drop_table,    // `table`
    rename_table,  // `table` → `new_name`
    truncate_table  // `table`
  };
  Kind kind = Kind::upsert_table;
  TableName table;
  TableName new_name;
  TableSchemaPtr schema;
  std::vector<std::pair<std::string, std::string>> renames;  // old → new, in order
  /// New columns that are not NULL in the rows of before: name → value, as a text that casts to the
  /// column's type.
  std::map<std::string, std::string> initials;
  std::string statement;  // the source's text, for the log
};

/// A piece of a source's stream. Either `ddl` alone, or rows of any number of tables.
/// Pieces with `at_boundary` end with a whole source transaction; only there may the lake commit.
struct StreamBatch {
  std::vector<TableChanges> tables;  // one entry per (table, schema version), by first change
  std::vector<SchemaChange> ddl;     // applied in order; when not empty, `tables` is empty
  std::vector<TableName> lost;       // to be read anew (their shape could not be followed)
  std::map<TableName, std::string> lost_why;  // of some of them: a text for people
  Position end;                               // where to go on after this piece
  bool at_boundary = true;
  std::uint64_t rows = 0;  // row changes (an UPDATE counts once)
  std::uint64_t transactions = 0;
  std::uint64_t bytes = 0;   // read from the source
  SystemTime last_commit{};  // as nearly as it is known; source's clock
};

}  // namespace minato
