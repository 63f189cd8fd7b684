#include "oncall/journal.h"

#include <nlohmann/json.hpp>

namespace minato::oncall {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kSchema = R"sql(
create table incident (
  seq integer primary key autoincrement, arrival integer not null default 0, id text not null,
  key text not null, team text not null,
  source text not null, severity text not null, state text not null, title text not null,
  text text not null, labels text not null, occurrences integer not null,
  opened_at integer not null, updated_at integer not null, acknowledged_at integer,
  acknowledged_by text not null, resolved_at integer);
create unique index incident_unresolved on incident (key) where state <> 'resolved';
create index incident_key on incident (key);
create table happening (
  number integer primary key autoincrement, seq integer not null, at integer not null,
  what text not null, who text not null, note text not null);
create index happening_seq on happening (seq);
create table round (
  id integer primary key autoincrement, team text not null, running integer not null,
  ended_because text not null, started_at integer not null, ended_at integer, lap integer not null,
  people text not null, position integer not null, second integer not null,
  carrier integer not null, attempts integer not null, told_arrival integer not null,
  due integer not null);
create unique index round_running on round (team) where running = 1;
create table attempt (
  id text primary key, round integer not null, number integer not null, lap integer not null,
  team text not null, person text not null, phone text not null, carrier text not null,
  call text not null, state text not null, outcome text not null, key text not null,
  error text not null, up_to_arrival integer not null, planned_at integer not null,
  placed_at integer,
  answered_at integer, ended_at integer, unique (round, number));
create index attempt_not_ended on attempt (planned_at) where state <> 'ended';
create index attempt_planned_at on attempt (planned_at);
create table change (
  id integer primary key autoincrement, team text not null, from_at integer not null,
  to_at integer not null, person text not null, instead_by text not null, note text not null);
create table note (
  id integer primary key autoincrement, kind text not null, target text not null,
  payload text not null, tries integer not null, due integer not null, made_at integer not null,
  told integer not null default 0, error text not null default '');
create index note_due on note (due) where told = 0;
create table seen_object (
  place text not null, name text not null, stamp text not null,
  primary key (place, name, stamp)) without rowid;
create table beat (name text primary key, at integer not null) without rowid;
pragma user_version = 1;
)sql";

constexpr const char* kIncidentColumns =
    "select seq, arrival, id, key, team, source, severity, state, title, text, labels, "
    "occurrences, "
    "opened_at, updated_at, acknowledged_at, acknowledged_by, resolved_at from incident ";
constexpr const char* kRoundColumns =
    "select id, team, running, ended_because, started_at, ended_at, lap, people, position, second, "
    "carrier, attempts, told_arrival, due from round ";
constexpr const char* kAttemptColumns =
    "select id, round, number, lap, team, person, phone, carrier, call, state, outcome, key, "
    "error, "
    "up_to_arrival, planned_at, placed_at, answered_at, ended_at from attempt ";

Incident incident_of(const Statement& row) {
  Incident out;
  out.seq = row.integer(0);
  out.arrival = row.integer(1);
  out.id = row.text(2);
  out.key = row.text(3);
  out.team = row.text(4);
  out.source = row.text(5);
  out.severity = severity_of(row.text(6)).value_or(Severity::critical);
  out.state = incident_state_of(row.text(7)).value_or(IncidentState::open);
  out.title = row.text(8);
  out.text = row.text(9);
  const Json labels = Json::parse(row.text(10), nullptr, false);
  if (labels.is_object()) {
    for (const auto& [key, value] : labels.items()) {
      if (value.is_string()) out.labels[key] = value.get<std::string>();
    }
  }
  out.occurrences = row.integer(11);
  out.opened_at = row.time(12);
  out.updated_at = row.time(13);
  out.acknowledged_at = row.maybe_time(14);
  out.acknowledged_by = row.text(15);
  out.resolved_at = row.maybe_time(16);
  return out;
}

Attempt attempt_of(const Statement& row) {
  Attempt out;
  out.id = row.text(0);
  out.round = row.integer(1);
  out.number = row.integer(2);
  out.lap = row.integer(3);
  out.team = row.text(4);
  out.person = row.text(5);
  out.phone = row.text(6);
  out.carrier = row.text(7);
  out.call = row.text(8);
  out.state = attempt_state_of(row.text(9)).value_or(AttemptState::ended);
  out.outcome = outcome_of(row.text(10)).value_or(Outcome::none);
  out.key = row.text(11);
  out.error = row.text(12);
  out.up_to_arrival = row.integer(13);
  out.planned_at = row.time(14);
  out.placed_at = row.maybe_time(15);
  out.answered_at = row.maybe_time(16);
  out.ended_at = row.maybe_time(17);
  return out;
}

