#include <iostream>

#include "app/cli.h"
#include "app/commands/commands.h"

namespace minato::app {

Result<int> wait(const Platform& platform, const WaitOptions& options) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  if (Status running = require_serve(platform); !running) {
    std::cerr << "minato: " << running.error().message << "\n";
    return kExitNotRunning;
  }
  if (config.sources.empty() && options.source.empty()) return kExitGood;
  return fail(Code::unsupported, "wait: capture is not there yet.");
}

}  // namespace minato::app
