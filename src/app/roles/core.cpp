// The role core: captures from all sources, keeps the lake in shape, decides when marts run.
#include "app/roles/core.h"

#include "app/roles/oncall_records.h"
#include "app/roles/sources.h"
#include "base/log.h"
#include "state/jobs.h"
#include "state/migrations.h"
#include "state/sources.h"

namespace minato::app {
namespace {

constexpr auto kListen = std::chrono::milliseconds(1000);
// Small files of a table under change are merged this soon. Measured at 5,000 changes/s over 5 and
// 20 tables, beside 30 s: no more CPU, since fewer files mean fewer delete files per commit.
constexpr auto kCompactEvery = std::chrono::seconds(5);

// The lease of the one core of a platform: a session lock in PostgreSQL, so that a predecessor that
// still finishes a commit and this one never work at the same time.
Result<pg::Connection> take_lease(const RoleContext& context) {
  bool told = false;
  while (!context.stop.stop_requested()) {
    auto connection = pg::Connection::open(context.access.owner);
    if (connection) {
      auto taken = connection->query("select pg_try_advisory_lock(7236833, 1)");
      if (taken && taken->boolean(0, 0)) {
        TRY(connection->script("listen minato_config"));
        return connection;
      }
    }
    if (!told) log::info("waiting for PostgreSQL and for the former core to end");
    told = true;
    pause(context.stop, std::chrono::milliseconds(50));
  }
  return fail(Code::cancelled, "Asked to stop before work began.");
}

}  // namespace

Core::Core(const RoleContext& context, LakeAccess access)
    : context_(context),
      access_(std::move(access)),
      scheduler_({.conninfo = context.access.owner,
                  .platform = context.platform.dir,
                  .refresh_seconds = context.config.marts.refresh_seconds},
                 *access_.engine),
      config_(context.config) {}

Core::~Core() { stop(); }

void Core::start() {
  scheduler_.start();
  maintenance_ = std::jthread([this, config = config_.maintenance](std::stop_token stop) {
    maintain(config, stop);  // a copy: config_ belongs to the caller's thread
  });
  oncall_records_ = std::jthread([this](std::stop_token stop) {
    keep_oncall_records(context_.platform.oncall() / "journal.db", *access_.lake, stop);
  });
}

void Core::stop() {
  for (auto& [name, running] : runners_) running.runner->stop();
  runners_.clear();
  scheduler_.stop();
  oncall_records_ = {};
  if (maintenance_.joinable()) {
    maintenance_.request_stop();
    maintenance_.join();
  }
}

void Core::maintain(const MaintenanceConfig& config, std::stop_token stop) {
  lake::MaintenanceOptions options;
  options.retention = std::chrono::minutes(config.retention_minutes);
  options.file_guard = std::chrono::seconds(config.file_guard_seconds);
  options.orphans_every = std::min(options.orphans_every, options.file_guard);
  options.clean_every = std::chrono::seconds(config.interval_seconds);
  const auto interval = std::min(options.clean_every, kCompactEvery);
  options.oldest_reader = [this]() -> Result<std::optional<std::int64_t>> {
    TRY_ASSIGN(pg::Connection db, pg::Connection::open(context_.access.owner));
    return state::oldest_snapshot_read(db);
  };
  lake::Maintenance maintenance(*access_.lake, options,
                                [this](const TableName& table, const lake::CompactionSlice& slice) {
                                  return lanes_.with_lane(table, slice);
                                });
  bool failed = false;
  while (!stop.stop_requested()) {
    pause(stop, interval);
    if (stop.stop_requested()) return;
    const auto report = maintenance.run();
    if (!report && !failed) log::warn("maintenance of the lake", {{"error", report.error()}});
    failed = !report;
    if (!report || report->files_in + report->files_removed + report->snapshots_expired == 0) {
      continue;
    }
    log::info("maintenance of the lake", {{"tables", report->tables_compacted},
                                          {"files_in", report->files_in},
                                          {"files_out", report->files_out},
                                          {"files_removed", report->files_removed},
                                          {"snapshots_expired", report->snapshots_expired},
                                          {"took_ms", report->took.count()}});
  }
}

Status Core::start_source(pg::Connection& connection, const SourceConfig& source) {
  auto options = source_options(context_.platform, source);
  if (!options) {
    log::warn("source cannot start", {{"source", source.name}, {"error", options.error()}});
    TRY(state::register_source(connection, source.name, "mysql"));
    return state::set_source_state(connection, source.name, state::SourceState::error,
                                   options.error().message);
  }
  ingest::RunnerOptions runner;
  runner.source = *options;
  runner.state_conninfo = context_.access.owner;
  runner.commit_interval = std::chrono::milliseconds(config_.capture_interval_ms);
  Running running{source, options->password, nullptr};
  running.runner = std::make_unique<ingest::SourceRunner>(runner, *access_.lake, lanes_);
  running.runner->start();
  runners_.emplace(source.name, std::move(running));
  return {};
}

bool Core::secrets_changed() const {
  for (const SourceConfig& source : config_.sources) {
    const auto password = read_secret(source.password, context_.platform.dir, "");
    const auto running = runners_.find(source.name);
    // One that could not start is worth a try as soon as its secret can be read.
    if (running == runners_.end() ? source_options(context_.platform, source).has_value()
                                  : password && *password != running->second.password) {
      return true;
    }
  }
  return false;
}

Status Core::follow(pg::Connection& connection, const Config& config) {
  const bool paced = config.capture_interval_ms != config_.capture_interval_ms;
  config_ = config;
  scheduler_.set_refresh_seconds(config.marts.refresh_seconds);
  std::map<std::string, SourceConfig> wanted;
  for (const SourceConfig& source : config.sources) wanted.emplace(source.name, source);
  for (auto running = runners_.begin(); running != runners_.end();) {
    const auto found = wanted.find(running->first);
    const auto password = found == wanted.end()
                              ? Result<std::string>("")
                              : read_secret(found->second.password, context_.platform.dir, "");
    const bool keep = found != wanted.end() && !paced && found->second == running->second.config &&
                      (!password || *password == running->second.password);
    if (keep) {
      wanted.erase(found);
      ++running;
      continue;
    }
    log::info("source stops", {{"source", running->first}});
    running->second.runner->stop();
    running = runners_.erase(running);
  }
  TRY_ASSIGN(const auto known, state::sources(connection));
  for (const state::Source& source : known) {
    if (wanted.contains(source.name) || runners_.contains(source.name)) continue;
    TRY(state::set_source_state(connection, source.name, state::SourceState::removed, ""));
  }
  for (const auto& [name, source] : wanted) {
    log::info("source starts", {{"source", name}});
    TRY(start_source(connection, source));
  }
  return {};
}

Status run_core(const RoleContext& context) {
  TRY_ASSIGN(auto lease, take_lease(context));
  // core has threads of its own for what goes on at the same time. One that calls the engine spins
  // while a thread of the engine works for it: a third of core's time at 5,000 changes/s.
  TRY_ASSIGN(LakeAccess access, open_lake(context, context.config.limits.core_memory_mb, 1));
  TRY(state::grant(lease));  // the catalogue's tables are there from now on
  TRY(access.lake->hide_ended_files(context.access.reader_user));
  Core core(context, std::move(access));
  core.start();
  TRY(core.follow(lease, context.config));
  log::info("core works", {{"sources", context.config.sources.size()}});
  while (!context.stop.stop_requested()) {
    auto told = lease.notification(kListen);
    if (!told) {
      // The lease is gone with the connection: another core may start. End, and begin anew.
      core.stop();
      return fail(told.error());
    }
    if (!*told && !core.secrets_changed()) continue;
    auto config = load_config(context.platform.config_in_force());
    if (!config) continue;
    TRY(core.follow(lease, *config));
  }
  core.stop();
  log::info("core ended");
  return {};
}

}  // namespace minato::app
