// Child processes: started so that they never outlive this process, in a process group of their own
// (Ctrl-C at a terminal reaches only us, and we end them in order). Call from the main thread:
// Linux ties a child's death signal to the thread that forked.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace minato::runtime {

struct ChildOptions {
  std::vector<std::string> argv;
  std::string program;  // what to execute; empty: argv[0], looked up in PATH unless it has a slash
  int death_signal =
      SIGKILL;         // sent when we die; setpriv must be told again, it clears the setting
  int output_fd = -1;  // stdout and stderr; -1: ours
  std::string input;   // given on stdin; empty: /dev/null
};

/// Error{unavailable} when the process cannot be made. A program that is missing ends with exit
/// code 127.
Result<pid_t> spawn(const ChildOptions& options);

struct Finished {
  int exit_code = 0;   // 128 + signal when killed
  std::string output;  // stdout and stderr, at most 64 KiB
};
/// Runs to the end. Error{deadline} after `limit` (the process is killed).
Result<Finished> run(ChildOptions options, std::chrono::milliseconds limit);

/// Waits until the child ends; false when it still runs after `limit`.
bool wait_for_end(pid_t pid, std::chrono::milliseconds limit, int* status = nullptr);

/// What proc(5) tells of any process, ours or not.
struct ProcessFacts {
  std::string name;     // at most 15 bytes
  std::string command;  // words, each ended by NUL; empty in the middle of an exec, and while it
                        // ends
  char state = '?';     // 'Z': its first thread has ended
  int threads = 0;
  /// It runs no code and holds nothing any more; only its parent has not asked how it ended.
  bool ended() const { return state == 'Z' && threads <= 1; }
};
/// nullopt: there is no such process. Another program may by now have the number of one that ended.
std::optional<ProcessFacts> process_facts(pid_t pid);

/// "exit code 3", "killed by signal 9 (Killed)".
std::string describe_wait_status(int status);

}  // namespace minato::runtime
