#include <fmt/format.h>

#include "app/commands/diagnosis.h"
#include "app/roles/sources.h"

namespace minato::app {

void check_source(const Platform& platform, const SourceConfig& source, Diagnosis& out) {
  const std::string area = "source " + source.name;
  auto options = source_options(platform, source);
  if (!options) {
    out.add(area, "configuration", Verdict::bad, options.error().message,
            fmt::format("correct minato.toml, line {}", source.line));
    return;
  }
  const auto database = ingest::make_mysql_source(*options);
  const auto position = database->current_position();
  out.add(area, "reachable, binlog on, privileges", position ? Verdict::good : Verdict::bad,
          position ? "it stands at " + position->text : describe(position.error()),
          "see the message; the account needs REPLICATION SLAVE, REPLICATION CLIENT, SELECT");
  if (!position) return;
  const auto tables = database->tables();
  out.add(area, "tables", tables && !tables->empty() ? Verdict::good : Verdict::warning,
          tables ? fmt::format("{} match the patterns", tables->size()) : describe(tables.error()),
          "correct `tables` of the source in minato.toml");
}

}  // namespace minato::app
