#include "marts/worker.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "lake/engine.h"
#include "lake/writer.h"
#include "marts/decide.h"
#include "marts/definition.h"
#include "marts/run.h"
#include "state/jobs.h"
#include "state/marts.h"

namespace minato::marts {
namespace {

using std::chrono::milliseconds;

// Without a NOTIFY a queue is looked at this often: for jobs that a lost worker held.
constexpr milliseconds look_every{1'000};
constexpr milliseconds retry_wait{1'000};

SystemTime now() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::string default_name() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return std::string(host) + ":" + std::to_string(::getpid());
}

}  // namespace

class Worker::Impl {
 public:
  Impl(WorkerOptions options, const lake::Engine& engine, lake::Lake& lake)
      : options_(std::move(options)), engine_(engine), lake_(lake) {
    if (options_.name.empty()) options_.name = default_name();
  }

  void start() {
    CHECK(threads_.empty() && options_.threads > 0);
    for (int n = 1; n <= options_.threads; ++n) {
      threads_.emplace_back([this, n](const std::stop_token& stop) { run(n, stop); });
    }
  }
  void stop() {
    for (std::jthread& thread : threads_) thread.request_stop();
    threads_.clear();
  }

 private:
  /// What one thread works with; made anew after an error of the connection.
  struct Desk {
    pg::Connection db;
    lake::Session session;
  };

  void run(int number, const std::stop_token& stop) {
    const std::string name = options_.name + "/" + std::to_string(number);
    while (!stop.stop_requested()) {
      if (Status status = work(name, stop); !status && !stop.stop_requested()) {
        log::warn("marts.worker_restarts", {{"worker", name}, {"error", status.error()}});
        std::mutex mutex;
        std::unique_lock lock(mutex);
        std::condition_variable_any sleep;
        sleep.wait_for(lock, stop, retry_wait, [] { return false; });
      }
    }
  }

  Status work(const std::string& name, const std::stop_token& stop) {
    TRY_ASSIGN(pg::Connection db, pg::Connection::open(options_.conninfo));
    TRY_ASSIGN(lake::Session session, engine_.connect());
    Desk desk{std::move(db), std::move(session)};
    TRY(desk.db.script("listen minato_job"));
    while (!stop.stop_requested()) {
      TRY_ASSIGN(const std::optional<state::Job> job, state::claim(desk.db, name));
      if (job) {
        TRY(one(desk, *job, stop));
      } else {
        TRY(wait(desk.db, stop));
      }
    }
    return {};
  }

  static Status wait(pg::Connection& db, const std::stop_token& stop) {
    // In slices, so that stop() takes a moment only.
    for (milliseconds waited{0}; waited < look_every && !stop.stop_requested();) {
      constexpr milliseconds slice{100};
      TRY_ASSIGN(const std::optional<pg::Notification> notice, db.notification(slice));
      if (notice && notice->payload == "queued") return {};
      // Endings of other runs cost nothing but the look at them.
      if (!notice) waited += slice;
    }
    return {};
  }

  Status one(Desk& desk, const state::Job& job, const std::stop_token& stop) {
    TRY(failpoint("mart.after_claim"));
    if (job.kind == state::JobKind::drop) return drop(desk, job);
    Run run(desk.db, desk.session, lake_, job, {options_.timeout, options_.interrupt_grace});
    const Status status = run.execute(stop);
    if (status) {
      log::info("marts.run", {{"mart", display(job.table)},
                              {"rows", run.record().rows},
                              {"ms", since(run.record().started_at)}});
      return state::release(desk.db, job);
    }
    return ended_badly(desk, run.record(), status.error());
  }

  static std::int64_t since(SystemTime time) {
    return std::chrono::duration_cast<milliseconds>(now() - time).count();
  }

  Status ended_badly(Desk& desk, const state::MartRun& run, const Error& error) {
    const state::Job& job = run.job;
    if (error.code == Code::cancelled) return state::give_back(desk.db, job);
    if (error.code == Code::conflict) {
      // Lost to somebody else, the mart is gone, or a commit that came first: the queue knows what
      // is to be done.
      log::info("marts.run_given_up", {{"mart", display(job.table)}, {"error", error}});
      return forget(desk, job);
    }
    // Of the platform, not of the mart: the job waits until things are well again. A session that
    // is lost takes its jobs back to the queue by itself.
    if (error.code == Code::unavailable || error.code == Code::in_doubt) {
      if (desk.db.alive()) TRY(state::give_back(desk.db, job));
      return fail(error);
    }
    log::warn("marts.run_failed", {{"mart", display(job.table)}, {"error", error}});
    TRY(failpoint("mart.before_failed"));
    TRY(pg::transaction(desk.db, [&](pg::Connection& c) -> Status {
      TRY_ASSIGN(const int failures, state::mart_failures(c, job.table));
      const SystemTime retry =
          now() + back_off(failures + 1, options_.retry_min, options_.retry_max);
      TRY(state::mart_failed(c, run, error_text(error), retry));
      return {};
    }));
    return state::release(desk.db, job);
  }

  Status forget(Desk& desk, const state::Job& job) {
    TRY_ASSIGN(const auto mart, state::mart_definition(desk.db, job.table));
    if (mart) {
      // The other side is given a moment.
      std::this_thread::sleep_for(milliseconds(100));
      return state::give_back(desk.db, job);
    }
    // The job of a mart that is gone.
    (void)state::complete(desk.db, job);
    return state::release(desk.db, job);
  }

  Status drop(Desk& desk, const state::Job& job) {
    TRY_ASSIGN(const bool removed, state::mart_removed(desk.db, job.table));
    if (removed) {
      TRY(lake_.drop_table(job.table));
      TRY(failpoint("mart.after_drop"));
      TRY(pg::transaction(desk.db, [&](pg::Connection& c) { return state::mart_dropped(c, job); }));
      log::info("marts.dropped", {{"mart", display(job.table)}});
    } else {
      TRY(state::complete(desk.db, job));
    }
    return state::release(desk.db, job);
  }

  WorkerOptions options_;
  const lake::Engine& engine_;
  lake::Lake& lake_;
  std::vector<std::jthread> threads_;
};

Worker::Worker(WorkerOptions options, const lake::Engine& engine, lake::Lake& lake)
    : impl_(std::make_unique<Impl>(std::move(options), engine, lake)) {}
Worker::~Worker() { stop(); }
void Worker::start() { impl_->start(); }
void Worker::stop() { impl_->stop(); }

}  // namespace minato::marts
