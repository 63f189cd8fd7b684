// The parts of a DDL statement that describe columns; mysql_ddl.cpp has the statements themselves.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wire/mysql_ddl.h"
#include "wire/mysql_tokens.h"

namespace minato::wire {

/// Of a collation such as utf8mb4_general_ci; empty for one that goes with several
/// ("uca1400_ai_ci").
std::string charset_of_collation(std::string_view collation);

/// Functions return false when the text is not what they know; the statement is unreadable then.
class ColumnParser {
 protected:
  ColumnParser(TokenReader tokens, std::string_view database)
      : in_(std::move(tokens)), database_(database) {}

  bool name(std::string& into);
  bool table(TableName& into);
  /// Behind what `text[0]` closes: to the next comma or closing bracket of this level.
  void skip_item();
  bool is_key_item() const;
  /// [name] [USING x] (a, b(10) DESC, …) of a primary key.
  bool key_columns(std::vector<std::string>& into);
  /// name type attributes [FIRST | AFTER c]
  bool definition(ColumnDefinition& column, AlterAction* place);
  bool type(ColumnDefinition& column);
  bool attributes(ColumnDefinition& column, AlterAction* place);
  bool attribute(ColumnDefinition& column, AlterAction* place);
  /// Words that change nothing for us; anything unknown is refused.
  bool plain_attribute(MysqlType& type);
  void default_value(ColumnDefinition& column);
  std::optional<DefaultConstant> constant();
  bool take_now();
  static void finish_type(MysqlType& type);

  TokenReader in_;
  std::string database_;
};

}  // namespace minato::wire
