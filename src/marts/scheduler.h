// Decides when marts run (role core): follows marts/ and the lake's commits, and puts jobs into the
// durable queue. Holds nothing that must survive: what is stale is read from PostgreSQL, so no
// arrival can be lost. At most one scheduler works at a time (a lock in PostgreSQL); others wait
// for it to go.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"

namespace minato::lake {
class Engine;
}

namespace minato::marts {

struct SchedulerOptions {
  std::string conninfo;                  // PostgreSQL, as minato_owner; state::migrate() has run
  std::filesystem::path platform;        // directory that holds marts/
  int refresh_seconds = 60;              // [marts] refresh_seconds: for marts that say nothing
  std::chrono::milliseconds poll{1000};  // how often marts/ is looked at
  std::chrono::seconds drop_after{60};   // a mart whose file is gone that long is dropped
  int incident_after_failures = 3;
  int lost_workers_max = 3;  // a job that ended so many workers counts as failed
  std::chrono::hours keep_runs{24 * 14};
};

class Scheduler {
 public:
  /// `engine` parses SQL only and needs no lake attached; it outlives the scheduler.
  Scheduler(SchedulerOptions options, const lake::Engine& engine);
  ~Scheduler();
  /// Returns at once; troubles (PostgreSQL gone …) are logged once and retried for ever.
  void start();
  void stop();  // at most a second; safe to call twice
  /// [marts] refresh_seconds changed.
  void set_refresh_seconds(int seconds);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace minato::marts
