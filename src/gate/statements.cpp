// What statements do: queries run by the engine, commands answered by the session itself.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "gate/conversation.h"
#include "gate/psql.h"

namespace minato::gate {
namespace {

using namespace wire::pgwire;

constexpr std::size_t kOutputStep = 256UL << 10;

bool ends_block(const sql::Statement& statement) {
  return statement.kind == sql::StatementKind::commit ||
         statement.kind == sql::StatementKind::rollback;
}

bool is_query(sql::StatementKind kind) {
  return kind == sql::StatementKind::query || kind == sql::StatementKind::explain;
}

/// Statements that exist, though not here: everything else is a slip of the hand, and said to be
/// one.
bool is_sql_verb(const std::string& verb) {
  static constexpr std::array<std::string_view, 44> kVerbs{
      "ALTER",   "ANALYZE", "ATTACH",  "CALL",   "CHECKPOINT", "CLOSE",    "CLUSTER",  "COMMENT",
      "COPY",    "CREATE",  "DECLARE", "DELETE", "DETACH",     "DO",       "DROP",     "EXECUTE",
      "EXPORT",  "FETCH",   "FORCE",   "GRANT",  "IMPORT",     "INSERT",   "INSTALL",  "LISTEN",
      "LOAD",    "LOCK",    "MERGE",   "MOVE",   "NOTIFY",     "PRAGMA",   "PREPARE",  "REASSIGN",
      "REFRESH", "REINDEX", "RELEASE", "REVOKE", "SAVEPOINT",  "SECURITY", "TRUNCATE", "UNLISTEN",
      "UPDATE",  "USE",     "VACUUM",  "UPSERT"};
  return std::find(kVerbs.begin(), kVerbs.end(), verb) != kVerbs.end();
}

auto refuse(Error error, Origin origin, std::string sqlstate = {}) {
  return tl::unexpected<Conversation::Failure>(
      Conversation::Failure{std::move(error), origin, std::move(sqlstate)});
}

auto aborted() {
  return refuse({Code::invalid,
                 "current transaction is aborted, commands ignored until end of transaction block",
                 {}},
                Origin::session, "25P02");
}

}  // namespace

bool Conversation::Prepared::heavy() const { return !canned && is_query(checked.statement.kind); }

Status Conversation::not_interrupted() const {
  if (interruption_ == Interruption::none) return {};
  return fail(Code::cancelled, "The statement was cancelled.");
}

Conversation::Outcome<Conversation::PreparedPtr> Conversation::prepare(
    const std::string& sql, const std::vector<std::uint32_t>& types) {
  auto statement = std::make_shared<Prepared>();
  statement->sql = sql;
  auto recognised = sql::recognise(sql);
  if (!recognised) return refuse(recognised.error(), Origin::fence);
  if (block_failed_ && !ends_block(*recognised)) {
    return aborted();
  }
  statement->checked.statement = *recognised;
  if (auto canned = canned_answer(sql, client_.who)) {
    statement->canned = std::move(canned);
  } else if (recognised->kind == sql::StatementKind::show) {
    statement->canned = TextRows{{{recognised->name, oid::text}}, {}};
    if (recognised->name == "all")
      statement->canned->columns = {{"name", oid::text}, {"setting", oid::text}};
  }
  if (statement->canned) {
    for (const auto& column : statement->canned->columns) {
      statement->names.push_back(column.name);
      statement->columns.push_back(
          {column.type, static_cast<std::int16_t>(column.type == oid::int4 ? 4 : -1), -1});
    }
    return statement;
  }
  if (recognised->kind != sql::StatementKind::query &&
      recognised->kind != sql::StatementKind::explain &&
      recognised->kind != sql::StatementKind::other) {
    return statement;
  }
  if (recognised->kind == sql::StatementKind::other && !is_sql_verb(recognised->verb)) {
    return refuse({Code::invalid, "syntax error at or near \"" + recognised->verb + "\"", {}},
                  Origin::fence);
  }
  if (auto free = not_interrupted(); !free) return refuse(free.error(), Origin::session);
  sql::Fence fence;
  fence.search_path = settings_.search_path();
  fence.allow_explain = client_.administrator;
  auto checked = sql::check(reader_->parser(), psql_query(sql).value_or(sql), fence);
  if (!checked) return refuse(checked.error(), Origin::fence);
  statement->checked = std::move(*checked);
  if (auto described = describe(*statement, types); !described)
    return tl::unexpected<Failure>(described.error());
  return statement;
}

/// The casts were written into the text after the fence saw it: it must still mean what was
/// checked.
Conversation::Outcome<void> Conversation::verify(Prepared& statement, const std::string& text) {
  if (statement.verified_text == text || statement.checked.text == text) return {};
  if (auto same = sql::verify_casts(reader_->parser(), statement.checked, text); !same) {
    return refuse(same.error(), Origin::fence);
  }
  statement.verified_text = text;
  return {};
}

/// Finds the types of parameters and columns. What the client left open is what the engine takes it
/// for, else text.
Conversation::Outcome<void> Conversation::describe(Prepared& statement,
                                                   const std::vector<std::uint32_t>& types) {
  const std::size_t count = std::max(statement.checked.parameters, types.size());
  statement.types = types;
  statement.types.resize(count);
  for (const std::uint32_t type : statement.types) statement.casts.push_back(engine_type(type));
  for (int round = 0;; ++round) {
    if (auto begun = reader_->begin(); !begun) return refuse(begun.error(), Origin::engine);
    auto text = with_casts(statement.checked.text, statement.casts);
    if (!text) return refuse(text.error(), Origin::engine);
    if (auto means_it = verify(statement, *text); !means_it) {
      return tl::unexpected<Failure>(means_it.error());
    }
    auto prepared = reader_->prepare(*text);
    if (!prepared) return refuse(prepared.error(), Origin::engine);
    bool open = false;
    for (std::size_t i = 0; i < count; ++i) {
      if (!statement.casts[i].empty()) continue;
      const bool known = i < prepared->parameters().size() &&
                         prepared->parameters()[i].id != lake::TypeId::unknown &&
                         prepared->parameters()[i].id != lake::TypeId::null;
      if (known) {
        statement.casts[i] = lake::sql_name(prepared->parameters()[i]);
        statement.types[i] = pg_type(prepared->parameters()[i]).oid;
      } else {
        open = true;
        statement.casts[i] = "VARCHAR";
        statement.types[i] = oid::text;
      }
    }
    if (open && round == 0) continue;  // the result's types may hang on a parameter's
    for (const auto& column : prepared->columns()) {
      statement.names.push_back(column.name);
      statement.columns.push_back(pg_type(column.type));
    }
    statement.engine = std::move(*prepared);
    statement.engine_text = std::move(*text);
    statement.engine_serial = reader_->serial();
    return {};
  }
}

Conversation::Outcome<void> Conversation::start(Portal& portal) {
  Prepared& statement = *portal.statement;
  if (auto begun = reader_->begin(); !begun) return refuse(begun.error(), Origin::engine);
  auto text = with_casts(statement.checked.text, portal.casts);
  if (!text) return refuse(text.error(), Origin::engine);
  const bool same = statement.engine && statement.engine_serial == reader_->serial() &&
                    statement.engine_text == *text;
  if (!same) {
    statement.engine.reset();
    if (auto means_it = verify(statement, *text); !means_it) {
      return tl::unexpected<Failure>(means_it.error());
    }
    auto prepared = reader_->prepare(*text);
    if (!prepared) return refuse(prepared.error(), Origin::engine);
    bool fits = prepared->columns().size() == statement.columns.size();
    for (std::size_t i = 0; fits && i < statement.columns.size(); ++i) {
      fits = pg_type(prepared->columns()[i].type).oid == statement.columns[i].oid;
    }
    if (!fits) {
      return refuse({Code::unsupported,
                     "cached plan must not change result type: prepare the statement again",
                     {}},
                    Origin::session);
    }
    statement.engine = std::move(*prepared);
    statement.engine_text = std::move(*text);
    statement.engine_serial = reader_->serial();
  }
  if (auto free = not_interrupted(); !free) return refuse(free.error(), Origin::engine);
  auto run = reader_->execute(*statement.engine, portal.values, portal.formats);
  if (!run) return refuse(run.error(), Origin::engine);
  portal.run = std::move(*run);
  return {};
}

void Conversation::complete(const std::string& tag, std::string& out) {
  encode(BackendMessage{CommandComplete{tag}}, out);
  executing_->portal->run.reset();
  executing_->portal->done = true;
  executing_.reset();
}

Conversation::Outcome<void> Conversation::run(std::string& out) {
  const PortalPtr portal = executing_->portal;
  const Prepared& statement = *portal->statement;
  const sql::StatementKind kind = statement.checked.statement.kind;
  if (kind == sql::StatementKind::empty) {
    encode(BackendMessage{Plain{'I'}}, out);
    executing_.reset();
    return {};
  }
  if (block_failed_ && !ends_block(statement.checked.statement)) return aborted();
  const bool first = !portal->run && !portal->done;
  if (first && simple_ && statement.rows()) row_description(statement, {}, out);
  if (statement.canned) return run_canned(statement, out);
  if (is_query(kind)) return run_query(*portal, out);
  auto tag = command(statement.checked.statement, out);
  if (!tag) return tl::unexpected<Failure>(tag.error());
  complete(*tag, out);
  return {};
}

Conversation::Outcome<void> Conversation::run_canned(const Prepared& statement, std::string& out) {
  TextRows rows = *statement.canned;
  const bool show = statement.checked.statement.kind == sql::StatementKind::show;
  if (show && statement.checked.statement.name == "all") {
    for (auto& [name, value] : settings_.all()) rows.rows.push_back({name, value});
  } else if (show) {
    auto value = settings_.show(statement.checked.statement.name);
    if (!value) return refuse(value.error(), Origin::session, "42704");
    rows.rows.push_back({std::move(*value)});
  }
  canned_rows(rows, out);
  complete(show ? "SHOW" : "SELECT " + std::to_string(rows.rows.size()), out);
  return {};
}

Conversation::Outcome<void> Conversation::run_query(Portal& portal, std::string& out) {
  if (portal.done) {
    complete("SELECT 0", out);
    return {};
  }
  if (!portal.run) {
    if (auto started = start(portal); !started) return started;
  }
  if (auto free = not_interrupted(); !free) return refuse(free.error(), Origin::session);
  const auto rows =
      Reader::fetch(*portal.run, portal.formats, executing_->rows_left, kOutputStep, out);
  if (!rows) return refuse(rows.error(), Origin::engine);
  executing_->rows += *rows;
  executing_->rows_left -= *rows;
  if (executing_->rows_left == 0 && executing_->limited) {
    encode(BackendMessage{Plain{'s'}}, out);
    executing_.reset();
  } else if (portal.run->ended && portal.run->kept_at == portal.run->kept.size()) {
    complete("SELECT " + std::to_string(executing_->rows), out);
  }
  return {};
}

Conversation::Outcome<std::string> Conversation::command(const sql::Statement& statement,
                                                         std::string& out) {
  using enum sql::StatementKind;
  switch (statement.kind) {
    case begin:
    case commit:
    case rollback: return transaction(statement, out);
    case set:
    case reset: {
      const Status done = statement.kind == set ? settings_.set(statement.name, statement.value)
                                                : settings_.reset(statement.name);
      if (!done) {
        const bool unknown = done.error().code == Code::not_found;
        return refuse(done.error(), Origin::session, unknown ? "42704" : "22023");
      }
      report_settings(out);
      return std::string(statement.kind == set ? "SET" : "RESET");
    }
    case discard:
      if (block_)
        return refuse({Code::invalid, "DISCARD ALL cannot run inside a transaction block", {}},
                      Origin::session, "25001");
      statements_.clear();
      portals_.clear();
      (void)settings_.reset("all");
      report_settings(out);
      return std::string("DISCARD ALL");
    case deallocate:
      if (statement.name == "all") {
        statements_.clear();
      } else if (statements_.erase(statement.name) == 0) {
        return refuse(
            {Code::not_found, "prepared statement \"" + statement.name + "\" does not exist", {}},
            Origin::session, "26000");
      }
      return std::string("DEALLOCATE");
    default:
      return refuse({Code::unsupported, statement.verb + " is not possible here.", {}},
                    Origin::session);
  }
}

Conversation::Outcome<std::string> Conversation::transaction(const sql::Statement& statement,
                                                             std::string& out) {
  const auto notice = [&](std::string_view state, std::string text) {
    append_notice(out, Report{std::string(state), std::move(text), {}, {}});
  };
  if (statement.kind == sql::StatementKind::begin) {
    if (block_) {
      notice("25001", "there is already a transaction in progress");
    } else {
      end_transaction();  // the block begins with a snapshot of its own
    }
    block_ = true;
    return std::string("BEGIN");
  }
  if (!block_) notice("25P01", "there is no transaction in progress");
  const bool commits = statement.kind == sql::StatementKind::commit && !block_failed_;
  block_ = false;
  block_failed_ = false;
  end_transaction();
  return std::string(commits ? "COMMIT" : "ROLLBACK");
}

/// The nearest name among the lake's tables, for the engine's "Table with name x does not exist!".
std::string Conversation::table_hint(const std::string& message) {
  constexpr std::string_view kBefore = "Table with name ";
  const std::size_t end = message.find(" does not exist");
  if (!message.starts_with(kBefore) || end == std::string::npos) return {};
  const std::string name = message.substr(kBefore.size(), end - kBefore.size());
  const auto rows = reader_->parser().query(
      "SELECT t.table_name, s.schema_name FROM __ducklake_metadata_minato.ducklake.ducklake_table "
      "t "
      "JOIN __ducklake_metadata_minato.ducklake.ducklake_schema s USING (schema_id) "
      "WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL");
  if (!rows) return {};
  std::vector<std::string> names;
  for (std::size_t row = 0; row < rows->size(); ++row) names.push_back(rows->text(row, 0));
  const auto near = suggest(name, names);
  for (std::size_t row = 0; near && row < rows->size(); ++row) {
    if (rows->text(row, 0) == *near)
      return "Did you mean " + rows->text(row, 1) + "." + *near + "?";
  }
  return "Tables are named schema.table; information_schema.tables lists them.";
}

void Conversation::end_transaction() {
  // A portal lives as long as its transaction. Live results go before the transaction that they
  // read in.
  portals_.clear();
  reader_->end();
}

void Conversation::canned_rows(const TextRows& rows, std::string& out) const {
  RowWriter writer(out);
  for (const auto& row : rows.rows) {
    writer.begin(row.size());
    for (const auto& value : row) writer.text(value);
    writer.end();
  }
}

void Conversation::row_description(const Prepared& statement,
                                   const std::vector<std::int16_t>& formats,
                                   std::string& out) const {
  RowDescription description;
  for (std::size_t i = 0; i < statement.columns.size(); ++i) {
    const PgType& type = statement.columns[i];
    // Canned rows are text in any case.
    const std::int16_t format = statement.canned ? std::int16_t{0} : format_of(formats, i);
    description.fields.push_back(
        {statement.names[i], 0, 0, type.oid, type.size, type.modifier, format});
  }
  encode(BackendMessage{std::move(description)}, out);
}

void Conversation::report_settings(std::string& out) {
  for (const auto& [name, value] : settings_.take_changes()) {
    encode(BackendMessage{ParameterStatus{name, value}}, out);
  }
}

}  // namespace minato::gate
