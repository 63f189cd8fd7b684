#include "state/sources.h"

#include "base/check.h"
#include "state/sql.h"

namespace minato::state {
namespace {

constexpr std::string_view state_names[] = {"starting", "snapshotting", "streaming",
                                            "waiting",  "error",        "removed"};

constexpr const char* columns =
    "select name, kind, position, minato.to_us(source_time), state, coalesce(error, ''), lag_ms, "
    "lag_bytes, "
    "transactions, changes, minato.to_us(updated_at), settings from minato.source ";

Source read(const pg::Rows& rows, int row) {
  Source source;
  source.name = rows.string(row, 0);
  source.kind = rows.string(row, 1);
  source.position.text = rows.string(row, 2);
  source.source_time = time_at(rows, row, 3);
  source.state = enum_of<SourceState>(state_names, rows.text(row, 4));
  source.error = rows.string(row, 5);
  source.lag_ms = rows.integer(row, 6);
  if (!rows.is_null(row, 7)) source.lag_bytes = rows.integer(row, 7);
  source.transactions = rows.integer(row, 8);
  source.changes = rows.integer(row, 9);
  source.updated_at = *time_at(rows, row, 10);
  source.settings = rows.string(row, 11);
  return source;
}

constexpr const char* unknown = "This source is not registered.";

}  // namespace

std::string_view name_of(SourceState state) { return state_names[static_cast<std::size_t>(state)]; }

Status register_source(pg::Connection& connection, const std::string& name,
                       const std::string& kind) {
  TRY(connection.query(
      "insert into minato.source(name, kind) values ($1, $2) on conflict (name) do update set "
      "kind = excluded.kind, updated_at = now(), error = '', "
      "state = case when source.state = 'removed' then 'starting' else source.state end",
      {name, kind}));
  return {};
}

Result<std::optional<Source>> source(pg::Connection& connection, const std::string& name) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query(std::string(columns) + "where name = $1", {name}));
  if (rows.size() == 0) return std::nullopt;
  return read(rows, 0);
}

Result<std::vector<Source>> sources(pg::Connection& connection) {
  TRY_ASSIGN(const pg::Rows rows, connection.query(std::string(columns) + "order by name"));
  std::vector<Source> out;
  for (int row = 0; row < rows.size(); ++row) out.push_back(read(rows, row));
  return out;
}

Status reset_source(pg::Connection& connection, const std::string& name) {
  TRY(connection.query("delete from minato.source_schema where source = $1", {name}));
  return expect_affected(
      connection.query("update minato.source set position = '', source_time = null, "
                       "updated_at = now() where name = $1",
                       {name}),
      1, Code::not_found, unknown);
}

Status set_source_state(pg::Connection& connection, const std::string& name, SourceState state,
                        const std::string& error) {
  return expect_affected(connection.query("update minato.source set state = $2, error = $3, "
                                          "updated_at = clock_timestamp() where name = $1",
                                          {name, std::string(name_of(state)), error}),
                         1, Code::not_found, unknown);
}

}  // namespace minato::state
