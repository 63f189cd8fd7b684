#include "sql/analysis.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/check.h"
#include "base/text.h"
#include "sql/scan.h"
#include "sql/tree.h"

namespace minato::sql {
namespace {

constexpr int view_depth_max = 32;

/// Table functions that read a table named by a text: invisible to any analysis of the parse tree.
/// Sorted.
constexpr std::array<std::string_view, 5> readers_by_text = {
    "histogram", "histogram_values", "json_execute_serialized_sql", "query", "query_table"};

template <class T>
void add_once(std::vector<T>& list, T value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(std::move(value));
}

class Walk {
 public:
  Walk(lake::Session& session, const AnalysisOptions& options, Analysis& out)
      : session_(session), options_(options), out_(out) {}

  Status statement(std::string_view text, int view_depth) {
    TRY_ASSIGN(const Json tree, parse_select(session_, text, options_.text_bytes_max));
    const std::string_view outer_text = std::exchange(text_, text);
    const int outer_depth = std::exchange(view_depth_, view_depth);
    // A view sees none of the CTEs around it: a fresh scope.
    TRY(walk(tree, Scope(), 0));
    text_ = outer_text;
    view_depth_ = outer_depth;
    return {};
  }

 private:
  Status walk(const Json& node, const Scope& scope, std::size_t depth) {
    if (depth > options_.depth_max) {
      return fail(Code::exhausted,
                  "The statement is nested too deeply; split it into several marts or CTEs.");
    }
    if (node.is_array()) {
      for (const auto& child : node) TRY(walk(child, scope, depth));
      return {};
    }
    if (!node.is_object()) return {};
    const std::string_view kind = text_at(node, "class");
    if (kind.empty()) return other_than_expression(node, scope, depth);
    // Constants hold data, which may look like anything.
    if (kind == "CONSTANT") return {};
    if (kind == "FUNCTION" || kind == "WINDOW") {
      add_once(out_.functions, fold(text_at(node, "function_name")));
    }
    if (kind == "PARAMETER" &&
        parameters_.insert(std::string(text_at(node, "identifier"))).second) {
      ++out_.parameters;
    }
    return children(node, scope, depth);
  }

  Status other_than_expression(const Json& node, const Scope& scope, std::size_t depth) {
    const std::string_view type = text_at(node, "type");
    if (is_query_node(node)) return with_ctes(node, scope, depth);
    if (type == "BASE_TABLE") return base_table(node, scope);
    if (type == "TABLE_FUNCTION") return table_function(node, scope, depth);
    if (type == "SHOW_REF" && node.find("query") == node.end()) {
      return fail_at(Code::unsupported, text_, offset_of(node),
                     "SHOW reads the engine's catalogue, whose changes are not followed; "
                     "write a SELECT from tables of the lake.");
    }
    if (type == "PIVOT") {
      for (const auto& pivot : at(node, "pivots")) {
        if (text_at(pivot, "pivot_enum").empty()) continue;
        return fail_at(
            Code::unsupported, text_, offset_of(node),
            "PIVOT by an ENUM type is not possible; write the values out: IN ('a', 'b').");
      }
    }
    return children(node, scope, depth);
  }

  Status children(const Json& node, const Scope& scope, std::size_t depth) {
    for (const auto& [key, child] : node.items()) {
      // Plain data: types, values of PIVOT … IN, sizes of samples.
      if (key == "cast_type" || key == "sample") continue;
      if (key == "entries") {
        for (const auto& entry : child) TRY(walk(at(entry, "star_expr"), scope, depth + 1));
        continue;
      }
      if (child.is_structured()) TRY(walk(child, scope, depth + 1));
    }
    return {};
  }

  /// Each CTE sees those before it; the node's own parts see all of them.
  Status with_ctes(const Json& node, const Scope& scope, std::size_t depth) {
    return next_cte(node, at(at(node, "cte_map"), "map"), 0, scope, depth);
  }

  Status next_cte(const Json& node, const Json& ctes, std::size_t index, const Scope& scope,
                  std::size_t depth) {
    if (index == ctes.size()) return query_node(node, scope, depth);
    TRY(walk(at(ctes[index], "value"), scope, depth + 1));
    const Scope inner(&scope, text_at(ctes[index], "key"), false);
    return next_cte(node, ctes, index + 1, inner, depth + 1);
  }

