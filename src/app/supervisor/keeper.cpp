#include "app/supervisor/keeper.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>

#include "base/check.h"
#include "runtime/child.h"

namespace minato::app {
namespace {
constexpr auto kStayedUp = std::chrono::seconds(20);  // from here on a process counts as healthy
constexpr auto kPatience = std::chrono::seconds(10);  // with a process asked to end
constexpr int kFailingAfter = 4;                      // quick deaths in a row
}  // namespace

std::chrono::milliseconds restart_delay(int quick_deaths) {
  const int doublings = std::clamp(quick_deaths - 1, 0, 10);
  return std::min(std::chrono::milliseconds(200) * (1 << doublings),
                  std::chrono::milliseconds(5000));
}

void Keeper::add(ProcessSpec spec, Clock::time_point now) {
  CHECK(!find(spec.name));
  Process process;
  process.state.name = spec.name;
  process.state.next_start = now;
  process.spec = std::move(spec);
  processes_.push_back(std::move(process));
  start(processes_.back(), now);
}

void Keeper::start(Process& process, Clock::time_point now) {
  process.kill_at.reset();
  process.state.started_at = now;
  auto pid = process.spec.start();
  if (pid) {
    process.state.pid = *pid;
  } else {
    ++process.state.quick_deaths;
    process.state.last_end = describe(pid.error());
    process.state.next_start = now + restart_delay(process.state.quick_deaths);
    process.state.failing = process.state.quick_deaths >= kFailingAfter;
  }
  changed_(process.state);
}

void Keeper::ended(Process& process, int status, Clock::time_point now) {
  ProcessState& state = process.state;
  state.pid = 0;
  state.last_end = runtime::describe_wait_status(status);
  state.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  ++state.restarts;
  if (process.kill_at) {
    state.next_start = now;
  } else {
    state.quick_deaths = now - state.started_at >= kStayedUp ? 1 : state.quick_deaths + 1;
    state.next_start = now + restart_delay(state.quick_deaths);
    state.failing = state.quick_deaths >= kFailingAfter;
  }
  changed_(state);
}

void Keeper::tick(Clock::time_point now) {
  for (Process& process : processes_) {
    ProcessState& state = process.state;
    if (state.pid > 0) {
      int status = 0;
      if (waitpid(state.pid, &status, WNOHANG) == state.pid) {
        ended(process, status, now);
      } else if (process.kill_at && now >= *process.kill_at) {
        kill(state.pid, SIGKILL);
      } else if (state.quick_deaths > 0 && now - state.started_at >= kStayedUp) {
        state.quick_deaths = 0;
        state.failing = false;
        changed_(state);
      }
    }
    if (state.pid == 0 && state.next_start <= now) start(process, now);
  }
}

std::optional<Clock::time_point> Keeper::next_due() const {
  std::optional<Clock::time_point> due;
  for (const Process& process : processes_) {
    const ProcessState& state = process.state;
    if (state.pid > 0 && state.quick_deaths == 0) continue;
    const auto when = state.pid > 0 ? state.started_at + kStayedUp : state.next_start;
    if (!due || when < *due) due = when;
  }
  return due;
}

void Keeper::end_now(Process& process, std::chrono::milliseconds limit) {
  if (process.state.pid <= 0) return;
  if (!runtime::wait_for_end(process.state.pid, limit)) {
    kill(process.state.pid, SIGKILL);
    runtime::wait_for_end(process.state.pid, std::chrono::seconds(5));
  }
  process.state.pid = 0;
  process.state.last_end = "as asked";
}

void Keeper::remove(const std::string& name, std::chrono::milliseconds limit) {
  const auto found =
      std::find_if(processes_.begin(), processes_.end(),
                   [&](const Process& process) { return process.state.name == name; });
  if (found == processes_.end()) return;
  if (found->state.pid > 0) kill(found->state.pid, found->spec.stop_signal);
  end_now(*found, limit);
  const ProcessState last = found->state;
  processes_.erase(found);
  changed_(last);
}

void Keeper::restart(const std::string& name, Clock::time_point now) {
  for (Process& process : processes_) {
    if (process.state.name != name || process.state.pid <= 0) continue;
    process.kill_at = now + kPatience;
    kill(process.state.pid, process.spec.stop_signal);
  }
}

void Keeper::stop_all(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  for (auto process = processes_.rbegin(); process != processes_.rend(); ++process) {
    if (process->state.pid > 0) kill(process->state.pid, process->spec.stop_signal);
  }
  for (auto process = processes_.rbegin(); process != processes_.rend(); ++process) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    end_now(*process, std::max(left, std::chrono::milliseconds(0)));
  }
}

std::vector<ProcessState> Keeper::states() const {
  std::vector<ProcessState> out;
  for (const Process& process : processes_) out.push_back(process.state);
  return out;
}

const ProcessState* Keeper::find(const std::string& name) const {
  for (const Process& process : processes_) {
    if (process.state.name == name) return &process.state;
  }
  return nullptr;
}

}  // namespace minato::app
