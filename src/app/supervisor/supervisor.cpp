#include "app/supervisor/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>

#include "app/config/edit.h"
#include "app/lake_location.h"
#include "app/roles/engine.h"
#include "app/supervisor/former_roles.h"
#include "app/supervisor/ports.h"
#include "base/check.h"
#include "base/log.h"
#include "gate/gate.h"
#include "runtime/child.h"

namespace minato::app {
namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr auto kReloadPeriod = milliseconds(500);
constexpr auto kRolesEnd = seconds(15);
constexpr auto kPostgresEnd = seconds(20);
constexpr const char* kPostgres = "postgres";

// "worker-2" → "worker".
std::string kind_of(const std::string& name) { return name.substr(0, name.find('-')); }

std::string stamp(const fs::path& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return "-";
  return std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + "/" +
         std::to_string(info.st_size);
}

}  // namespace

Supervisor::Supervisor(Platform platform, Config config)
    : platform_(std::move(platform)),
      config_(std::move(config)),
      keeper_([this](const ProcessState& state) { changed(state); }) {}

Status Supervisor::run() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  umask(0022);  // the gate's user reads the lake's files; secrets have modes of their own
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  CHECK(signal_fd_ >= 0);
  TRY(make_directories(platform_, config_));
  TRY_ASSIGN(auto lock, PlatformLock::take(platform_, "serve"));
  lock_.emplace(std::move(lock));
  Status status = start();
  if (status) loop();
  shut_down();
  return status;
}

Status Supervisor::start() {
  settings_ = Settling(stamp(platform_.config_file()));
  keys_ = key_stamps();
  certificate_ = certificate_stamps();
  TRY(lake_options(platform_, config_, ""));  // its keys can be read
  TRY(lake_options(platform_, config_, "", true));
  TRY(await_former_roles(platform_));
  TRY(check_port("gate", config_.gate));
  TRY(check_port("http", config_.http));
  if (config_.lake.embedded()) TRY(start_postgres());
  TRY(prepare_catalogue(platform_, config_));
  TRY(follow_moved_lake(platform_, config_));
  TRY_ASSIGN(config_, take_over());
  TRY_ASSIGN(const Access access, catalogue_access(platform_, config_));
  incidents_.emplace(access.owner);
  start_roles();
  log::info("minato serves",
            {{"platform", platform_.dir.string()},
             {"gate", config_.gate.listen + ":" + std::to_string(config_.gate.port)},
             {"http", config_.http.listen + ":" + std::to_string(config_.http.port)}});
  return {};
}

Status Supervisor::start_postgres() {
  TRY_ASSIGN(auto cluster, private_cluster(platform_));
  cluster_.emplace(std::move(cluster));
  const bool fresh = !cluster_->initialised();
  if (fresh)
    log::info("making the private PostgreSQL", {{"directory", platform_.postgres_data().string()}});
  TRY(cluster_->prepare());
  keeper_.add(
      {.name = kPostgres, .start = [this] { return cluster_->launch(); }, .stop_signal = SIGINT},
      Clock::now());
  const ProcessState* state = keeper_.find(kPostgres);
  if (state->pid == 0)
    return fail(Code::unavailable, "PostgreSQL cannot be started.", state->last_end);
  return cluster_->wait_ready(state->pid, seconds(60));
}

std::vector<std::string> Supervisor::role_names(const Config& config) const {
  std::vector<std::string> names = {"core"};
  for (int i = 1; i <= config.marts.workers; ++i) names.push_back("worker-" + std::to_string(i));
  names.push_back("gate");
  names.push_back("web");
  if (config.oncall.given) names.push_back("oncall");
  return names;
}

void Supervisor::add_role(const std::string& name) {
  std::vector<std::string> argv = {
      "minato", "-C", platform_.dir.string(), "role", name.substr(0, name.find('-')),
      "--name", name};
  // On-call rings when we die: it must not die with us.
  const int death_signal = name == "oncall" ? 0 : SIGKILL;
  keeper_.add({.name = name,
               .start =
                   [argv, death_signal] {
                     return runtime::spawn(
                         {.argv = argv, .program = "/proc/self/exe", .death_signal = death_signal});
                   }},
              Clock::now());
}

