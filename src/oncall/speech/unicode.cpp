#include "oncall/speech/unicode.h"

#include <array>

namespace minato::oncall {
namespace {

bool in(char32_t c, char32_t low, char32_t high) { return c >= low && c <= high; }

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  std::size_t size = 0;
  char32_t value = 0;
  if (first >= 0xC2 && first <= 0xDF) {
    size = 2;
    value = first & 0x1FU;
  } else if (first >= 0xE0 && first <= 0xEF) {
    size = 3;
    value = first & 0x0FU;
  } else if (first >= 0xF0 && first <= 0xF4) {
    size = 4;
    value = first & 0x07U;
  }
  if (size == 0 || at + size > text.size()) return {};
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  if (value < least[size] || value > 0x10FFFF || in(value, 0xD800, 0xDFFF)) return {};
  return {value, size, true};
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    out += c.value;
    at += c.size;
  }
  return out;
}

void append_utf8(char32_t c, std::string& out) {
  const auto byte = [&](char32_t value) { out += static_cast<char>(value); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

std::string encode_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size() * 3);
  for (const char32_t c : text) append_utf8(c, out);
  return out;
}

std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) at += code_point_at(text, at).size;
  return count;
}

bool is_xml_character(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return true;
  if (c < 0x20 || in(c, 0x7F, 0x9F)) return false;
  return !in(c, 0xD800, 0xDFFF) && c != 0xFFFE && c != 0xFFFF && c <= 0x10FFFF;
}

bool is_japanese(char32_t c) {
  return in(c, 0x3041, 0x30FF) || in(c, 0x3400, 0x4DBF) || in(c, 0x4E00, 0x9FFF) ||
         in(c, 0xF900, 0xFAFF) || in(c, 0xFF66, 0xFF9F) || c == 0x3005;
}

bool is_ascii_word(char32_t c) {
  return in(c, '0', '9') || in(c, 'A', 'Z') || in(c, 'a', 'z') || c == '_';
}

bool is_blank(char32_t c) {
  return c == ' ' || in(c, '\t', '\r') || c == 0xA0 || in(c, 0x2000, 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_sentence_end(char32_t c) {
  return c == '.' || c == '!' || c == '?' || c == '\n' || c == U'。' || c == U'．' || c == U'！' ||
         c == U'？' || c == U'｡';
}

bool is_combining(char32_t c) {
  return in(c, 0x300, 0x36F) || in(c, 0x20D0, 0x20FF) || c == 0x3099 || c == 0x309A ||
         in(c, 0xFE00, 0xFE0F) || in(c, 0x1F3FB, 0x1F3FF) || c == 0x200D || c == 0xFF9E ||
         c == 0xFF9F;
}

bool is_speakable(char32_t c) {
  if (c < 0x80) return is_ascii_word(c) && c != '_';
  // Symbols, dashes and punctuation of Unicode and of CJK, private use, the replacement character.
  return c >= 0xC0 && c != 0xD7 && c != 0xF7 && !in(c, 0x2000, 0x2BFF) && !in(c, 0x3000, 0x3004) &&
         !in(c, 0x3008, 0x3020) && c != 0x30FB && !in(c, 0xE000, 0xF8FF) && !is_combining(c) &&
         !in(c, 0xFF01, 0xFF0F) && !in(c, 0xFF1A, 0xFF20) && !in(c, 0xFF3B, 0xFF40) &&
         !in(c, 0xFF5B, 0xFF65) && c < 0xFFF0;
}

}  // namespace minato::oncall
