#include "sql/scan.h"

#include <algorithm>

#include "base/check.h"

namespace minato::sql {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool continues_word(char c) { return starts_word(c) || is_digit(c) || c == '$'; }

/// Bytes of the Unicode space at `offset`, 0 when there is none. The list is the engine's own.
std::size_t unicode_space_at(std::string_view text, std::size_t offset) {
  const auto byte = [&](std::size_t i) {
    return offset + i < text.size() ? static_cast<unsigned char>(text[offset + i]) : 0;
  };
  if (byte(0) == 0xC2 && byte(1) == 0xA0) return 2;
  if (byte(0) == 0xE2 && byte(1) == 0x80 && byte(2) >= 0x80 && byte(2) <= 0x8B) return 3;
  if (byte(0) == 0xE2 && byte(1) == 0x80 && byte(2) == 0xAF) return 3;
  if (byte(0) == 0xE2 && byte(1) == 0x81 && (byte(2) == 0x9F || byte(2) == 0xA0)) return 3;
  if (byte(0) == 0xE3 && byte(1) == 0x80 && byte(2) == 0x80) return 3;
  if (byte(0) == 0xEF && byte(1) == 0xBB && byte(2) == 0xBF) return 3;
  return 0;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    std::vector<Token> tokens;
    while (at_ < text_.size()) {
      const std::size_t begin = at_;
      TRY_ASSIGN(const TokenKind kind, next());
      CHECK(at_ > begin && at_ <= text_.size());
      tokens.push_back({kind, begin, text_.substr(begin, at_ - begin)});
    }
    return tokens;
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  Result<TokenKind> next() {
    const char c = peek();
    if (is_space(c) || unicode_space_at(text_, at_) > 0) return spaces();
    if (c == '-' && peek(1) == '-') {
      while (at_ < text_.size() && peek() != '\n' && peek() != '\r') ++at_;
      return TokenKind::comment;
    }
    if (c == '/' && peek(1) == '*') return block_comment();
    if (c == '\'') return quoted('\'', false, TokenKind::string);
    if (c == '"') return quoted('"', false, TokenKind::quoted_name);
    if ((c == 'e' || c == 'E') && peek(1) == '\'') {
      ++at_;
      return quoted('\'', true, TokenKind::string);
    }
    if (starts_word(c)) return word();
    if (is_digit(c)) {
      // A word may follow at once (1e5, 0x1F, 1$$text$$): it is scanned as one.
      while (is_digit(peek()) || peek() == '_' || peek() == '.') ++at_;
      return TokenKind::number;
    }
    if (c == '$') return dollar();
    ++at_;
    return TokenKind::symbol;
  }

  TokenKind spaces() {
    while (at_ < text_.size()) {
      if (const std::size_t bytes = unicode_space_at(text_, at_)) {
        at_ += bytes;
      } else if (is_space(peek())) {
        ++at_;
      } else {
        break;
      }
    }
    return TokenKind::space;
  }

  TokenKind word() {
    while (continues_word(peek()) && unicode_space_at(text_, at_) == 0) ++at_;
    return TokenKind::word;
  }

  Result<TokenKind> block_comment() {
    const std::size_t begin = at_;
    int depth = 0;
    do {
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        --depth;
        at_ += 2;
      } else if (at_ < text_.size()) {
        ++at_;
      } else {
        return unfinished(begin, "the comment that begins with /* here has no end; add */");
      }
    } while (depth > 0);
    return TokenKind::comment;
  }

  Result<TokenKind> quoted(char mark, bool backslash, TokenKind kind) {
    const std::size_t begin = at_++;
    for (; at_ < text_.size(); ++at_) {
      if (backslash && peek() == '\\' && at_ + 1 < text_.size()) {
        ++at_;
      } else if (peek() == mark) {
        if (peek(1) != mark) {
          ++at_;
          return kind;
        }
        ++at_;
      }
    }
    return unfinished(begin, mark == '"' ? "the name that begins with \" here has no closing \""
                                         : "the text that begins with ' here has no closing '");
  }

  /// $1, $name, or $tag$ … $tag$.
  Result<TokenKind> dollar() {
    const std::size_t begin = at_++;
    if (is_digit(peek())) {
      while (is_digit(peek())) ++at_;
      return TokenKind::symbol;
    }
    while (starts_word(peek()) || is_digit(peek())) ++at_;
    if (peek() != '$') return TokenKind::symbol;
    const std::string_view tag = text_.substr(begin, ++at_ - begin);
    const std::size_t end = text_.find(tag, at_);
    if (end == std::string_view::npos) {
      return unfinished(begin,
                        "the text that begins with " + std::string(tag) + " here has no end");
    }
    at_ = end + tag.size();
    return TokenKind::string;
  }

  tl::unexpected<Error> unfinished(std::size_t begin, const std::string& what) const {
    return fail(Code::invalid, display(place_of(text_, begin)) + ": " + what + ".");
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::vector<Token>> scan(std::string_view text) { return Scanner(text).run(); }

Result<std::string> plain_text(std::string_view text) {
  TRY_ASSIGN(const auto tokens, scan(text));
  std::string out(text);
  for (const auto& token : tokens) {
    const bool block = token.kind == TokenKind::comment && token.text.starts_with("/*");
    if (token.kind != TokenKind::space && !block) continue;
    for (std::size_t i = token.offset; i < token.offset + token.text.size(); ++i) {
      if (!is_space(out[i])) out[i] = ' ';
    }
  }
  return out;
}

Place place_of(std::string_view text, std::size_t offset) {
  Place place;
  for (const char c : text.substr(0, std::min(offset, text.size()))) {
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++place.column;
    }
  }
  return place;
}

std::string display(Place place) {
  return "line " + std::to_string(place.line) + ", column " + std::to_string(place.column);
}

}  // namespace minato::sql
