// The part of `minato doctor` that asks a source.
#include <fmt/format.h>

#include "app/commands/diagnosis.h"
#include "app/roles/sources.h"
#include "ingest/mysql/doctor.h"

namespace minato::app {

void check_source(const Platform& platform, const SourceConfig& source, Diagnosis& out) {
  const std::string area = "source " + source.name;
  const auto options = source_options(platform, source);
  if (!options) {
    out.add(area, "configuration", Verdict::bad, options.error().message,
            fmt::format("correct minato.toml, line {}", source.line));
    return;
  }
  for (const auto& found : ingest::mysql::check_source(*options)) {
    out.add(area, found.check, found.ok ? Verdict::good : Verdict::bad, found.found, found.fix);
  }
}

}  // namespace minato::app
