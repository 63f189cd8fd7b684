#include "runtime/postgres_cluster.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "runtime/child.h"

namespace minato::runtime {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kOldestMajor = 14;
constexpr int kNewestMajor = 30;

struct ServerUser {
  std::string name;
  uid_t uid;
  gid_t gid;
};

// PostgreSQL refuses to run as root; nothing when we are not root.
std::optional<ServerUser> server_user() {
  if (geteuid() != 0) return std::nullopt;
  for (const char* name : {"postgres", "nobody"}) {
    if (const passwd* entry = getpwnam(name)) return ServerUser{name, entry->pw_uid, entry->pw_gid};
  }
  return ServerUser{"65534", 65534, 65534};
}

std::string first_line(const fs::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The directories that hold PostgreSQL's programs, newest major version first.
std::vector<std::pair<int, fs::path>> installations() {
  std::vector<std::pair<int, fs::path>> found;
  for (int major = kNewestMajor; major >= kOldestMajor; --major) {
    for (const std::string& base :
         {std::string("/usr/lib/postgresql/"), std::string("/usr/pgsql-")}) {
      const fs::path bin = base + std::to_string(major) + "/bin";
      if (fs::exists(bin / "initdb")) found.emplace_back(major, bin);
    }
  }
  return found;
}

// Settings of ours: small, safe (fsync stays on), given on the command line so that no file can
// undo them.
std::vector<std::string> settings(const ClusterOptions& options) {
  std::vector<std::string> out;
  for (const std::string& setting : {std::string("listen_addresses="),
                                     "unix_socket_directories=" + options.socket_dir.string(),
                                     std::string("unix_socket_permissions=0777"),
                                     std::string("max_connections=100"),
                                     std::string("shared_buffers=32MB"),
                                     std::string("work_mem=4MB"),
                                     std::string("maintenance_work_mem=32MB"),
                                     std::string("wal_level=minimal"),
                                     std::string("max_wal_senders=0"),
                                     std::string("max_wal_size=256MB"),
                                     std::string("checkpoint_timeout=10min"),
                                     std::string("wal_compression=on"),
                                     std::string("autovacuum_max_workers=2"),
                                     std::string("autovacuum_naptime=20s"),
                                     std::string("max_parallel_workers_per_gather=0"),
                                     std::string("jit=off"),
                                     std::string("huge_pages=off"),
                                     std::string("log_min_messages=warning"),
                                     std::string("log_min_error_statement=panic"),
                                     std::string("log_checkpoints=off"),
                                     std::string("log_line_prefix=%m [%p] %u "),
                                     std::string("log_timezone=UTC"),
                                     std::string("logging_collector=off"),
                                     std::string("cluster_name=minato")}) {
    out.push_back("-c");
    out.push_back(setting);
  }
  return out;
}

Status refuse(const fs::path& path, const char* what) {
  return fail(Code::unavailable, path.string() + ": " + what, strerror(errno));
}

Status own(const fs::path& path, const std::optional<ServerUser>& user, mode_t mode) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail(Code::unavailable, path.string() + " cannot be made.", error.message());
  if (user && chown(path.c_str(), user->uid, user->gid) != 0) {
    return refuse(path, "cannot be given to PostgreSQL's user.");
  }
  if (chmod(path.c_str(), mode) != 0) return refuse(path, "its permissions cannot be set.");
  return {};
}

}  // namespace

std::string conninfo_item(std::string_view keyword, std::string_view value) {
  std::string out(keyword);
  out += "='";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "' ";
}

uid_t PostgresCluster::server_uid() {
  const auto user = server_user();
  return user ? user->uid : geteuid();
}

// initdb works beside the final place and is renamed into it when it ended well: what stands there
// is a whole cluster, and nothing ever removes it.
bool PostgresCluster::initialised() const { return fs::exists(options_.data_dir / "PG_VERSION"); }

std::string PostgresCluster::conninfo(const std::string& user, const std::string& password,
                                      const std::string& database) const {
  return conninfo_item("host", options_.socket_dir.string()) + conninfo_item("port", "5432") +
         conninfo_item("dbname", database) + conninfo_item("user", user) +
         conninfo_item("password", password) + "connect_timeout='5'";
}

