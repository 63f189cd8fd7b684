// One connection to a MySQL or MariaDB server: libmariadb behind Result. The password goes nowhere
// else.
#pragma once

#include <mysql.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ingest/source.h"
#include "wire/mysql_bytes.h"

namespace minato::ingest::mysql {

/// One row of a small result, values as text; nullopt is NULL.
using Row = std::vector<std::optional<std::string>>;

class Connection {
 public:
  /// Connects and sets the session so that values are text in UTF-8, times in UTC, and no server
  /// default interferes. Error{unauthenticated, forbidden, unavailable} with what to do. `silence`
  /// bounds every wait for bytes.
  static Result<Connection> open(const SourceOptions& options, std::chrono::seconds silence);

  Status run(const std::string& sql);
  Result<std::vector<Row>> rows(const std::string& sql);
  /// First value of the first row; empty when NULL or there is none.
  Result<std::string> value(const std::string& sql);
  /// Begins a result in the binary protocol that is then read packet by packet; returns the types
  /// of its columns. One at a time.
  Result<std::vector<std::uint8_t>> begin_rows(const std::string& sql);
  Status command(enum_server_command command, const std::string& payload);
  /// The next packet; its bytes live until the next call.
  Result<wire::Bytes> packet();
  /// To be called after the last packet of begin_rows(): the connection takes statements again.
  void end_rows() { statement_.reset(); }

  std::string encryption() const;  // "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: none
  bool is_mariadb() const;
  std::string server_version() const;
  unsigned long version_number() const;  // 80036 is 8.0.36
  /// For shutdown() from another thread, which ends any wait with Error{unavailable}.
  int socket() const { return static_cast<int>(mysql_get_socket(mysql_.get())); }

 private:
  struct Close {
    void operator()(MYSQL* mysql) const { mysql_close(mysql); }
    void operator()(MYSQL_STMT* statement) const {
      // The packets are read past the library. It would read the rest of the table first.
      if (statement->mysql != nullptr) statement->mysql->status = MYSQL_STATUS_READY;
      mysql_stmt_close(statement);
    }
  };
  Connection(std::unique_ptr<MYSQL, Close> mysql, std::string where)
      : mysql_(std::move(mysql)), where_(std::move(where)) {}
  tl::unexpected<Error> error(const std::string& doing) const;
  tl::unexpected<Error> error(MYSQL_STMT* statement, const std::string& doing) const;

  std::unique_ptr<MYSQL, Close> mysql_;
  std::string where_;                             // user@host:port, for messages
  std::unique_ptr<MYSQL_STMT, Close> statement_;  // of begin_rows(), until end_rows()
};

/// 'text' as a MySQL literal (sql_mode without NO_BACKSLASH_ESCAPES, as open() sets it).
std::string literal(std::string_view text);

}  // namespace minato::ingest::mysql
