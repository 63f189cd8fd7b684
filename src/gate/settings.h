// The settings that PostgreSQL's clients set and ask for, per session. Promise: what a client
// relies on is either so, or SET says no; nothing here changes the engine's configuration, which is
// locked.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace minato::gate {

inline constexpr std::string_view server_version = "15.0 (Minato)";

class Settings {
 public:
  explicit Settings(const std::string& account);

  /// Error{invalid} for values that cannot be kept, Error{not_found} for unknown names. `value`
  /// "default" resets.
  Status set(std::string name, const std::string& value);
  /// "all" for everything.
  Status reset(const std::string& name);
  Result<std::string> show(const std::string& name) const;
  /// name, value of all, sorted.
  std::vector<std::pair<std::string, std::string>> all() const;

  /// What clients are told of (ParameterStatus), as (name, value): all at start, later the changed
  /// ones.
  std::vector<std::pair<std::string, std::string>> reported() const;
  /// Names changed since the last call that clients are told of.
  std::vector<std::pair<std::string, std::string>> take_changes();

  std::chrono::milliseconds statement_timeout() const { return statement_timeout_; }
  const std::vector<std::string>& search_path() const { return search_path_; }

 private:
  std::map<std::string, std::string> values_;  // by lower-case name
  std::map<std::string, std::string> defaults_;
  std::vector<std::string> changed_;
  std::chrono::milliseconds statement_timeout_{0};
  std::vector<std::string> search_path_;
};

}  // namespace minato::gate