  Status query_node(const Json& node, const Scope& scope, std::size_t depth) {
    if (text_at(node, "type") == "RECURSIVE_CTE_NODE") {
      TRY(walk(at(node, "left"), scope, depth + 1));
      const Scope inner(&scope, text_at(node, "cte_name"), true);
      return walk(at(node, "right"), inner, depth + 1);
    }
    if (text_at(node, "type") == "CTE_NODE") {
      TRY(walk(at(node, "query"), scope, depth + 1));
      const Scope inner(&scope, text_at(node, "cte_name"), false);
      return walk(at(node, "child"), inner, depth + 1);
    }
    for (const auto& [key, child] : node.items()) {
      if (key == "cte_map" || key == "sample") continue;
      if (child.is_structured()) TRY(walk(child, scope, depth + 1));
    }
    return {};
  }

  Status base_table(const Json& node, const Scope& scope) {
    TableRef table{std::string(text_at(node, "catalog_name")),
                   std::string(text_at(node, "schema_name")),
                   std::string(text_at(node, "table_name")), offset_of(node).value_or(0)};
    if (scope.is_cte(table.schema, table.name)) return {};
    if (at(node, "at_clause").is_object()) {
      return fail_at(
          Code::unsupported, text_, offset_of(node),
          "AT (VERSION …) and AT (TIMESTAMP …) are not possible here: what was read would not "
          "follow the table.");
    }
    if (options_.view) {
      if (const auto view = options_.view(table)) {
        if (view_depth_ >= view_depth_max) {
          return fail(Code::invalid, "The view " + display(table) + " leads back to itself.");
        }
        return statement(*view, view_depth_ + 1);
      }
    }
    if (view_depth_ > 0) table.offset = 0;
    add_once(out_.tables, std::move(table));
    return {};
  }

  Status table_function(const Json& node, const Scope& scope, std::size_t depth) {
    const Json& function = at(node, "function");
    const std::string name = fold(text_at(function, "function_name"));
    if (std::binary_search(readers_by_text.begin(), readers_by_text.end(), name)) {
      return fail_at(Code::unsupported, text_, offset_of(node),
                     name +
                         "() reads a table that is named by a text, so nobody can see which one; "
                         "write the table's name in FROM.");
    }
    add_once(out_.table_functions, name);
    // Its own name is no scalar function; its arguments may hold subqueries.
    return children(function, scope, depth + 1);
  }

  lake::Session& session_;
  const AnalysisOptions& options_;
  Analysis& out_;
  std::string_view text_;
  int view_depth_ = 0;
  std::set<std::string> parameters_;
};

}  // namespace

std::string display(const TableRef& table) {
  std::string out = table.catalog.empty() ? "" : table.catalog + ".";
  if (!table.schema.empty()) out += table.schema + ".";
  return out + table.name;
}

Result<Analysis> analyse(lake::Session& session, std::string_view text,
                         const AnalysisOptions& options) {
  TRY_ASSIGN(const std::string plain, plain_text(text));
  Analysis out;
  TRY(Walk(session, options, out).statement(plain, 0));
  return out;
}

Result<std::vector<TableName>> lake_tables(const Analysis& analysis, std::string_view text,
                                           std::string_view catalog, std::string_view schema) {
  std::vector<TableName> out;
  for (const auto& table : analysis.tables) {
    // The engine reads a.b as catalogue.table when a is a catalogue.
    const bool catalog_only = table.catalog.empty() && fold(table.schema) == fold(catalog);
    const std::string_view written_catalog = catalog_only ? table.schema : table.catalog;
    if (!written_catalog.empty() && fold(written_catalog) != fold(catalog)) {
      return fail_at(
          Code::unsupported, text, table.offset,
          display(table) +
              " is not in the lake. A mart reads tables of the lake only: schema.table.");
    }
    TableName name{table.schema, table.name};
    if (catalog_only) name.schema = "main";
    if (name.schema.empty()) name.schema = std::string(schema);
    add_once(out, std::move(name));
  }
  return out;
}

std::string unknown_table(std::string_view text, const TableRef& table,
                          const std::vector<TableName>& known) {
  std::vector<std::string> names;
  for (const auto& name : known) {
    names.push_back(table.schema.empty() ? name.name : minato::display(name));
  }
  const TableRef short_form{"", table.schema, table.name, 0};
  std::string nearest = did_you_mean(display(short_form), names);
  if (nearest.empty() && !table.schema.empty()) {
    // The right table in another schema.
    for (const auto& name : known) {
      if (fold(name.name) == fold(table.name))
        nearest = " Did you mean " + minato::display(name) + "?";
    }
  }
  return display(place_of(text, table.offset)) + ": there is no table " + display(table) + "." +
         nearest;
}

}  // namespace minato::sql
