// A database server of a test's own: own directory and port, row-format binary log; ends with the
// object.
#pragma once

#include <string>
#include <vector>

#include "ingest/mysql/connection.h"
#include "ingest/source.h"

namespace minato::ingest::mysql {

class PrivateServer {
 public:
  ~PrivateServer();
  PrivateServer(const PrivateServer&) = delete;
  PrivateServer& operator=(const PrivateServer&) = delete;

  void start();
  /// SIGTERM, or SIGKILL with `hard`; waits for the end.
  void stop(bool hard = false);
  /// The administrator's account (everything allowed, no password).
  SourceOptions options(std::vector<std::string> tables = {"shop.%"}) const;
  /// Statements over one connection; a failure is a failed CHECK.
  void run(const std::vector<std::string>& statements);
  std::vector<Row> rows(const std::string& sql);

 protected:
  using Words = std::vector<std::string>;
  explicit PrivateServer(const char* directory);
  /// Runs a program to its end; CHECKs that it succeeds.
  static void finish(Words words);
  /// Starts this server from now on, with what both kinds need added.
  void begin(const Words& words);
  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
  Words words_;
  int port_ = 0;
  int pid_ = -1;
};

class PrivateMariaDb : public PrivateServer {
 public:
  /// Installs and starts a server with these further options ("--binlog-checksum=NONE"). CHECKs
  /// that it comes up.
  explicit PrivateMariaDb(const std::vector<std::string>& options = {});
  static PrivateMariaDb& shared();
  /// False where no MariaDB is installed: such tests are skipped there.
  static bool installed();
};

class PrivateMysql : public PrivateServer {
 public:
  explicit PrivateMysql(const std::vector<std::string>& options = {});
  /// One for all suites of the program.
  static PrivateMysql& shared();
  /// False where tools/mysql.sh has not laid down a server (.deps/mysql), and with
  /// MINATO_WITHOUT_MYSQL=1 (quick runs: it starts in six seconds).
  static bool installed();
};

}  // namespace minato::ingest::mysql
