// What settings files have in common: where a secret is, and how a mistake in a file is said.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace minato {

/// Where a secret is: a file (relative to the platform directory) or an environment variable.
struct SecretRef {
  std::string file;
  std::string env;
  bool operator==(const SecretRef&) const = default;
};

/// The secret's text without the line end; empty when `ref` names nothing. Errors name the file or
/// variable, never the content.
Result<std::string> read_secret(const SecretRef& ref, const std::filesystem::path& directory,
                                std::string_view what);

/// One thing wrong in a file; `hint` says what to write instead.
struct Problem {
  std::string file;
  int line = 0;
  std::string text;
  std::string hint;
};
/// "minato.toml:12: unknown key `tabels`. Did you mean `tables`?"
std::string to_string(const Problem& problem);
/// One a line.
std::string to_string(const std::vector<Problem>& problems);

}  // namespace minato