Result<std::string> PostgresCluster::program(const std::string& name) const {
  const auto found = installations();
  if (found.empty()) {
    return fail(
        Code::unavailable,
        "PostgreSQL 14 or newer is not installed. Install it (Debian: apt install postgresql-15), "
        "or name a server of your own in minato.toml: [lake] catalog = \"postgres://…\".");
  }
  const std::string version = first_line(options_.data_dir / "PG_VERSION");
  if (version.empty() || !initialised()) return (found.front().second / name).string();
  for (const auto& [major, bin] : found) {
    if (std::to_string(major) == version) return (bin / name).string();
  }
  return fail(Code::unavailable, options_.data_dir.string() + " was made by PostgreSQL " + version +
                                     ", which is not installed any more. Install postgresql-" +
                                     version + ", or move the data with pg_upgrade.");
}

Status PostgresCluster::check_installed() const {
  TRY(program("postgres"));
  return {};
}

Result<std::vector<std::string>> PostgresCluster::as_server_user(
    std::vector<std::string> argv) const {
  const auto user = server_user();
  if (!user) return argv;
  std::vector<std::string> out = {"setpriv",
                                  "--reuid=" + std::to_string(user->uid),
                                  "--regid=" + std::to_string(user->gid),
                                  "--clear-groups",
                                  "--no-new-privs",
                                  "--pdeathsig=INT"};
  // A platform below a directory that only root may enter (/root, mktemp -d): the server gets the
  // one capability to pass through directories; what it may write does not change.
  std::vector<std::string> probe = out;
  probe.insert(probe.end(), {"test", "-x", options_.data_dir.parent_path().string()});
  TRY_ASSIGN(const Finished reachable, run({.argv = probe}, seconds(10)));
  if (reachable.exit_code == 127) {
    return fail(Code::unavailable,
                "setpriv is missing. Install it (Debian: apt install util-linux).");
  }
  if (reachable.exit_code != 0) {
    out.insert(out.end(),
               {"--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
                "--bounding-set=-all,+dac_read_search"});
  }
  out.insert(out.end(), argv.begin(), argv.end());
  return out;
}

Status PostgresCluster::make_directories() const {
  const auto user = server_user();
  TRY(own(options_.socket_dir, user, 0711));
  std::error_code error;
  fs::create_directories(options_.log_file.parent_path(), error);
  if (fs::exists(options_.log_file, error) &&
      fs::file_size(options_.log_file, error) > 10'000'000) {
    fs::rename(options_.log_file, options_.log_file.string() + ".1", error);
  }
  return {};
}

Status PostgresCluster::prepare() {
  TRY(make_directories());
  if (initialised()) return {};
  TRY_ASSIGN(const std::string initdb, program("initdb"));
  std::error_code error;
  if (fs::exists(options_.data_dir, error) && !fs::is_empty(options_.data_dir, error)) {
    return fail(Code::unavailable, options_.data_dir.string() +
                                       " is neither empty nor a PostgreSQL cluster. Look into it, "
                                       "and move it away.");
  }
  const fs::path unfinished = options_.data_dir.string() + ".new";
  fs::remove_all(unfinished, error);  // of a first start that was killed
  const auto user = server_user();
  TRY(own(unfinished, user, 0700));
  const fs::path password_file = options_.socket_dir / "initdb.password";
  {
    const int fd =
        open(password_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return refuse(password_file, "cannot be written.");
    const std::string text = options_.superuser_password + "\n";
    const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const bool given = !user || fchown(fd, user->uid, user->gid) == 0;
    close(fd);
    if (!written || !given) return refuse(password_file, "cannot be written.");
  }
  TRY_ASSIGN(auto argv,
             as_server_user({initdb, "-D", unfinished.string(), "-U", options_.superuser,
                             "--auth=scram-sha-256", "--pwfile=" + password_file.string(),
                             "--encoding=UTF8", "--locale=C.UTF-8"}));
  auto finished = run({.argv = argv}, seconds(120));
  fs::remove(password_file, error);
  if (!finished) return fail(std::move(finished).error());
  if (finished->exit_code != 0) {
    return fail(Code::unavailable, "initdb could not make " + options_.data_dir.string() + ".",
                finished->output);
  }
  if (rename(unfinished.c_str(), options_.data_dir.c_str()) != 0) {
    return refuse(options_.data_dir, "cannot be put in place.");
  }
  return {};
}

// A server's processes may outlive it, in a recovery for seconds; all are attached to its shared
// memory.
// `segment`: "key id", as PostgreSQL writes it into its lock file.
bool in_use(const std::string& segment) {
  long key = 0;
  int id = -1;
  shmid_ds state{};
  if (!(std::istringstream(segment) >> key >> id) || shmctl(id, IPC_STAT, &state) != 0)
    return false;
  return state.shm_perm.__key == static_cast<key_t>(key) && state.shm_nattch > 0;
}

/// Processes of PostgreSQL work in its data directory.
void kill_processes_of(const fs::path& data_dir) {
  std::error_code error;
  const fs::path wanted = fs::canonical(data_dir, error);
  if (error) return;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    const auto pid = static_cast<pid_t>(std::strtol(name.c_str(), nullptr, 10));
    std::error_code ignored;
    if (pid <= 1 || fs::read_symlink(entry.path() / "cwd", ignored) != wanted) continue;
    const auto process = process_facts(pid);
    if (!process || !process->command.starts_with("postgres")) continue;
    log::warn("a process of an earlier PostgreSQL is still there; ending it", {{"pid", pid}});
    kill(pid, SIGKILL);
  }
}

