#include "sql/shapes.h"

#include <algorithm>
#include <iterator>
#include <string>

namespace minato::sql {
namespace {

using enum Part;

constexpr Field between[] = {{"input", expression}, {"lower", expression}, {"upper", expression}};
constexpr Field case_[] = {{"case_checks", case_checks}, {"else_expr", expression}};
constexpr Field cast[] = {{"child", expression}, {"cast_type", type}, {"try_cast", plain}};
constexpr Field collate[] = {{"child", expression}, {"collation", plain}};
constexpr Field column_ref[] = {{"column_names", plain}};
constexpr Field comparison[] = {{"left", expression}, {"right", expression}};
constexpr Field children[] = {{"children", expressions}};
constexpr Field constant[] = {{"value", value}};
// Without export_state, which hands out the inside of an aggregate.
constexpr Field function[] = {{"function_name", plain}, {"schema", plain},
                              {"catalog", plain},       {"children", expressions},
                              {"filter", expression},   {"order_bys", modifier},
                              {"distinct", plain},      {"is_operator", plain}};
constexpr Field lambda[] = {{"lhs", expression}, {"expr", expression}, {"syntax_type", plain}};
constexpr Field parameter[] = {{"identifier", plain}};
constexpr Field positional[] = {{"index", plain}};
constexpr Field star[] = {{"relation_name", plain},       {"exclude_list", plain},
                          {"replace_list", replacements}, {"columns", plain},
                          {"expr", expression},           {"qualified_exclude_list", names},
                          {"rename_list", names}};
constexpr Field subquery_expression[] = {{"subquery_type", plain},
                                         {"subquery", statement},
                                         {"child", expression},
                                         {"comparison_type", plain}};
constexpr Field window[] = {{"function_name", plain},
                            {"schema", plain},
                            {"catalog", plain},
                            {"children", expressions},
                            {"partitions", expressions},
                            {"orders", orders},
                            {"start", plain},
                            {"end", plain},
                            {"start_expr", expression},
                            {"end_expr", expression},
                            {"offset_expr", expression},
                            {"default_expr", expression},
                            {"ignore_nulls", plain},
                            {"filter_expr", expression},
                            {"exclude_clause", plain},
                            {"distinct", plain},
                            {"arg_orders", orders}};

constexpr Shape expressions_[] = {
    {"BETWEEN", " COMPARE_BETWEEN COMPARE_NOT_BETWEEN ", between},
    {"CASE", " CASE_EXPR ", case_},
    {"CAST", " OPERATOR_CAST ", cast},
    {"COLLATE", " COLLATE ", collate},
    {"COLUMN_REF", " COLUMN_REF ", column_ref},
    {"COMPARISON",
     " COMPARE_EQUAL COMPARE_NOTEQUAL COMPARE_LESSTHAN COMPARE_GREATERTHAN "
     "COMPARE_LESSTHANOREQUALTO "
     "COMPARE_GREATERTHANOREQUALTO COMPARE_DISTINCT_FROM COMPARE_NOT_DISTINCT_FROM ",
     comparison},
    {"CONJUNCTION", " CONJUNCTION_AND CONJUNCTION_OR ", children},
    {"CONSTANT", " VALUE_CONSTANT ", constant},
    {"FUNCTION", " FUNCTION ", function},
    {"LAMBDA", " LAMBDA ", lambda},
    {"OPERATOR",
     " OPERATOR_NOT OPERATOR_IS_NULL OPERATOR_IS_NOT_NULL OPERATOR_COALESCE OPERATOR_TRY "
     "OPERATOR_UNPACK "
     "COMPARE_IN COMPARE_NOT_IN ARRAY_EXTRACT ARRAY_SLICE ARRAY_CONSTRUCTOR STRUCT_EXTRACT "
     "GROUPING_FUNCTION ",
     children},
    {"PARAMETER", " VALUE_PARAMETER ", parameter},
    {"POSITIONAL_REFERENCE", " POSITIONAL_REFERENCE ", positional},
    {"STAR", " STAR ", star},
    {"SUBQUERY", " SUBQUERY ", subquery_expression},
    {"WINDOW",
     " WINDOW_AGGREGATE WINDOW_ROW_NUMBER WINDOW_RANK WINDOW_RANK_DENSE WINDOW_NTILE "
     "WINDOW_PERCENT_RANK WINDOW_CUME_DIST WINDOW_FIRST_VALUE WINDOW_LAST_VALUE WINDOW_NTH_VALUE "
     "WINDOW_LEAD WINDOW_LAG WINDOW_FILL ",
     window},
};

// Without at_clause: older versions are a later story.
constexpr Field base_table[] = {
    {"schema_name", plain}, {"table_name", plain}, {"catalog_name", plain}};
constexpr Field expression_list[] = {{"values", rows}, {"expected_names", plain}};
constexpr Field join[] = {{"left", table},           {"right", table},
                          {"condition", expression}, {"join_type", plain},
                          {"ref_type", plain},       {"using_columns", plain},
                          {"delim_flipped", plain},  {"is_implicit", plain}};
constexpr Field pivot[] = {{"source", table},        {"aggregates", expressions},
                           {"unpivot_names", plain}, {"pivots", pivots},
                           {"groups", plain},        {"include_nulls", plain}};
// DESCRIBE and SUMMARIZE of a query or table; SHOW without a query has been taken out before.
constexpr Field show[] = {{"query", node}, {"show_type", plain}};
constexpr Field subquery_table[] = {{"subquery", statement}};
constexpr Field table_function[] = {{"function", expression}, {"with_ordinality", plain}};

constexpr Shape tables_[] = {
    {"BASE_TABLE", "", base_table},
    {"EMPTY", "", {}},
    {"EXPRESSION_LIST", "", expression_list},
    {"JOIN", "", join},
    {"PIVOT", "", pivot},
    {"SHOW_REF", "", show},
    {"SUBQUERY", "", subquery_table},
    {"TABLE_FUNCTION", "", table_function},
};

constexpr Field select[] = {{"modifiers", modifiers},     {"cte_map", ctes},
                            {"select_list", expressions}, {"from_table", table},
                            {"where_clause", expression}, {"group_expressions", expressions},
                            {"group_sets", plain},        {"aggregate_handling", plain},
                            {"having", expression},       {"sample", sample},
                            {"qualify", expression}};
constexpr Field set_operation[] = {{"modifiers", modifiers}, {"cte_map", ctes},
                                   {"setop_type", plain},    {"left", node},
                                   {"right", node},          {"setop_all", plain}};
constexpr Field recursive_cte[] = {
    {"modifiers", modifiers}, {"cte_map", ctes}, {"cte_name", plain}, {"union_all", plain},
    {"left", node},           {"right", node},   {"aliases", plain},  {"key_targets", expressions}};

constexpr Shape nodes_[] = {
    {"RECURSIVE_CTE_NODE", "", recursive_cte},
    {"SELECT_NODE", "", select},
    {"SET_OPERATION_NODE", "", set_operation},
};

constexpr Field distinct_modifier[] = {{"distinct_on_targets", expressions}};
constexpr Field limit_modifier[] = {{"limit", expression}, {"offset", expression}};
constexpr Field order_modifier[] = {{"orders", orders}};

constexpr Shape modifiers_[] = {
    {"DISTINCT_MODIFIER", "", distinct_modifier},
    {"LIMIT_MODIFIER", "", limit_modifier},
    {"LIMIT_PERCENT_MODIFIER", "", limit_modifier},
    {"ORDER_MODIFIER", "", order_modifier},
};

// Without ENUM and types of users; JSON is looked at apart (the engine calls it an unbound type).
constexpr std::string_view types_[] = {"ARRAY",
                                       "BIGINT",
                                       "BIGNUM",
                                       "BIT",
                                       "BLOB",
                                       "BOOLEAN",
                                       "CHAR",
                                       "DATE",
                                       "DECIMAL",
                                       "DOUBLE",
                                       "FLOAT",
                                       "HUGEINT",
                                       "INTEGER",
                                       "INTERVAL",
                                       "LIST",
                                       "MAP",
                                       "NULL",
                                       "SMALLINT",
                                       "STRUCT",
                                       "TIME",
                                       "TIME WITH TIME ZONE",
                                       "TIMESTAMP",
                                       "TIMESTAMP WITH TIME ZONE",
                                       "TIMESTAMP_MS",
                                       "TIMESTAMP_NS",
                                       "TIMESTAMP_S",
                                       "TIME_NS",
                                       "TINYINT",
                                       "UBIGINT",
                                       "UHUGEINT",
                                       "UINTEGER",
                                       "UNION",
                                       "USMALLINT",
                                       "UTINYINT",
                                       "UUID",
                                       "VARCHAR",
                                       "VARIANT"};
static_assert(std::is_sorted(std::begin(types_), std::end(types_)));

const Shape* find(std::span<const Shape> shapes, std::string_view kind) {
  for (const auto& shape : shapes) {
    if (shape.kind == kind) return &shape;
  }
  return nullptr;
}

}  // namespace

const Shape* expression_shape(std::string_view expression_class) {
  return find(expressions_, expression_class);
}
const Shape* table_shape(std::string_view type) { return find(tables_, type); }
const Shape* node_shape(std::string_view type) { return find(nodes_, type); }
const Shape* modifier_shape(std::string_view type) { return find(modifiers_, type); }

bool has_type(const Shape& shape, std::string_view type) {
  std::string word = " ";
  word += type;
  word += ' ';
  return type.find(' ') == std::string_view::npos &&
         shape.types.find(word) != std::string_view::npos;
}

bool is_allowed_type(std::string_view id) {
  return std::binary_search(std::begin(types_), std::end(types_), id);
}

}  // namespace minato::sql
