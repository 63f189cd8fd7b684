// What must be right at a MySQL or MariaDB source, and how to put right what is not: for `minato
// doctor`.
#pragma once

#include <string>
#include <vector>

#include "ingest/source.h"

namespace minato::ingest::mysql {

struct SourceCheck {
  std::string check;  // "binlog_format", "privileges", "clock" …
  bool ok = false;
  std::string found;  // what the source says
  std::string fix;    // what to do; empty when it is right
};

/// All checks in a sensible order; only "connection" when the source cannot be reached. Takes a
/// second or two, changes nothing.
std::vector<SourceCheck> check_source(const SourceOptions& options);

}  // namespace minato::ingest::mysql
