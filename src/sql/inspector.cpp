#include "sql/inspector.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/text.h"
#include "sql/functions.h"

namespace minato::sql {
namespace {

bool is_plain(const Json& value) {
  if (value.is_object()) return false;
  if (!value.is_array()) return true;
  return std::all_of(value.begin(), value.end(), is_plain);
}

bool is_names(const Json& value) {
  if (value.is_array()) return std::all_of(value.begin(), value.end(), is_names);
  if (!value.is_object()) return true;
  return std::all_of(value.begin(), value.end(), [](const Json& member) {
    return is_plain(member) || (member.is_object() && is_names(member));
  });
}

/// A constant: {type, is_null, value}; what is in it is data.
bool is_value(const Json& value) {
  if (!value.is_object()) return false;
  for (const auto& [key, member] : value.items()) {
    if (key != "type" && key != "is_null" && key != "value") return false;
  }
  return true;
}

constexpr Field when_then[] = {{"when_expr", Part::expression}, {"then_expr", Part::expression}};
constexpr Field order[] = {
    {"type", Part::plain}, {"null_order", Part::plain}, {"expression", Part::expression}};
constexpr Field replacement[] = {{"key", Part::plain}, {"value", Part::expression}};
constexpr Field statement_fields[] = {{"node", Part::node}, {"named_param_map", Part::names}};
constexpr Field sample_fields[] = {{"sample_size", Part::value},
                                   {"is_percentage", Part::plain},
                                   {"method", Part::plain},
                                   {"seed", Part::plain},
                                   {"repeatable", Part::plain}};
constexpr Field pivot_fields[] = {{"pivot_expressions", Part::expressions},
                                  {"unpivot_names", Part::plain},
                                  {"entries", Part::pivots}};
constexpr Field pivot_entry[] = {
    {"values", Part::values}, {"star_expr", Part::expression}, {"alias", Part::plain}};
constexpr Field cte_info[] = {{"aliases", Part::plain},
                              {"query", Part::statement},
                              {"materialized", Part::plain},
                              {"key_targets", Part::expressions}};

/// Members that any expression or table may have, besides those of its kind.
bool is_common(std::string_view key, const Json& value) {
  if (key == "query_location") return value.is_number_unsigned();
  return (key == "class" || key == "type" || key == "alias" || key == "column_name_alias") &&
         is_plain(value);
}

/// Columns that the lake's tables have besides their own: they tell where its files are.
bool names_virtual_column(const Json& node) {
  if (node.is_string()) {
    const std::string name = fold(node.get_ref<const std::string&>());
    return name == "filename" || name == "file_row_number" || name == "file_index" ||
           name == "rowid" || name == "snapshot_id" || name.starts_with("_ducklake_internal");
  }
  return node.is_structured() && std::any_of(node.begin(), node.end(), names_virtual_column);
}

}  // namespace

/// Counts one level of nesting for as long as it lives.
class Inspector::Deeper {
 public:
  explicit Deeper(std::size_t& depth) : depth_(depth) { ++depth_; }
  ~Deeper() { --depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  std::size_t& depth_;
};

std::string apply(std::string_view text, const Edits& edits) {
  std::string out;
  std::size_t at = 0;
  for (const auto& [offset, edit] : edits) {
    CHECK(offset >= at && offset + edit.bytes <= text.size());
    out += text.substr(at, offset - at);
    out += edit.with;
    at = offset + edit.bytes;
  }
  return out.append(text.substr(at));
}

Status Inspector::inspect(Json& statement) {
  hides_virtual_columns_ = names_virtual_column(statement);
  return part(Part::statement, statement, Scope());
}

Status Inspector::enter(const Json& node) {
  if (++nodes_ > fence_.limits.nodes_max) {
    return fail(Code::exhausted, "The statement is too large (more than " +
                                     std::to_string(fence_.limits.nodes_max) +
                                     " parts). Put long lists into a table and join it.");
  }
  if (depth_ > fence_.limits.depth_max) {
    return fail_at(Code::exhausted, text_, offset_of(node),
                   "The statement is nested too deeply here; name its parts with WITH.");
  }
  return {};
}

Status Inspector::refuse(const Json& node, const std::string& what) const {
  return fail_at(Code::forbidden, text_, offset_of(node), what);
}

Status Inspector::refuse_kind(const Json& node, std::string_view kind) const {
  return refuse(node, "This form of SQL (" + std::string(kind) + ") is not possible here.");
}

Status Inspector::members(Json& node, std::span<const Field> fields, const Scope& scope) {
  for (const auto& [key, value] : node.items()) {
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](const Field& each) { return each.key == key; });
    if (field != fields.end()) {
      TRY(part(field->part, value, scope));
    } else if (!is_common(key, value)) {
      return refuse_kind(node, key);
    }
  }
  return {};
}