// Our server of an earlier run. Any other process by then has the number of one that is gone.
bool PostgresCluster::lives(pid_t pid) const {
  const auto process = pid > 1 ? process_facts(pid) : std::nullopt;
  return process && process->command.find("postgres") != std::string::npos &&
         process->command.find(options_.data_dir.string()) != std::string::npos;
}

// Ends what a killed predecessor left: its server, its lock files. PostgreSQL itself would take a
// zombie, or a stranger that got the number, for a living server and not start.
Status PostgresCluster::end_left_behind() const {
  const fs::path lock = options_.data_dir / "postmaster.pid";
  std::vector<std::string> lines = lines_of(lock);
  lines.resize(7);
  const auto pid = static_cast<pid_t>(std::strtol(lines[0].c_str(), nullptr, 10));
  if (lives(pid)) {
    log::warn("a PostgreSQL of an earlier run is still there; ending it", {{"pid", pid}});
    kill(pid, SIGINT);
  }
  for (int left = 2000; left > 0; --left) {
    const bool living = lives(pid);
    if (!living && !in_use(lines[6])) {
      std::error_code ignored;
      fs::remove(lock, ignored);
      fs::remove(options_.socket_dir / ".s.PGSQL.5432.lock", ignored);
      return {};
    }
    if (living && left == 1000) kill(pid, SIGQUIT);
    // Without their server its processes end by themselves, but one that waits for the disk looks
    // up late. What they leave is recovered like after any crash.
    if (!living && left % 500 == 0 && left < 2000) kill_processes_of(options_.data_dir);
    std::this_thread::sleep_for(milliseconds(10));
  }
  return fail(Code::unavailable, "PostgreSQL of an earlier run (pid " + lines[0] +
                                     ") or its processes do not end. "
                                     "Look for processes of " +
                                     options_.data_dir.string() + " and end them.");
}

Result<pid_t> PostgresCluster::launch() {
  CHECK(initialised());
  TRY(end_left_behind());
  TRY_ASSIGN(const std::string postgres, program("postgres"));
  std::vector<std::string> argv = {postgres, "-D", options_.data_dir.string()};
  const auto set = settings(options_);
  argv.insert(argv.end(), set.begin(), set.end());
  TRY_ASSIGN(argv, as_server_user(std::move(argv)));
  const int log_fd =
      open(options_.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0)
    return fail(Code::unavailable, options_.log_file.string() + " cannot be written.",
                strerror(errno));
  auto pid = spawn({.argv = argv, .death_signal = SIGINT, .output_fd = log_fd});
  close(log_fd);
  return pid;
}

Status PostgresCluster::wait_ready(pid_t pid, milliseconds limit) const {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const std::string text = conninfo(options_.superuser, "", "postgres");
  while (std::chrono::steady_clock::now() < deadline) {
    if (PQping(text.c_str()) == PQPING_OK) return {};
    siginfo_t info{};  // WNOWAIT: whoever supervises the process still gets to see its end
    if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == pid) {
      return fail(Code::unavailable,
                  "PostgreSQL ended while starting. Its log: " + options_.log_file.string(),
                  log_tail());
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
  return fail(Code::deadline,
              "PostgreSQL does not get ready. Its log: " + options_.log_file.string(), log_tail());
}

std::string PostgresCluster::log_tail() const {
  std::ifstream in(options_.log_file, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  const std::string text = all.str();
  return text.substr(text.size() - std::min<std::size_t>(text.size(), 1000));
}

}  // namespace minato::runtime
