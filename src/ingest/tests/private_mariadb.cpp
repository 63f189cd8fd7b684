#include "ingest/tests/private_mariadb.h"

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

}  // namespace

bool PrivateMariaDb::installed() {
  return !find_program("mariadbd").empty() && !find_program("mariadb-install-db").empty();
}

PrivateMariaDb::PrivateMariaDb(std::vector<std::string> options) : more_(std::move(options)) {
  std::array<char, 32> name = {"/tmp/minato-mariadb-XXXXXX"};
  CHECK(::mkdtemp(name.data()) != nullptr);
  directory_ = name.data();
  const int pid = spawn({find_program("mariadb-install-db"), "--no-defaults",
                         "--datadir=" + directory_ + "/data",
                         "--auth-root-authentication-method=normal", "--skip-test-db",
                         "--skip-name-resolve", ::geteuid() == 0 ? "--user=root" : "--force"});
  int status = -1;
  CHECK(::waitpid(pid, &status, 0) == pid && status == 0);
  port_ = free_port();
  start();
}

void PrivateMariaDb::start() {
  CHECK(pid_ < 0);
  // With --pdeathsig, a crashed test leaves no server behind.
  std::vector<std::string> words = {find_program("setpriv"),
                                    "--pdeathsig",
                                    "KILL",
                                    find_program("mariadbd"),
                                    "--no-defaults",
                                    "--datadir=" + directory_ + "/data",
                                    "--socket=" + directory_ + "/s",
                                    "--pid-file=" + directory_ + "/pid",
                                    "--skip-networking=0",
                                    "--bind-address=127.0.0.1",
                                    "--port=" + std::to_string(port_),
                                    "--server-id=1",
                                    "--log-bin=bin",
                                    "--binlog-format=ROW",
                                    "--skip-name-resolve",
                                    "--max-allowed-packet=256M",
                                    "--innodb-buffer-pool-size=64M",
                                    "--innodb-log-file-size=96M",
                                    "--innodb-flush-log-at-trx-commit=2",
                                    "--character-set-server=utf8mb4",
                                    "--log-error=" + directory_ + "/log"};
  if (::geteuid() == 0) words.push_back("--user=root");
  words.insert(words.end(), more_.begin(), more_.end());
  pid_ = spawn(words);
  for (int i = 0; i < 600; ++i) {
    if (Connection::open(options(), std::chrono::seconds(10))) return;
    int status = 0;
    CHECK(::waitpid(pid_, &status, WNOHANG) == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(false);
}

void PrivateMariaDb::stop(bool hard) {
  if (pid_ < 0) return;
  ::kill(pid_, hard ? SIGKILL : SIGTERM);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
}

PrivateMariaDb::~PrivateMariaDb() {
  stop(true);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

SourceOptions PrivateMariaDb::options(std::vector<std::string> tables) const {
  SourceOptions options;
  options.name = "test";
  options.host = "127.0.0.1";
  options.port = port_;
  options.user = "root";
  options.tables = std::move(tables);
  return options;
}

void PrivateMariaDb::run(const std::vector<std::string>& statements) {
  auto connection = Connection::open(options(), std::chrono::seconds(300));
  CHECK(connection.has_value());
  (void)connection->run("USE shop");  // where there is one: for sequence tables (seq_1_to_1000)
  for (const std::string& statement : statements) {
    const Status done = connection->run(statement);
    if (!done) log::error("statement_failed", {{"error", done.error()}});
    CHECK(done.has_value());
  }
}

std::vector<Row> PrivateMariaDb::rows(const std::string& sql) {
  auto connection = Connection::open(options(), std::chrono::seconds(300));
  CHECK(connection.has_value());
  auto found = connection->rows(sql);
  CHECK(found.has_value());
  return std::move(*found);
}

}  // namespace minato::ingest::mysql
