// `minato serve`, and how other commands see whether it runs.
#include "app/commands/commands.h"
#include "app/supervisor/supervisor.h"
#include "base/log.h"

namespace minato::app {

Result<int> serve(const Platform& platform) {
  Result<Config> config = load_config(platform.dir);
  if (!config) return fail(config.error());
  log::configure("serve", log::Level::info, config->log.format == "json");
  TRY(Supervisor(platform, *config).run());
  return 0;
}

Status require_serve(const Platform& platform) {
  const LockHolder holder = lock_holder(platform);
  if (holder.command == "serve") return {};
  return fail(Code::not_found, "minato serve does not run on " + platform.dir.string() +
                                   ". Start it:  minato -C " + platform.dir.string() + " serve");
}

}  // namespace minato::app
