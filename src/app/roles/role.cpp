#include "app/roles/role.h"

#include <pthread.h>

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "app/roles/oncall.h"
#include "base/log.h"

namespace minato::app {
namespace fs = std::filesystem;
namespace {

log::Level level_of(const std::string& name) {
  if (name == "debug") return log::Level::debug;
  if (name == "warn") return log::Level::warn;
  if (name == "error") return log::Level::error;
  return log::Level::info;
}

Status run_kind(const RoleContext& context, const std::string& kind) {
  if (kind == "core") return run_core(context);
  if (kind == "worker") return run_worker(context);
  if (kind == "gate") return run_gate(context);
  if (kind == "web") return run_web(context);
  if (kind == "oncall") return run_oncall(context);
  return fail(Code::invalid, "There is no role " + kind + ".");
}

}  // namespace

std::jthread signals_to(std::stop_source& source) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return std::jthread([set, &source] {
    int number = 0;
    sigwait(&set, &number);
    source.request_stop();
  });
}

void wait_for_stop(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait(lock, stop, [] { return false; });
}

void pause(std::stop_token stop, std::chrono::milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

Status wait_for_lake(const RoleContext& context) {
  while (!context.stop.stop_requested()) {
    if (auto connection = pg::Connection::open(context.access.owner)) {
      auto rows = connection->query("select to_regclass('ducklake.ducklake_metadata') is not null");
      if (rows && rows->boolean(0, 0)) return {};
    }
    pause(context.stop, std::chrono::milliseconds(50));
  }
  return fail(Code::cancelled, "Asked to stop before the lake was ready.");
}

Result<fs::path> extension_directory() {
  std::vector<fs::path> places;
  if (const char* root = std::getenv("MINATO_DUCKDB_ROOT"))
    places.push_back(fs::path(root) / "extensions");
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  places.push_back(program / "../lib/minato/extensions");
  for (const char* up : {"..", "../..", "."})
    places.push_back(program / up / ".deps/duckdb/extensions");
  for (const fs::path& place : places) {
    if (fs::exists(place / "ducklake.duckdb_extension", error)) return fs::canonical(place, error);
  }
  return fail(Code::not_found, "DuckDB's extensions are missing; looked in " +
                                   places.front().string() + " and " +
                                   std::to_string(places.size() - 1) +
                                   " more places. MINATO_DUCKDB_ROOT names "
                                   "the directory that holds extensions/.");
}

int run_role(const Platform& platform, const std::string& kind, const std::string& name) {
  // As top and ps show it, instead of the "exe" of /proc/self/exe; 15 bytes at most.
  pthread_setname_np(pthread_self(), ("minato-" + name).substr(0, 15).c_str());
  std::stop_source source;
  std::jthread signals = signals_to(source);
  const auto end = [&](int code) {
    kill(getpid(), SIGUSR2);  // wakes the signal thread
    return code;
  };
  log::configure(name, log::Level::info, false);
  auto config = load_config(platform.config_in_force());
  if (!config) {
    log::error("cannot start", {{"error", config.error()}});
    return end(2);
  }
  log::configure(name, level_of(config->log.level), config->log.format == "json");
  auto access = catalogue_access(platform, *config);
  if (!access) {
    log::error("cannot start", {{"error", access.error()}});
    return end(1);
  }
  const RoleContext context{platform, *config, *access, name, source.get_token()};
  const Status status = run_kind(context, kind);
  const bool asked = source.stop_requested();
  if (!status && !(asked && status.error().code == Code::cancelled)) {
    log::error("ended", {{"error", status.error()}});
    return end(1);
  }
  return end(0);
}

}  // namespace minato::app
