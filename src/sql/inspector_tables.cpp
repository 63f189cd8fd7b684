// What may stand in FROM as a name: CTEs, tables of the lake, and two views of information_schema.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "model/names.h"
#include "sql/inspector.h"
#include "sql/scan.h"

namespace minato::sql {
namespace {

/// Names that the engine would take for a file when there is no such table. It also tries names
/// with a catalogue and a schema, as the path "catalogue.schema.name".
bool looks_like_file(std::string_view name, bool qualified) {
  if (name.find_first_of("/\\:*?[") != std::string_view::npos) return true;
  if (qualified) return false;
  const std::string folded = fold(name);
  return folded.find('.') != std::string::npos;
}

/// Tables and views that the engine has in each of its own catalogues.
bool is_engine_name(std::string_view name) {
  const std::string folded = fold(name);
  return folded.starts_with("duckdb_") || folded.starts_with("pragma_") ||
         folded.starts_with("sqlite_") || folded.starts_with("pg_") ||
         folded.starts_with("ducklake_");
}

/// Bytes of a name of `parts` parts at the beginning of `text`; 0 when something else stands there.
std::size_t name_bytes(std::string_view text, int parts) {
  // A quote that is open at the end of the statement cannot be: it has been parsed.
  const auto tokens = scan(text);
  if (!tokens) return 0;
  int expected = parts * 2 - 1;  // names and the dots between them
  for (const auto& token : *tokens) {
    if (token.kind == TokenKind::space || token.kind == TokenKind::comment) continue;
    const bool name = token.kind == TokenKind::word || token.kind == TokenKind::quoted_name;
    if (expected % 2 == 1 ? !name : token.text != ".") return 0;
    if (--expected == 0) return token.offset + token.text.size();
  }
  return 0;
}

}  // namespace

Status Inspector::base_table(Json& node, const Scope& scope) {
  const std::string catalog(text_at(node, "catalog_name"));
  const std::string schema(text_at(node, "schema_name"));
  const std::string name(text_at(node, "table_name"));
  for (const auto& [key, value] : node.items()) {
    if (key == "at_clause") {
      return refuse(node, "AT (VERSION …) is not available here: read the table as it is now.");
    }
    const bool known = key == "alias" || key == "sample" || key == "type" ||
                       key == "column_name_alias" || key == "query_location" ||
                       key.ends_with("_name");
    if (!known || (key != "sample" && value.is_object())) return refuse_kind(node, key);
  }
  if (name.empty()) return refuse_kind(node, "a table without a name");
  if (catalog.empty() && scope.is_cte(schema, name)) return {};
  const std::string folded_schema = fold(schema);
  const bool own_catalog = catalog.empty() || fold(catalog) == fold(fence_.catalog);
  if (folded_schema == "information_schema" && (own_catalog || fold(catalog) == "system")) {
    return information_schema(node, name);
  }
  if (!own_catalog) {
    return refuse(node, "The catalogue " + catalog +
                            " is out of reach; tables of the lake are written " + "schema.table.");
  }
  if (folded_schema == "pg_catalog") {
    return refuse(node,
                  "pg_catalog is not available in this query; use information_schema.tables and "
                  "information_schema.columns.");
  }
  const bool exists = fence_.exists && !schema.empty() && fence_.exists(TableName{schema, name});
  if (!exists && (looks_like_file(name, !schema.empty()) || looks_like_file(schema, true))) {
    const std::string shown = schema.empty() ? name : schema + "." + name;
    return refuse(node,
                  "Files cannot be read here (\"" + shown +
                      "\"): what is to be analysed belongs into the lake, as a source or a mart.");
  }
  TableName found;
  TRY(resolve(node, schema, name, found));
  if (fold(found.schema) == "main" && is_engine_name(name)) {
    return refuse(node,
                  "The engine's own catalogue is out of reach; use information_schema.tables and "
                  "information_schema.columns.");
  }
  return pin(node, found);
}

Status Inspector::resolve(const Json& node, std::string_view schema, std::string_view name,
                          TableName& out) const {
  out = TableName{std::string(schema), std::string(name)};
  if (schema.empty()) {
    for (const auto& step : fence_.search_path) {
      out.schema = step;
      if (!fence_.exists || fence_.exists(out)) return {};
    }
    return unknown_table(node, TableName{"", std::string(name)});
  }
  // The engine reads a.b as catalogue.table when a is a catalogue: Minato's own tables.
  if (fold(schema) == fold(fence_.catalog)) out.schema = "main";
  if (fence_.exists && !fence_.exists(out)) return unknown_table(node, out);
  return {};
}

Status Inspector::unknown_table(const Json& node, const TableName& written) const {
  const std::string shown = written.schema.empty() ? written.name : display(written);
  std::vector<TableName> known;
  if (fence_.tables) known = fence_.tables();
  std::vector<std::string> names;
  for (const auto& table : known) names.push_back(display(table));
  std::string nearest = did_you_mean(shown, names);
  for (const auto& table : known) {
    if (nearest.empty() && fold(table.name) == fold(written.name)) {
      nearest = " Did you mean " + display(table) + "?";
    }
  }
  if (nearest.empty() && written.schema.empty()) nearest = " Tables are written schema.table.";
  return fail_at(Code::not_found, text_, offset_of(node),
                 "There is no table " + shown + "." + nearest);
}

Status Inspector::pin(Json& node, const TableName& name) {
  if (std::find(tables_.begin(), tables_.end(), name) == tables_.end()) tables_.push_back(name);
  if (hides_virtual_columns_) {
    // A subquery has a table's own columns only, whatever they are called.
    return put_behind(node,
                      "(SELECT * FROM " + quote_identifier(fence_.catalog) + "." +
                          quote_identifier(name.schema) + "." + quote_identifier(name.name) + ")",
                      name.name);
  }
  const bool has_catalog = !text_at(node, "catalog_name").empty();
  const bool has_schema = !text_at(node, "schema_name").empty();
  if (has_catalog && has_schema) return {};
  if (fold(text_at(node, "schema_name")) == fold(fence_.catalog)) {
    return {};  // names the catalogue already
  }
  if (has_catalog) return refuse_kind(node, "a catalogue without a schema");
  std::string prefix = quote_identifier(fence_.catalog) + ".";
  if (!has_schema) prefix += quote_identifier(name.schema) + ".";
  TRY(edit(node, 0, prefix));
  node["catalog_name"] = fence_.catalog;
  node["schema_name"] = name.schema;
  return {};
}

Status Inspector::edit(const Json& node, std::size_t bytes, std::string with) {
  const auto offset = offset_of(node);
  // One place of the text may appear at several places of the tree: then the edits must agree.
  const auto at = offset ? edits_.find(*offset) : edits_.end();
  Edit edit{bytes, std::move(with)};
  if (!offset || *offset >= text_.size() || (at != edits_.end() && at->second != edit)) {
    return refuse(node,
                  "Write the table's name in full here: " + fence_.catalog + ".schema.table.");
  }
  edits_.emplace(*offset, std::move(edit));
  return {};
}

/// The views of the engine show all catalogues: only the lake's rows are let through.
Status Inspector::information_schema(Json& node, std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> views = {
      {{"columns", "table_catalog"}, {"schemata", "catalog_name"}, {"tables", "table_catalog"}}};
  const std::string folded = fold(name);
  const auto view = std::find_if(views.begin(), views.end(),
                                 [&](const auto& each) { return each.first == folded; });
  if (view == views.end()) {
    return refuse(node,
                  "Of information_schema, only tables, columns and schemata are available here.");
  }
  const std::string query = "(SELECT * FROM system.information_schema." + folded + " WHERE " +
                            std::string(view->second) + " = " + quote_literal(fence_.catalog) + ")";
  return put_behind(node, query, folded);
}

/// Writes a query in brackets where a table's name stands.
Status Inspector::put_behind(Json& node, const std::string& query, const std::string& alias) {
  const int parts = 1 + static_cast<int>(!text_at(node, "schema_name").empty()) +
                    static_cast<int>(!text_at(node, "catalog_name").empty());
  const auto offset = offset_of(node);
  const std::size_t bytes =
      offset && *offset < text_.size() ? name_bytes(text_.substr(*offset), parts) : 0;
  if (bytes == 0) return refuse(node, "Write the table's name as schema.table here.");
  const bool has_alias = !text_at(node, "alias").empty();
  TRY(edit(node, bytes, has_alias ? query : query + " AS " + quote_identifier(alias)));
  TRY_ASSIGN(Json parsed,
             parse_select(session_, "SELECT * FROM " + query, fence_.limits.text_bytes_max));
  Json replacement = at(at(parsed, "node"), "from_table");
  replacement["alias"] = has_alias ? std::string(text_at(node, "alias")) : alias;
  for (const char* key : {"column_name_alias", "sample"}) {
    if (node.contains(key)) replacement[key] = node[key];
  }
  node = std::move(replacement);
  return {};
}

}  // namespace minato::sql
