// A place in a source's binary log, by GTID and by file; and how it is written as text. What the
// GTIDs of MariaDB and of MySQL have in common is said here, once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "model/change.h"
#include "wire/mysql_gtid.h"

namespace minato::ingest::mysql {

struct MariadbGtid {
  std::uint32_t domain = 0;
  std::uint32_t server = 0;
  std::uint64_t sequence = 0;
  bool operator==(const MariadbGtid&) const = default;
};
/// One transaction's id.
using Gtid = std::variant<MariadbGtid, wire::MysqlGtid>;
std::uint64_t number(const Gtid& gtid);

/// Transactions: MariaDB counts up per domain, so the last of each stands for all before it; MySQL
/// names each server's transactions in ranges, which may have gaps.
class GtidSet {
 public:
  /// "0-1-42,1-1-7" or "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,…". Error{invalid} for what is
  /// neither.
  static Result<GtidSet> parse(std::string_view text);
  std::string text() const;
  /// Error{source_gap} when the id is of the other kind: the source was exchanged.
  Status add(const Gtid& gtid);
  /// All of `wanted` is in this set.
  bool covers(const GtidSet& wanted) const;
  bool empty() const;
  /// Nothing when they are MariaDB's. An empty set is of both kinds.
  const wire::MysqlGtidSet* mysql() const;
  bool is_mariadb() const { return empty() || mysql() == nullptr; }
  bool operator==(const GtidSet& other) const;

 private:
  using Domains = std::map<std::uint32_t, MariadbGtid>;
  std::variant<Domains, wire::MysqlGtidSet> ids_;
};

struct LogPosition {
  GtidSet gtids;
  std::string file;  // the same place in the log, as far as it is known
  std::uint64_t offset = 0;
  bool operator==(const LogPosition&) const = default;

  /// "gtid=0-1-42,1-1-7;file=bin.000003;pos=4711". Error{invalid} for what is no such text.
  static Result<LogPosition> parse(std::string_view text);
  std::string text() const;
  Position position() const { return {text()}; }
  /// All that is before `wanted` is before or at this.
  bool covers(const LogPosition& wanted) const;
};

}  // namespace minato::ingest::mysql
