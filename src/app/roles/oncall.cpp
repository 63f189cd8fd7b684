// The role oncall. It outlives the supervisor, whose death is one of the things that it rings for.
#include "app/roles/oncall.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "base/log.h"
#include "oncall/service.h"

namespace minato::app {
namespace fs = std::filesystem;
namespace {

/// Held until the process ends, however it ends.
Status take_lock(const Platform& platform, std::stop_token stop) {
  std::error_code error;
  fs::create_directories(platform.oncall(), error);
  const fs::path path = platform.oncall() / "lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail(Code::unavailable, path.string() + " cannot be opened.");
  bool told = false;
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (stop.stop_requested()) return fail(Code::cancelled, "Asked to stop.");
    int pid = 0;
    std::string kind;
    std::ifstream(path) >> pid >> kind;
    if (!told) log::info("oncall.predecessor: waiting for it to end", {{"pid", pid}});
    if (!told && pid > 0 && kind == "role") kill(pid, SIGTERM);
    told = true;
    pause(stop, std::chrono::milliseconds(100));
  }
  const std::string text = std::to_string(getpid()) + " role\n";
  if (ftruncate(fd, 0) != 0 || pwrite(fd, text.data(), text.size(), 0) < 0) {
    return fail(Code::unavailable, path.string() + " cannot be written.");
  }
  return {};
}

}  // namespace

Status serve_oncall(const Platform& platform, const fs::path& settings, int port,
                    std::stop_token stop) {
  TRY(take_lock(platform, stop));
  oncall::ServiceOptions options;
  options.directory = platform.dir;
  options.hidden = platform.oncall();
  options.roles = platform.roles();
  options.settings = [settings, port]() -> Result<oncall::Settings> {
    TRY_ASSIGN(Config config, load_config(settings));
    if (port > 0) config.oncall.port = port;
    return config.oncall;
  };
  const Config config = load_config_leniently(settings);
  const std::string host = config.http.listen == "0.0.0.0" ? "127.0.0.1" : config.http.listen;
  options.web_url = "http://" + host + ":" + std::to_string(config.http.port);
  return oncall::serve(options, stop);
}

Status run_oncall(const RoleContext& context) {
  return serve_oncall(context.platform, context.platform.config_in_force(), 0, context.stop);
}

}  // namespace minato::app
