// Foreign keys that change rows by themselves (ON DELETE, ON UPDATE CASCADE or SET NULL): InnoDB
// does that below the binary log, which has the parent's rows only. Promise: for each change of a
// parent's rows that may have changed other tables so, those tables are named; they are to be read
// anew. Asked of the source as it is now, which may be later than the stream's place:
// had_happened() tells.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mysql/connection.h"
#include "ingest/mysql/position.h"

namespace minato::ingest::mysql {

/// Names of columns compare without case, as at the source.
bool same_name(std::string_view a, std::string_view b);

struct ForeignKey {
  std::string name;
  TableName child;
  std::vector<std::string> columns;
  TableName parent;
  std::vector<std::string> referenced;
  std::string on_delete;  // "CASCADE", "SET NULL"; empty: changes no rows
  std::string on_update;
};

/// Keys that change rows below the log, as far as they reach tables that match `patterns`, directly
/// or by other tables. Needs no privilege but SELECT.
Result<std::vector<ForeignKey>> read_foreign_keys(Connection& connection,
                                                  const std::vector<std::string>& patterns);

class Cascades {
 public:
  struct Known {
    std::vector<ForeignKey> keys;
    std::map<TableName, TableSchemaPtr> parents;  // shapes of those that are not captured
    GtidSet asked_at;  // all that was asked is of this place in the log or later
  };
  using Ask = std::function<Result<Known>()>;
  /// Tables whose rows may have changed, and why: a text for people.
  using Losses = std::map<TableName, std::string>;
  /// Whether a column has other values than before.
  using Changed = std::function<bool(const std::string& column)>;

  static Result<Known> ask(Connection& connection, const std::vector<std::string>& patterns);

  Cascades(std::vector<std::string> patterns, Known known, Ask again)
      : patterns_(std::move(patterns)), known_(std::move(known)), again_(std::move(again)) {}

  bool is_parent(const TableName& table) const;
  bool concerns(const TableName& table) const;
  TableSchemaPtr parent_shape(const TableName& table) const;
  std::vector<TableName> parents() const;

  Losses deleted(const TableName& parent) const;
  Losses updated(const TableName& parent, const Changed& changed) const;
  /// By any change of the parent's rows.
  Losses any(const TableName& parent) const;

  /// A transaction that the source had committed when the keys were asked: what it changed of them
  /// is in the answer already, and what they were before is not known.
  bool had_happened(const Gtid& gtid) const;
  Status ask_again();

 private:
  using Seen = std::set<std::pair<const ForeignKey*, bool>>;
  void spread(const TableName& parent, const Changed* changed, Seen& seen, Losses& out) const;

  std::vector<std::string> patterns_;
  Known known_;
  Ask again_;
};

}  // namespace minato::ingest::mysql
