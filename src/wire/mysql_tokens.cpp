#include "wire/mysql_tokens.h"

namespace minato::wire {
namespace {

bool is_name_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || byte >= 0x80;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

class Splitter {
 public:
  Splitter(std::string_view text, bool ansi_quotes, bool backslashes)
      : text_(text), ansi_quotes_(ansi_quotes), backslashes_(backslashes) {}

  std::vector<SqlToken> all() {
    while (skip_gaps()) read_token();
    tokens_.push_back({});
    return std::move(tokens_);
  }

 private:
  bool starts(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  /// Behind spaces and comments; false at the end.
  bool skip_gaps() {
    while (at_ < text_.size()) {
      if (is_space(text_[at_])) {
        ++at_;
      } else if (starts("#") ||
                 (starts("--") && (at_ + 2 >= text_.size() || is_space(text_[at_ + 2])))) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (starts("/*!") || starts("/*M!")) {
        // Executed by this server or by others: what is in it counts.
        at_ += starts("/*!") ? 3 : 4;
        while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
        ++executable_;
      } else if (executable_ > 0 && starts("*/")) {
        at_ += 2;
        --executable_;
      } else if (starts("/*")) {
        const auto end = text_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? text_.size() : end + 2;
      } else {
        return true;
      }
    }
    return false;
  }

  void read_token() {
    const char c = text_[at_];
    if (c == '`' || (c == '"' && ansi_quotes_)) {
      read_quoted(SqlToken::Kind::quoted_name, false);
    } else if (c == '\'' || c == '"') {
      read_quoted(SqlToken::Kind::string, backslashes_);
    } else if (is_name_byte(c)) {
      const std::size_t from = at_;
      bool digits = true;
      while (at_ < text_.size() && is_name_byte(text_[at_]))
        digits = is_digit(text_[at_++]) && digits;
      tokens_.push_back({digits ? SqlToken::Kind::number : SqlToken::Kind::word,
                         std::string(text_.substr(from, at_ - from))});
    } else {
      tokens_.push_back({SqlToken::Kind::symbol, std::string(1, c)});
      ++at_;
    }
  }

  void read_quoted(SqlToken::Kind kind, bool escapes) {
    const char mark = text_[at_++];
    std::string value;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == mark) {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != mark) break;
        ++at_;
      } else if (escapes && text_[at_] == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        // "\%" and "\_" stay as they are, for LIKE.
        if (text_[at_] == '%' || text_[at_] == '_') value += '\\';
        value += unescaped(text_[at_]);
        continue;
      }
      value += text_[at_];
    }
    if (at_ < text_.size()) ++at_;
    tokens_.push_back({kind, std::move(value)});
  }

  static char unescaped(char c) {
    switch (c) {
      case 'n': return '\n';
      case 't': return '\t';
      case 'r': return '\r';
      case '0': return '\0';
      case 'b': return '\b';
      case 'Z': return '\x1a';
      default: return c;
    }
  }

  std::string_view text_;
  bool ansi_quotes_;
  bool backslashes_;
  std::size_t at_ = 0;
  int executable_ = 0;
  std::vector<SqlToken> tokens_;
};

}  // namespace

std::vector<SqlToken> sql_tokens(std::string_view text, bool ansi_quotes, bool backslashes) {
  return Splitter(text, ansi_quotes, backslashes).all();
}

bool TokenReader::is_word(std::string_view upper, std::size_t ahead) const {
  const SqlToken& token = peek(ahead);
  if (token.kind != SqlToken::Kind::word || token.text.size() != upper.size()) return false;
  for (std::size_t i = 0; i < upper.size(); ++i) {
    const char c = token.text[i];
    if ((c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c) != upper[i]) return false;
  }
  return true;
}

bool TokenReader::take_words(std::initializer_list<std::string_view> uppers) {
  std::size_t ahead = 0;
  for (const std::string_view upper : uppers) {
    if (!is_word(upper, ahead++)) return false;
  }
  for (std::size_t i = 0; i < ahead; ++i) next();
  return true;
}

void TokenReader::skip_brackets() {
  int depth = 0;
  while (!at_end()) {
    if (is_symbol('(')) ++depth;
    if (is_symbol(')')) --depth;
    next();
    if (depth <= 0) return;
  }
}

}  // namespace minato::wire
