// /metrics: what is known about sources, tables, marts and processes, for Prometheus.
#include <fmt/format.h>

#include "web/answers.h"

namespace minato::web {
namespace {

using std::chrono::duration;

class Text {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    out_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }
  void sample(std::initializer_list<std::pair<std::string_view, std::string_view>> labels,
              double value) {
    out_ += name_;
    std::string_view before = "{";
    for (const auto& [key, text] : labels) {
      out_ += fmt::format("{}{}=\"{}\"", before, key, escaped(text));
      before = ",";
    }
    if (labels.size() > 0) out_ += "}";
    out_ += fmt::format(" {}\n", value);
  }
  std::string take() { return std::move(out_); }

 private:
  static std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    return out;
  }
  std::string out_;
  std::string name_;
};

double seconds(state::PlatformStatus const& status, const std::optional<SystemTime>& time) {
  return time ? duration<double>(status.now - *time).count() : 0;
}
double unix_time(const std::optional<SystemTime>& time) {
  return time ? duration<double>(time->time_since_epoch()).count() : 0;
}

void sources(Text& out, const state::PlatformStatus& status) {
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                        auto value) {
    out.family(name, type, help);
    for (const state::Source& s : status.sources) out.sample({{"source", s.name}}, value(s));
  };
  using S = state::Source;
  each("minato_source_up", "gauge", "1 while changes are captured.", [](const S& s) {
    return s.state == state::SourceState::streaming || s.state == state::SourceState::snapshotting;
  });
  each("minato_source_lag_seconds", "gauge", "How far capture is behind the source.",
       [](const S& s) { return static_cast<double>(s.lag_ms) / 1000; });
  out.family("minato_source_lag_bytes", "gauge",
             "Bytes of the source's log not yet in the lake; absent while not known.");
  for (const S& s : status.sources) {
    if (s.lag_bytes) out.sample({{"source", s.name}}, static_cast<double>(*s.lag_bytes));
  }
  each("minato_source_position_age_seconds", "gauge", "Since the source's record changed.",
       [&](const S& s) { return seconds(status, s.updated_at); });
  each("minato_source_transactions_total", "counter", "Source transactions stored in the lake.",
       [](const S& s) { return static_cast<double>(s.transactions); });
  each("minato_source_changes_total", "counter", "Row changes stored in the lake.",
       [](const S& s) { return static_cast<double>(s.changes); });
}

void tables(Text& out, const state::PlatformStatus& status) {
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    out.family(name, "gauge", help);
    for (const state::TableStatus& t : status.tables) {
      const TableName& table = t.table.name;
      out.sample({{"schema", table.schema}, {"table", table.name}}, value(t));
    }
  };
  using T = state::TableStatus;
  each("minato_table_rows", "Rows now.", [](const T& t) { return double(t.table.rows); });
  out.family("minato_table_rows_read", "gauge",
             "Rows read so far; only while the table is being read from its source.");
  for (const state::TableStatus& t : status.tables) {
    const TableName& table = t.table.name;
    if (!t.table.rows_read) continue;
    out.sample({{"schema", table.schema}, {"table", table.name}}, double(*t.table.rows_read));
  }
  each("minato_table_applied_timestamp_seconds", "When something last arrived; 0: never.",
       [](const T& t) { return unix_time(t.table.applied_at); });
  each("minato_table_freshness_seconds", "Age of the newest source commit that a query can miss.",
       [](const T& t) { return static_cast<double>(t.lag_ms) / 1000; });
  each("minato_table_readable", "0 while it is read for the first time or repaired.",
       [](const T& t) { return state::is_readable(t.table.state); });
}

void marts(Text& out, const state::PlatformStatus& status) {
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    out.family(name, "gauge", help);
    for (const state::MartStatus& m : status.marts) {
      out.sample({{"schema", m.mart.name.schema}, {"mart", m.mart.name.name}}, value(m));
    }
  };
  using M = state::MartStatus;
  out.family("minato_mart_state", "gauge", "1 for the state that the mart is in.");
  for (const M& m : status.marts) {
    out.sample({{"schema", m.mart.name.schema},
                {"mart", m.mart.name.name},
                {"state", name_of(m.mart.state)}},
               1);
  }
  each("minato_mart_last_success_timestamp_seconds", "When it was last built; 0: never.",
       [](const M& m) { return unix_time(m.mart.last_success_at); });
  each("minato_mart_duration_seconds", "Of its last run.",
       [](const M& m) { return static_cast<double>(m.mart.duration_ms.value_or(0)) / 1000; });
  each("minato_mart_failures", "In a row.", [](const M& m) { return double(m.mart.failures); });
  out.family("minato_jobs", "gauge", "Jobs of marts in the queue.");
  out.sample({{"state", "queued"}}, static_cast<double>(status.jobs_queued));
  out.sample({{"state", "running"}}, static_cast<double>(status.jobs_running));
  out.family("minato_incidents_open", "gauge", "Incidents that are open.");
  out.sample({}, static_cast<double>(status.incidents.size()));
}

void processes(Text& out, const std::vector<ProcessView>& all) {
  out.family("minato_role_up", "gauge", "1 while the process runs.");
  for (const ProcessView& p : all) out.sample({{"role", p.name}}, p.up);
  out.family("minato_role_restarts_total", "counter", "Since minato serve started.");
  for (const ProcessView& p : all) out.sample({{"role", p.name}}, p.restarts);
  out.family("minato_role_memory_bytes", "gauge", "Proportional share of its memory.");
  for (const ProcessView& p : all) {
    out.sample({{"role", p.name}}, static_cast<double>(p.memory_bytes));
  }
}

}  // namespace

std::string metrics_text(const state::PlatformStatus& status,
                         const std::vector<ProcessView>& all_processes) {
  Text out;
  sources(out, status);
  tables(out, status);
  marts(out, status);
  processes(out, all_processes);
  return out.take();
}

}  // namespace minato::web
