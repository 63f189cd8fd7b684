// The shapes of a source's tables, from its information_schema.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mysql/connection.h"

namespace minato::ingest::mysql {

/// Base tables that match one of `patterns`, system schemas left out, ordered by name.
Result<std::vector<TableSchemaPtr>> read_shapes(Connection& connection,
                                                const std::vector<std::string>& patterns);
/// Bytes of the rows of those tables, as the server estimates them.
Result<std::map<TableName, std::uint64_t>> read_sizes(Connection& connection,
                                                      const std::vector<std::string>& patterns);
/// One table's shape now; nullptr when there is no such base table.
Result<TableSchemaPtr> read_shape(Connection& connection, const TableName& table);

/// Those of the server itself, which nobody captures.
bool is_system_schema(std::string_view schema);
bool matches_any(const std::vector<std::string>& patterns, const TableName& table);

}  // namespace minato::ingest::mysql
