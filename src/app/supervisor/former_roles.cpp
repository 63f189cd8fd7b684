#include "app/supervisor/former_roles.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/files.h"
#include "base/log.h"
#include "runtime/child.h"

namespace minato::app {
namespace {

using namespace std::chrono_literals;

// A role that ends has lost its command line while it still holds its ports.
bool lives(const Platform& platform, pid_t pid) {
  const auto process = runtime::process_facts(pid);
  if (!process || process->ended()) return false;
  if (process->command.empty()) return process->name.starts_with("minato");
  const std::string start = std::string("-C") + '\0' + platform.dir.string() + '\0' + "role" + '\0';
  return process->command.find(start) != std::string::npos;
}

}  // namespace

Status await_former_roles(const Platform& platform) {
  const auto states = nlohmann::json::parse(read_file(platform.roles()), nullptr, false);
  if (!states.is_object() || !states.contains("processes")) return {};
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  for (const auto& process : states["processes"]) {
    const std::string name = process.value("name", "");
    const pid_t pid = process.value("pid", 0);
    if (name == "oncall") continue;
    for (bool told = false; lives(platform, pid); told = true) {
      if (!told)
        log::info("a role of the former run still ends", {{"process", name}, {"pid", pid}});
      if (std::chrono::steady_clock::now() > deadline) {
        return fail(Code::unavailable, "The process " + std::to_string(pid) + " (" + name +
                                           ") of the former minato serve does not end. "
                                           "End it:  kill -9 " +
                                           std::to_string(pid));
      }
      std::this_thread::sleep_for(10ms);
    }
  }
  return {};
}

}  // namespace minato::app
