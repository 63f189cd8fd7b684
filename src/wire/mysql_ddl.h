// The statements of a binary log that change tables: parsed as far as capture needs them. Pure
// functions. Promise: what is not understood for sure comes back as `unreadable` with the tables it
// is about, never as a guess.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/names.h"
#include "wire/mysql_types.h"

namespace minato::wire {

/// A DEFAULT that is a constant: a number with its sign (also of b'101', TRUE and FALSE) or a text.
struct DefaultConstant {
  std::string text;
  bool quoted = false;
  bool operator==(const DefaultConstant&) const = default;
};

struct ColumnDefinition {
  std::string name;
  MysqlType type;  // charset as written, empty when it is the table's default
  bool not_null = false;
  bool explicit_null = false;
  bool primary_key = false;
  std::optional<DefaultConstant> constant;  // its default
  bool now = false;                         // its default is CURRENT_TIMESTAMP, in whole seconds
  bool computed =
      false;  // has a default other than NULL or a constant, AUTO_INCREMENT, an expression
  bool operator==(const ColumnDefinition&) const = default;
};

struct AlterAction {
  enum class Kind : std::uint8_t {
    add_column,
    drop_column,
    rename_column,    // `name` → column.name
    change_column,    // `name` becomes `column` (CHANGE, MODIFY)
    add_primary_key,  // `columns`
    drop_primary_key,
    rename_table,      // to `table`
    convert_charset,   // all columns to `name`
    default_charset,   // of columns to come: `name`, empty when the statement does not tell
    replace_contents,  // rows vanish or appear without events: partitions, tablespaces, system
                       // versioning
    harmless,
  };
  Kind kind = Kind::harmless;
  std::string name;
  ColumnDefinition column;
  std::vector<std::string> columns;
  TableName table;
  bool moved = false;                // FIRST or AFTER was given …
  std::optional<std::string> after;  // … and this is the column before it; nothing: first
  bool if_exists = false;            // IF [NOT] EXISTS
};

struct DdlStatement {
  enum class Kind : std::uint8_t {
    other,  // of no concern
    create_table,
    alter_table,
    rename_table,  // tables[0] → tables[1], tables[2] → tables[3], …
    drop_table,
    truncate_table,
    drop_database,  // tables[0].schema
    unreadable,     // about `tables`, but not understood
  };
  Kind kind = Kind::other;
  std::vector<TableName> tables;
  bool temporary = false;
  // CREATE TABLE
  bool or_replace = false;
  bool if_not_exists = false;
  std::optional<TableName> like;
  std::vector<ColumnDefinition> columns;
  std::vector<std::string> primary_key;
  std::string charset;       // the table's default, empty when not given
  bool from_select = false;  // columns come from a SELECT that the statement does not spell out
  // ALTER TABLE
  std::vector<AlterAction> actions;
};

inline constexpr std::uint64_t sql_mode_ansi_quotes = 4;
inline constexpr std::uint64_t sql_mode_no_backslash_escapes = 1U << 20;

/// `text` in UTF-8; names without a database belong to `database`.
DdlStatement parse_ddl(std::string_view text, std::string_view database, std::uint64_t sql_mode);

}  // namespace minato::wire
