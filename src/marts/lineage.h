// Which tables a mart reads, by the engine's own parse tree; and what a mart may not read.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "marts/definition.h"
#include "sql/analysis.h"

namespace minato::lake {
class Engine;
}

namespace minato::marts {

struct Read {
  TableName table;    // as in the lake; parts that are not written come from the mart's folder
  sql::TableRef ref;  // as written, with its place
};

/// The tables of a definition, each once. Errors as of sql::analyse(): "line 3, column 9: …".
using Lineage = std::function<Result<std::vector<Read>>(const Definition&)>;

/// By `engine`, which must outlive the function. One thread at a time.
Lineage engine_lineage(const lake::Engine& engine);

/// An error of Lineage as a finding: the place goes into `line`.
Finding finding_of(const Definition& definition, const Error& error);

/// One sentence for a table that is not there, with place and nearest name.
Finding unknown_table(const Definition& definition, const Read& read,
                      const std::vector<TableName>& known);

}  // namespace minato::marts
