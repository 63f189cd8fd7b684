// Which tables a SELECT reads, from the engine's own parse tree. For marts: nobody declares
// dependencies. Promise: a table that the engine would read is in the answer, or the answer is an
// error that says what to write. Never binds or runs the statement; the tables need not exist.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/names.h"

namespace minato::lake {
class Session;
}

namespace minato::sql {

/// A table as it is written: parts that are not written are empty. Names keep their case.
struct TableRef {
  std::string catalog;
  std::string schema;
  std::string name;
  std::size_t offset = 0;  // in bytes, of the first place where it is read; see place_of()
  bool operator==(const TableRef& other) const {
    return catalog == other.catalog && schema == other.schema && name == other.name;
  }
};
/// catalog.schema.name as written, for messages.
std::string display(const TableRef& table);

struct Analysis {
  std::vector<TableRef> tables;  // each once, in the order of reading; CTE names resolved away
  std::vector<std::string> table_functions;  // range, read_csv …, each once
  std::vector<std::string> functions;  // scalar, aggregate and window functions, each once, lower
                                       // case
  std::size_t parameters = 0;          // number of distinct $1, ?, $name
};

struct AnalysisOptions {
  /// The SELECT behind a view, nullopt for what is no view. Without it every name is a table.
  std::function<std::optional<std::string>(const TableRef&)> view;
  std::size_t text_bytes_max = 1024 * 1024;
  std::size_t depth_max = 1000;  // nesting of the parse tree
};

/// `text` is one SELECT (FROM-first, VALUES, WITH … included). Errors (invalid, unsupported) carry
/// "line 3, column 9: …" and a remedy. `session` is used for parsing only: any session of the
/// engine that is not inside a failed transaction.
Result<Analysis> analyse(lake::Session& session, std::string_view text,
                         const AnalysisOptions& options = {});

/// The tables of a mart as lake tables: parts not written come from `catalog` ("minato") and
/// `schema` (the folder of the mart, as in `FROM orders`). A table of another catalogue is an
/// error.
Result<std::vector<TableName>> lake_tables(const Analysis& analysis, std::string_view text,
                                           std::string_view catalog, std::string_view schema);

/// For `minato check`: a message for a table of a mart that does not exist, with place and nearest
/// name.
std::string unknown_table(std::string_view text, const TableRef& table,
                          const std::vector<TableName>& known);

}  // namespace minato::sql
