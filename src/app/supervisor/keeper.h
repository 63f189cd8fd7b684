// Keeps child processes running: starts them, starts them again with a back-off when they end, ends
// them in order. One thread; the caller tells the time, so that tests can jump it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace minato::app {

using Clock = std::chrono::steady_clock;

struct ProcessSpec {
  std::string name;                      // unique: "core", "worker-1", "postgres"
  std::function<Result<pid_t>()> start;  // as a child of this process
  int stop_signal = 15;
};

struct ProcessState {
  std::string name;
  pid_t pid = 0;     // 0: not running
  int restarts = 0;  // since the supervisor started
  Clock::time_point started_at;
  Clock::time_point next_start;
  int quick_deaths = 0;  // in a row, without having stayed up
  std::string last_end;  // "killed by signal 9 (Killed)"
  int exit_code = -1;    // of the last end; -1: it was killed
  bool failing = false;  // dies again and again
};

/// 0.2 s after the first death, then doubled each time, at most 5 s.
std::chrono::milliseconds restart_delay(int quick_deaths);

class Keeper {
 public:
  using Listener = std::function<void(const ProcessState&)>;

  /// `changed` is called after every start, end, and change of `failing`.
  explicit Keeper(Listener changed) : changed_(std::move(changed)) {}

  void add(ProcessSpec spec, Clock::time_point now);
  /// Ends the process now and forgets it (with `limit` before SIGKILL).
  void remove(const std::string& name, std::chrono::milliseconds limit);
  /// Asks the process to end (killed when it does not within 10 s); it is started again at once,
  /// without counting as a death.
  void restart(const std::string& name, Clock::time_point now);

  /// Reaps what has ended and starts what is due; call when SIGCHLD came and at next_due().
  void tick(Clock::time_point now);
  std::optional<Clock::time_point> next_due() const;

  /// Ends all processes in the reverse order of add(): asked first, killed after `limit` together.
  void stop_all(std::chrono::milliseconds limit);
  std::vector<ProcessState> states() const;
  const ProcessState* find(const std::string& name) const;

 private:
  struct Process {
    ProcessSpec spec;
    ProcessState state;
    std::optional<Clock::time_point> kill_at;  // asked to end, for a new start
  };
  void start(Process& process, Clock::time_point now);
  void ended(Process& process, int status, Clock::time_point now);
  void end_now(Process& process, std::chrono::milliseconds limit);

  Listener changed_;
  std::vector<Process> processes_;
};

}  // namespace minato::app