Status Inspector::each(Part one, Json& array, const Scope& scope) {
  if (!array.is_array()) return refuse_kind(array, "not a list");
  for (auto& value : array) TRY(part(one, value, scope));
  return {};
}

/// An array of objects that are no nodes of their own: each member by the fields, nothing in
/// common.
Status Inspector::pairs(Json& array, std::span<const Field> fields, const Scope& scope) {
  if (!array.is_array()) return refuse_kind(array, "not a list");
  for (auto& object : array) {
    if (!object.is_object()) return refuse_kind(object, "not an object");
    TRY(members(object, fields, scope));
  }
  return {};
}

Status Inspector::part(Part part, Json& value, const Scope& scope) {
  switch (part) {
    case Part::plain: return is_plain(value) ? Status() : refuse_kind(value, "not plain");
    case Part::names: return is_names(value) ? Status() : refuse_kind(value, "not names");
    case Part::value: return is_value(value) ? Status() : refuse_kind(value, "not a constant");
    case Part::values: return each(Part::value, value, scope);
    case Part::expression: return expression(value, scope);
    case Part::expressions: return each(Part::expression, value, scope);
    case Part::rows: return each(Part::expressions, value, scope);
    case Part::table: return table(value, scope);
    case Part::node: return query_node(value, scope);
    case Part::type: return type(value, value);
    default: return part_of_parts(part, value, scope);
  }
}

Status Inspector::part_of_parts(Part part, Json& value, const Scope& scope) {
  switch (part) {
    case Part::statement:
      if (!value.is_object()) return refuse_kind(value, "not a statement");
      return members(value, statement_fields, scope);
    case Part::modifier: {
      const Shape* shape = modifier_shape(text_at(value, "type"));
      return shape != nullptr ? members(value, shape->fields, scope)
                              : refuse_kind(value, text_at(value, "type"));
    }
    case Part::modifiers: return each(Part::modifier, value, scope);
    case Part::orders: return pairs(value, order, scope);
    case Part::case_checks: return pairs(value, when_then, scope);
    case Part::replacements: return pairs(value, replacement, scope);
    case Part::sample:
      if (!value.is_object()) return refuse_kind(value, "not a sample");
      return members(value, sample_fields, scope);
    case Part::pivots:
      // Both the columns of a PIVOT and, one level below, their values.
      if (!value.empty() && value[0].is_object() && value[0].contains("entries")) {
        return pairs(value, pivot_fields, scope);
      }
      return pairs(value, pivot_entry, scope);
    default: return refuse_kind(value, "unknown part");  // Part::ctes is dealt with by query_node()
  }
}

Status Inspector::expression(Json& node, const Scope& scope) {
  const Deeper deeper(depth_);
  TRY(enter(node));
  const std::string_view kind = text_at(node, "class");
  const Shape* shape = expression_shape(kind);
  if (shape == nullptr || !has_type(*shape, text_at(node, "type"))) {
    return refuse_kind(node, kind.empty() ? "unknown" : text_at(node, "type"));
  }
  if (kind == "FUNCTION" || kind == "WINDOW") TRY(function_name(node));
  if (kind == "PARAMETER") TRY(parameter(node));
  if (kind == "COLLATE") {
    const std::string_view name = text_at(node, "collation");
    const bool simple = std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '.';
    });
    if (!simple)
      return refuse(node, "This name of a collation is not possible; for example: ja, nocase.");
  }
  if (kind != "LAMBDA") return members(node, shape->fields, scope);
  const Deeper lambda(lambda_depth_);
  if (lambda_depth_ > fence_.limits.lambda_depth_max) {
    return fail_at(Code::exhausted, text_, offset_of(node),
                   "Lambdas are nested too deeply here; use unnest() and a subquery.");
  }
  return members(node, shape->fields, scope);
}

