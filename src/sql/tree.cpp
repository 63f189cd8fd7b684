#include "sql/tree.h"

#include <charconv>

#include "base/check.h"
#include "sql/engine_call.h"
#include "sql/scan.h"
#include "sql/statement.h"

namespace minato::sql {
namespace {

/// Offsets beyond this mean "unknown" (the engine writes the largest integer).
constexpr std::uint64_t offset_limit = std::uint64_t{1} << 40;

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  const auto byte = [&](std::size_t k) {
    return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U;
  };
  const auto follows = [&](std::size_t k) { return (byte(k) & 0xC0U) == 0x80U; };
  while (i < text.size()) {
    const unsigned c = byte(0);
    if (c < 0x80) {
      i += 1;
    } else if (c >= 0xC2 && c <= 0xDF && follows(1)) {
      i += 2;
    } else if ((c & 0xF0U) == 0xE0 && follows(1) && follows(2)) {
      if ((c == 0xE0 && byte(1) < 0xA0) || (c == 0xED && byte(1) > 0x9F)) return false;
      i += 3;
    } else if (c >= 0xF0 && c <= 0xF4 && follows(1) && follows(2) && follows(3)) {
      if ((c == 0xF0 && byte(1) < 0x90) || (c == 0xF4 && byte(1) > 0x8F)) return false;
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

Status check_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    return fail(Code::exhausted, "The statement has " + std::to_string(text.size()) +
                                     " bytes; at most " + std::to_string(bytes_max) +
                                     " are taken. Put long lists into a table and join it.");
  }
  if (text.find('\0') != std::string_view::npos) {
    return fail(Code::invalid, "The statement contains a NUL byte; remove it.");
  }
  if (!is_utf8(text))
    return fail(Code::invalid, "The statement is not valid UTF-8; set the client to UTF-8.");
  return {};
}

/// What to write instead of a statement that is no SELECT.
std::string remedy(std::string_view text) {
  const auto statement = recognise(text);
  const std::string verb = statement ? statement->verb : "";
  if (verb == "PIVOT" || text.find("pivot") != std::string_view::npos ||
      text.find("PIVOT") != std::string_view::npos) {
    return "PIVOT needs its values written out, so that the columns are known before it runs: "
           "PIVOT t ON c IN ('a', 'b') USING sum(x).";
  }
  const bool reads = verb.empty() || (statement && statement->kind == StatementKind::query);
  return "Only SELECT is possible here (also FROM, WITH, VALUES)" +
         (reads ? std::string(".") : ", and this is " + verb + ".");
}

/// With one mark at its end.
std::string sentence(std::string_view text) {
  while (!text.empty() && std::string_view(".!? \n").find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  return std::string(text) + ".";
}

Error parse_error(std::string_view text, const Json& answer) {
  const std::string message = sentence(text_at(answer, "error_message"));
  if (text_at(answer, "error_type") == "not implemented") {
    return {Code::unsupported, message.starts_with("Only SELECT") ? remedy(text) : message,
            message};
  }
  if (message.starts_with("Max expression depth") || message.starts_with("memory exhausted")) {
    return {Code::exhausted, "The statement is nested too deeply; name its parts with WITH.",
            message};
  }
  std::size_t offset = 0;
  const std::string_view position = text_at(answer, "position");
  const auto [end, bad] =
      std::from_chars(position.data(), position.data() + position.size(), offset);
  if (position.empty() || bad != std::errc()) return {Code::invalid, message, {}};
  return {Code::invalid, display(place_of(text, offset)) + ": " + message, {}};
}

}  // namespace

Result<Json> parse_select(lake::Session& session, std::string_view text, std::size_t bytes_max) {
  TRY(check_text(text, bytes_max));
  // Parsed with skip_default: what is absent has the engine's default, so every meaning is still in
  // the tree.
  TRY_ASSIGN(
      const std::string answer_text,
      single_text(session,
                  "SELECT json_serialize_sql($1::VARCHAR, skip_default := true, skip_null := true, "
                  "skip_empty := true)",
                  std::string(text)));
  Json answer = Json::parse(answer_text, nullptr, false);
  if (!answer.is_object()) {
    return fail(Code::internal, "The statement could not be parsed.",
                "json_serialize_sql: no JSON object");
  }
  if (at(answer, "error") != Json(false)) return fail(parse_error(text, answer));
  const Json& statements = at(answer, "statements");
  if (!statements.is_array() || statements.empty()) {
    return fail(Code::invalid, "There is no statement in this text.");
  }
  if (statements.size() > 1) {
    return fail(Code::unsupported, "Only one statement is possible here; send them one by one.");
  }
  Json statement = statements[0];
  if (!is_query_node(at(statement, "node"))) {
    return fail(Code::internal, "The statement could not be parsed.",
                "json_serialize_sql: no query node");
  }
  return statement;
}

const Json& at(const Json& node, const char* key) {
  static const Json nothing;
  if (!node.is_object()) return nothing;
  const auto found = node.find(key);
  return found == node.end() ? nothing : *found;
}

std::string_view text_at(const Json& node, const char* key) {
  const Json& value = at(node, key);
  const auto* text = value.get_ptr<const std::string*>();
  return text != nullptr ? std::string_view(*text) : std::string_view();
}

std::optional<std::size_t> offset_of(const Json& node) {
  const Json& location = at(node, "query_location");
  if (!location.is_number_unsigned()) return std::nullopt;
  const auto offset = location.get<std::uint64_t>();
  if (offset >= offset_limit) return std::nullopt;
  return static_cast<std::size_t>(offset);
}

std::string fold(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

tl::unexpected<Error> fail_at(Code code, std::string_view text, std::optional<std::size_t> offset,
                              std::string_view what) {
  std::string message;
  if (offset) message = display(place_of(text, *offset)) + ": ";
  return fail(code, message + std::string(what));
}

bool Scope::is_cte(std::string_view schema, std::string_view name) const {
  // The engine looks CTEs up before tables, innermost first; recurring.t is the table so far of a
  // recursive t.
  const std::string folded = fold(name);
  const bool recurring = fold(schema) == "recurring";
  if (!schema.empty() && !recurring) return false;
  for (const Scope* scope = this; scope != nullptr; scope = scope->outer_) {
    if (scope->name_ == folded && !folded.empty() && (!recurring || scope->recursive_)) return true;
  }
  return false;
}

bool is_query_node(const Json& node) {
  const std::string_view type = text_at(node, "type");
  return type == "SELECT_NODE" || type == "SET_OPERATION_NODE" || type == "RECURSIVE_CTE_NODE" ||
         type == "CTE_NODE";
}

}  // namespace minato::sql