void Supervisor::start_roles() {
  for (const std::string& name : role_names(config_)) add_role(name);
}

void Supervisor::loop() {
  while (!stopping_) {
    auto wait = settings_.waits() ? Settling::kRest : kReloadPeriod;
    if (const auto due = keeper_.next_due()) {
      const auto left = std::chrono::duration_cast<milliseconds>(*due - Clock::now());
      wait = std::clamp(left + milliseconds(1), milliseconds(1), wait);
    }
    pollfd waiting{signal_fd_, POLLIN, 0};
    poll(&waiting, 1, static_cast<int>(wait.count()));
    signalfd_siginfo info{};
    while (read(signal_fd_, &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) stopping_ = true;
      if (info.ssi_signo == SIGHUP) settings_.complete();
    }
    if (stopping_) break;
    keeper_.tick(Clock::now());
    reload_if_changed();
    renew_keys_if_changed();
    renew_certificate_if_changed();
    if (incidents_) incidents_->flush();
  }
}

void Supervisor::changed(const ProcessState& state) {
  if (state.pid > 0) {
    log::info("started",
              {{"process", state.name}, {"pid", state.pid}, {"restarts", state.restarts}});
  } else if (!stopping_) {
    log::warn("ended", {{"process", state.name}, {"how", state.last_end}});
  }
  write_states();
  tell_why(state);
  bool& was = failing_[state.name];
  if (was == state.failing || !incidents_) return;
  was = state.failing;
  const std::string key = "role." + state.name;
  if (state.failing) {
    log::error("keeps dying", {{"process", state.name}, {"how", state.last_end}});
    incidents_->open(key, state.name + " keeps dying",
                     "The process " + state.name + " ends soon after each start (" +
                         state.last_end + "). The reason is in the log of `minato serve`.");
  } else {
    incidents_->resolve(key);
  }
}

// A single death is no incident (it is back in a second), unless it says that a person should know:
// statements that took the gate along would do so again.
void Supervisor::tell_why(const ProcessState& state) {
  if (!incidents_) return;
  const std::string key = "end." + state.name;
  if (state.pid > 0 && state.quick_deaths == 0 && told_.erase(key) > 0) incidents_->resolve(key);
  const bool memory = state.exit_code == gate::exit_out_of_memory;
  if (state.pid > 0 || stopping_ || (!memory && state.exit_code != gate::exit_not_obeyed)) return;
  told_.insert(key);
  incidents_->open(
      key, state.name + (memory ? " ran out of memory" : " gave up a statement that did not end"),
      "All its sessions ended; it was started again at once. The log of `minato serve` names the "
      "account of the statement that ran (gate.memory_short, gate.statement_does_not_end)." +
          std::string(memory ? " More memory: [limits] gate_memory_mb in minato.toml." : ""));
}

// Read by the role web and by `minato status`; replaced in one step.
void Supervisor::write_states() const {
  nlohmann::json processes = nlohmann::json::array();
  for (const ProcessState& state : keeper_.states()) {
    processes.push_back({{"name", state.name},
                         {"pid", state.pid},
                         {"restarts", state.restarts},
                         {"failing", state.failing},
                         {"last_end", state.last_end}});
  }
  const nlohmann::json all = {{"supervisor", getpid()}, {"processes", processes}};
  if (Status written = write_file(platform_.roles(), all.dump() + "\n"); !written) {
    log::warn("the processes' states cannot be written", {{"error", written.error()}});
  }
}

void Supervisor::reload_if_changed() {
  if (!settings_.changed(stamp(platform_.config_file()), Clock::now())) return;
  const auto fresh = take_over();
  if (!fresh) {
    log::error("minato.toml is not taken over; the former settings stay",
               {{"error", fresh.error()}});
    incidents_->open("config", "minato.toml is not taken over", fresh.error().message);
    return;
  }
  incidents_->resolve("config");
  apply(*fresh);
}

// Keys of an object store are changed by writing new ones into their files.
void Supervisor::renew_keys_if_changed() {
  std::string now = key_stamps();
  if (now == keys_) return;
  keys_ = std::move(now);
  log::info("keys of the object store were renewed: core, workers and gate start again");
  for (const std::string& name : role_names(config_)) {
    if (kind_of(name) != "web" && name != "oncall") keeper_.restart(name, Clock::now());
  }
}