Round round_of(const Statement& row) {
  Round out;
  out.id = row.integer(0);
  out.team = row.text(1);
  out.running = row.integer(2) != 0;
  out.ended_because = row.text(3);
  out.started_at = row.time(4);
  out.ended_at = row.maybe_time(5);
  out.lap = row.integer(6);
  const Json people = Json::parse(row.text(7), nullptr, false);
  if (people.is_array()) {
    for (const Json& name : people) out.people.push_back(name.get<std::string>());
  }
  out.position = row.integer(8);
  out.second = row.integer(9) != 0;
  out.carrier = row.integer(10);
  out.attempts = row.integer(11);
  out.told_arrival = row.integer(12);
  out.due = row.time(13);
  return out;
}

template <class Read>
auto all(Statement& statement, Read read)
    -> Result<std::vector<decltype(read(std::declval<const Statement&>()))>> {
  std::vector<decltype(read(statement))> out;
  while (true) {
    TRY_ASSIGN(const bool row, statement.step());
    if (!row) return out;
    out.push_back(read(statement));
  }
}

template <class T>
std::optional<T> first(std::vector<T> found) {
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Result<Journal> Journal::open(const std::filesystem::path& file) {
  TRY_ASSIGN(Database db, Database::open(file, Database::Mode::write));
  std::int64_t version = 0;
  {
    TRY_ASSIGN(Statement asked, db.statement("pragma user_version"));
    TRY(asked.step());
    version = asked.integer(0);
  }
  if (version > 1) {
    return fail(Code::unsupported, "The journal of on-call was written by a newer Minato.");
  }
  if (version == 0) {
    TRY(db.script("begin immediate"));
    TRY(db.script(kSchema));
    TRY(db.script("commit"));
  }
  return Journal(std::move(db));
}

Result<Journal> Journal::open_to_read(const std::filesystem::path& file) {
  TRY_ASSIGN(Database db, Database::open(file, Database::Mode::read));
  return Journal(std::move(db));
}

Status Journal::add(Incident& incident) {
  TRY(
      db_.run("insert into incident (id, key, team, source, severity, state, title, text, labels, "
              "occurrences, opened_at, updated_at, acknowledged_at, acknowledged_by, resolved_at) "
              "values ('', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
              incident.key, incident.team, incident.source, name_of(incident.severity),
              name_of(incident.state), incident.title, incident.text, text_of(incident.labels),
              incident.occurrences, incident.opened_at, incident.updated_at,
              incident.acknowledged_at, incident.acknowledged_by, incident.resolved_at));
  incident.seq = db_.last_id();
  incident.id = "i-" + std::to_string(incident.seq);
  return db_.run("update incident set id = ? where seq = ?", incident.id, incident.seq);
}

Status Journal::update(const Incident& incident) {
  return db_.run(
      "update incident set arrival = ?, team = ?, severity = ?, state = ?, title = ?, text = ?, "
      "labels = ?, occurrences = "
      "?, updated_at = ?, acknowledged_at = ?, acknowledged_by = ?, resolved_at = ? where seq = ?",
      incident.arrival, incident.team, name_of(incident.severity), name_of(incident.state),
      incident.title, incident.text, text_of(incident.labels), incident.occurrences,
      incident.updated_at, incident.acknowledged_at, incident.acknowledged_by, incident.resolved_at,
      incident.seq);
}

Result<std::optional<Incident>> Journal::unresolved(const std::string& key) {
  TRY_ASSIGN(Statement asked, db_.statement(std::string(kIncidentColumns) +
                                            "where key = ? and state <> 'resolved'"));
  asked.bind(key);
  TRY_ASSIGN(auto found, all(asked, incident_of));
  return first(std::move(found));
}

Result<std::vector<Incident>> Journal::all_unresolved() {
  TRY_ASSIGN(Statement asked, db_.statement(std::string(kIncidentColumns) +
                                            "where state <> 'resolved' order by seq"));
  return all(asked, incident_of);
}

Result<std::vector<Incident>> Journal::incidents(const IncidentFilter& filter) {
  TRY_ASSIGN(Statement asked,
             db_.statement(std::string(kIncidentColumns) +
                           "where (?1 = '' or team = ?1) and (?2 = '' or state = ?2) and "
                           "(?3 = '' or key = ?3) and seq > ?4 order by seq desc limit ?5"));
  asked.bind(filter.team)
      .bind(filter.state ? name_of(*filter.state) : std::string_view(""))
      .bind(filter.key)
      .bind(filter.after_seq)
      .bind(filter.limit);
  return all(asked, incident_of);
}

Result<std::optional<Incident>> Journal::incident(const std::string& id) {
  // Newest first: ids of old incidents stay valid, keys name the newest.
  TRY_ASSIGN(Statement asked, db_.statement(std::string(kIncidentColumns) +
                                            "where id = ?1 or key = ?1 order by seq desc limit 1"));
  asked.bind(id);
  TRY_ASSIGN(auto found, all(asked, incident_of));
  return first(std::move(found));
}

Result<bool> Journal::known(const std::string& key) {
  TRY_ASSIGN(Statement asked, db_.statement("select 1 from incident where key = ? limit 1"));
  asked.bind(key);
  return asked.step();
}

Result<std::int64_t> Journal::happened(std::int64_t seq, const Happening& happening) {
  TRY(db_.run("insert into happening (seq, at, what, who, note) values (?, ?, ?, ?, ?)", seq,
              happening.at, happening.what, happening.who, happening.note));
  return db_.last_id();
}

Result<std::vector<Happening>> Journal::history(std::int64_t seq) {
  TRY_ASSIGN(Statement asked, db_.statement("select at, what, who, note from happening where seq = "
                                            "? order by number"));
  asked.bind(seq);
  return all(asked, [](const Statement& row) {
    return Happening{row.time(0), row.text(1), row.text(2), row.text(3)};
  });
}

Status Journal::add(Round& round) {
  TRY(db_.run(
      "insert into round (team, running, ended_because, started_at, ended_at, lap, people, "
      "position, second, carrier, attempts, told_arrival, due) values (?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?)",
      round.team, std::int64_t{round.running}, round.ended_because, round.started_at,
      round.ended_at, round.lap, text_of(round.people), round.position, std::int64_t{round.second},
      round.carrier, round.attempts, round.told_arrival, round.due));
  round.id = db_.last_id();
  return {};
}

Status Journal::update(const Round& round) {
  return db_.run(
      "update round set running = ?, ended_because = ?, ended_at = ?, lap = ?, people = ?, "
      "position "
      "= ?, second = ?, carrier = ?, attempts = ?, told_arrival = ?, due = ? where id = ?",
      std::int64_t{round.running}, round.ended_because, round.ended_at, round.lap,
      text_of(round.people), round.position, std::int64_t{round.second}, round.carrier,
      round.attempts, round.told_arrival, round.due, round.id);
}

Result<std::vector<Round>> Journal::running() {
  TRY_ASSIGN(Statement asked,
             db_.statement(std::string(kRoundColumns) + "where running = 1 order by id"));
  return all(asked, round_of);
}

Result<std::vector<Round>> Journal::newest_rounds() {
  TRY_ASSIGN(Statement asked,
             db_.statement(std::string(kRoundColumns) +
                           "where id in (select max(id) from round group by team) order by id"));
  return all(asked, round_of);
}

Status Journal::add(const Attempt& a) {
  return db_.run(
      "insert into attempt values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", a.id,
      a.round, a.number, a.lap, a.team, a.person, a.phone, a.carrier, a.call, name_of(a.state),
      name_of(a.outcome), a.key, a.error, a.up_to_arrival, a.planned_at, a.placed_at, a.answered_at,
      a.ended_at);
}

Status Journal::update(const Attempt& a) {
  return db_.run(
      "update attempt set call = ?, state = ?, outcome = ?, key = ?, error = ?, placed_at = ?, "
      "answered_at = ?, ended_at = ? where id = ?",
      a.call, name_of(a.state), name_of(a.outcome), a.key, a.error, a.placed_at, a.answered_at,
      a.ended_at, a.id);
}

Result<std::vector<Attempt>> Journal::not_ended() {
  TRY_ASSIGN(Statement asked, db_.statement(std::string(kAttemptColumns) +
                                            "where state <> 'ended' order by planned_at"));
  return all(asked, attempt_of);
}

Result<std::vector<Attempt>> Journal::cut_short(SystemTime since) {
  TRY_ASSIGN(Statement asked,
             db_.statement(std::string(kAttemptColumns) +
                           "where planned_at >= ?1 and ended_at >= ?1 and outcome in ('cancelled', "
                           "'acknowledged', 'passed', 'no_key', 'no_answer')"));
  asked.bind(since);
  return all(asked, attempt_of);
}

Result<std::optional<Attempt>> Journal::attempt(const std::string& id) {
  TRY_ASSIGN(Statement asked, db_.statement(std::string(kAttemptColumns) + "where id = ?"));
  asked.bind(id);
  TRY_ASSIGN(auto found, all(asked, attempt_of));
  return first(std::move(found));
}

Result<std::vector<Attempt>> Journal::attempts(const AttemptFilter& filter) {
  TRY_ASSIGN(
      Statement asked,
      db_.statement(std::string(kAttemptColumns) +
                    "where (?1 = 0 or round = ?1) and (?2 is null or planned_at >= ?2) and (?3 is "
                    "null or planned_at < ?3) order by planned_at desc, number desc limit ?4"));
  asked.bind(filter.round).bind(filter.from).bind(filter.to).bind(filter.limit);
  return all(asked, attempt_of);
}

Result<std::vector<Attempt>> Journal::attempts_about(const Incident& incident) {
  TRY_ASSIGN(
      Statement asked,
      db_.statement(std::string(kAttemptColumns) +
                    "where team = ?1 and up_to_arrival >= ?2 and planned_at >= ?3 and (?4 is null "
                    "or planned_at <= ?4) order by planned_at, number limit 10000"));
  asked.bind(incident.team)
      .bind(incident.arrival)
      .bind(incident.opened_at)
      .bind(incident.acknowledged_at ? incident.acknowledged_at : incident.resolved_at);
  return all(asked, attempt_of);
}

Result<std::map<std::string, std::int64_t>> Journal::counts(const char* sql) {
  TRY_ASSIGN(Statement asked, db_.statement(sql));
  std::map<std::string, std::int64_t> out;
  while (true) {
    TRY_ASSIGN(const bool row, asked.step());
    if (!row) return out;
    out[asked.text(0)] = asked.integer(1);
  }
}
Result<std::map<std::string, std::int64_t>> Journal::count_incidents() {
  return counts("select state, count(*) from incident group by state");
}
Result<std::map<std::string, std::int64_t>> Journal::count_attempts() {
  return counts("select outcome, count(*) from attempt group by outcome");
}

Status Journal::add(Change& change) {
  TRY(db_.run(
      "insert into change (team, from_at, to_at, person, instead_by, note) values (?, ?, ?, "
      "?, ?, ?)",
      change.team, change.from, change.to, change.person, change.instead_by, change.note));
  change.id = db_.last_id();
  return {};
}

Result<bool> Journal::remove_change(std::int64_t id) {
  TRY(db_.run("delete from change where id = ?", id));
  return db_.changes() > 0;
}

Result<std::vector<Change>> Journal::changes(SystemTime now) {
  TRY_ASSIGN(Statement asked,
             db_.statement("select id, team, from_at, to_at, person, instead_by, note from change "
                           "where to_at > ? order by from_at, id"));
  asked.bind(now);
  return all(asked, [](const Statement& row) {
    return Change{row.integer(0), row.text(1), row.time(2), row.time(3),
                  row.text(4),    row.text(5), row.text(6)};
  });
}

Status Journal::add(const Note& note) {
  return db_.run(
      "insert into note (kind, target, payload, tries, due, made_at) values (?, ?, ?, ?, "
      "?, ?)",
      note.kind, note.target, note.payload, note.tries, note.due, note.made_at);
}

Result<std::vector<Note>> Journal::notes_due(SystemTime now) {
  TRY_ASSIGN(Statement asked, db_.statement("select id, kind, target, payload, tries, due, made_at "
                                            "from note where told = 0 and due <= ? order by id "
                                            "limit 100"));
  asked.bind(now);
  return all(asked, [](const Statement& row) {
    return Note{row.integer(0), row.text(1), row.text(2), row.text(3),
                row.integer(4), row.time(5), row.time(6)};
  });
}

Status Journal::told(std::int64_t id) {
  return db_.run("update note set told = 1 where id = ?", id);
}

Status Journal::not_told(const Note& note, const std::string& error, SystemTime next) {
  const bool given_up = next - note.made_at > std::chrono::hours(24);
  return db_.run("update note set tries = tries + 1, due = ?, error = ?, told = ? where id = ?",
                 next, error, std::int64_t{given_up ? 2 : 0}, note.id);
}

Result<bool> Journal::see_object(const std::string& drop, const std::string& name,
                                 const std::string& stamp) {
  TRY(db_.run("insert or ignore into seen_object values (?, ?, ?)", drop, name, stamp));
  return db_.changes() > 0;
}

Status Journal::beat(const std::string& name, SystemTime at) {
  return db_.run("insert or replace into beat values (?, ?)", name, at);
}

Result<std::optional<SystemTime>> Journal::last_beat(const std::string& name) {
  TRY_ASSIGN(Statement asked, db_.statement("select at from beat where name = ?"));
  asked.bind(name);
  TRY_ASSIGN(const bool row, asked.step());
  if (!row) return std::nullopt;
  return asked.maybe_time(0);
}

Result<std::int64_t> Journal::version() {
  TRY_ASSIGN(Statement asked, db_.statement("pragma data_version"));
  TRY(asked.step());
  return asked.integer(0);
}

}  // namespace minato::oncall
