#include "ingest/tests/private_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/check.h"
#include "base/log.h"

namespace minato::ingest::mysql {
namespace {

std::string find_program(const char* name) {
  for (const char* directory : {"/usr/sbin/", "/usr/bin/", "/usr/local/bin/", "/usr/local/sbin/"}) {
    if (std::filesystem::exists(std::string(directory) + name))
      return std::string(directory) + name;
  }
  return {};
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  socklen_t size = sizeof address;
  CHECK(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

int spawn(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd = 0; fd < 3; ++fd) {
    posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  }
  pid_t pid = -1;
  CHECK(posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

std::string mysqld() { return std::string(MINATO_EXTENSION_DIR) + "/../../mysql/mysqld"; }

std::vector<std::string> as_root() {
  if (::geteuid() == 0) return {"--user=root"};
  return {};
}

std::vector<std::string> operator+(std::vector<std::string> words,
                                   const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

PrivateServer::PrivateServer(const char* directory) : directory_(directory) {
  CHECK(::mkdtemp(directory_.data()) != nullptr);
  // A starting server removes the temporary tables that it finds: others' as well, in /tmp.
  CHECK(std::filesystem::create_directory(directory_ + "/tmp"));
  port_ = free_port();
}

void PrivateServer::finish(Words words) {
  const int pid = spawn(std::move(words));
  int status = -1;
  CHECK(::waitpid(pid, &status, 0) == pid && status == 0);
}

void PrivateServer::begin(const Words& words) {
  // With --pdeathsig, a crashed test leaves no server behind.
  words_ = Words{find_program("setpriv"), "--pdeathsig", "KILL"} + words +
           Words{"--datadir=" + directory_ + "/data",
                 "--tmpdir=" + directory_ + "/tmp",
                 "--socket=" + directory_ + "/s",
                 "--pid-file=" + directory_ + "/pid",
                 "--bind-address=127.0.0.1",
                 "--port=" + std::to_string(port_),
                 "--server-id=1",
                 "--log-bin=bin",
                 "--binlog-format=ROW",
                 "--skip-name-resolve",
                 "--max-allowed-packet=256M",
                 "--innodb-buffer-pool-size=64M",
                 "--innodb-flush-log-at-trx-commit=2",
                 "--character-set-server=utf8mb4",
                 "--log-error=" + directory_ + "/log"} +
           as_root();
  start();
}

bool PrivateMariaDb::installed() {
  return !find_program("mariadbd").empty() && !find_program("mariadb-install-db").empty();
}

PrivateMariaDb::PrivateMariaDb(const std::vector<std::string>& options)
    : PrivateServer("/tmp/minato-mariadb-XXXXXX") {
  finish({find_program("mariadb-install-db"), "--no-defaults", "--datadir=" + directory() + "/data",
          "--tmpdir=" + directory() + "/tmp", "--auth-root-authentication-method=normal",
          "--skip-test-db", "--skip-name-resolve", ::geteuid() == 0 ? "--user=root" : "--force"});
  begin(Words{find_program("mariadbd"), "--no-defaults", "--skip-networking=0",
              "--innodb-log-file-size=96M"} +
        options);
}

bool PrivateMysql::installed() {
  return std::getenv("MINATO_WITHOUT_MYSQL") == nullptr && std::filesystem::exists(mysqld());
}

PrivateMariaDb& PrivateMariaDb::shared() {
  static PrivateMariaDb server;
  return server;
}
PrivateMysql& PrivateMysql::shared() {
  static PrivateMysql server;
  return server;
}

PrivateMysql::PrivateMysql(const std::vector<std::string>& options)
    : PrivateServer("/tmp/minato-mysql-XXXXXX") {
  finish(Words{mysqld(), "--initialize-insecure", "--datadir=" + directory() + "/data",
               "--tmpdir=" + directory() + "/tmp"} +
         as_root());
  // The account that this makes is for "localhost", which is a name.
  std::ofstream(directory() + "/init.sql")
      << "CREATE USER IF NOT EXISTS root@'%';\nGRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n";
  begin(Words{mysqld(), "--mysqlx=OFF", "--gtid-mode=ON", "--enforce-gtid-consistency=ON",
              "--secure-file-priv=", "--init-file=" + directory() + "/init.sql"} +
        options);
}

void PrivateServer::start() {
  CHECK(pid_ < 0);
  pid_ = spawn(words_);
  for (int i = 0; i < 600; ++i) {
    if (Connection::open(options(), std::chrono::seconds(10))) return;
    int status = 0;
    CHECK(::waitpid(pid_, &status, WNOHANG) == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(false);
}

void PrivateServer::stop(bool hard) {
  if (pid_ < 0) return;
  ::kill(pid_, hard ? SIGKILL : SIGTERM);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
}

PrivateServer::~PrivateServer() {
  stop(true);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

SourceOptions PrivateServer::options(std::vector<std::string> tables) const {
  SourceOptions options;
  options.name = "test";
  options.host = "127.0.0.1";
  options.port = port_;
  options.user = "root";
  options.tables = std::move(tables);
  return options;
}

void PrivateServer::run(const std::vector<std::string>& statements) {
  auto connection = Connection::open(options(), std::chrono::seconds(300));
  CHECK(connection.has_value());
  (void)connection->run("USE shop");  // where there is one: for sequence tables (seq_1_to_1000)
  for (const std::string& statement : statements) {
    const Status done = connection->run(statement);
    if (!done) log::error("statement_failed", {{"error", done.error()}});
    CHECK(done.has_value());
  }
}

std::vector<Row> PrivateServer::rows(const std::string& sql) {
  auto connection = Connection::open(options(), std::chrono::seconds(300));
  CHECK(connection.has_value());
  auto found = connection->rows(sql);
  CHECK(found.has_value());
  return std::move(*found);
}

}  // namespace minato::ingest::mysql
