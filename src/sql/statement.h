// Cuts SQL text into statements and says of each what it wants: a query for the engine, or one of
// the few commands (BEGIN, SET, SHOW …) that a session answers itself. Never decides what a query
// may touch: fence.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace minato::sql {

/// The statements of a text, cut at semicolons outside of quotes, dollar quotes and comments;
/// without the semicolons, trimmed; those of nothing but space and comments are left out. Fails
/// (invalid) on a quote or comment without an end.
Result<std::vector<std::string>> split_statements(std::string_view text);

enum class StatementKind {
  empty,  // nothing but space and comments
  query,  // SELECT, FROM, WITH, VALUES, TABLE, DESCRIBE, SUMMARIZE, PIVOT … : to be checked by the
          // fence
  explain,     // EXPLAIN [ANALYZE] query
  begin,       // BEGIN, START TRANSACTION
  commit,      // COMMIT, END
  rollback,    // ROLLBACK, ABORT (not ROLLBACK TO)
  set,         // SET [SESSION|LOCAL] name {=|TO} value; SET TIME ZONE value (name "timezone")
  reset,       // RESET name | RESET ALL (name "all")
  show,        // SHOW name of a setting of the client ("server_version", "timezone" …)
  discard,     // DISCARD ALL
  deallocate,  // DEALLOCATE [PREPARE] name | ALL
  other,       // everything else: INSERT, COPY, ATTACH, PRAGMA, CALL …: `verb` names it
};

struct Statement {
  StatementKind kind = StatementKind::empty;
  std::string verb;      // first word, upper case: "SELECT", "COPY"
  std::string name;      // set, reset, show, deallocate: lower case unless quoted
  std::string value;     // set: the value without quotes, a list joined with ", "; "default" for
                         // DEFAULT
  bool analyze = false;  // explain
  std::string inner;     // explain: the query behind it
};

/// Recognises one statement (without a semicolon) by its words. `show` is only said of names in the
/// list of client settings; other forms of SHOW are queries.
Result<Statement> recognise(std::string_view text);

}  // namespace minato::sql
