// Names of tables, and the one place that quotes identifiers and literals.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace minato {

struct TableName {
  std::string schema;
  std::string name;
  auto operator<=>(const TableName&) const = default;
};

/// schema.name for messages and logs (not for SQL).
std::string display(const TableName& table);

/// "name" with embedded quotes doubled: for SQL of DuckDB and PostgreSQL.
std::string quote_identifier(std::string_view name);
/// `name`, for SQL of MySQL and MariaDB.
std::string quote_mysql_identifier(std::string_view name);
/// 'text' with embedded quotes doubled (standard_conforming_strings; NUL is not allowed and is
/// dropped).
std::string quote_literal(std::string_view text);
/// "schema"."name".
std::string quote(const TableName& table);

/// Patterns like 'shop.%', 'shop.order_*', 'shop.orders': % and * stand for any run of characters;
/// everything else is literal. The dot separates database and table; a pattern without one matches
/// none.
bool matches_pattern(std::string_view pattern, const TableName& table);

}  // namespace minato
