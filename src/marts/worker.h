// Runs marts (role worker): claims jobs and replaces each mart's contents in one lake commit,
// together with the records of the run. Killed anywhere, the mart keeps its last good contents and
// the job is run again.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "marts/decide.h"

namespace minato::lake {
class Engine;
class Lake;
}  // namespace minato::lake

namespace minato::marts {

struct WorkerOptions {
  std::string conninfo;                      // PostgreSQL, as minato_owner
  int threads = 1;                           // marts that run at the same time in this process
  std::string name;                          // for people; empty: "host:pid"
  std::chrono::seconds timeout{30 * 60};     // a run that takes longer is interrupted and fails
  std::chrono::seconds interrupt_grace{60};  // and ends the process if it does not obey: the job is
                                             // then run again
  std::chrono::seconds retry_min{10};        // after the first failure; doubled with each one …
  std::chrono::seconds retry_max = retry_wait_max;  // … up to this
};

class Worker {
 public:
  /// `engine` has the lake attached (not read-only); its memory limit bounds the marts. Both
  /// outlive the worker.
  Worker(WorkerOptions options, const lake::Engine& engine, lake::Lake& lake);
  ~Worker();
  void start();
  void stop();  // running marts are interrupted and go back to the queue

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace minato::marts
