#include "app/roles/sources.h"

namespace minato::app {

Result<ingest::SourceOptions> source_options(const Platform& platform, const SourceConfig& source) {
  TRY_ASSIGN(ingest::SourceOptions options, ingest::parse_source_url(source.url));
  TRY_ASSIGN(options.password,
             read_secret(source.password, platform.dir, "The password of source " + source.name));
  options.name = source.name;
  options.tables = source.tables;
  return options;
}

}  // namespace minato::app
