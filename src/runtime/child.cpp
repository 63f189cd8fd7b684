#include "runtime/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/files.h"

namespace minato::runtime {
namespace {

using Clock = std::chrono::steady_clock;

// Runs between fork and exec: only async-signal-safe calls.
[[noreturn]] void become(char* const* argv, const ChildOptions& options, pid_t parent,
                         int input_fd) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, options.death_signal);
  if (getppid() != parent) _exit(127);  // the parent died before the line above
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  dup2(input_fd, STDIN_FILENO);
  if (options.output_fd >= 0) {
    dup2(options.output_fd, STDOUT_FILENO);
    dup2(options.output_fd, STDERR_FILENO);
  }
  // Not every library opens its sockets with CLOEXEC, and a child that outlives us would keep our
  // port.
  close_range(STDERR_FILENO + 1, ~0U, 0);
  execvp(options.program.empty() ? argv[0] : options.program.c_str(), argv);
  constexpr char kText[] = "minato: cannot execute ";
  [[maybe_unused]] auto a = write(STDERR_FILENO, kText, sizeof kText - 1);
  [[maybe_unused]] auto b = write(STDERR_FILENO, argv[0], strlen(argv[0]));
  [[maybe_unused]] auto c = write(STDERR_FILENO, "\n", 1);
  _exit(127);
}

// What the child reads on stdin: a pipe filled beforehand (small texts only), or /dev/null.
Result<int> open_input(const std::string& text) {
  if (text.empty()) {
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(Code::unavailable, "/dev/null cannot be opened.", strerror(errno));
    return fd;
  }
  CHECK(text.size() <= 32 * 1024);  // fits into a pipe: the write below does not block
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(Code::exhausted, "No pipe.", strerror(errno));
  const auto written = write(ends[1], text.data(), text.size());
  close(ends[1]);
  if (written != static_cast<ssize_t>(text.size())) {
    close(ends[0]);
    return fail(Code::internal, "A pipe could not be filled.");
  }
  return ends[0];
}

void read_available(int fd, std::string& out) {
  char buffer[4096];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof buffer)) > 0) {
    if (out.size() < 64 * 1024) out.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace

Result<pid_t> spawn(const ChildOptions& options) {
  CHECK(!options.argv.empty());
  std::vector<char*> argv;
  for (const std::string& word : options.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  TRY_ASSIGN(const int input_fd, open_input(options.input));
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) become(argv.data(), options, parent, input_fd);
  close(input_fd);
  if (pid < 0) return fail(Code::unavailable, "No process could be started.", strerror(errno));
  setpgid(pid, pid);  // the same as in the child: whoever comes first
  return pid;
}

bool wait_for_end(pid_t pid, std::chrono::milliseconds limit, int* status) {
  const auto deadline = Clock::now() + limit;
  for (;;) {
    int result = 0;
    const pid_t ended = waitpid(pid, &result, WNOHANG);
    if (ended == pid || (ended < 0 && errno == ECHILD)) {
      if (status) *status = result;
      return true;
    }
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

Result<Finished> run(ChildOptions options, std::chrono::milliseconds limit) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(Code::exhausted, "No pipe.", strerror(errno));
  options.output_fd = ends[1];
  auto pid = spawn(options);
  close(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  if (!pid) {
    close(ends[0]);
    return fail(std::move(pid).error());
  }
  Finished finished;
  const auto deadline = Clock::now() + limit;
  int status = 0;
  bool ended = false;
  while (!ended && Clock::now() < deadline) {
    pollfd waiting{ends[0], POLLIN, 0};
    poll(&waiting, 1, 5);
    read_available(ends[0], finished.output);
    ended = wait_for_end(*pid, std::chrono::milliseconds(0), &status);
    // A closed pipe makes poll return at once: do not spin until the exit is seen.
    if (!ended && (waiting.revents & POLLHUP))
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (!ended) {
    kill(*pid, SIGKILL);
    wait_for_end(*pid, std::chrono::seconds(5));
  }
  read_available(ends[0], finished.output);
  close(ends[0]);
  if (!ended)
    return fail(Code::deadline, options.argv[0] + " did not end in time.", finished.output);
  finished.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

std::optional<ProcessFacts> process_facts(pid_t pid) {
  if (pid <= 0) return std::nullopt;
  const std::string proc = "/proc/" + std::to_string(pid);
  ProcessFacts out;
  out.command = read_file(proc + "/cmdline");
  // PID (name) state …, threads in field 20; a name may hold brackets and blanks.
  const std::string stat = read_file(proc + "/stat");
  const std::size_t open = stat.find('('), close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  out.name = stat.substr(open + 1, close - open - 1);
  std::istringstream fields(stat.substr(close + 1));
  fields >> out.state;
  std::string skipped;
  for (int field = 4; field < 20; ++field) fields >> skipped;
  fields >> out.threads;
  return out;
}

std::string describe_wait_status(int status) {
  if (WIFEXITED(status)) return "exit code " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    return "killed by signal " + std::to_string(number) + " (" + strsignal(number) + ")";
  }
  return "ended";
}

}  // namespace minato::runtime
