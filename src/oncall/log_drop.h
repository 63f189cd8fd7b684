// Log drops: error logs that a monitoring server writes as objects under a prefix, in a directory
// or a bucket. Promise: each object becomes an incident once, also after a new start.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "oncall/settings.h"
#include "oncall/switchboard.h"

namespace minato::oncall {

class LogDropWatch {
 public:
  virtual ~LogDropWatch() = default;
  /// Raises what is new. Error: the place cannot be read; it is tried again.
  virtual Status look(Switchboard& board) = 0;
};

/// Of a directory and what is below it: a file counts when it has not changed between two looks.
std::shared_ptr<LogDropWatch> watch_directory(LogDrop drop, std::filesystem::path directory);
/// Of "s3://bucket/prefix". Secrets are read at each look, so that new keys need no restart.
std::shared_ptr<LogDropWatch> watch_bucket(LogDrop drop, std::filesystem::path platform);

/// One page of ListObjectsV2. Pure.
struct ObjectPage {
  std::vector<std::pair<std::string, std::string>> objects;  // key, ETag
  std::string next;                                          // continuation token; empty: the last
};
ObjectPage parse_object_page(std::string_view xml);

}  // namespace minato::oncall
