#include "app/supervisor/former_roles.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/log.h"

namespace minato::app {
namespace {

using namespace std::chrono_literals;

// By then another program may have the number of one that is gone. A role that ends has lost its
// command line while it still holds its ports, and its first thread may be a zombie before the
// others have ended (proc(5)).
bool lives(const Platform& platform, const std::string& pid) {
  const std::string proc = "/proc/" + pid;
  const std::string command = read_file(proc + "/cmdline");
  const std::string start = std::string("-C") + '\0' + platform.dir.string() + '\0' + "role" + '\0';
  if (!command.empty()) return command.find(start) != std::string::npos;
  const std::string stat = read_file(proc + "/stat");  // PID (minato) STATE …, threads in field 20
  std::istringstream rest(stat.substr(std::min(stat.size(), stat.rfind(") ") + 2)));
  const std::vector<std::string> fields{std::istream_iterator<std::string>(rest), {}};
  return stat.find(" (minato") != std::string::npos && fields.size() > 17 &&
         (fields[0] != "Z" || std::stoi(fields[17]) > 1);
}

}  // namespace

Status await_former_roles(const Platform& platform) {
  const auto states = nlohmann::json::parse(read_file(platform.roles()), nullptr, false);
  if (!states.is_object() || !states.contains("processes")) return {};
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  for (const auto& process : states["processes"]) {
    const std::string name = process.value("name", "");
    const std::string pid = std::to_string(process.value("pid", 0));
    if (name == "oncall") continue;
    for (bool told = false; lives(platform, pid); told = true) {
      if (!told)
        log::info("a role of the former run still ends", {{"process", name}, {"pid", pid}});
      if (std::chrono::steady_clock::now() > deadline) {
        return fail(Code::unavailable, "The process " + pid + " (" + name +
                                           ") of the former minato serve does not end. "
                                           "End it:  kill -9 " +
                                           pid);
      }
      std::this_thread::sleep_for(10ms);
    }
  }
  return {};
}

}  // namespace minato::app
