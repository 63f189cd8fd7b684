// The fence around people's SQL: an allow-list on the engine's own parse tree, deny by default.
// Promise: what passes reads nothing but tables of the lake's catalogue and the values in its own
// text; the text to run is `Checked::text`, whose parse tree is the one that was checked. It is the
// first layer only: gates also run with a locked configuration, a read-only catalogue role and few
// rights in the operating system.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/names.h"
#include "sql/statement.h"

namespace minato::lake {
class Session;
}

namespace minato::sql {

struct FenceLimits {
  std::size_t text_bytes_max = 512 * 1024;
  std::size_t nodes_max = 50'000;    // of the parse tree
  std::size_t depth_max = 150;       // nesting of expressions, subqueries and set operations
  std::size_t lambda_depth_max = 4;  // nested lambdas take the binder exponential time
  std::size_t conditions_max =
      5000;  // ANDs and ORs: the engine takes quadratic time for a chain of them
  std::size_t parameters_max = 1000;
};

struct Fence {
  std::string catalog = "minato";                   // the one attached catalogue that may be read
  std::vector<std::string> search_path = {"main"};  // schemas for names without one, tried in this
                                                    // order
  /// Says whether a table or view exists (names compared without case); optional. With it, unknown
  /// tables are refused here, with a suggestion, and the search path has several steps.
  std::function<bool(const TableName&)> exists;
  std::function<std::vector<TableName>()> tables;  // for suggestions; optional
  bool allow_explain = false;  // plans show files and, later, rules: for administrators
  FenceLimits limits;
};

struct Checked {
  Statement statement;  // kind query or explain; else a command that the session answers itself
  std::string text;     // query, explain: run exactly this. Table names are written out in full.
  std::vector<TableName> tables;  // lake tables that it reads, each once
  std::size_t parameters = 0;     // highest $n
};

/// Checks one statement (see split_statements). Commands of StatementKind begin…deallocate and
/// empty pass without text: the session answers them. Everything else is an error: forbidden (not
/// allowed here), unsupported, invalid (not SQL), exhausted (over a limit); the message teaches
/// what to use instead. `session` is used for parsing only: any session of the engine that is not
/// inside a failed transaction.
Result<Checked> check(lake::Session& session, std::string_view text, const Fence& fence);

/// For a session that writes the types of parameters into the text: that `text` is `checked.text`
/// but for casts around parameters ($1 → CAST($1 AS BIGINT)). An error (internal) means that it
/// must not run.
Status verify_casts(lake::Session& session, const Checked& checked, std::string_view text);

}  // namespace minato::sql