// Likewise a certificate and its key. Others than these stay in use while the files do not fit.
void Supervisor::renew_certificate_if_changed() {
  std::string now = certificate_stamps();
  if (now == certificate_) return;
  certificate_ = std::move(now);
  if (const Status good = check_gate_certificate(platform_, config_); !good) {
    log::error("the gate's certificate is not taken over", {{"error", good.error()}});
    incidents_->open("certificate", "The gate's new certificate is not taken over",
                     good.error().message);
    return;
  }
  incidents_->resolve("certificate");
  log::info("the gate's certificate was renewed: the gate starts again");
  keeper_.restart("gate", Clock::now());
}

std::string Supervisor::certificate_stamps() const {
  if (config_.gate.tls_cert_file.empty()) return {};
  return stamp(platform_.dir / config_.gate.tls_cert_file) + " " +
         stamp(platform_.dir / config_.gate.tls_key_file);
}

std::string Supervisor::key_stamps() const {
  if (!config_.lake.on_s3()) return {};
  const S3Config& s3 = config_.lake.s3;
  std::string out;
  for (const SecretRef* key :
       {&s3.access_key, &s3.secret_key, &s3.reader_access_key, &s3.reader_secret_key}) {
    if (!key->file.empty()) out += stamp(platform_.dir / key->file) + " ";
  }
  return out;
}

// The roles get the very text that was found good.
Result<Config> Supervisor::take_over() const {
  TRY_ASSIGN(const std::string text, read_config(platform_.dir));
  TRY_ASSIGN(Config fresh, config_of(text, platform_.config_file().string()));
  if (fresh.lake != config_.lake) {
    return fail(Code::invalid,
                "Another [lake] needs a new start of minato serve; until then no change of "
                "minato.toml is taken over.");
  }
  TRY(check_gate_certificate(platform_, fresh));
  std::error_code error;
  fs::create_directories(platform_.config_in_force(), error);
  TRY(write_file(platform_.config_in_force() / "minato.toml", text));
  return fresh;
}

void Supervisor::apply(const Config& fresh) {
  const LimitsConfig& was = config_.limits;
  const LimitsConfig& now = fresh.limits;
  const bool engines = now.threads != was.threads || now.spill_mb != was.spill_mb;
  std::set<std::string> restart;  // kinds of roles that read what changed at their start only
  if (fresh.gate != config_.gate || now.gate_memory_mb != was.gate_memory_mb || engines) {
    restart.insert("gate");
  }
  if (fresh.http != config_.http) restart.insert("web");
  if (now.worker_memory_mb != was.worker_memory_mb || engines) restart.insert("worker");
  if (fresh.maintenance != config_.maintenance || now.core_memory_mb != was.core_memory_mb ||
      now.spill_mb != was.spill_mb) {
    restart.insert("core");
  }
  const auto before = role_names(config_);
  const auto after = role_names(fresh);
  config_ = fresh;
  certificate_ = certificate_stamps();
  for (const std::string& name : before) {
    if (std::find(after.begin(), after.end(), name) == after.end())
      keeper_.remove(name, seconds(5));
  }
  for (const std::string& name : after) {
    if (!keeper_.find(name)) {
      add_role(name);
    } else if (restart.contains(kind_of(name))) {
      keeper_.restart(name, Clock::now());
    }
  }
  incidents_->notify("minato_config");
  log::info("minato.toml taken over", {{"sources", config_.sources.size()}});
}

void Supervisor::shut_down() {
  stopping_ = true;
  incidents_.reset();
  for (const std::string& name : role_names(config_)) {
    if (const auto* state = keeper_.find(name); state && state->pid > 0) kill(state->pid, SIGTERM);
  }
  const auto deadline = Clock::now() + kRolesEnd;
  for (const std::string& name : role_names(config_)) {
    keeper_.remove(name, std::max(std::chrono::duration_cast<milliseconds>(deadline - Clock::now()),
                                  milliseconds(0)));
  }
  keeper_.stop_all(kPostgresEnd);
  std::error_code error;
  fs::remove(platform_.roles(), error);
  close(signal_fd_);
  log::info("minato serve ended");
}

}  // namespace minato::app
