#include "app/roles/sources.h"

#include <fstream>

#include "base/check.h"

namespace minato::app {
namespace {

/// The absolute path of a file that `source` names; empty when it names none. The library would
/// only say that TLS failed.
Result<std::string> readable(const Platform& platform, const SourceConfig& source,
                             const std::string& file) {
  if (file.empty()) return std::string();
  const std::filesystem::path path = platform.dir / file;
  if (std::filesystem::is_regular_file(path) && std::ifstream(path)) return path.string();
  return fail(Code::not_found,
              "TLS of source " + source.name + ": the file " + path.string() + " cannot be read.");
}

}  // namespace

Result<ingest::SourceOptions> source_options(const Platform& platform, const SourceConfig& source) {
  TRY_ASSIGN(ingest::SourceOptions options, ingest::parse_source_url(source.url));
  TRY_ASSIGN(options.password,
             read_secret(source.password, platform.dir, "The password of source " + source.name));
  options.name = source.name;
  options.tables = source.tables;
  const auto mode = ingest::tls_mode(source.tls.mode);
  CHECK(mode.has_value());  // the configuration was checked
  options.tls.mode = *mode;
  TRY_ASSIGN(options.tls.ca_file, readable(platform, source, source.tls.ca_file));
  TRY_ASSIGN(options.tls.cert_file, readable(platform, source, source.tls.cert_file));
  TRY_ASSIGN(options.tls.key_file, readable(platform, source, source.tls.key_file));
  return options;
}

}  // namespace minato::app
