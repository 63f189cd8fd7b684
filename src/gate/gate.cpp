#include "gate/gate.h"

#include <libpq-fe.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <new>
#include <thread>

#include "base/log.h"
#include "gate/memory.h"
#include "gate/sandbox.h"
#include "gate/server.h"
#include "lake/engine.h"

namespace minato::gate {
namespace {

/// The engine with the lake attached, and its configuration locked: nothing can be attached, loaded
/// or set after it.
Result<lake::Engine> open_engine(const GateOptions& options) {
  lake::EngineOptions engine_options;
  engine_options.extension_dir = options.extension_directory;
  engine_options.memory_limit_mb = options.memory_limit_mb;
  engine_options.threads = static_cast<int>(options.threads);
  engine_options.spill_dir = options.spill_directory;
  engine_options.spill_limit_mb = options.spill_limit_mb;
  const bool s3 = options.lake_data.starts_with("s3://");
  if (s3) engine_options.extensions.emplace_back("httpfs");
  TRY_ASSIGN(lake::Engine engine, lake::Engine::open(engine_options));
  lake::LakeOptions lake_options;
  lake_options.catalog_conninfo = options.catalogue_conninfo;
  lake_options.data_path = options.lake_data;
  lake_options.read_only = true;
  if (s3) {
    lake_options.s3 =
        lake::S3Options{options.s3.endpoint,   options.s3.region,    options.s3.access_key,
                        options.s3.secret_key, options.s3.url_style, options.s3.use_ssl};
  }
  TRY(lake::attach_lake(engine, lake_options));
  TRY(lake::lock_down(engine, {options.lake_data}));
  return engine;
}

// Beside the engine's memory limit, in MB. Some of what statements take does not count to that
// limit. Beyond the first figure the hungriest statement is cancelled, beyond the second
// allocations are refused (memory.h). The third bounds what nobody counts: code, thread stacks,
// gaps between allocations; it is the last wall, at which not every thread of the engine survives.
constexpr std::uint64_t kWatchMb = 512;
constexpr std::uint64_t kGuardMb = 768;
constexpr std::uint64_t kSpaceMb = 4096;

/// Where a conninfo leads: socket directories and TCP ports.
void add_target(const std::string& conninfo, SandboxOptions& sandbox) {
  std::string host;
  std::string port = "5432";
  char* message = nullptr;
  PQconninfoOption* list = PQconninfoParse(conninfo.c_str(), &message);
  PQfreemem(message);
  for (const PQconninfoOption* option = list; option != nullptr && option->keyword != nullptr;
       ++option) {
    if (option->val == nullptr) continue;
    if (std::string_view(option->keyword) == "host") host = option->val;
    if (std::string_view(option->keyword) == "port") port = option->val;
  }
  PQconninfoFree(list);
  if (host.starts_with('/')) {
    sandbox.reachable.emplace_back(host);
    return;
  }
  std::uint16_t number = 5432;
  std::from_chars(port.data(), port.data() + port.size(), number);
  sandbox.tcp_ports.push_back(number);
}

SandboxOptions sandbox_options(const GateOptions& options) {
  SandboxOptions sandbox;
  sandbox.user = options.user;
  sandbox.writable = options.spill_directory;
  sandbox.readable.push_back(options.extension_directory);
  sandbox.address_space_bytes = (options.memory_limit_mb + kSpaceMb) << 20;
  add_target(options.catalogue_conninfo, sandbox);
  add_target(options.account_conninfo, sandbox);
  if (!options.lake_data.starts_with("s3://")) {
    sandbox.readable.emplace_back(options.lake_data);
    return sandbox;
  }
  sandbox.tcp_ports.insert(sandbox.tcp_ports.end(), {80, 443, 53});
  const std::string& endpoint = options.s3.endpoint;
  std::uint16_t port = 0;
  if (const std::size_t colon = endpoint.rfind(':'); colon != std::string::npos) {
    std::from_chars(endpoint.data() + colon + 1, endpoint.data() + endpoint.size(), port);
  }
  if (port != 0) sandbox.tcp_ports.push_back(port);
  return sandbox;
}

/// An exception that nobody can take, most likely for want of memory: says so to the supervisor.
[[noreturn]] void terminate() {
  if (const auto thrown = std::current_exception()) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::bad_alloc&) {
      constexpr std::string_view kText = "gate.out_of_memory: an engine thread found none\n";
      [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kText.data(), kText.size());
      ::_exit(exit_out_of_memory);
    } catch (const std::exception& error) {
      log::error("gate.exception", {{"what", error.what()}});
    } catch (...) {
    }
  }
  std::abort();
}

}  // namespace

std::uint64_t watch_limit_mb(const GateOptions& options) {
  return options.memory_limit_mb + kWatchMb;
}

Status run(const GateOptions& options, std::stop_token stop) {
  // Each of the C library's arenas reserves 64 MB of the bounded address space, and threads that
  // share one wait for each other; large blocks go back to the system when they are freed.
  const unsigned threads =
      options.threads != 0 ? options.threads : std::thread::hardware_concurrency();
  ::mallopt(M_ARENA_MAX, static_cast<int>(std::clamp(threads, 2U, 8U)));
  ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
  std::set_terminate(terminate);
  TRY_ASSIGN(const auto server, Server::listen(options));
  if (options.sandbox) TRY(enter_sandbox(sandbox_options(options)));
  if (options.sandbox) guard_memory((options.memory_limit_mb + kGuardMb) << 20);
  TRY_ASSIGN(lake::Engine engine, open_engine(options));
  log::info(
      "gate.ready",
      {{"listen", options.listen}, {"port", server->port()}, {"memory_mb", memory_in_use() >> 20}});
  if (options.on_ready) options.on_ready(server->port());
  Status status = server->serve(engine, std::move(stop));
  log::info("gate.stopped");
  return status;
}

}  // namespace minato::gate
