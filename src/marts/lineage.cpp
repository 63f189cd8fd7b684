#include "marts/lineage.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include "lake/engine.h"

namespace minato::marts {
namespace {

// Table functions that make rows from their arguments alone. Everything else reads files, other
// databases or the engine's settings, whose changes nobody would follow. Sorted.
constexpr std::array<std::string_view, 7> allowed_functions = {
    "generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"};

Result<std::vector<Read>> reads_of(lake::Session& session, const Definition& definition) {
  TRY_ASSIGN(const sql::Analysis analysis, sql::analyse(session, definition.text));
  for (const std::string& name : analysis.table_functions) {
    if (std::ranges::binary_search(allowed_functions, name)) continue;
    return fail(Code::forbidden, "A mart cannot use " + name +
                                     "(): it reads tables of the lake only, so that it can follow "
                                     "their changes.");
  }
  if (analysis.parameters > 0) {
    return fail(Code::invalid, "A mart has no parameters; write the value instead of ? or $1.");
  }
  std::vector<Read> out;
  for (const sql::TableRef& ref : analysis.tables) {
    sql::Analysis single;
    single.tables = {ref};
    TRY_ASSIGN(std::vector<TableName> names,
               sql::lake_tables(single, definition.text, "minato", definition.name.schema));
    for (TableName& name : names) out.push_back({std::move(name), ref});
  }
  return out;
}

/// Takes "line 12, column 3: " off the front of `message`; 0 when it is not there.
int take_line(std::string& message) {
  constexpr std::string_view prefix = "line ";
  if (!message.starts_with(prefix)) return 0;
  int line = 0;
  const char* end = message.data() + message.size();
  const auto parsed = std::from_chars(message.data() + prefix.size(), end, line);
  const std::size_t colon = message.find(": ");
  if (parsed.ec != std::errc{} || colon == std::string::npos) return 0;
  message.erase(0, colon + 2);
  return line;
}

Finding finding_from(const Definition& definition, std::string message) {
  const int line = take_line(message);
  if (!message.empty() && message[0] >= 'a' && message[0] <= 'z') {
    message[0] = static_cast<char>(message[0] - 'a' + 'A');
  }
  return {definition.file, line, std::move(message), ""};
}

}  // namespace

Lineage engine_lineage(const lake::Engine& engine) {
  auto session = std::make_shared<std::optional<lake::Session>>();
  return [&engine, session](const Definition& definition) -> Result<std::vector<Read>> {
    if (!*session) {
      TRY_ASSIGN(lake::Session opened, engine.connect());
      session->emplace(std::move(opened));
    }
    return reads_of(**session, definition);
  };
}

Finding finding_of(const Definition& definition, const Error& error) {
  return finding_from(definition, error.message);
}

Finding unknown_table(const Definition& definition, const Read& read,
                      const std::vector<TableName>& known) {
  Finding finding = finding_from(definition, sql::unknown_table(definition.text, read.ref, known));
  // "… there is no table x. Did you mean y?": the second sentence is the suggestion.
  if (const std::size_t hint = finding.message.find(" Did you mean"); hint != std::string::npos) {
    finding.suggestion = finding.message.substr(hint + 1);
    finding.message.erase(hint);
  }
  return finding;
}

}  // namespace minato::marts
