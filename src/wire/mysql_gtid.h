// Global transaction ids of MySQL: single ones as events say them, and sets of them as the server
// prints them and as a replica sends them. Pure functions. MariaDB's are in
// ingest/mysql/position.h.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/mysql_bytes.h"

namespace minato::wire {

/// Who gave out a number: a server, and since 8.3 perhaps a tag beside it.
struct MysqlGtidOrigin {
  std::array<std::uint8_t, 16> uuid{};
  std::string tag;  // lower case, at most 32 characters; usually empty
  auto operator<=>(const MysqlGtidOrigin&) const = default;
};

struct MysqlGtid {
  MysqlGtidOrigin origin;
  std::uint64_t number = 0;
  bool operator==(const MysqlGtid&) const = default;
};

/// GTID_LOG_EVENT.
Result<MysqlGtid> parse_mysql_gtid(Bytes body);
/// GTID_TAGGED_LOG_EVENT (8.3): fields behind their numbers, integers of variable length.
Result<MysqlGtid> parse_mysql_tagged_gtid(Bytes body);

class MysqlGtidSet {
 public:
  /// "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7:blue:1-3,…"; white space is passed over.
  static Result<MysqlGtidSet> parse(std::string_view text);
  /// As the server prints it, without line breaks.
  std::string text() const;
  /// As COM_BINLOG_DUMP_GTID takes it; the form with tags only where there are some, since older
  /// servers do not know it.
  std::string encode() const;

  void add(const MysqlGtid& gtid) { add(gtid.origin, {gtid.number, gtid.number}); }
  /// Every transaction of `other` is in this set.
  bool covers(const MysqlGtidSet& other) const;
  bool empty() const { return ranges_.empty(); }
  bool operator==(const MysqlGtidSet&) const = default;

 private:
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    bool operator==(const Range&) const = default;
  };
  void add(const MysqlGtidOrigin& origin, Range range);

  // Ascending, with a gap between any two: so two equal sets have equal ranges.
  std::map<MysqlGtidOrigin, std::vector<Range>> ranges_;
};

}  // namespace minato::wire
