#include "sql/functions.h"

#include <algorithm>
#include <array>
#include <utility>

namespace minato::sql {
namespace {

// clang-format off
// Sorted by bytes (operators first): looked up by binary search.
constexpr std::string_view functions[] = {
    "!", "!__postfix", "!~~", "!~~*", "%", "&", "&&", "*", "**", "+", "-", "->>", "/", "//",
    "<->", "<<", "<=>", "<@", ">>", "@", "@>", "^", "^@", "abs", "acos", "acosh", "add", "age",
    "aggregate", "ago", "alias", "any_value", "apply", "approx_count_distinct", "approx_quantile",
    "approx_top_k", "arbitrary", "arg_max", "arg_max_null", "arg_max_nulls_last", "arg_min",
    "arg_min_null", "arg_min_nulls_last", "argmax", "argmin", "array_agg", "array_aggr",
    "array_aggregate", "array_append", "array_apply", "array_cat", "array_concat",
    "array_contains", "array_cosine_distance", "array_cosine_similarity", "array_cross_product",
    "array_distance", "array_distinct", "array_dot_product", "array_extract", "array_filter",
    "array_grade_up", "array_has", "array_has_all", "array_has_any", "array_indexof",
    "array_inner_product", "array_intersect", "array_length", "array_negative_dot_product",
    "array_negative_inner_product", "array_pop_back", "array_pop_front", "array_position",
    "array_prepend", "array_push_back", "array_push_front", "array_reduce", "array_resize",
    "array_reverse", "array_reverse_sort", "array_select", "array_slice", "array_sort",
    "array_to_json", "array_to_string", "array_transform", "array_unique", "array_value",
    "array_where", "array_zip", "ascii", "asin", "asinh", "atan", "atan2", "atanh", "avg", "bar",
    "base64", "bin", "bit_and", "bit_count", "bit_length", "bit_or", "bit_position", "bit_xor",
    "bitstring", "bitstring_agg", "bool_and", "bool_or", "cardinality", "cbrt", "ceil", "ceiling",
    "century", "char_length", "character_length", "chr", "concat", "concat_ws", "contains",
    "corr", "cos", "cosh", "cot", "count", "count_if", "count_star", "countif", "covar_pop",
    "covar_samp", "cume_dist", "current_catalog", "current_database", "current_date",
    "current_localtime", "current_localtimestamp", "current_role", "current_schema",
    "current_user", "damerau_levenshtein", "date_add", "date_diff", "date_part", "date_sub",
    "date_trunc", "datediff", "datepart", "datesub", "datetrunc", "day", "dayname", "dayofmonth",
    "dayofweek", "dayofyear", "days_in_month", "decade", "decode", "degrees", "dense_rank",
    "divide", "editdist3", "element_at", "encode", "ends_with", "entropy", "epoch", "epoch_ms",
    "epoch_ns", "epoch_us", "equi_width_bins", "era", "error", "even", "exp", "factorial", "favg",
    "fdiv", "fill", "filter", "first", "first_value", "flatten", "floor", "fmod", "format",
    "format_bytes", "formatreadabledecimalsize", "formatreadablesize", "from_base64",
    "from_binary", "from_hex", "from_json", "from_json_strict", "fsum", "gamma", "gcd",
    "gen_random_uuid", "generate_series", "generate_subscripts", "geomean", "geometric_mean",
    "get_bit", "get_current_time", "get_current_timestamp", "grade_up", "greatest",
    "greatest_common_divisor", "group_concat", "hamming", "hash", "hex", "histogram",
    "histogram_exact", "hour", "ifnull", "ilike_escape", "instr", "isfinite", "isinf", "isnan",
    "isodow", "isoyear", "jaccard", "jaro_similarity", "jaro_winkler_similarity", "json",
    "json_array", "json_array_length", "json_contains", "json_exists", "json_extract",
    "json_extract_path", "json_extract_path_text", "json_extract_string", "json_group_array",
    "json_group_object", "json_group_structure", "json_keys", "json_merge_patch", "json_object",
    "json_pretty", "json_quote", "json_structure", "json_transform", "json_transform_strict",
    "json_type", "json_valid", "json_value", "julian", "kahan_sum", "kurtosis", "kurtosis_pop",
    "lag", "last", "last_day", "last_value", "lcase", "lcm", "lead", "least",
    "least_common_multiple", "left", "left_grapheme", "len", "length", "length_grapheme",
    "levenshtein", "lgamma", "like_escape", "list", "list_aggr", "list_aggregate",
    "list_any_value", "list_append", "list_apply", "list_approx_count_distinct", "list_avg",
    "list_bit_and", "list_bit_or", "list_bit_xor", "list_bool_and", "list_bool_or", "list_cat",
    "list_concat", "list_contains", "list_cosine_distance", "list_cosine_similarity",
    "list_count", "list_distance", "list_distinct", "list_dot_product", "list_element",
    "list_entropy", "list_extract", "list_filter", "list_first", "list_grade_up", "list_has",
    "list_has_all", "list_has_any", "list_histogram", "list_indexof", "list_inner_product",
    "list_intersect", "list_kurtosis", "list_kurtosis_pop", "list_last", "list_mad", "list_max",
    "list_median", "list_min", "list_mode", "list_negative_dot_product",
    "list_negative_inner_product", "list_pack", "list_position", "list_prepend", "list_product",
    "list_reduce", "list_resize", "list_reverse", "list_reverse_sort", "list_select", "list_sem",
    "list_skewness", "list_slice", "list_sort", "list_stddev_pop", "list_stddev_samp",
    "list_string_agg", "list_sum", "list_transform", "list_unique", "list_value", "list_var_pop",
    "list_var_samp", "list_where", "list_zip", "listagg", "ln", "log", "log10", "log2", "lower",
    "lpad", "ltrim", "mad", "make_date", "make_time", "make_timestamp", "make_timestamp_ms",
    "make_timestamp_ns", "make_timestamptz", "map", "map_concat", "map_contains",
    "map_contains_entry", "map_contains_value", "map_entries", "map_extract", "map_extract_value",
    "map_from_entries", "map_keys", "map_values", "max", "max_by", "md5", "md5_number",
    "md5_number_lower", "md5_number_upper", "mean", "median", "microsecond", "millennium",
    "millisecond", "min", "min_by", "minute", "mismatches", "mod", "mode", "month", "monthname",
    "multiply", "nanosecond", "nextafter", "nfc_normalize", "normalized_interval",
    "not_ilike_escape", "not_like_escape", "now", "nth_value", "ntile", "nullif", "octet_length",
    "ord", "overlay", "parse_dirname", "parse_dirpath", "parse_filename", "parse_path",
    "percent_rank", "percentile_cont", "percentile_disc", "pg_size_pretty", "pg_typeof", "pi",
    "position", "pow", "power", "prefix", "printf", "product", "quantile", "quantile_cont",
    "quantile_disc", "quarter", "radians", "random", "range", "rank", "rank_dense", "reduce",
    "regexp_escape", "regexp_extract", "regexp_extract_all", "regexp_full_match",
    "regexp_matches", "regexp_replace", "regexp_split_to_array", "regexp_split_to_table",
    "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx",
    "regr_sxy", "regr_syy", "repeat", "replace", "reservoir_quantile", "reverse", "right",
    "right_grapheme", "round", "round_even", "roundbankers", "row", "row_number", "row_to_json",
    "rpad", "rtrim", "second", "sem", "session_user", "set_bit", "sha1", "sha256", "sign",
    "signbit", "sin", "sinh", "skewness", "split", "split_part", "sqrt", "starts_with", "stddev",
    "stddev_pop", "stddev_samp", "str_split", "str_split_regex", "strftime", "string_agg",
    "string_split", "string_split_regex", "string_to_array", "strip_accents", "strlen", "strpos",
    "strptime", "struct_concat", "struct_contains", "struct_extract", "struct_extract_at",
    "struct_has", "struct_indexof", "struct_insert", "struct_keys", "struct_pack",
    "struct_position", "struct_update", "struct_values", "substr", "substring",
    "substring_grapheme", "subtract", "suffix", "sum", "sum_no_overflow", "sumkahan", "tan",
    "tanh", "time_bucket", "timezone", "timezone_hour", "timezone_minute", "to_base", "to_base64",
    "to_binary", "to_centuries", "to_days", "to_decades", "to_hex", "to_hours", "to_json",
    "to_microseconds", "to_millennia", "to_milliseconds", "to_minutes", "to_months",
    "to_quarters", "to_seconds", "to_timestamp", "to_weeks", "to_years", "today",
    "transaction_timestamp", "translate", "trim", "trunc", "try_strptime", "typeof", "ucase",
    "unbin", "unhex", "unicode", "union_extract", "union_tag", "union_value", "unnest", "upper",
    "url_decode", "url_encode", "user", "uuid", "uuid_extract_timestamp", "uuid_extract_version",
    "uuidv4", "uuidv7", "var_pop", "var_samp", "variance", "variant_extract", "variant_typeof",
    "vector_type", "version", "wavg", "week", "weekday", "weekofyear", "weighted_avg", "xor",
    "year", "yearweek", "|", "||", "~", "~*", "~~", "~~*", "~~~",
};

constexpr std::string_view list_aggregates[] = {
    "any_value", "approx_count_distinct", "approx_quantile", "approx_top_k", "arbitrary",
    "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "count", "entropy",
    "favg", "first", "first_value", "fsum", "group_concat", "histogram", "kahan_sum", "kurtosis",
    "kurtosis_pop", "last", "last_value", "list", "listagg", "mad", "max", "mean", "median",
    "min", "mode", "product", "quantile", "quantile_cont", "quantile_disc", "sem", "skewness",
    "stddev", "stddev_pop", "stddev_samp", "string_agg", "sum", "sumkahan", "var_pop", "var_samp",
    "variance",
};
// clang-format on

constexpr std::array<std::string_view, 5> table_functions = {"generate_series", "json_each",
                                                             "json_tree", "range", "unnest"};

constexpr std::array<std::string_view, 5> takers_of_names = {
    "aggregate", "array_aggr", "array_aggregate", "list_aggr", "list_aggregate"};

static_assert(std::is_sorted(std::begin(functions), std::end(functions)));
static_assert(std::is_sorted(std::begin(list_aggregates), std::end(list_aggregates)));
static_assert(std::is_sorted(table_functions.begin(), table_functions.end()));
static_assert(std::is_sorted(takers_of_names.begin(), takers_of_names.end()));

constexpr std::string_view files =
    "Files cannot be read here: what is to be analysed belongs into the lake, as a source or a "
    "mart.";
constexpr std::string_view catalogue =
    "The engine's own catalogue is out of reach; use information_schema.tables and "
    "information_schema.columns.";
constexpr std::string_view others =
    "Other databases cannot be reached from a query; add them as a source.";

/// By beginning of the name; the first that fits.
constexpr std::pair<std::string_view, std::string_view> advice[] = {
    {"read_", files},
    {"parquet_", files},
    {"sniff_csv", files},
    {"glob", files},
    {"iceberg_", files},
    {"delta_", files},
    {"st_read", files},
    {"getenv", "The environment of the server cannot be read."},
    {"duckdb_secrets", "Secrets cannot be read."},
    {"which_secret", "Secrets cannot be read."},
    {"duckdb_", catalogue},
    {"ducklake_", catalogue},
    {"pragma_", catalogue},
    {"pg_", catalogue},
    {"query", "Write the query or the table's name itself; texts are not run as SQL."},
    {"json_execute_serialized_sql", "Write the query itself; texts are not run as SQL."},
    {"histogram",
     "As a table function it takes a table by text; use SELECT histogram(column) FROM table."},
    {"postgres_", others},
    {"mysql_", others},
    {"sqlite_", others},
    {"current_setting", "Use SHOW for settings of the session."},
    {"nextval", "There are no sequences here; use row_number() OVER (…)."},
    {"currval", "There are no sequences here; use row_number() OVER (…)."},
    {"getvariable", "There are no variables here; use a parameter or a CTE of one row."},
    {"setseed", "Use a hash of a column where a repeatable choice is needed: hash(id) % 100."},
};

/// What people know from other databases, and what it is called here.
constexpr std::pair<std::string_view, std::string_view> elsewhere[] = {
    {"add_months", "Use x + INTERVAL 1 MONTH."},
    {"array_construct", "Use [a, b]."},
    {"btrim", "Use trim(text, characters)."},
    {"charindex", "Use instr(text, part)."},
    {"convert", "Use CAST(x AS type) or x::type."},
    {"convert_tz", "Use x AT TIME ZONE 'Asia/Tokyo'."},
    {"curdate", "Use current_date."},
    {"date_format", "Use strftime(x, '%Y-%m-%d')."},
    {"dateadd", "Use x + INTERVAL 1 DAY."},
    {"div", "Use a // b."},
    {"field", "Use list_position([…], x)."},
    {"find_in_set", "Use list_position(string_split(list, ','), x)."},
    {"format_date", "Use strftime(x, '%Y-%m-%d')."},
    {"format_timestamp", "Use strftime(x, '%Y-%m-%d %H:%M:%S')."},
    {"from_unixtime", "Use to_timestamp(seconds)."},
    {"getdate", "Use now()."},
    {"ieee_divide", "Use a / nullif(b, 0)."},
    {"iif", "Use if(condition, a, b)."},
    {"initcap", "Use upper(x[1]) || lower(x[2:])."},
    {"isnull", "Use coalesce(x, other) or x IS NULL."},
    {"json_arrayagg", "Use json_group_array(x)."},
    {"json_objectagg", "Use json_group_object(key, value)."},
    {"json_unquote", "Use x ->> '$.path'."},
    {"locate", "Use instr(text, part)."},
    {"nvl", "Use coalesce(x, other)."},
    {"parse_date", "Use strptime(text, '%Y-%m-%d')::DATE."},
    {"parse_timestamp", "Use strptime(text, '%Y-%m-%d %H:%M:%S')."},
    {"rand", "Use random()."},
    {"regexp_substr", "Use regexp_extract(text, pattern)."},
    {"safe_cast", "Use TRY_CAST(x AS type)."},
    {"safe_divide", "Use a / nullif(b, 0)."},
    {"str_to_date", "Use strptime(text, '%Y-%m-%d')."},
    {"substring_index", "Use split_part(text, separator, n)."},
    {"sysdate", "Use now()."},
    {"timestamp_diff", "Use date_diff('day', begin, end)."},
    {"timestampdiff", "Use date_diff('day', begin, end)."},
    {"to_char", "Use strftime(x, '%Y-%m-%d'), or format('{:.2f}', x) for numbers."},
    {"to_date", "Use strptime(text, '%Y-%m-%d')::DATE."},
    {"to_number", "Use CAST(x AS DECIMAL(18, 2))."},
    {"truncate", "Use trunc(x)."},
    {"unix_timestamp", "Use epoch(x)."},
    {"utc_timestamp", "Use now() AT TIME ZONE 'UTC'."}};

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::binary_search(std::begin(list), std::end(list), name);
}

}  // namespace

bool is_allowed_function(std::string_view name) { return contains(functions, name); }
bool is_allowed_table_function(std::string_view name) { return contains(table_functions, name); }
bool takes_function_name(std::string_view name) { return contains(takers_of_names, name); }
bool is_allowed_list_aggregate(std::string_view name) { return contains(list_aggregates, name); }
std::span<const std::string_view> allowed_functions() { return functions; }

std::string_view advice_for_function(std::string_view name) {
  for (const auto& [other, text] : elsewhere) {
    if (name == other) return text;
  }
  for (const auto& [beginning, text] : advice) {
    if (name.starts_with(beginning)) return text;
  }
  return {};
}

}  // namespace minato::sql
