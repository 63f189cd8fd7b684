// A MariaDB of a test's own: own directory and port, row-format binary log; ends with the object.
#pragma once

#include <string>
#include <vector>

#include "ingest/mysql/connection.h"
#include "ingest/source.h"

namespace minato::ingest::mysql {

class PrivateMariaDb {
 public:
  /// Installs and starts a server with these further options ("--binlog-checksum=NONE"). CHECKs
  /// that it comes up.
  explicit PrivateMariaDb(std::vector<std::string> options = {});
  ~PrivateMariaDb();
  PrivateMariaDb(const PrivateMariaDb&) = delete;
  PrivateMariaDb& operator=(const PrivateMariaDb&) = delete;

  /// False where no MariaDB is installed: such tests are skipped there.
  static bool installed();
  void start();
  /// SIGTERM, or SIGKILL with `hard`; waits for the end.
  void stop(bool hard = false);
  /// The administrator's account (everything allowed, no password).
  SourceOptions options(std::vector<std::string> tables = {"shop.%"}) const;
  /// Statements over one connection; a failure is a failed CHECK.
  void run(const std::vector<std::string>& statements);
  std::vector<Row> rows(const std::string& sql);

 private:
  std::string directory_;
  std::vector<std::string> more_;
  int port_ = 0;
  int pid_ = -1;
};

}  // namespace minato::ingest::mysql
