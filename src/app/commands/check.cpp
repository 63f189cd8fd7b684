#include <iostream>
#include <nlohmann/json.hpp>

#include "app/cli.h"
#include "app/commands/commands.h"

namespace minato::app {

Result<int> check(const Platform& platform, bool json) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  if (json) std::cout << "[]\n";
  if (!json) std::cout << "Good: " << platform.config_file().string() << "\n";
  return kExitGood;
}

}  // namespace minato::app
