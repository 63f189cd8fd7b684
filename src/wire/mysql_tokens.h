// Splits SQL of MySQL and MariaDB into tokens: comments away, executable comments (/*! … */) in,
// quotes resolved.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minato::wire {

struct SqlToken {
  enum class Kind : std::uint8_t { end, word, quoted_name, string, number, symbol };
  Kind kind = Kind::end;
  std::string text;  // quotes and escapes resolved
};

/// The last token is always `end`. `ansi_quotes`: "x" is a name; `backslashes`: \ escapes in
/// strings.
std::vector<SqlToken> sql_tokens(std::string_view text, bool ansi_quotes, bool backslashes);

/// Reads tokens one after another; beyond the last it stays at `end`.
class TokenReader {
 public:
  explicit TokenReader(std::vector<SqlToken> tokens) : tokens_(std::move(tokens)) {}
  const SqlToken& peek(std::size_t ahead = 0) const {
    const std::size_t at = at_ + ahead;
    return at < tokens_.size() ? tokens_[at] : tokens_.back();
  }
  SqlToken next() {
    SqlToken token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool at_end() const { return peek().kind == SqlToken::Kind::end; }
  /// An unquoted word, whatever its case; `upper` in capitals.
  bool is_word(std::string_view upper, std::size_t ahead = 0) const;
  bool is_symbol(char symbol, std::size_t ahead = 0) const {
    const SqlToken& token = peek(ahead);
    return token.kind == SqlToken::Kind::symbol && token.text[0] == symbol;
  }
  bool take_word(std::string_view upper) { return is_word(upper) && (next(), true); }
  bool take_symbol(char symbol) { return is_symbol(symbol) && (next(), true); }
  /// All these words in a row, or none of them.
  bool take_words(std::initializer_list<std::string_view> uppers);
  /// Behind the bracket that closes the one here.
  void skip_brackets();

 private:
  std::vector<SqlToken> tokens_;
  std::size_t at_ = 0;
};

}  // namespace minato::wire
