#include "state/settings.h"

namespace minato::state {

Result<std::optional<std::string>> setting(pg::Connection& connection, const std::string& name) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query("select value from minato.setting where name = $1", {name}));
  if (rows.size() == 0) return std::nullopt;
  return rows.string(0, 0);
}

Status set_setting(pg::Connection& connection, const std::string& name, const std::string& value) {
  TRY(
      connection.query("insert into minato.setting values ($1, $2) "
                       "on conflict (name) do update set value = excluded.value",
                       {name, value}));
  return {};
}

}  // namespace minato::state