Status Inspector::parameter(const Json& node) {
  const std::string_view name = text_at(node, "identifier");
  std::size_t number = 0;
  const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (bad != std::errc() || end != name.data() + name.size() || number == 0) {
    return refuse(node, "Parameters are numbered here: $1, $2, not $" + std::string(name) + ".");
  }
  if (number > fence_.limits.parameters_max) {
    return fail(Code::exhausted, "The statement has too many parameters; at most " +
                                     std::to_string(fence_.limits.parameters_max) + " are taken.");
  }
  parameters_ = std::max(parameters_, number);
  return {};
}

Status Inspector::function_by_name(const Json& node, const std::string& name) const {
  // list_aggregate(list, 'sum', …): the text is a function's name, so it must be a constant of the
  // list.
  const Json& arguments = at(node, "children");
  if (!arguments.is_array() || arguments.size() < 2) return {};
  const Json& value = at(arguments[1], "value");
  const bool constant =
      text_at(arguments[1], "class") == "CONSTANT" && text_at(at(value, "type"), "id") == "VARCHAR";
  if (constant && is_allowed_list_aggregate(fold(text_at(value, "value")))) return {};
  return refuse(node, name + "() takes the name of an aggregate as a constant, such as 'sum'" +
                          (constant ? "; this one is not available." : ", not an expression."));
}

Status Inspector::function_name(const Json& node) const {
  const std::string name = fold(text_at(node, "function_name"));
  const std::string schema = fold(text_at(node, "schema"));
  const std::string catalog = fold(text_at(node, "catalog"));
  const bool own = (schema.empty() || schema == "main" || schema == "pg_catalog") &&
                   (catalog.empty() || catalog == "system");
  if (!own) {
    return refuse(
        node,
        is_allowed_function(name)
            ? "Write " + name + "(" + schema + ", …) instead of " + schema + "." + name + "(…)."
            : "Functions of a schema (" + schema + "." + name + ") are not available here.");
  }
  if (takes_function_name(name)) TRY(function_by_name(node, name));
  if (is_allowed_function(name)) return {};
  std::string message = "The function " + name + "() is not available here.";
  const std::string_view advice = advice_for_function(name);
  if (!advice.empty()) return refuse(node, message + " " + std::string(advice));
  if (is_allowed_table_function(name)) return refuse(node, message + " It belongs into FROM.");
  const auto all = allowed_functions();
  const std::vector<std::string> names(all.begin(), all.end());
  return refuse(node, message + did_you_mean(name, names));
}

Status Inspector::table_function(Json& node, const Scope& scope) {
  Json& function = node["function"];
  const Shape* shape = expression_shape("FUNCTION");
  CHECK(shape != nullptr);
  const std::string name = fold(text_at(function, "function_name"));
  const std::string schema = fold(text_at(function, "schema"));
  if (text_at(function, "class") != "FUNCTION" || text_at(function, "type") != "FUNCTION") {
    return refuse_kind(node, "TABLE_FUNCTION");
  }
  const bool own = (schema.empty() || schema == "main") && text_at(function, "catalog").empty();
  if (!own || !is_allowed_table_function(name)) {
    const std::string_view advice = advice_for_function(name);
    return refuse(node, "The table function " + name + "() is not available here. " +
                            (advice.empty() ? "Available are range(), generate_series(), unnest(), "
                                              "json_each() and json_tree()."
                                            : std::string(advice)));
  }
  const Deeper deeper(depth_);
  TRY(enter(function));
  return members(function, shape->fields, scope);
}

