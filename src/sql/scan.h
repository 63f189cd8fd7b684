// Splits SQL text into tokens as the engine's scanner does: quotes, dollar quotes, nested comments.
// For splitting and for recognising short commands; what a SELECT means is read from the engine's
// parse tree only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace minato::sql {

enum class TokenKind { word, quoted_name, string, number, symbol, comment, space };

struct Token {
  TokenKind kind;
  std::size_t offset;     // in bytes
  std::string_view text;  // as written, of the scanned text
};

/// All tokens, space and comments included: their texts put together are `text`. Fails on a quote
/// or comment that does not end (message with line and column).
Result<std::vector<Token>> scan(std::string_view text);

/// The same text with every Unicode space outside of quotes and comments (U+3000, as typed by
/// Japanese input methods, U+00A0 …) and every block comment replaced by as many ASCII spaces as it
/// has bytes, so that offsets stay. (The engine's scanner takes quadratic time for block comments.)
Result<std::string> plain_text(std::string_view text);

/// 1-based line and column (in code points) of a byte offset.
struct Place {
  std::size_t line = 1;
  std::size_t column = 1;
};
Place place_of(std::string_view text, std::size_t offset);
/// "line 2, column 5".
std::string display(Place place);

}  // namespace minato::sql
