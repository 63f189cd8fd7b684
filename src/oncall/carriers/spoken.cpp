#include "oncall/carriers/spoken.h"

namespace minato::oncall {
namespace {

/// What lies between the tags of text that is not well-formed.
std::string without_tags(std::string_view text) {
  std::string out;
  bool inside = false;
  for (const char c : text) {
    if (c == '<') inside = true;
    if (!inside) out += c;
    if (c == '>') inside = false;
  }
  return out;
}

/// "<speak …>x</speak>" → "x"; anything else as it is.
std::string inner(std::string text) {
  constexpr std::string_view kEnd = "</speak>";
  const std::size_t first = text.find('>');
  if (text.starts_with("<speak") && text.ends_with(kEnd) && first + kEnd.size() < text.size()) {
    return text.substr(first + 1, text.size() - kEnd.size() - first - 1);
  }
  return text;
}

}  // namespace

std::string cut_utf8(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

std::string spoken_text(std::string_view speech, std::size_t bytes_max) {
  const auto plain = rewrite(speech, Ssml::none);
  return cut_utf8(plain ? *plain : without_tags(speech), bytes_max);
}

std::string spoken_ssml(std::string_view speech, Ssml voice, std::size_t bytes_max) {
  if (voice != Ssml::none) {
    if (const auto made = rewrite(speech, voice)) {
      std::string ssml = inner(*made);
      if (ssml.size() <= bytes_max) return ssml;
    }
  }
  // Escaping makes a character at most six times as long.
  std::string escaped = escape_xml(spoken_text(speech, bytes_max));
  if (escaped.size() > bytes_max) escaped = escape_xml(spoken_text(speech, bytes_max / 6));
  return escaped;
}

}  // namespace minato::oncall
