#include "gate/gate.h"

#include "base/log.h"
#include "gate/server.h"
#include "lake/engine.h"

namespace minato::gate {
namespace {

/// The engine with the lake attached, and its configuration locked: nothing can be attached, loaded
/// or set after it.
Result<lake::Engine> open_engine(const GateOptions& options) {
  lake::EngineOptions engine_options;
  engine_options.extension_dir = options.extension_directory;
  engine_options.memory_limit_mb = options.memory_limit_mb;
  engine_options.threads = static_cast<int>(options.threads);
  engine_options.spill_dir = options.spill_directory;
  const bool s3 = options.lake_data.starts_with("s3://");
  if (s3) engine_options.extensions.emplace_back("httpfs");
  TRY_ASSIGN(lake::Engine engine, lake::Engine::open(engine_options));
  lake::LakeOptions lake_options;
  lake_options.catalog_conninfo = options.catalogue_conninfo;
  lake_options.data_path = options.lake_data;
  lake_options.read_only = true;
  if (s3) {
    lake_options.s3 =
        lake::S3Options{options.s3.endpoint,   options.s3.region,    options.s3.access_key,
                        options.s3.secret_key, options.s3.url_style, options.s3.use_ssl};
  }
  TRY(lake::attach_lake(engine, lake_options));
  TRY(lake::lock_down(engine, {options.lake_data}));
  return engine;
}

}  // namespace

Status run(const GateOptions& options, std::stop_token stop) {
  TRY_ASSIGN(const auto server, Server::listen(options));
  TRY_ASSIGN(lake::Engine engine, open_engine(options));
  log::info("gate.ready", {{"listen", options.listen}, {"port", server->port()}});
  if (options.on_ready) options.on_ready(server->port());
  const Status status = server->serve(engine, std::move(stop));
  log::info("gate.stopped");
  return status;
}

}  // namespace minato::gate
