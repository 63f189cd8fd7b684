// The processes of `minato serve`. Each reads minato.toml itself, and ends when asked to by
// SIGTERM.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <thread>

#include "app/catalogue.h"

namespace minato::app {

struct RoleContext {
  Platform platform;
  Config config;
  Access access;
  std::string name;  // "core", "worker-2", …
  std::stop_token stop;
};

Status run_core(const RoleContext& context);
Status run_worker(const RoleContext& context);
Status run_gate(const RoleContext& context);
Status run_web(const RoleContext& context);

/// Signals are taken by one thread of their own, so that no other is ever interrupted: SIGTERM and
/// SIGINT ask `source` to stop; SIGUSR2 to this process ends the thread.
std::jthread signals_to(std::stop_source& source);

/// The hidden command `role KIND`; returns the exit code.
int run_role(const Platform& platform, const std::string& kind, const std::string& name);

/// Sleeps until `stop` is requested.
void wait_for_stop(std::stop_token stop);
/// Sleeps so long, or until `stop` is requested.
void pause(std::stop_token stop, std::chrono::milliseconds time);
/// Returns when the lake's catalogue has been made by the core; Error{cancelled} when asked to stop
/// before.
Status wait_for_lake(const RoleContext& context);
/// DuckDB's extensions: beside the program as packaged, in the source tree, or as
/// MINATO_DUCKDB_ROOT says.
Result<std::filesystem::path> extension_directory();

/// That the files which [gate] names are a certificate and its key; fine when it names none.
Status check_gate_certificate(const Platform& platform, const Config& config);

}  // namespace minato::app
