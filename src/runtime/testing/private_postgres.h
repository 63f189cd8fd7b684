// For tests only: a PostgreSQL cluster of one's own, on a Unix socket in a temporary directory,
// gone at the end. When run as root, the server runs as the user postgres (it refuses root).
#pragma once

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "runtime/pg.h"

namespace minato::testing {

class PrivatePostgres {
 public:
  /// Starts a cluster; CHECKs that it comes up. About 1 s. `settings`: more lines for
  /// postgresql.conf.
  explicit PrivatePostgres(const std::string& settings = "") {
    char name[] = "/tmp/minato-pg-XXXXXX";
    CHECK(mkdtemp(name) != nullptr);
    directory_ = name;
    ::chmod(name, 0755);
    find_programs();
    if (::geteuid() == 0) {
      const passwd* user = ::getpwnam("postgres");
      CHECK(user != nullptr);
      uid_ = user->pw_uid;
      gid_ = user->pw_gid;
      CHECK(::chown(name, uid_, gid_) == 0);
    }
    CHECK(wait(spawn({programs_ + "/initdb", "-D", data(), "-U", "minato_owner", "-A", "trust",
                      "--no-sync", "-E", "UTF8", "--locale=C"})) == 0);
    std::ofstream(data() + "/postgresql.auto.conf", std::ios::app)
        << "listen_addresses = ''\nunix_socket_directories = '" << directory_
        << "'\nshared_buffers = '32MB'\nmax_connections = 100\n"
        << settings << '\n';
    start();
    CHECK(admin().script("create database minato").has_value());
  }
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;
  ~PrivatePostgres() {
    stop(SIGINT);
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  /// For libpq; superuser minato_owner. Without a password.
  std::string conninfo(const std::string& database = "minato") const {
    return "host=" + directory_ + " dbname=" + database + " user=minato_owner";
  }
  pg::Connection connect() const { return pg::Connection::open(conninfo()).value(); }
  const std::string& directory() const { return directory_; }

  /// `signal`: SIGINT (fast), SIGQUIT (as a crash).
  void stop(int signal) {
    if (server_ <= 0) return;
    ::kill(server_, signal);
    wait(server_);
    server_ = -1;
  }
  void start() {
    server_ = spawn({programs_ + "/postgres", "-D", data()});
    for (int n = 0; n < 3000; ++n) {
      if (pg::Connection::open(conninfo("postgres"))) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(!"PostgreSQL did not start");
  }

 private:
  std::string data() const { return directory_ + "/data"; }
  pg::Connection admin() const { return pg::Connection::open(conninfo("postgres")).value(); }

  void find_programs() {
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql")) {
      if (std::filesystem::exists(entry.path() / "bin/postgres")) programs_ = entry.path() / "bin";
    }
    CHECK(!programs_.empty());
  }

  pid_t spawn(std::vector<std::string> words) const {
    const pid_t child = ::fork();
    CHECK(child >= 0);
    if (child > 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    const int log = ::open((directory_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
    ::dup2(log, 1);
    ::dup2(log, 2);
    if (uid_ != 0 && (::setgid(gid_) != 0 || ::setuid(uid_) != 0)) ::_exit(126);
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);  // setuid() cleared it
    if (::chdir("/") != 0) ::_exit(126);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  static int wait(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  std::string directory_;
  std::string programs_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  pid_t server_ = -1;
};

}  // namespace minato::testing
