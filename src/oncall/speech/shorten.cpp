// fit_for_speech(): what is thrown out of an alarm text, or shortened, before it is said.
#include <algorithm>

#include "oncall/speech/spoken.h"
#include "oncall/speech/unicode.h"

namespace minato::oncall {
namespace {

using View = std::u32string_view;

constexpr std::size_t kBytesMax = 64 * 1024;
constexpr std::size_t kTokenMax = 48;  // longer ones are not words
constexpr std::size_t kTokenKept = 24;
constexpr std::size_t kHexMin = 12;      // digits of an id that nobody wants to hear
constexpr std::size_t kDecimalMin = 16;  // a date with a time is shorter

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char32_t c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Invisible characters that turn the direction of a text or glue it; nothing to say.
bool is_invisible(char32_t c) {
  return (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || c == 0xAD || (c >= 0xE0000 && c <= 0xE0FFF);
}

// "\x1b[31m": how terminals colour.
std::size_t escape_sequence(View text, std::size_t at) {
  if (text[at] != 0x1B || at + 1 >= text.size() || text[at + 1] != '[') return 0;
  std::size_t end = at + 2;
  while (end < text.size() && text[end] >= 0x20 && text[end] < 0x40) ++end;
  return std::min(end + 1, text.size()) - at;
}

// Lines of clean characters; blanks within them folded, except at the beginning: stack traces are
// known by their indentation.
std::vector<std::u32string> clean_lines(View text) {
  std::vector<std::u32string> lines(1);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (const std::size_t size = escape_sequence(text, at)) {
      at += size - 1;
      continue;
    }
    const char32_t c = text[at];
    std::u32string& line = lines.back();
    if (c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029 || c == 0x85) {
      if (!line.empty()) lines.emplace_back();
    } else if (is_blank(c)) {
      const bool indent = line.find_first_not_of(U' ') == View::npos;
      if (indent || line.back() != U' ') line += U' ';
    } else if (is_xml_character(c) && !is_invisible(c)) {
      line += c;
    }
  }
  return lines;
}

View trimmed(View text) {
  while (!text.empty() && text.front() == U' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == U' ') text.remove_suffix(1);
  return text;
}

bool has(View text, View part) { return text.find(part) != View::npos; }

// "at a.b.C.d(C.java:12)", "at f (/a/b.js:1:2)", "at /a/b.js:1:2"; not "at db01 (primary)".
bool is_java_frame(View line) {
  if (!line.starts_with(U"at ")) return false;
  const std::size_t bracket = line.find('(');
  if (bracket == View::npos) return is_digit(line.back()) && has(line, U"/") && has(line, U":");
  const View inside = line.substr(bracket);
  return line.back() == ')' &&
         (has(inside, U":") || has(inside, U"Native Method") || has(inside, U"Unknown Source"));
}

// A line of a stack trace that names a place in a program. `line` is trimmed.
bool is_frame(View line) {
  if (is_java_frame(line)) return true;
  if (line.starts_with(U"File \"") && has(line, U", line ")) return true;
  if (line.starts_with(U"Traceback (most recent call last)")) return true;
  if (line.starts_with(U"... ") && line.ends_with(U" more")) return true;
  if (line.starts_with(U"goroutine ") && line.ends_with(U"]:")) return true;
  if (has(line, U".go:") && has(line, U" +0x")) return true;
  if (line.back() == ')' && line.find(U"(0x") < line.find(' ')) return true;
  if (line.size() > 2 && line[0] == '#' && is_digit(line[1])) {  // gdb, PHP
    return has(line, U" 0x") || has(line, U".php(") || (has(line, U"(") && has(line, U") at "));
  }
  return line.find_first_not_of(U"^~ ") == View::npos;
}

std::size_t indentation(View line) {
  const std::size_t at = line.find_first_not_of(U' ');
  return at == View::npos ? line.size() : at;
}

// What is left of the lines without frames; the first line where nothing would be.
std::vector<View> without_frames(const std::vector<std::u32string>& lines) {
  std::vector<View> kept;
  std::size_t source_deeper_than = View::npos;  // Python prints the source line below its place
  for (const std::u32string& line : lines) {
    const View words = trimmed(line);
    if (words.empty()) continue;
    const bool source = source_deeper_than != View::npos && indentation(line) > source_deeper_than;
    source_deeper_than = View::npos;
    if (source) continue;
    if (is_frame(words)) {
      if (words.starts_with(U"File ")) source_deeper_than = indentation(line);
      continue;
    }
    kept.push_back(words);
  }
  if (!kept.empty()) return kept;
  for (const std::u32string& line : lines) {
    if (!trimmed(line).empty()) return {trimmed(line)};
  }
  return {};
}

// The length of "https://" when a scheme begins at `at`, else 0. Letters that stick to it count as
// its own: no password behind it may be missed.
std::size_t scheme_at(View line, std::size_t at) {
  std::size_t end = at;
  while (end < line.size() && end - at < 16 && (is_letter(line[end]) || line[end] == '+')) ++end;
  return end - at >= 2 && line.substr(end).starts_with(U"://") ? end - at + 3 : 0;
}

bool is_url_character(char32_t c) {
  return c > 0x20 && c < 0x7F && !has(U"<>\"'`{}|\\^", View(&c, 1));
}

// Only the host: no path, no port, and never the user and password that may stand before it.
std::size_t say_url(View line, std::size_t at, std::size_t scheme, const SpokenWords& words,
                    std::u32string& out) {
  std::size_t end = at + scheme;
  while (end < line.size() && is_url_character(line[end])) ++end;
  while (end > at + scheme && has(U".,;:!?)]", line.substr(end - 1, 1))) --end;
  View host = line.substr(at + scheme, end - at - scheme);
  host = host.substr(0, host.find_first_of(U"/?#"));
  if (const auto user = host.rfind('@'); user != View::npos) host.remove_prefix(user + 1);
  if (const auto port = host.rfind(':'); port != View::npos && host.front() != '[') {
    host = host.substr(0, port);
  }
  ((out += words.link_before) += host.substr(0, kTokenMax)) += words.link_after;
  return end - at;
}

bool is_token(char32_t c) {
  return c > 0x20 && c < 0x7F && !has(U"<>\"'`{}|()[],;=&", View(&c, 1));
}

bool is_id(View token) {
  if (token.starts_with(U"0x")) token.remove_prefix(2);
  std::size_t digits = 0;
  std::size_t letters = 0;
  for (const char32_t c : token) {
    if (!is_hex(c) && c != '-') return false;
    digits += is_digit(c) ? 1 : 0;
    letters += is_letter(c) ? 1 : 0;
  }
  return letters == 0 ? digits >= kDecimalMin : digits > 0 && digits + letters >= kHexMin;
}

void say_token(View token, const SpokenWords& words, std::u32string& out) {
  if (is_id(token)) {
    const std::size_t begin = token.starts_with(U"0x") ? 2 : 0;
    ((out += words.id_before) += token.substr(begin, 4)) += words.id_after;
    return;
  }
  if (token.size() <= kTokenMax) {
    out += token;
    return;
  }
  // A path is known by its last part.
  while (!token.empty() && token.back() == '/') token.remove_suffix(1);
  const std::size_t slash = token.rfind('/');
  const View last = slash == View::npos ? View() : token.substr(slash + 1);
  if (!last.empty() && last.size() <= kTokenMax) {
    out += last;
  } else {
    (out += token.substr(0, kTokenKept)) += words.rest;
  }
}

// "-----" → "-": rulers and other ornaments.
bool repeats(View line, std::size_t at) {
  const char32_t c = line[at];
  if (is_ascii_word(c) && c != '_') return false;
  if (c >= 0x80 && is_speakable(c)) return false;
  return at >= 1 && line[at - 1] == c &&
         ((at >= 2 && line[at - 2] == c) || (at + 1 < line.size() && line[at + 1] == c));
}

std::u32string without_ornaments(View line) {
  std::u32string out;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (!repeats(line, at)) out += line[at];
  }
  return out;
}

void say_line(View line, const SpokenWords& words, std::u32string& out) {
  for (std::size_t at = 0; at < line.size();) {
    if (const std::size_t scheme = scheme_at(line, at)) {
      at += say_url(line, at, scheme, words, out);
      continue;
    }
    std::size_t end = at;
    // A token ends where a URL begins ("url:https://…").
    while (end < line.size() && is_token(line[end]) && (end == at || !scheme_at(line, end))) ++end;
    if (end == at) {
      out += line[at++];
      continue;
    }
    say_token(line.substr(at, end - at), words, out);
    at = end;
  }
}

}  // namespace

std::u32string fit_for_speech(std::string_view text, const SpokenWords& words) {
  // A cut within a character leaves bytes that are not UTF-8: dropped with it.
  std::string_view head = text.substr(0, kBytesMax);
  if (head.size() < text.size()) {
    while (!head.empty() && (static_cast<unsigned char>(head.back()) & 0xC0U) == 0x80) {
      head.remove_suffix(1);
    }
    if (!head.empty()) head.remove_suffix(1);
  }
  std::u32string out;
  const std::vector<std::u32string> lines = clean_lines(decode_utf8(head));
  for (const View line : without_frames(lines)) {
    const std::u32string quiet = without_ornaments(line);
    if (std::none_of(quiet.begin(), quiet.end(), is_speakable)) continue;
    if (!out.empty()) out += U'\n';
    say_line(quiet, words, out);
  }
  return out;
}

}  // namespace minato::oncall
