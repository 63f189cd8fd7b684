// A place in a MariaDB source's binary log, by GTID and by file; and how it is written as text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/change.h"

namespace minato::ingest::mysql {

struct Gtid {
  std::uint32_t server = 0;
  std::uint64_t sequence = 0;
  bool operator==(const Gtid&) const = default;
};

/// All transactions up to the given one of each replication domain; the file says the same place in
/// the log.
struct LogPosition {
  std::map<std::uint32_t, Gtid> gtids;  // by domain
  std::string file;
  std::uint64_t offset = 0;
  bool operator==(const LogPosition&) const = default;

  /// "gtid=0-1-42,1-1-7;file=bin.000003;pos=4711". Error{invalid} for what is no such text.
  static Result<LogPosition> parse(std::string_view text);
  std::string text() const;
  Position position() const { return {text()}; }
  std::string gtid_text() const;  // "0-1-42,1-1-7"
  /// Takes over the GTIDs of "0-1-42,1-1-7".
  Status set_gtids(std::string_view text);
  /// All that is before `wanted` is before or at this.
  bool covers(const LogPosition& wanted) const;
};

}  // namespace minato::ingest::mysql
