// UTF-8 and the few classes of code points that speech asks for. Never fails: what is not UTF-8
// becomes U+FFFD.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minato::oncall {

struct CodePoint {
  char32_t value = 0xFFFD;
  std::size_t size = 1;  // bytes
  bool valid = false;
};
/// The code point that begins at byte `at`; shortest forms only, no surrogates (RFC 3629).
CodePoint code_point_at(std::string_view text, std::size_t at);

std::u32string decode_utf8(std::string_view text);
void append_utf8(char32_t c, std::string& out);
std::string encode_utf8(std::u32string_view text);
std::size_t count_code_points(std::string_view text);

/// XML 1.0, production Char, less DEL and the C1 controls: what may stand in a document of ours.
bool is_xml_character(char32_t c);
/// Kana and kanji, also half-width kana.
bool is_japanese(char32_t c);
/// Letters, digits and "_" of ASCII.
bool is_ascii_word(char32_t c);
bool is_blank(char32_t c);
/// "." is none within "1.5" or "db.example": the caller knows what follows.
bool is_sentence_end(char32_t c);
/// Marks that belong to the character before them; a text is never cut between the two.
bool is_combining(char32_t c);
/// Something that a voice can say, not only punctuation.
bool is_speakable(char32_t c);

}  // namespace minato::oncall
