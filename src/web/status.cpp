#include "web/status.h"

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

namespace minato::web {
namespace {

// Kilobytes of one process; the proportional set size when the kernel lets us see it.
std::int64_t memory_kb(long pid) {
  const std::string base = "/proc/" + std::to_string(pid) + "/";
  std::string word;
  if (std::ifstream in(base + "smaps_rollup"); in) {
    while (in >> word) {
      std::int64_t kb = 0;
      if (word == "Pss:" && in >> kb) return kb;
    }
  }
  std::ifstream status(base + "status");
  while (status >> word) {
    std::int64_t kb = 0;
    if (word == "VmRSS:" && status >> kb) return kb;
  }
  return 0;
}

std::int64_t tree_memory_kb(long pid) {
  std::int64_t sum = memory_kb(pid);
  std::ifstream children("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) +
                         "/children");
  long child = 0;
  while (children >> child) sum += memory_kb(child);
  return sum;
}

}  // namespace

std::vector<ProcessView> load_processes(const std::filesystem::path& file) {
  std::vector<ProcessView> out;
  std::ifstream in(file);
  const auto all = nlohmann::json::parse(in, nullptr, false);
  if (all.is_discarded() || !all.is_object()) return out;
  const long supervisor = all.value("supervisor", 0L);
  if (supervisor <= 0) return out;
  const bool alive = kill(static_cast<pid_t>(supervisor), 0) == 0;
  out.push_back({.name = "serve",
                 .pid = supervisor,
                 .up = alive,
                 .memory_bytes = memory_kb(supervisor) * 1024});
  for (const auto& item : all.value("processes", nlohmann::json::array())) {
    ProcessView view;
    view.name = item.value("name", "");
    view.pid = item.value("pid", 0L);
    view.restarts = item.value("restarts", 0);
    view.failing = item.value("failing", false);
    view.last_end = item.value("last_end", "");
    view.up = view.pid > 0 && kill(static_cast<pid_t>(view.pid), 0) == 0;
    if (view.up) view.memory_bytes = tree_memory_kb(view.pid) * 1024;
    out.push_back(std::move(view));
  }
  return out;
}

nlohmann::json status_json(const state::PlatformStatus& status,
                           const std::vector<ProcessView>& processes) {
  nlohmann::json out = nlohmann::json::parse(state::to_json(status));
  out["processes"] = nlohmann::json::array();
  for (const auto& p : processes) {
    out["processes"].push_back({{"name", p.name},
                                {"pid", p.pid},
                                {"up", p.up},
                                {"restarts", p.restarts},
                                {"failing", p.failing},
                                {"memory_bytes", p.memory_bytes},
                                {"last_end", p.last_end}});
  }
  return out;
}

}  // namespace minato::web
