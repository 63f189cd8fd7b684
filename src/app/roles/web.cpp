// The role web.
#include "web/web.h"

#include "app/roles/role.h"

namespace minato::app {

Status run_web(const RoleContext& context) {
  web::WebOptions options;
  options.listen = context.config.http.listen;
  options.port = static_cast<std::uint16_t>(context.config.http.port);
  options.conninfo = context.access.owner;
  options.roles_file = context.platform.roles();
  return web::run(options, context.stop);
}

}  // namespace minato::app
