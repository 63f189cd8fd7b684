#include "state/status.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "state/sql.h"

namespace minato::state {
namespace {

using Json = nlohmann::json;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

std::string in_words(SystemTime::duration left) {
  const auto seconds = duration_cast<std::chrono::seconds>(left + milliseconds(999)).count();
  if (seconds < 120) return std::to_string(std::max<std::int64_t>(seconds, 0)) + " s";
  if (seconds < 7200) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds / 3600) + " h";
}

/// The record keeps the reason and the time apart, so that the sentence counts down without a
/// write.
std::string sentence(const MartProgress& mart, SystemTime now) {
  std::string out = mart.why;
  if (mart.removed_at) {
    return out + (mart.next_try_at ? " in " + in_words(*mart.next_try_at - now) : "");
  }
  if (mart.state == MartState::failed) {
    out = "failed" + (mart.failures > 1 ? " " + std::to_string(mart.failures) + " times" : "") +
          ": " + mart.error;
  } else if (mart.state == MartState::invalid && out.empty()) {
    out = mart.error;
  }
  if (mart.next_try_at && (mart.state == MartState::failed || mart.state == MartState::ok ||
                           mart.state == MartState::waiting)) {
    const bool again = mart.state == MartState::failed;
    while (!out.empty() && (out.back() == '.' || out.back() == ' ')) out.pop_back();
    out += (out.empty() ? "" : "; ") + std::string(again ? "next try in " : "next refresh in ") +
           in_words(*mart.next_try_at - now);
  }
  return out;
}

std::int64_t mart_lag_ms(const MartProgress& mart, SystemTime now) {
  if (mart.state == MartState::ok && mart.why.empty()) return 0;
  if (!mart.last_success_at) return 0;
  return std::max<std::int64_t>(duration_cast<milliseconds>(now - *mart.last_success_at).count(),
                                0);
}

Status read(pg::Connection& connection, PlatformStatus& out) {
  TRY_ASSIGN(const pg::Rows now, connection.query("select minato.to_us(now()), "
                                                  "count(*) filter (where state = 'queued'), "
                                                  "count(*) filter (where state = 'running') "
                                                  "from minato.job"));
  out.now = *time_at(now, 0, 0);
  out.jobs_queued = now.integer(0, 1);
  out.jobs_running = now.integer(0, 2);
  TRY_ASSIGN(out.sources, sources(connection));
  std::erase_if(out.sources, [](const Source& s) { return s.state == SourceState::removed; });
  TRY_ASSIGN(std::vector<LakeTable> tables, lake_tables(connection));
  TRY_ASSIGN(std::vector<MartProgress> marts, mart_progress(connection));
  TRY_ASSIGN(out.incidents, open_incidents(connection));
  std::map<std::string, std::int64_t> source_lag;
  for (const Source& source : out.sources) source_lag[source.name] = source.lag_ms;
  std::map<TableName, std::int64_t> rows;
  std::map<TableName, std::int64_t> lag;
  for (const MartProgress& mart : marts) lag[mart.name] = mart_lag_ms(mart, out.now);
  for (LakeTable& table : tables) {
    if (table.state == TableState::dropped) continue;
    rows[table.name] = table.rows;
    const std::int64_t lag_ms = table.source.empty() ? lag[table.name] : source_lag[table.source];
    out.tables.push_back({std::move(table), lag_ms});
  }
  std::ranges::sort(marts, {}, &MartProgress::name);
  for (MartProgress& mart : marts) {
    std::string why = sentence(mart, out.now);
    const std::int64_t count = rows[mart.name];
    out.marts.push_back({std::move(mart), std::move(why), count});
  }
  return {};
}

Json time(const std::optional<SystemTime>& value) {
  return value ? Json(rfc3339(*value)) : Json(nullptr);
}

}  // namespace

Result<PlatformStatus> platform_status(pg::Connection& connection) {
  TRY(connection.script("begin isolation level repeatable read read only"));
  PlatformStatus out;
  const Status status = read(connection, out);
  connection.rollback();
  if (!status) return fail(status.error());
  return out;
}

std::string to_json(const PlatformStatus& status) {
  Json out = {{"now", rfc3339(status.now)},
              {"sources", Json::array()},
              {"tables", Json::array()},
              {"marts", Json::array()},
              {"incidents", Json::array()},
              {"jobs", {{"queued", status.jobs_queued}, {"running", status.jobs_running}}}};
  for (const Source& s : status.sources) {
    out["sources"].push_back({{"name", s.name},
                              {"kind", s.kind},
                              {"state", name_of(s.state)},
                              {"position", s.position.text},
                              {"source_time", time(s.source_time)},
                              {"lag_ms", s.lag_ms},
                              {"lag_bytes", s.lag_bytes ? Json(*s.lag_bytes) : Json(nullptr)},
                              {"transactions", s.transactions},
                              {"changes", s.changes},
                              {"updated_at", rfc3339(s.updated_at)},
                              {"error", s.error}});
  }
  for (const TableStatus& t : status.tables) {
    out["tables"].push_back({{"schema", t.table.name.schema},
                             {"name", t.table.name.name},
                             {"source", t.table.source},
                             {"rows", t.table.rows},
                             {"rows_read", t.table.rows_read ? Json(*t.table.rows_read) : Json()},
                             {"applied_at", time(t.table.applied_at)},
                             {"source_time", time(t.table.source_time)},
                             {"lag_ms", t.lag_ms},
                             {"state", name_of(t.table.state)},
                             {"error", t.table.error}});
  }
  for (const MartStatus& m : status.marts) {
    const auto duration = m.mart.duration_ms ? Json(*m.mart.duration_ms) : Json(nullptr);
    out["marts"].push_back({{"schema", m.mart.name.schema},
                            {"name", m.mart.name.name},
                            {"state", name_of(m.mart.state)},
                            {"rows", m.rows},
                            {"last_started_at", time(m.mart.last_started_at)},
                            {"last_success_at", time(m.mart.last_success_at)},
                            {"duration_ms", duration},
                            {"failures", m.mart.failures},
                            {"error", m.mart.error},
                            {"why", m.why}});
  }
  for (const Incident& i : status.incidents) {
    out["incidents"].push_back({{"key", i.key},
                                {"severity", name_of(i.severity)},
                                {"title", i.title},
                                {"text", i.text},
                                {"opened_at", rfc3339(i.opened_at)},
                                {"occurrences", i.occurrences}});
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace minato::state
