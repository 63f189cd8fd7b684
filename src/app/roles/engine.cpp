#include "app/roles/engine.h"

#include <algorithm>

#include "base/log.h"

namespace minato::app {
namespace fs = std::filesystem;
namespace {

Result<LakeAccess> open_once(const RoleContext& context, int memory_mb, int threads) {
  const fs::path spill = context.platform.spill(context.name);
  std::error_code error;
  fs::remove_all(spill, error);  // of a predecessor that was killed
  fs::create_directories(spill, error);
  fs::permissions(spill, fs::perms::owner_all, error);
  TRY_ASSIGN(const fs::path extensions, extension_directory());
  lake::EngineOptions options;
  options.extension_dir = extensions.string();
  if (context.config.lake.on_s3()) options.extensions.push_back("httpfs");
  options.memory_limit_mb = static_cast<std::uint64_t>(memory_mb);
  options.threads = threads;
  options.spill_dir = spill.string();
  options.spill_limit_mb = spill_limit_mb(context);
  TRY_ASSIGN(lake::Engine engine, lake::Engine::open(options));
  LakeAccess access;
  access.engine = std::make_unique<lake::Engine>(std::move(engine));
  lake::WriterOptions writer;
  TRY_ASSIGN(writer.lake, lake_options(context.platform, context.config, context.access.owner));
  TRY(lake::attach_lake(*access.engine, writer.lake));
  TRY_ASSIGN(access.lake, lake::Lake::open(*access.engine, writer));
  return access;
}

}  // namespace

Result<lake::LakeOptions> lake_options(const Platform& platform, const Config& config,
                                       const std::string& conninfo, bool reader) {
  lake::LakeOptions options;
  options.catalog_conninfo = conninfo;
  options.data_path = platform.lake_data(config);
  if (!config.lake.on_s3()) return options;
  const S3Config& s3 = config.lake.s3;
  const bool own = reader && s3.reader_access_key != SecretRef();
  const auto key = [&](const SecretRef& writers, const SecretRef& readers, const char* name) {
    return read_secret(own ? readers : writers, platform.dir,
                       std::string("[lake.s3] ") + (own ? "reader_" : "") + name);
  };
  lake::S3Options keys{s3.endpoint, s3.region, "", "", s3.url_style, s3.use_ssl};
  TRY_ASSIGN(keys.access_key, key(s3.access_key, s3.reader_access_key, "access_key"));
  TRY_ASSIGN(keys.secret_key, key(s3.secret_key, s3.reader_secret_key, "secret_key"));
  options.s3 = keys;
  return options;
}

std::uint64_t spill_limit_mb(const RoleContext& context) {
  const int configured = context.config.limits.spill_mb;
  if (configured > 0) return static_cast<std::uint64_t>(configured);
  std::error_code error;
  const fs::space_info space = fs::space(context.platform.hidden(), error);
  if (error) return 1;
  return std::max<std::uint64_t>(space.available / 4 / (1024 * 1024), 1);
}

Result<LakeAccess> open_lake(const RoleContext& context, int memory_mb, int threads) {
  bool told = false;
  while (!context.stop.stop_requested()) {
    auto access = open_once(context, memory_mb, threads);
    if (access || access.error().code != Code::unavailable) return access;
    if (!told)
      log::warn("the lake cannot be opened yet; trying again", {{"error", access.error()}});
    told = true;
    pause(context.stop, std::chrono::milliseconds(200));
  }
  return fail(Code::cancelled, "Asked to stop before the lake was ready.");
}

}  // namespace minato::app
