// The shapes of the captured tables at the stream's place, and what a DDL statement in the log does
// to them. Promise: what cannot be followed for sure ends as `lost` (the table is to be read anew),
// never as a guess.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/change.h"
#include "wire/mysql_charset.h"
#include "wire/mysql_ddl.h"
#include "wire/mysql_initial.h"

namespace minato::ingest::mysql {

/// What one statement means: changes to apply in order, and tables whose contents must be read
/// anew.
struct ShapeChanges {
  std::vector<SchemaChange> ddl;
  std::vector<TableName> lost;
};

/// How the session was when it ran a statement.
struct StatementSession {
  std::uint64_t sql_mode = 0;
  wire::StatementTime time;
};

class ShapeBook {
 public:
  /// Questions about the source as it is now, which may be later than the stream's place.
  struct Ask {
    /// A table's shape; nullptr: no such table.
    std::function<Result<TableSchemaPtr>(const TableName&)> shape;
    /// The default character set of a database; empty: no such database.
    std::function<Result<std::string>(const std::string&)> database_charset;
    /// The character set of a collation's number.
    std::function<Result<std::string>(unsigned)> collation_charset;
    /// MariaDB's JSON is another name of LONGTEXT.
    bool json_is_text = true;
  };

  ShapeBook(std::vector<std::string> patterns, const std::vector<TableSchemaPtr>& shapes, Ask ask);

  /// nullptr for tables that are not captured, unknown or lost.
  TableSchemaPtr find(const TableName& table) const;
  /// To be captured, but nobody told of it: not known, and not lost.
  bool unknown(const TableName& table) const;
  /// What the source says now of a table; nullptr: there is none whose rows could be captured.
  Result<TableSchemaPtr> ask(const TableName& table) { return ask_.shape(table); }
  /// Forgets a shape that turned out not to be the source's.
  void lose(const TableName& table);
  /// A table that was read as of the stream's place is followed from here on.
  void join(const TableSchemaPtr& shape);
  std::vector<TableName> names() const;
  /// Grows with each change, so that what was compiled from a shape can be told to be old.
  std::uint64_t version() const { return version_; }

  /// The character set of statements, by the number in the log; nullptr: UTF-8.
  Result<const wire::Charset*> client_charset(unsigned collation);
  /// A statement of the log that is no row change; `text` is for people.
  Result<ShapeChanges> apply(const wire::DdlStatement& statement, std::string_view text,
                             const StatementSession& session);

 private:
  struct Draft;
  bool captured(const TableName& table) const;
  void report_lost(const TableName& table);
  SchemaChange& report(SchemaChange::Kind kind, const TableName& table);

  Status create(const wire::DdlStatement& statement);
  Status alter(const wire::DdlStatement& statement, const StatementSession& session);
  void rename(const TableName& from, const TableName& to);
  void drop(const TableName& table);
  void drop_database(const std::string& database);
  bool change(Draft& draft, const wire::AlterAction& action, const StatementSession& session) const;
  std::vector<wire::ColumnDefinition*> without_charset(
      std::vector<wire::ColumnDefinition*> columns) const;
  Result<std::string> database_charset(const std::string& database);
  Result<std::string> table_charset(const TableName& table);

  std::vector<std::string> patterns_;
  std::map<TableName, TableSchemaPtr> known_;
  std::set<TableName> lost_;
  Ask ask_;
  std::uint64_t version_ = 1;
  std::map<unsigned, const wire::Charset*> client_charsets_;
  ShapeChanges changes_;  // of the statement at hand
  std::string statement_;
};

}  // namespace minato::ingest::mysql
