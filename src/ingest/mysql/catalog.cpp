#include "ingest/mysql/catalog.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/log.h"
#include "wire/mysql_charset.h"
#include "wire/mysql_types.h"

namespace minato::ingest::mysql {
namespace {

constexpr std::string_view system_schemas[] = {"mysql", "information_schema", "performance_schema",
                                               "sys"};

std::string not_of_the_server() {
  std::string names;
  for (const std::string_view name : system_schemas) {
    names += (names.empty() ? "" : ", ") + literal(name);
  }
  return "table_schema NOT IN (" + names + ")";
}

/// COLUMN_TYPE escapes what stands in the members of ENUM and SET as a literal would (but for
/// quotes, which are doubled).
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    switch (text[++i]) {
      case '0': out += '\0'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      default: out += text[i];
    }
  }
  return out;
}

/// Shapes of all base tables for which `where` (over schema and table name) holds and `wanted`
/// agrees.
template <class Wanted>
Result<std::vector<TableSchemaPtr>> read(Connection& connection, const std::string& where,
                                         Wanted wanted) {
  TRY_ASSIGN(const auto names,
             connection.rows("SELECT table_schema, table_name, table_type, table_collation FROM "
                             "information_schema.tables WHERE "
                             "table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND " +
                             where));
  std::map<TableName, std::shared_ptr<TableSchema>> found;
  for (const Row& row : names) {
    const TableName name{row[0].value_or(""), row[1].value_or("")};
    if (!wanted(name)) continue;
    if (row[2] == "SYSTEM VERSIONED") {
      // Its row events carry history columns and rows that no information_schema tells about.
      log::warn("source_table_skipped", {{"table", display(name)}, {"why", "system-versioned"}});
      continue;
    }
    auto schema = std::make_shared<TableSchema>();
    schema->name = name;
    const std::string collation = row[3].value_or("");  // begins with its character set
    schema->charset = wire::charset_name(collation.substr(0, collation.find('_')));
    found.emplace(name, std::move(schema));
  }
  if (found.empty()) return std::vector<TableSchemaPtr>{};
  TRY_ASSIGN(
      const auto columns,
      connection.rows("SELECT table_schema, table_name, column_name, column_type, is_nullable, "
                      "character_set_name FROM information_schema.columns WHERE " +
                      where + " ORDER BY table_schema, table_name, ordinal_position"));
  for (const Row& row : columns) {
    const auto entry = found.find({row[0].value_or(""), row[1].value_or("")});
    if (entry == found.end()) continue;
    auto type = wire::parse_source_type(unescaped(row[3].value_or("")));
    if (!type) {
      Error error = std::move(type).error();
      error.message = display(entry->first) + "." + row[2].value_or("") + ": " + error.message;
      return fail(std::move(error));
    }
    if (wire::has_charset(type->kind)) type->charset = row[5].value_or("utf8mb4");
    entry->second->columns.push_back(
        wire::lake_column(row[2].value_or(""), *type, row[4].value_or("YES") == "YES"));
  }
  TRY_ASSIGN(const auto keys,
             connection.rows(
                 "SELECT table_schema, table_name, column_name FROM information_schema.statistics "
                 "WHERE index_name='PRIMARY' AND " +
                 where + " ORDER BY table_schema, table_name, seq_in_index"));
  for (const Row& row : keys) {
    const auto entry = found.find({row[0].value_or(""), row[1].value_or("")});
    if (entry == found.end()) continue;
    auto& known = entry->second->columns;
    const auto at = std::find_if(known.begin(), known.end(),
                                 [&](const Column& column) { return column.name == row[2]; });
    if (at != known.end())
      entry->second->key.push_back(static_cast<std::uint32_t>(at - known.begin()));
  }
  std::vector<TableSchemaPtr> shapes;
  for (auto& [name, schema] : found) {
    if (!schema->columns.empty()) shapes.push_back(std::move(schema));
  }
  return shapes;
}

}  // namespace

bool is_system_schema(std::string_view schema) {
  return std::ranges::find(system_schemas, schema) != std::end(system_schemas);
}

bool matches_any(const std::vector<std::string>& patterns, const TableName& table) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches_pattern(pattern, table); });
}

Result<std::vector<TableSchemaPtr>> read_shapes(Connection& connection,
                                                const std::vector<std::string>& patterns) {
  return read(connection, not_of_the_server(),
              [&](const TableName& name) { return matches_any(patterns, name); });
}

Result<std::map<TableName, std::uint64_t>> read_sizes(Connection& connection,
                                                      const std::vector<std::string>& patterns) {
  TRY_ASSIGN(const auto rows, connection.rows("SELECT table_schema, table_name, data_length FROM "
                                              "information_schema.tables WHERE " +
                                              not_of_the_server()));
  std::map<TableName, std::uint64_t> sizes;
  for (const Row& row : rows) {
    const TableName name{row[0].value_or(""), row[1].value_or("")};
    if (!matches_any(patterns, name)) continue;
    const std::string bytes = row[2].value_or("");
    std::from_chars(bytes.data(), bytes.data() + bytes.size(), sizes[name]);
  }
  return sizes;
}

Result<TableSchemaPtr> read_shape(Connection& connection, const TableName& table) {
  TRY_ASSIGN(auto shapes, read(connection,
                               "table_schema=" + literal(table.schema) +
                                   " AND table_name=" + literal(table.name),
                               [&](const TableName& name) { return name == table; }));
  if (shapes.empty()) return TableSchemaPtr();
  return shapes.front();
}

}  // namespace minato::ingest::mysql