Status Inspector::table(Json& node, const Scope& scope) {
  const Deeper deeper(depth_);
  TRY(enter(node));
  const std::string_view kind = text_at(node, "type");
  const Shape* shape = node.contains("class") ? nullptr : table_shape(kind);
  if (shape == nullptr) return refuse_kind(node, kind.empty() ? "unknown" : kind);
  if (const auto sample = node.find("sample"); sample != node.end()) {
    TRY(part(Part::sample, *sample, scope));
  }
  if (kind == "BASE_TABLE") return base_table(node, scope);
  if (kind == "TABLE_FUNCTION") TRY(table_function(node, scope));
  if (kind == "SHOW_REF" && !node.contains("query")) {
    return refuse(
        node, "This form of SHOW is not available inside a query; use information_schema.tables.");
  }
  if (kind == "PIVOT") {
    for (const auto& pivot : at(node, "pivots")) {
      if (at(pivot, "entries").is_array() && text_at(pivot, "pivot_enum").empty()) continue;
      return refuse(node, "PIVOT needs its values written out: ON c IN ('a', 'b').");
    }
  }
  for (const auto& [key, value] : node.items()) {
    if (key == "sample" || (key == "function" && kind == "TABLE_FUNCTION")) continue;
    const auto field = std::find_if(shape->fields.begin(), shape->fields.end(),
                                    [&](const Field& each) { return each.key == key; });
    if (field != shape->fields.end()) {
      TRY(part(field->part, value, scope));
    } else if (!is_common(key, value)) {
      return refuse_kind(node, key);
    }
  }
  return {};
}

Status Inspector::query_node(Json& node, const Scope& scope) {
  const Deeper deeper(depth_);
  TRY(enter(node));
  if (node_shape(text_at(node, "type")) == nullptr) return refuse_kind(node, text_at(node, "type"));
  return next_cte(node, 0, scope);
}

/// Each CTE sees those before it; the node's other members see all of them. Names as in the engine.
Status Inspector::next_cte(Json& node, std::size_t index, const Scope& scope) {
  const Json& list = at(at(node, "cte_map"), "map");
  if (index < list.size()) {
    Json& cte = node["cte_map"]["map"][index];
    const std::string name(text_at(cte, "key"));
    // Were the scope ever wrong about such a name, the engine would look for a file or a table of
    // its own.
    const bool odd = name.empty() || name.find('.') != std::string::npos ||
                     name.starts_with("duckdb_") || name.starts_with("pragma_") ||
                     name.starts_with("sqlite_") || name.starts_with("pg_");
    if (odd || !cte.contains("value") || cte.size() != 2) {
      return refuse(node,
                    "A name behind WITH cannot be \"" + name + "\" here; choose one without dots.");
    }
    if (!cte["value"].is_object()) return refuse_kind(node, "cte_map");
    TRY(members(cte["value"], cte_info, scope));
    const Deeper deeper(depth_);
    TRY(enter(node));
    return next_cte(node, index + 1, Scope(&scope, name, false));
  }
  const Shape* shape = node_shape(text_at(node, "type"));
  CHECK(shape != nullptr);
  const bool recursive = shape->kind == "RECURSIVE_CTE_NODE";
  const Scope inner(&scope, text_at(node, "cte_name"), true);
  for (const auto& [key, value] : node.items()) {
    if (key == "cte_map" || key == "type") continue;
    const auto field = std::find_if(shape->fields.begin(), shape->fields.end(),
                                    [&](const Field& each) { return each.key == key; });
    if (field == shape->fields.end()) return refuse_kind(node, key);
    TRY(part(field->part, value, recursive && key == "right" ? inner : scope));
  }
  return {};
}

Status Inspector::type(const Json& node, const Json& where) const {
  constexpr std::string_view info_keys = " type width scale child_type child_types size name ";
  const std::string_view id = text_at(node, "id");
  const Json& info = at(node, "type_info");
  if (id == "UNBOUND") {
    const bool json = fold(text_at(info, "name")) == "json" && info.size() == 2;
    if (json) return {};
    return refuse(where,
                  "The type " + std::string(text_at(info, "name")) +
                      " is not available here; use one of the engine's own, such as VARCHAR.");
  }
  if (!is_allowed_type(id))
    return refuse(where, "The type " + std::string(id) + " is not available here.");
  for (const auto& [key, value] : node.items()) {
    if (key != "id" && key != "type_info") return refuse_kind(where, key);
  }
  for (const auto& [key, value] : info.items()) {
    if (info_keys.find(" " + key + " ") == std::string_view::npos) return refuse_kind(where, key);
  }
  if (info.contains("child_type")) TRY(type(at(info, "child_type"), where));
  for (const auto& child : at(info, "child_types")) TRY(type(at(child, "second"), where));
  return {};
}

}  // namespace minato::sql
