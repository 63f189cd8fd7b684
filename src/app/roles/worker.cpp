// The role worker: builds marts, in an engine of its own with its own memory limit.
#include "marts/worker.h"

#include "app/roles/engine.h"
#include "base/log.h"

namespace minato::app {

Status run_worker(const RoleContext& context) {
  TRY(wait_for_lake(context));
  const LimitsConfig& limits = context.config.limits;
  TRY_ASSIGN(LakeAccess access, open_lake(context, limits.worker_memory_mb, limits.threads));
  marts::WorkerOptions options;
  options.conninfo = context.access.owner;
  options.name = context.name;
  marts::Worker worker(options, *access.engine, *access.lake);
  worker.start();
  log::info("worker works");
  wait_for_stop(context.stop);
  worker.stop();
  return {};
}

}  // namespace minato::app
