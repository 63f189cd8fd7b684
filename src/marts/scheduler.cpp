#include "marts/scheduler.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "lake/engine.h"
#include "marts/board.h"
#include "runtime/pg.h"
#include "state/incidents.h"

namespace minato::marts {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// A number of our own for the lock that makes a scheduler the only one.
constexpr const char* lock_key = "7885649202";
constexpr milliseconds resync_every{30'000};
constexpr milliseconds tables_every{5'000};
constexpr milliseconds lost_every{1'000};
constexpr milliseconds prune_every{3'600'000};
constexpr milliseconds retry_wait{1'000};
constexpr milliseconds settle_wait{200};  // a file that changed is looked at again after this

SystemTime wall_clock() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::string incident_key(const TableName& mart) { return "mart/" + display(mart); }

/// Something that happens every so often.
class Timer {
 public:
  explicit Timer(milliseconds every) : every_(every) {}
  bool due() {
    const auto now = Clock::now();
    if (now < next_) return false;
    next_ = now + every_;
    return true;
  }
  void now() { next_ = {}; }
  void sooner(milliseconds wait) { next_ = std::min(next_, Clock::now() + wait); }
  milliseconds left() const {
    const auto left = std::chrono::ceil<milliseconds>(next_ - Clock::now());
    return std::max(left, milliseconds(0));
  }

 private:
  milliseconds every_;
  Clock::time_point next_{};
};

}  // namespace

class Scheduler::Impl {
 public:
  Impl(SchedulerOptions options, const lake::Engine& engine)
      : options_(std::move(options)),
        lineage_(engine_lineage(engine)),
        refresh_seconds_(options_.refresh_seconds) {}

  void start() {
    CHECK(!thread_.joinable());
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  void stop() {
    thread_.request_stop();
    sleep_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  void set_refresh_seconds(int seconds) { refresh_seconds_ = seconds; }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (Status status = work(stop); !status && !stop.stop_requested()) {
        log::warn("marts.scheduler_restarts", {{"error", status.error()}});
        pause(stop);
      }
    }
  }

  void pause(const std::stop_token& stop) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    sleep_.wait_for(lock, stop, retry_wait, [] { return false; });
  }

  /// One life of the connection: everything that is known is read again at its beginning.
  Status work(const std::stop_token& stop) {
    TRY_ASSIGN(pg::Connection db, pg::Connection::open(options_.conninfo));
    TRY_ASSIGN(const bool alone, only_one(db, stop));
    if (!alone) return {};
    TRY(db.script("listen minato_commit; listen minato_job"));
    board_.emplace(refresh_seconds_);
    Folder folder(options_.platform);
    Timer files(options_.poll), lost(lost_every), tables(tables_every), all(resync_every),
        prune(prune_every);
    TRY(load(db));
    TRY(close_incidents(db));
    while (!stop.stop_requested()) {
      board_->set_refresh_seconds(refresh_seconds_);
      if (files.due()) {
        TRY(look_at_files(db, folder));
        if (folder.unsettled()) files.sooner(settle_wait);
      }
      if (lost.due()) TRY(requeue(db));
      if (prune.due()) TRY(state::prune_runs(db, options_.keep_runs));
      if (all.due()) TRY(load(db));
      if (tables.due()) TRY(load_tables(db));
      TRY_ASSIGN(const std::optional<SystemTime> wake, decide(db));
      milliseconds wait = std::min(files.left(), lost.left());
      if (wake) wait = std::clamp(until(*wake), milliseconds(0), wait);
      TRY(listen(db, wait));
    }
    return {};
  }

  Result<bool> only_one(pg::Connection& db, const std::stop_token& stop) {
    bool told = false;
    while (!stop.stop_requested()) {
      TRY_ASSIGN(const pg::Rows rows,
                 db.query(std::string("select pg_try_advisory_lock(") + lock_key + ")"));
      if (rows.boolean(0, 0)) return true;
      if (!std::exchange(told, true)) log::info("marts.scheduler_waits_for_another");
      pause(stop);
    }
    return false;
  }

  static milliseconds until(SystemTime time) {
    return std::chrono::ceil<milliseconds>(time - wall_clock());
  }

  /// Waits for a NOTIFY, then takes in all that are there.
  Status listen(pg::Connection& db, milliseconds wait) {
    std::vector<std::int64_t> runs;
    bool commit = false, resync = false;
    for (;; wait = milliseconds(0)) {
      TRY_ASSIGN(const std::optional<pg::Notification> notice, db.notification(wait));
      if (!notice) break;
      commit |= notice->channel == state::commit_channel;
      if (notice->channel != state::job_channel) continue;
      resync |= notice->payload == "dropped";
      constexpr std::string_view prefix = "run ";
      std::int64_t id = 0;
      const std::string_view payload = notice->payload;
      if (!payload.starts_with(prefix)) continue;
      std::from_chars(payload.data() + prefix.size(), payload.data() + payload.size(), id);
      runs.push_back(id);
    }
    if (resync) return load(db);
    if (!runs.empty()) {
      TRY_ASSIGN(const std::vector<state::MartProgress> marts, state::mart_progress(db, runs));
      TRY(follow_failures(db, marts));
      board_->progress(marts, false);
    }
    // A run changed its mart's table as well.
    if (commit || !runs.empty()) {
      TRY_ASSIGN(const auto tables, state::lake_tables_since(db, board_->newest_snapshot()));
      board_->tables(tables, false);
    }
    return {};
  }

  Status load(pg::Connection& db) {
    TRY(load_tables(db));
    TRY_ASSIGN(const std::vector<state::MartProgress> marts, state::mart_progress(db));
    TRY(follow_failures(db, marts));
    board_->progress(marts, true);
    dropping_.clear();
    return {};
  }

  Status load_tables(pg::Connection& db) {
    TRY_ASSIGN(const std::vector<state::LakeTable> tables, state::lake_tables(db));
    board_->tables(tables, true);
    return {};
  }

  Status look_at_files(pg::Connection& db, Folder& folder) {
    Result<Folder::Changes> changes = folder.poll();
    if (!changes) {
      if (!std::exchange(folder_error_, true)) {
        log::warn("marts.folder_unreadable", {{"error", changes.error()}});
      }
      return {};
    }
    folder_error_ = false;
    for (const Finding& finding : changes->stray) tell(finding);
    for (const auto& [name, finding] : changes->broken) {
      tell(finding);
      board_->broken(name, finding);
    }
    for (const TableName& name : changes->removed) board_->removed(name);
    for (Definition& definition : changes->changed) {
      Result<std::vector<Read>> reads = lineage_(definition);
      if (!reads) tell(finding_of(definition, reads.error()));
      board_->define(std::move(definition), std::move(reads));
    }
    const std::vector<state::MartDefinition> definitions = board_->definitions_to_record();
    const std::vector<TableName> gone = board_->to_mark_removed();
    for (const TableName& name : gone) {
      log::info("marts.file_removed", {{"mart", display(name)}});
      TRY(state::mark_removed(db, name, true));
      TRY(state::resolve_incident(db, incident_key(name)));
      TRY(state::plan_marts(
          db, {{name, state::MartState::waiting, "its file is gone: its table is dropped", "",
                wall_clock() + options_.drop_after}}));
    }
    if (!definitions.empty()) {
      TRY(state::put_marts(db, definitions));
      log::info("marts.files_read", {{"count", definitions.size()}});
    }
    if (!definitions.empty() || !gone.empty()) TRY(load(db));
    std::vector<state::NewJob> drops;
    for (const TableName& name : board_->to_drop(wall_clock() - options_.drop_after)) {
      if (dropping_.insert(name).second) drops.push_back({state::JobKind::drop, name, 0});
    }
    return state::enqueue(db, drops);
  }

  static void tell(const Finding& finding) {
    log::warn("marts.file_unusable", {{"file", finding.file},
                                      {"line", finding.line},
                                      {"problem", finding.message},
                                      {"remedy", finding.suggestion}});
  }

  Status requeue(pg::Connection& db) {
    const SystemTime retry = wall_clock() + std::chrono::minutes(1);
    TRY_ASSIGN(const int count, state::requeue_lost(db, options_.lost_workers_max, retry));
    if (count > 0) log::warn("marts.worker_lost", {{"jobs", count}});
    return {};
  }

  Result<std::optional<SystemTime>> decide(pg::Connection& db) {
    Board::Writes writes = board_->decide(wall_clock());
    if (writes.jobs.empty() && writes.plans.empty()) return writes.wake_at;
    TRY(pg::transaction(db, [&](pg::Connection& c) -> Status {
      TRY(state::plan_marts(c, writes.plans));
      return state::enqueue(c, writes.jobs);
    }));
    return writes.wake_at;
  }

  /// Opens an incident after some failures in a row, and resolves it with the first success.
  Status follow_failures(pg::Connection& db, const std::vector<state::MartProgress>& marts) {
    for (const state::MartProgress& mart : marts) {
      const auto known = board_->progress().find(mart.name);
      const int before = known == board_->progress().end() ? 0 : known->second.failures;
      if (mart.failures == before) continue;
      if (mart.failures == 0) {
        TRY_ASSIGN(const bool open, state::resolve_incident(db, incident_key(mart.name)));
        if (open) log::info("marts.recovered", {{"mart", display(mart.name)}});
      } else if (mart.failures >= options_.incident_after_failures) {
        const std::string title = "Mart " + display(mart.name) + " has failed " +
                                  std::to_string(mart.failures) + " times in a row";
        TRY(state::open_incident(db, incident_key(mart.name), state::Severity::warning, title,
                                 mart.error + " Its last good contents stay readable."));
      }
    }
    return {};
  }

  /// Incidents of marts that recovered, or went, while no scheduler looked.
  Status close_incidents(pg::Connection& db) {
    TRY_ASSIGN(const std::vector<state::Incident> open, state::open_incidents(db));
    for (const state::Incident& incident : open) {
      if (!incident.key.starts_with("mart/")) continue;
      const bool failing = std::ranges::any_of(board_->progress(), [&](const auto& item) {
        return item.second.failures > 0 && incident_key(item.first) == incident.key;
      });
      if (!failing) TRY(state::resolve_incident(db, incident.key));
    }
    return {};
  }

  SchedulerOptions options_;
  Lineage lineage_;
  std::atomic<int> refresh_seconds_;
  std::optional<Board> board_;
  std::set<TableName> dropping_;  // asked for since the records were read
  bool folder_error_ = false;
  std::condition_variable_any sleep_;
  std::jthread thread_;
};

Scheduler::Scheduler(SchedulerOptions options, const lake::Engine& engine)
    : impl_(std::make_unique<Impl>(std::move(options), engine)) {}
Scheduler::~Scheduler() { stop(); }
void Scheduler::start() { impl_->start(); }
void Scheduler::stop() { impl_->stop(); }
void Scheduler::set_refresh_seconds(int seconds) { impl_->set_refresh_seconds(seconds); }

}  // namespace minato::marts
