#include "state/incidents.h"

#include "base/check.h"
#include "state/sql.h"

namespace minato::state {
namespace {

constexpr std::string_view severity_names[] = {"info", "warning", "critical"};

}  // namespace

std::string_view name_of(Severity severity) {
  return severity_names[static_cast<std::size_t>(severity)];
}

Result<bool> open_incident(pg::Connection& connection, const std::string& key, Severity severity,
                           const std::string& title, const std::string& text) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query(
                 "insert into minato.incident(key, severity, title, text) values ($1, $2, $3, $4) "
                 "on conflict (key) where state = 'open' do update set "
                 "severity = excluded.severity, title = excluded.title, text = excluded.text, "
                 "updated_at = now(), occurrences = incident.occurrences + 1 "
                 "returning occurrences = 1",
                 {key, std::string(name_of(severity)), title, text}));
  CHECK(rows.size() == 1);
  return rows.boolean(0, 0);
}

Result<bool> resolve_incident(pg::Connection& connection, const std::string& key) {
  TRY_ASSIGN(const pg::Rows rows, connection.query("update minato.incident set state = 'resolved', "
                                                   "resolved_at = now(), updated_at = now() "
                                                   "where key = $1 and state = 'open'",
                                                   {key}));
  return rows.affected() > 0;
}

Result<std::vector<Incident>> open_incidents(pg::Connection& connection) {
  TRY_ASSIGN(const pg::Rows rows,
             connection.query("select id, key, severity, title, text, minato.to_us(opened_at), "
                              "minato.to_us(updated_at), occurrences from minato.incident "
                              "where state = 'open' order by id"));
  std::vector<Incident> out;
  for (int row = 0; row < rows.size(); ++row) {
    Incident incident;
    incident.id = rows.integer(row, 0);
    incident.key = rows.string(row, 1);
    incident.severity = enum_of<Severity>(severity_names, rows.text(row, 2));
    incident.title = rows.string(row, 3);
    incident.text = rows.string(row, 4);
    incident.opened_at = *time_at(rows, row, 5);
    incident.updated_at = *time_at(rows, row, 6);
    incident.occurrences = rows.integer(row, 7);
    out.push_back(std::move(incident));
  }
  return out;
}

}  // namespace minato::state
