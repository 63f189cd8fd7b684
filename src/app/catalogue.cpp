#include "app/catalogue.h"

#include <libpq-fe.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <thread>

#include "app/catalogue_setup.h"
#include "app/config/edit.h"
#include "base/check.h"
#include "base/log.h"
#include "runtime/child.h"

namespace minato::app {
namespace fs = std::filesystem;
using runtime::PostgresCluster;
using std::chrono::seconds;

namespace {

constexpr std::size_t kSocketPathMax = 107;

std::string socket_name(const fs::path& directory) {
  return (directory / ".s.PGSQL.5432").string();
}

// A URL of an own server, as libpq keywords.
Result<std::map<std::string, std::string>> parse_url(const std::string& url) {
  char* message = nullptr;
  PQconninfoOption* options = PQconninfoParse(url.c_str(), &message);
  if (!options) {
    const std::string why = message ? message : "";
    PQfreemem(message);
    return fail(Code::invalid, "`lake.catalog` is not a PostgreSQL address: " + why);
  }
  std::map<std::string, std::string> out;
  for (const PQconninfoOption* option = options; option->keyword; ++option) {
    if (option->val) out[option->keyword] = option->val;
  }
  PQconninfoFree(options);
  if (!out.contains("dbname")) out["dbname"] = "minato";
  // A server that is gone without a word is noticed in half a minute; Linux alone would wait for
  // up to two hours.
  out.insert({{"connect_timeout", "5"},
              {"keepalives_idle", "10"},
              {"keepalives_interval", "5"},
              {"keepalives_count", "4"},
              {"tcp_user_timeout", "30000"}});
  return out;
}

std::string join(const std::map<std::string, std::string>& items) {
  std::string out;
  for (const auto& [keyword, value] : items) out += runtime::conninfo_item(keyword, value);
  return out;
}

Result<Access> own_server_access(const Platform& platform, const Config& config) {
  TRY_ASSIGN(auto items, parse_url(config.lake.catalog));
  TRY_ASSIGN(const std::string password,
             read_secret(config.lake.catalog_password, platform.dir, "The catalogue's password"));
  if (!password.empty()) items["password"] = password;
  Access access;
  access.owner = join(items);
  // Users belong to the whole server: those of another platform on it must not be ours.
  const std::string suffix = items["dbname"] == "minato" ? "" : "_" + items["dbname"];
  access.gate_user = "minato_gate" + suffix;
  access.reader_user = "minato_reader" + suffix;
  TRY_ASSIGN(const std::string gate_password, generated_secret(platform, "gate"));
  TRY_ASSIGN(const std::string reader_password, generated_secret(platform, "reader"));
  items["user"] = access.gate_user;
  items["password"] = gate_password;
  access.gate = join(items);
  items["user"] = access.reader_user;
  items["password"] = reader_password;
  access.reader = join(items);
  return access;
}

}  // namespace

Result<pg::Connection> connect_within(const std::string& conninfo, seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    auto connection = pg::Connection::open(conninfo);
    if (connection || std::chrono::steady_clock::now() >= deadline) return connection;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

Result<fs::path> socket_directory(const Platform& platform) {
  const fs::path usual = platform.run() / "pg";
  if (socket_name(usual).size() <= kSocketPathMax) {
    // Also reachable as .minato/run, which itself stays ours alone: the server's user may write in
    // pg/ only.
    std::error_code error;
    fs::create_symlink(fs::path("pg") / ".s.PGSQL.5432", platform.run() / ".s.PGSQL.5432", error);
    return usual;
  }
  const fs::path note = platform.run() / "socket";
  std::string kept;
  if (std::ifstream in(note); in) std::getline(in, kept);
  struct stat info {};
  // Ours only: a directory (no link) that nobody else can have put there in the meantime.
  if (!kept.empty() && lstat(kept.c_str(), &info) == 0 && S_ISDIR(info.st_mode) &&
      (info.st_uid == geteuid() || info.st_uid == runtime::PostgresCluster::server_uid())) {
    return fs::path(kept);
  }
  char name[] = "/tmp/minato-XXXXXX";
  if (!mkdtemp(name))
    return fail(Code::unavailable, "No directory for the socket can be made in /tmp.");
  TRY(write_file(note, std::string(name) + "\n"));
  return fs::path(name);
}

Result<PostgresCluster> private_cluster(const Platform& platform) {
  TRY_ASSIGN(const fs::path sockets, socket_directory(platform));
  TRY_ASSIGN(const std::string password, generated_secret(platform, "superuser"));
  return PostgresCluster({.data_dir = platform.postgres_data(),
                          .socket_dir = sockets,
                          .log_file = platform.logs() / "postgres.log",
                          .superuser_password = password});
}

Result<Access> catalogue_access(const Platform& platform, const Config& config) {
  if (!config.lake.embedded()) return own_server_access(platform, config);
  TRY_ASSIGN(const PostgresCluster cluster, private_cluster(platform));
  Access access{.gate_user = "minato_gate", .reader_user = "minato_reader"};
  TRY_ASSIGN(const std::string owner, generated_secret(platform, "owner"));
  TRY_ASSIGN(const std::string gate, generated_secret(platform, "gate"));
  TRY_ASSIGN(const std::string reader, generated_secret(platform, "reader"));
  access.owner = cluster.conninfo("minato_owner", owner, "minato");
  access.gate = cluster.conninfo(access.gate_user, gate, "minato");
  access.reader = cluster.conninfo(access.reader_user, reader, "minato");
  return access;
}

Status prepare_catalogue(const Platform& platform, const Config& config) {
  TRY_ASSIGN(const Access access, catalogue_access(platform, config));
  if (config.lake.embedded()) {
    TRY_ASSIGN(const PostgresCluster cluster, private_cluster(platform));
    TRY_ASSIGN(const std::string password, generated_secret(platform, "owner"));
    TRY(make_database(cluster.conninfo(cluster.options().superuser,
                                       cluster.options().superuser_password, "postgres"),
                      "minato", "minato_owner", password));
  }
  TRY_ASSIGN(auto owner, pg::Connection::open(access.owner));
  TRY_ASSIGN(const std::string gate_password, generated_secret(platform, "gate"));
  TRY_ASSIGN(const std::string reader_password, generated_secret(platform, "reader"));
  TRY(make_users(owner, {{access.gate_user, access.gate, gate_password},
                         {access.reader_user, access.reader, reader_password}}));
  return make_schemas(owner, access.gate_user, access.reader_user);
}

CatalogueSession::OwnServer::~OwnServer() {
  kill(pid, SIGINT);
  if (runtime::wait_for_end(pid, seconds(20))) return;
  kill(pid, SIGKILL);
  runtime::wait_for_end(pid, seconds(5));
}

CatalogueSession::~CatalogueSession() {
  connection_.reset();  // before the server, and the server before the lock
  server_.reset();
}

Result<CatalogueSession> CatalogueSession::open(const Platform& platform, const Config& config) {
  TRY(make_directories(platform, config));
  CatalogueSession session;
  auto lock = PlatformLock::take(platform, "command");
  // Another command of a moment's length: wait for it instead of complaining.
  for (int i = 0; i < 200 && !lock && lock_holder(platform).command == "command"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    lock = PlatformLock::take(platform, "command");
  }
  if (lock) {
    session.lock_.emplace(std::move(*lock));
    if (config.lake.embedded()) {
      TRY_ASSIGN(PostgresCluster cluster, private_cluster(platform));
      TRY(cluster.prepare());
      TRY_ASSIGN(const pid_t pid, cluster.launch());
      session.server_ = std::make_unique<OwnServer>(pid);
      TRY(cluster.wait_ready(pid, seconds(60)));
    }
    TRY(prepare_catalogue(platform, config));
  }
  TRY_ASSIGN(const Access access, catalogue_access(platform, config));
  TRY_ASSIGN(auto connection, connect_within(access.owner, seconds(lock ? 5 : 20)));
  session.connection_.emplace(std::move(connection));
  return session;
}

}  // namespace minato::app
