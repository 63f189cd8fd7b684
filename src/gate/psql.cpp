#include "gate/psql.h"

namespace minato::gate {
namespace {

std::string single_spaces(std::string_view sql) {
  std::string out;
  for (const char c : sql) {
    const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (space && (out.empty() || out.back() == ' ')) continue;
    out.push_back(space ? ' ' : c);
  }
  return out;
}

/// The literal, with its quotes, that follows `before`; empty: none, or one of another kind.
std::string literal_after(std::string_view text, std::string_view before) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos || text.substr(at + before.size(), 1) != "'") return {};
  const std::size_t begin = at + before.size();
  std::size_t end = text.find('\'', begin + 1);
  while (end != std::string_view::npos && text.substr(end + 1, 1) == "'") {
    end = text.find('\'', end + 2);
  }
  if (end == std::string_view::npos) return {};
  return std::string(text.substr(begin, end + 1 - begin));
}

/// psql's patterns for names are regular expressions here and there.
std::string name_conditions(std::string_view text) {
  std::string out;
  const auto condition = [&](std::string_view theirs, std::string_view ours) {
    const std::string pattern =
        literal_after(text, std::string(theirs) + " OPERATOR(pg_catalog.~) ");
    if (!pattern.empty()) {
      out += " AND regexp_matches(" + std::string(ours) + ", " + pattern + ")";
    }
  };
  condition("n.nspname", "table_schema");
  condition("c.relname", "table_name");
  return out;
}

std::string list_of_tables(std::string_view text) {
  const std::size_t at = text.find("c.relkind IN (");
  if (at == std::string_view::npos) return {};
  const std::string_view kinds = text.substr(at, text.find(')', at) - at);
  std::string types = "''";
  if (kinds.find("'r'") != std::string_view::npos) types += ", 'BASE TABLE'";
  if (kinds.find("'v'") != std::string_view::npos) types += ", 'VIEW'";
  return "SELECT table_schema AS \"Schema\", table_name AS \"Name\", CASE table_type WHEN 'VIEW' "
         "THEN 'view' ELSE 'table' END AS \"Type\", 'minato' AS \"Owner\" FROM "
         "information_schema.tables WHERE table_type IN (" +
         types + ")" + name_conditions(text) + " ORDER BY 1, 2";
}

/// The table that \d asks about goes through psql as its oid, which psql does not look into.
constexpr std::string_view kOid = "hex(table_schema) || '.' || hex(table_name)";

std::optional<std::string> about_one_table(std::string_view text) {
  const std::string oid = literal_after(text, "WHERE c.oid = ");
  const std::string where = " WHERE " + std::string(kOid) + " = ";
  if (text.starts_with("SELECT c.relchecks, c.relkind, ") && !oid.empty()) {
    return "SELECT 0, CASE table_type WHEN 'VIEW' THEN 'v' ELSE 'r' END, 'f', 'f', 'f', 'f', 'f', "
           "'f', 'f', '', 0, '', 'p', 'd', 'heap' FROM information_schema.tables" +
           where + oid;
  }
  const std::string of = literal_after(text, "WHERE a.attrelid = ");
  if (text.starts_with("SELECT a.attname, pg_catalog.format_type(") && !of.empty() &&
      text.find("attstorage") == std::string_view::npos) {
    return "SELECT column_name, lower(data_type), NULL::VARCHAR, CASE is_nullable WHEN 'NO' THEN "
           "'t' ELSE 'f' END, NULL::VARCHAR, '', '' FROM information_schema.columns" +
           where + of + " ORDER BY ordinal_position";
  }
  for (const std::string_view none :
       {"FROM pg_catalog.pg_policy pol", "FROM pg_catalog.pg_statistic_ext",
        "FROM pg_catalog.pg_publication p", "pg_catalog.pg_inherits i"}) {
    if (text.starts_with("SELECT ") && text.find(none) != std::string_view::npos) {
      return "SELECT 1 WHERE false";
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> psql_query(std::string_view sql) {
  constexpr std::size_t kLongest = 8192;
  if (sql.size() > kLongest || sql.find("pg_catalog.") == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string text = single_spaces(sql);
  if (text.starts_with("SELECT n.nspname as \"Schema\", c.relname as \"Name\", CASE c.relkind ")) {
    std::string list = list_of_tables(text);
    return list.empty() ? std::nullopt : std::optional(std::move(list));
  }
  if (text.starts_with("SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c ")) {
    return "SELECT " + std::string(kOid) +
           " AS oid, table_schema, table_name FROM information_schema.tables WHERE true" +
           name_conditions(text) + " ORDER BY 2, 3";
  }
  if (text.starts_with("SELECT n.nspname AS \"Name\", pg_catalog.pg_get_userbyid(n.nspowner)")) {
    return "SELECT schema_name AS \"Name\", 'minato' AS \"Owner\" FROM "
           "information_schema.schemata ORDER BY 1";
  }
  if (text.starts_with("SELECT d.datname as \"Name\", pg_catalog.pg_get_userbyid(d.datdba)")) {
    return "SELECT 'minato' AS \"Name\", 'minato' AS \"Owner\", 'UTF8' AS \"Encoding\", 'C' AS "
           "\"Collate\", 'C' AS \"Ctype\"";
  }
  return about_one_table(text);
}

}  // namespace minato::gate
