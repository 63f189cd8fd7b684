#include "app/roles/role.h"

namespace minato::app {

Status run_web(const RoleContext& context) {
  wait_for_stop(context.stop);
  return {};
}

}  // namespace minato::app
