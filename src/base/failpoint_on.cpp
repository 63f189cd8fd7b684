// The variant of tests: does what MINATO_FAILPOINTS says (see failpoint.h).
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "base/failpoint.h"
#include "base/log.h"

namespace minato {
namespace {

struct Action {
  bool kill = false;
  bool wait = false;
  int hit_from = 1;  // acts from this hit on
  int hits = 0;
};

std::map<std::string, Action, std::less<>> parse(std::string_view text) {
  std::map<std::string, Action, std::less<>> actions;
  while (!text.empty()) {
    const auto end = text.find(',');
    std::string_view item = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const auto equals = item.find('=');
    if (equals == std::string_view::npos) continue;
    Action action;
    std::string_view what = item.substr(equals + 1);
    if (const auto at = what.find('@'); at != std::string_view::npos) {
      action.hit_from = std::atoi(std::string(what.substr(at + 1)).c_str());
      what = what.substr(0, at);
    }
    action.kill = what == "kill";
    action.wait = what == "wait";
    actions.emplace(item.substr(0, equals), action);
  }
  return actions;
}

std::mutex mutex;

std::map<std::string, Action, std::less<>>& actions() {
  static auto instance = [] {
    const char* text = std::getenv("MINATO_FAILPOINTS");
    return parse(text ? text : "");
  }();
  return instance;
}

/// A process begins with what the file says then. (Inode numbers alone are used again at once.)
void read_file_again() {
  static const char* const path = std::getenv("MINATO_FAILPOINTS_FILE");
  static struct stat seen {};
  struct stat now {};
  if (path == nullptr || stat(path, &now) != 0) return;
  if (now.st_ino == seen.st_ino && now.st_mtim.tv_sec == seen.st_mtim.tv_sec &&
      now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec) {
    return;
  }
  seen = now;
  std::ifstream in(path);
  actions() = parse(std::string(std::istreambuf_iterator<char>(in), {}));
}

}  // namespace

void set_failpoints(std::string_view text) {
  const std::lock_guard lock(mutex);
  actions() = parse(text);
}

Status failpoint(std::string_view name) {
  std::unique_lock lock(mutex);
  read_file_again();
  auto found = actions().find(name);
  if (found == actions().end() || ++found->second.hits < found->second.hit_from) return {};
  if (found->second.wait) {
    for (; found != actions().end() && found->second.wait; found = actions().find(name)) {
      lock.unlock();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      lock.lock();
      read_file_again();
    }
    return {};
  }
  if (found->second.kill) {
    log::warn("failpoint kills", {{"name", name}});
    std::raise(SIGKILL);
  }
  log::warn("failpoint fails", {{"name", name}});
  return fail(Code::unavailable, "failpoint " + std::string(name));
}

}  // namespace minato
