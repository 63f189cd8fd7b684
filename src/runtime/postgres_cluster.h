// A private PostgreSQL: initialised on first use, reachable over a Unix socket only, never run as
// root, never outliving the process that started it. Who may log in is decided by passwords
// (scram-sha-256).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace minato::runtime {

struct ClusterOptions {
  std::filesystem::path data_dir;
  std::filesystem::path socket_dir;  // path + "/.s.PGSQL.5432" must fit into 107 bytes
  std::filesystem::path log_file;
  std::string superuser = "postgres";
  std::string superuser_password;  // set by initdb
};

class PostgresCluster {
 public:
  explicit PostgresCluster(ClusterOptions options) : options_(std::move(options)) {}

  /// Whom the server runs as: we ourselves, or an unprivileged user when we are root.
  static uid_t server_uid();
  bool initialised() const;
  /// Whether PostgreSQL's programs are there, in the version that made the data. Error with the
  /// fix.
  Status check_installed() const;
  /// initdb and directories; nothing to do on an initialised cluster.
  /// Error{unavailable|unsupported} with the fix.
  Status prepare();
  /// Starts the server process without waiting for it. A server that a killed predecessor left
  /// behind is ended first.
  Result<pid_t> launch();
  /// Returns when the server accepts connections. Error with the end of the server's log when it
  /// ends before.
  Status wait_ready(pid_t pid, std::chrono::milliseconds limit) const;

  /// keyword='value' connection text.
  std::string conninfo(const std::string& user, const std::string& password,
                       const std::string& database) const;
  const ClusterOptions& options() const { return options_; }

 private:
  Status make_directories() const;
  Result<std::string> program(const std::string& name) const;
  Result<std::vector<std::string>> as_server_user(std::vector<std::string> argv) const;
  bool lives(pid_t pid) const;
  Status end_left_behind() const;
  std::string log_tail() const;

  ClusterOptions options_;
};

/// keyword='value' with quotes and backslashes escaped, for libpq connection texts.
std::string conninfo_item(std::string_view keyword, std::string_view value);

}  // namespace minato::runtime
