// Walks the parse tree of people's SQL and lets pass only what the shapes and lists allow. Writes
// table names out in full in the tree, and notes the same edits for the text. Internal to this
// room.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sql/fence.h"
#include "sql/shapes.h"
#include "sql/tree.h"

namespace minato::sql {

/// Replaces `bytes` bytes of the text by `with`.
struct Edit {
  std::size_t bytes = 0;
  std::string with;
  bool operator==(const Edit&) const = default;
};
using Edits = std::map<std::size_t, Edit>;  // by offset
std::string apply(std::string_view text, const Edits& edits);

class Inspector {
 public:
  Inspector(lake::Session& session, std::string_view text, const Fence& fence)
      : session_(session), text_(text), fence_(fence) {}

  /// Checks `statement` (as from parse_select) and writes table names out in full in it.
  Status inspect(Json& statement);

  const Edits& edits() const { return edits_; }
  const std::vector<TableName>& tables() const { return tables_; }
  std::size_t parameters() const { return parameters_; }

 private:
  class Deeper;
  Status enter(const Json& node);
  Status refuse(const Json& node, const std::string& what) const;
  Status refuse_kind(const Json& node, std::string_view kind) const;

  Status part(Part part, Json& value, const Scope& scope);
  Status part_of_parts(Part part, Json& value, const Scope& scope);
  Status each(Part part, Json& array, const Scope& scope);
  Status members(Json& node, std::span<const Field> fields, const Scope& scope);
  Status pairs(Json& array, std::span<const Field> fields, const Scope& scope);

  Status expression(Json& node, const Scope& scope);
  Status function_name(const Json& node) const;
  Status function_by_name(const Json& node, const std::string& name) const;
  Status table(Json& node, const Scope& scope);
  Status table_function(Json& node, const Scope& scope);
  Status base_table(Json& node, const Scope& scope);
  Status resolve(const Json& node, std::string_view schema, std::string_view name,
                 TableName& out) const;
  Status unknown_table(const Json& node, const TableName& written) const;
  Status information_schema(Json& node, std::string_view name);
  Status pin(Json& node, const TableName& name);
  Status put_behind(Json& node, const std::string& query, const std::string& alias);
  Status edit(const Json& node, std::size_t bytes, std::string with);
  Status query_node(Json& node, const Scope& scope);
  Status next_cte(Json& node, std::size_t index, const Scope& scope);
  Status type(const Json& node, const Json& where) const;
  Status parameter(const Json& node);

  lake::Session& session_;
  std::string_view text_;
  const Fence& fence_;
  Edits edits_;
  std::vector<TableName> tables_;
  std::size_t parameters_ = 0;
  std::size_t nodes_ = 0;
  std::size_t depth_ = 0;
  std::size_t lambda_depth_ = 0;
  bool hides_virtual_columns_ = false;
};

}  // namespace minato::sql
