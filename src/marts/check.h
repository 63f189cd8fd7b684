// `minato check` for marts/: everything that can be said without running a mart.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "marts/definition.h"

namespace minato::lake {
class Engine;
}

namespace minato::marts {

struct CheckOptions {
  std::filesystem::path platform;  // directory that holds marts/
  /// Tables that are in the lake; nothing: not known (no serve running), names are then not
  /// checked.
  std::optional<std::vector<TableName>> tables;
  /// Patterns of the sources: with these, a table that matches one counts as known (it may not be
  /// captured yet).
  std::vector<std::string> patterns;
};

/// Unreadable files, options, syntax, more than one statement, tables that do not exist, cycles; by
/// file and line. An empty list: all well. Error only when marts/ itself cannot be read.
Result<std::vector<Finding>> check(const CheckOptions& options, const lake::Engine& engine);

}  // namespace minato::marts
