#include "sql/fence.h"

#include "base/text.h"
#include "model/names.h"
#include "sql/inspector.h"
#include "sql/scan.h"
#include "sql/tree.h"

namespace minato::sql {
namespace {

struct Advice {
  std::string_view verbs;  // with a space around each
  std::string_view text;
};

constexpr Advice advice[] = {
    {" INSERT UPDATE DELETE MERGE TRUNCATE REPLACE CREATE DROP ALTER COMMENT ",
     "The lake is written by its sources and marts only. To keep a result, put the SELECT into "
     "marts/<schema>/<name>.sql."},
    {" COPY EXPORT IMPORT ",
     "To take a result along, run the SELECT and let your client store it, for example: minato sql "
     "--format "
     "csv."},
    {" ATTACH DETACH USE ",
     "Other databases cannot be reached from a query; add them as a source."},
    {" INSTALL LOAD FORCE ", "Extensions are chosen by the administrator."},
    {" PRAGMA CALL CHECKPOINT VACUUM ANALYZE REINDEX CLUSTER ",
     "The engine is kept in order by Minato itself; of its settings, SHOW and SET of the client's "
     "are "
     "possible."},
    {" PREPARE EXECUTE ",
     "Use the parameters of your driver ($1, $2 …): it prepares statements itself."},
    {" GRANT REVOKE ", "Accounts and rights are given by the administrator: minato account add."},
    {" SAVEPOINT RELEASE ",
     "There are no savepoints: nothing is written, so nothing needs to be undone."},
    {" EXPLAIN ", "Plans show files of the lake; they are for administrators."},
};

tl::unexpected<Error> refuse_verb(const std::string& verb) {
  std::string message = verb + " is not possible here.";
  const std::string word = " " + verb + " ";
  for (const auto& each : advice) {
    if (each.verbs.find(word) != std::string_view::npos) {
      return fail(Code::forbidden, message + " " + std::string(each.text));
    }
  }
  const std::string possible =
      " Possible are SELECT (also FROM, WITH, VALUES, DESCRIBE, SUMMARIZE) and SHOW TABLES.";
  for (const std::string_view known : {"SET", "RESET", "SHOW", "DISCARD", "DEALLOCATE", "ROLLBACK",
                                       "START", "DECLARE", "FETCH", "CLOSE", "LOCK", "LISTEN"}) {
    if (verb == known) {
      return fail(Code::forbidden, "This form of " + verb + " is not possible here." + possible);
    }
  }
  // No word that begins a statement: most likely a slip of the hand.
  static const std::vector<std::string> verbs = {
      "SELECT", "FROM",  "WITH",  "VALUES", "DESCRIBE", "SUMMARIZE", "SHOW",
      "TABLE",  "PIVOT", "BEGIN", "COMMIT", "ROLLBACK", "SET"};
  const std::string nearest = did_you_mean(verb, verbs);
  return fail(Code::invalid,
              "No statement begins with " + verb + "." + (nearest.empty() ? possible : nearest));
}

/// What costs the engine much time before anything else could count it.
Status check_length(std::string_view text, const FenceLimits& limits) {
  TRY_ASSIGN(const auto tokens, scan(text));
  std::size_t conditions = 0;
  for (const auto& token : tokens) {
    if (token.kind != TokenKind::word || token.text.size() > 3) continue;
    const std::string word = fold(token.text);
    if (word == "and" || word == "or") ++conditions;
  }
  if (conditions <= limits.conditions_max) return {};
  return fail(Code::exhausted,
              "The statement has " + std::to_string(conditions) + " conditions; at most " +
                  std::to_string(limits.conditions_max) +
                  " are taken. Use IN (…), or put the values into a table and join it.");
}

void strip_offsets(Json& node) {
  if (node.is_object()) node.erase("query_location");
  for (auto& child : node) {
    if (child.is_structured()) strip_offsets(child);
  }
}

/// Puts every parameter in the place of a cast of it. The name that the cast gave to a column
/// stays.
void strip_parameter_casts(Json& node) {
  for (auto& child : node) {
    if (child.is_structured()) strip_parameter_casts(child);
  }
  if (text_at(node, "class") != "CAST" || text_at(at(node, "child"), "class") != "PARAMETER")
    return;
  Json parameter = node["child"];
  if (node.contains("alias")) parameter["alias"] = node["alias"];
  node = std::move(parameter);
}

/// SHOW TABLES and SHOW ALL TABLES as queries of our own, which show the lake only. Empty:
/// something else.
std::string show_query(const Json& statement, const Fence& fence) {
  const Json& node = at(statement, "node");
  const Json& from = at(node, "from_table");
  if (text_at(from, "type") != "SHOW_REF" || from.contains("query") ||
      node.contains("where_clause") || node.contains("modifiers")) {
    return {};
  }
  const std::string_view what = text_at(from, "table_name");
  const std::string catalog = quote_literal(fence.catalog);
  if (what == "\"tables\"" || what == "__show_tables_expanded") {
    return "SELECT table_schema AS \"schema\", table_name AS \"name\", table_type AS \"type\" FROM "
           "system.information_schema.tables WHERE table_catalog = " +
           catalog + " ORDER BY 1, 2";
  }
  if (what == "\"databases\"") return "SELECT " + catalog + " AS database_name";
  if (what == "\"schemas\"") {
    return "SELECT schema_name FROM system.information_schema.schemata WHERE catalog_name = " +
           catalog + " ORDER BY 1";
  }
  if (text_at(from, "show_type") == "SHOW_FROM") {
    const std::string schema(text_at(from, "schema_name"));
    return "SELECT table_name AS \"name\" FROM system.information_schema.tables WHERE "
           "table_catalog = " +
           catalog + " AND lower(table_schema) = lower(" + quote_literal(schema) + ") ORDER BY 1";
  }
  return {};
}

Status check_query(lake::Session& session, std::string_view text, const Fence& fence,
                   Checked& out) {
  TRY_ASSIGN(Json tree, parse_select(session, text, fence.limits.text_bytes_max));
  out.text = show_query(tree, fence);
  if (!out.text.empty()) return {};
  Inspector inspector(session, text, fence);
  TRY(inspector.inspect(tree));
  out.tables = inspector.tables();
  out.parameters = inspector.parameters();
  out.text = apply(text, inspector.edits());
  if (inspector.edits().empty()) return {};
  // The names were written out in the text and, apart from it, in the tree: both must mean the
  // same.
  TRY_ASSIGN(Json written, parse_select(session, out.text, fence.limits.text_bytes_max * 2));
  strip_offsets(tree);
  strip_offsets(written);
  if (tree != written) {
    return fail(Code::unsupported,
                "The names of the tables could not be written out in full; write them as " +
                    fence.catalog + ".schema.table.",
                "text: " + out.text);
  }
  return {};
}

}  // namespace

Status verify_casts(lake::Session& session, const Checked& checked, std::string_view text) {
  if (text == checked.text) return {};
  const std::size_t bytes_max = checked.text.size() + 64 * (1 + text.size());
  std::string_view before = checked.text;
  for (const std::string_view verb : {"EXPLAIN ANALYZE ", "EXPLAIN "}) {
    if (checked.statement.kind != StatementKind::explain || !before.starts_with(verb)) continue;
    if (!text.starts_with(verb))
      return fail(Code::internal, "The statement cannot run.", "other verb");
    before.remove_prefix(verb.size());
    text.remove_prefix(verb.size());
  }
  TRY_ASSIGN(Json left, parse_select(session, before, bytes_max));
  TRY_ASSIGN(Json right, parse_select(session, text, bytes_max));
  for (Json* tree : {&left, &right}) {
    strip_offsets(*tree);
    strip_parameter_casts(*tree);
  }
  if (left == right) return {};
  return fail(Code::internal,
              "The types of the parameters could not be written into the statement.",
              "text: " + std::string(text));
}

Result<Checked> check(lake::Session& session, std::string_view text, const Fence& fence) {
  if (text.size() > fence.limits.text_bytes_max) {
    return fail(Code::exhausted, "The statement has " + std::to_string(text.size()) +
                                     " bytes; at most " +
                                     std::to_string(fence.limits.text_bytes_max) +
                                     " are taken. Put long lists into a table and join it.");
  }
  // From here on there is one text: what is checked is what is run.
  TRY_ASSIGN(const std::string plain, plain_text(text));
  TRY(check_length(plain, fence.limits));
  Checked out;
  TRY_ASSIGN(out.statement, recognise(plain));
  switch (out.statement.kind) {
    case StatementKind::query: TRY(check_query(session, plain, fence, out)); return out;
    case StatementKind::explain: {
      if (!fence.allow_explain) return refuse_verb("EXPLAIN");
      TRY(check_query(session, out.statement.inner, fence, out));
      out.text = (out.statement.analyze ? "EXPLAIN ANALYZE " : "EXPLAIN ") + out.text;
      return out;
    }
    case StatementKind::other: return refuse_verb(out.statement.verb);
    default: return out;
  }
}

}  // namespace minato::sql
