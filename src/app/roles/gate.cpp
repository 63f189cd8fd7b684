// The role gate: all that it needs is read here, before it gives up its privileges.
#include "gate/gate.h"

#include "app/roles/engine.h"

namespace minato::app {

Status run_gate(const RoleContext& context) {
  TRY(wait_for_lake(context));
  const Config& config = context.config;
  gate::GateOptions options;
  options.listen = config.gate.listen;
  options.port = static_cast<std::uint16_t>(config.gate.port);
  options.require_tls = config.gate.require_tls;
  options.sessions_max = static_cast<std::uint32_t>(config.gate.sessions_max);
  options.statement_timeout = std::chrono::seconds(config.gate.statement_timeout_seconds);
  options.idle_timeout = std::chrono::seconds(config.gate.idle_timeout_seconds);
  if (!config.gate.tls_cert_file.empty()) {
    options.certificate_file = context.platform.dir / config.gate.tls_cert_file;
    options.key_file = context.platform.dir / config.gate.tls_key_file;
  }
  options.catalogue_conninfo = context.access.reader;
  options.account_conninfo = context.access.gate;
  TRY_ASSIGN(const lake::LakeOptions lake,
             lake_options(context.platform, config, context.access.reader, true));
  options.lake_data = lake.data_path;
  if (lake.s3) {
    options.s3 = {lake.s3->endpoint,   lake.s3->region,    lake.s3->access_key,
                  lake.s3->secret_key, lake.s3->url_style, lake.s3->use_ssl};
  }
  TRY_ASSIGN(options.extension_directory, extension_directory());
  TRY_ASSIGN(options.admin_password, generated_secret(context.platform, "admin"));
  options.spill_directory = context.platform.spill(context.name);
  options.spill_limit_mb = spill_limit_mb(context);
  options.memory_limit_mb = static_cast<std::uint32_t>(config.limits.gate_memory_mb);
  options.threads = static_cast<std::uint32_t>(config.limits.threads);
  return gate::run(options, context.stop);
}

Status check_gate_certificate(const Platform& platform, const Config& config) {
  if (config.gate.tls_cert_file.empty()) return {};
  return gate::check_certificate(platform.dir / config.gate.tls_cert_file,
                                 platform.dir / config.gate.tls_key_file);
}

}  // namespace minato::app
