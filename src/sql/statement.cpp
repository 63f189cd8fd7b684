#include "sql/statement.h"

#include <algorithm>
#include <array>
#include <optional>

#include "sql/scan.h"

namespace minato::sql {
namespace {

std::string in_case(std::string_view text, bool upper) {
  std::string out(text);
  for (char& c : out) {
    if (upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (!upper && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_filler(const Token& token) {
  return token.kind == TokenKind::space || token.kind == TokenKind::comment;
}

/// The text of a quoted name or string without its quotes ("" and '' undone); other tokens as they
/// are.
std::string unquoted(const Token& token) {
  if (token.kind != TokenKind::quoted_name && token.kind != TokenKind::string) {
    return std::string(token.text);
  }
  const char mark = token.text.front();
  if (mark != '"' && mark != '\'') return std::string(token.text);  // E'…', $$…$$: left alone
  std::string out;
  for (std::size_t i = 1; i + 1 < token.text.size(); ++i) {
    out += token.text[i];
    if (token.text[i] == mark) ++i;
  }
  return out;
}

/// What clients ask a PostgreSQL server for with SHOW; sorted.
constexpr std::array<std::string_view, 22> client_settings = {
    "all",
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "integer_datetimes",
    "intervalstyle",
    "is_superuser",
    "lc_collate",
    "max_identifier_length",
    "search_path",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
    "transaction_isolation",
};
static_assert(std::is_sorted(client_settings.begin(), client_settings.end()));

constexpr std::array<std::string_view, 11> query_verbs = {
    "DESC", "DESCRIBE",  "FROM",  "PIVOT",  "PIVOT_WIDER", "SELECT",
    "SHOW", "SUMMARIZE", "TABLE", "VALUES", "WITH"};

/// The words of a statement without space, comments and the semicolon at its end, one after
/// another.
class Words {
 public:
  Words(std::string_view text, const std::vector<Token>& tokens) : text_(text) {
    for (const auto& token : tokens) {
      if (!is_filler(token) && token.text != ";") tokens_.push_back(token);
    }
  }
  bool done() const { return at_ == tokens_.size(); }
  bool accept(std::string_view keyword) {
    if (done() || tokens_[at_].kind != TokenKind::word) return false;
    if (in_case(tokens_[at_].text, true) != keyword) return false;
    ++at_;
    return true;
  }
  /// A name, folded to lower case unless quoted; dotted parts are joined.
  std::optional<std::string> name() {
    std::string out;
    while (!done()) {
      const Token& token = tokens_[at_];
      if (token.kind == TokenKind::word) {
        out += in_case(token.text, false);
      } else if (token.kind == TokenKind::quoted_name) {
        out += unquoted(token);
      } else {
        return std::nullopt;
      }
      ++at_;
      if (done() || tokens_[at_].text != ".") return out;
      out += '.';
      ++at_;
    }
    return std::nullopt;
  }
  bool accept_symbol(std::string_view symbol) {
    if (done() || tokens_[at_].text != symbol) return false;
    ++at_;
    return true;
  }
  /// The values up to the end, unquoted, joined: 'a', b → "a, b"; what is written together stays
  /// together (-3, 10s).
  std::string values() {
    std::string out;
    for (; !done(); ++at_) {
      const Token& token = tokens_[at_];
      if (token.text == ",") {
        out += ", ";
      } else {
        const Token* before = at_ == 0 ? nullptr : &tokens_[at_ - 1];
        const bool glued =
            out.empty() || out.back() == ' ' || out.back() == '-' ||
            (before != nullptr && before->offset + before->text.size() == token.offset);
        out += glued ? unquoted(token) : " " + unquoted(token);
      }
    }
    return out;
  }
  /// The text from the current word on.
  std::string rest() const {
    return done() ? std::string() : std::string(text_.substr(tokens_[at_].offset));
  }
  const Token& front() const { return tokens_.front(); }

 private:
  std::string_view text_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

bool finish(Words& words, Statement& out, StatementKind kind) {
  if (!words.done()) return false;
  out.kind = kind;
  return true;
}

/// `zone`: the word was TIME, and ZONE must follow.
bool setting_name(Words& words, bool zone, Statement& out) {
  if (zone) {
    out.name = "timezone";
    return words.accept("ZONE");
  }
  const auto name = words.name();
  if (name) out.name = *name;
  return name.has_value();
}

bool recognise_set(Words& words, Statement& out) {
  if (!words.accept("SESSION")) words.accept("LOCAL");
  const bool zone = words.accept("TIME");
  if (!setting_name(words, zone, out)) return false;
  // SET TRANSACTION …, SET SESSION CHARACTERISTICS AS …: the values are all that follows.
  const bool bare = zone || out.name == "transaction" || out.name == "characteristics";
  if (!bare && !words.accept_symbol("=") && !words.accept("TO")) return false;
  out.value = words.values();
  if (out.value.empty()) return false;
  if (in_case(out.value, false) == "default") out.value = "default";
  out.kind = StatementKind::set;
  return true;
}

bool recognise_named(Words& words, Statement& out, StatementKind kind) {
  if (kind == StatementKind::deallocate) words.accept("PREPARE");
  if (!setting_name(words, words.accept("TIME"), out)) return false;
  return finish(words, out, kind);
}

bool recognise_show(Words& words, Statement& out) {
  if (words.accept("TRANSACTION")) {
    if (!words.accept("ISOLATION") || !words.accept("LEVEL")) return false;
    out.name = "transaction_isolation";
    return finish(words, out, StatementKind::show);
  }
  if (!recognise_named(words, out, StatementKind::show)) return false;
  return std::binary_search(client_settings.begin(), client_settings.end(), out.name);
}

bool recognise_explain(Words& words, Statement& out) {
  out.analyze = words.accept("ANALYZE");
  words.accept("VERBOSE");
  out.inner = words.rest();
  if (out.inner.empty()) return false;
  out.kind = StatementKind::explain;
  return true;
}

/// The transaction words; options behind BEGIN (READ ONLY, ISOLATION LEVEL …) change nothing for a
/// reader.
bool recognise_transaction(Words& words, Statement& out) {
  if (out.verb == "BEGIN") {
    out.kind = StatementKind::begin;
    return true;
  }
  if (out.verb == "START") {
    if (!words.accept("TRANSACTION")) return false;
    out.kind = StatementKind::begin;
    return true;
  }
  if (!words.accept("WORK")) words.accept("TRANSACTION");
  const bool commits = out.verb == "COMMIT" || out.verb == "END";
  return finish(words, out, commits ? StatementKind::commit : StatementKind::rollback);
}

bool recognise_command(Words& words, Statement& out) {
  const std::string& verb = out.verb;
  if (verb == "BEGIN" || verb == "START" || verb == "COMMIT" || verb == "END" ||
      verb == "ROLLBACK" || verb == "ABORT") {
    return recognise_transaction(words, out);
  }
  if (verb == "SET") return recognise_set(words, out);
  if (verb == "RESET") return recognise_named(words, out, StatementKind::reset);
  if (verb == "DEALLOCATE") return recognise_named(words, out, StatementKind::deallocate);
  if (verb == "SHOW") return recognise_show(words, out);
  if (verb == "EXPLAIN") return recognise_explain(words, out);
  if (verb == "DISCARD") return words.accept("ALL") && finish(words, out, StatementKind::discard);
  return false;
}

}  // namespace

Result<std::vector<std::string>> split_statements(std::string_view text) {
  TRY_ASSIGN(const auto tokens, scan(text));
  std::vector<std::string> statements;
  std::size_t begin = 0;
  std::size_t end = 0;
  bool any = false;
  const auto cut = [&] {
    if (any) statements.emplace_back(text.substr(begin, end - begin));
    any = false;
  };
  bool fresh = true;  // only space since the last cut: the statement begins at the next token
  for (const auto& token : tokens) {
    if (token.text == ";") {
      cut();
      fresh = true;
      continue;
    }
    if (token.kind == TokenKind::space) continue;
    if (fresh) begin = token.offset;
    fresh = false;
    end = token.offset + token.text.size();
    any = any || token.kind != TokenKind::comment;
  }
  cut();
  return statements;
}

Result<Statement> recognise(std::string_view text) {
  TRY_ASSIGN(const auto tokens, scan(text));
  bool ended = false;
  for (const auto& token : tokens) {
    if (ended && !is_filler(token)) {
      return fail(Code::unsupported, "Only one statement is possible here; send them one by one.");
    }
    ended = ended || token.text == ";";
  }
  Words words(text, tokens);
  Statement out;
  if (words.done()) return out;
  out.verb = in_case(words.front().text, true);
  if (words.front().text == "(") {
    out.kind = StatementKind::query;
    return out;
  }
  if (words.front().kind != TokenKind::word) {
    out.kind = StatementKind::other;
    return out;
  }
  words.accept(out.verb);
  if (recognise_command(words, out)) return out;
  // Also SHOW TABLES, DESCRIBE …, and commands in a form that is not known: the fence decides on
  // the parse tree.
  const bool query =
      std::find(query_verbs.begin(), query_verbs.end(), out.verb) != query_verbs.end() ||
      out.verb == "UNPIVOT";
  Statement plain;
  plain.kind = query ? StatementKind::query : StatementKind::other;
  plain.verb = out.verb;
  return plain;
}

}  // namespace minato::sql
