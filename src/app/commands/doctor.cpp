#include "app/cli.h"
#include "app/commands/commands.h"

namespace minato::app {

Result<int> doctor(const Platform& platform, bool) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  return kExitGood;
}

}  // namespace minato::app
