// What capture does differently at MariaDB and at MySQL: the one place that tells them apart. All
// else (events, rows, types, statements) is common, since the log itself says what it is.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "ingest/mysql/connection.h"
#include "ingest/mysql/position.h"

namespace minato::ingest::mysql {

/// A setting of the server that capture depends on.
struct Setting {
  const char* name;
  const char* wanted;
  const char* fix;
  bool needed = true;  // false: `minato doctor` tells of it, capture goes on
};

/// A privilege under its names of today and before; any of them will do.
struct Privilege {
  const char* name;
  const char* other_name;
};

class Flavour {
 public:
  virtual ~Flavour() = default;
  /// That of the server at the other end.
  static const Flavour& of(const Connection& connection);

  /// Error{unsupported} for a version that is too old.
  virtual Status check_version(const Connection& connection) const = 0;
  /// No limit of the server's may end a long read.
  virtual Status lift_limits(Connection& connection) const = 0;
  virtual std::span<const Setting> settings() const = 0;
  virtual std::span<const Privilege> privileges() const = 0;
  /// The end of the log now.
  virtual Result<LogPosition> current(Connection& connection) const = 0;
  /// The same with its file and offset, where current() leaves them out.
  virtual Result<LogPosition> log_end(Connection& connection) const = 0;
  /// Opens a transaction on `connection` whose view of `tables` belongs to the place returned.
  /// `helper`, another connection, may lock tables meanwhile; after an error it must be closed.
  virtual Result<LogPosition> open_view(Connection& connection, Connection& helper,
                                        const std::vector<TableName>& tables) const = 0;
  /// Asks for the log after `from`; from then on its packets come. Error{source_gap} when the
  /// source has less than was read from it: its log was reset, or it was restored. Asked for more,
  /// a server may say nothing and skip its new transactions up to that number.
  virtual Status begin_stream(Connection& connection, const LogPosition& from,
                              std::uint32_t server_id, std::chrono::seconds heartbeat) const = 0;
  /// The character set of a collation's number; empty: there is no such collation.
  virtual Result<std::string> collation_charset(Connection& connection,
                                                unsigned collation) const = 0;
  /// JSON columns are text columns with another name.
  virtual bool json_is_text() const = 0;
};

struct SettingFound {
  Setting setting;
  std::string value;
  bool right() const { return value == setting.wanted; }
};
/// The flavour's settings as they are now; those that this version does not have are left out.
Result<std::vector<SettingFound>> read_settings(Connection& connection);
/// Error{invalid} with the fix for the first needed setting that is wrong.
Status check_settings(Connection& connection);

/// The two ways in which a source is not the one that it was.
tl::unexpected<Error> other_flavour(const std::string& was, const std::string& is);
tl::unexpected<Error> stands_before(const LogPosition& there, const LogPosition& from);

}  // namespace minato::ingest::mysql
