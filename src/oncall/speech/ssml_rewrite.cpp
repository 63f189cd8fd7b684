// Minato's SSML → what a voice understands. Promise: what a voice does not know is said another
// way, never dropped with its words and never sent.
#include <algorithm>
#include <cstdlib>

#include "oncall/speech/speech.h"
#include "oncall/speech/ssml.h"
#include "oncall/speech/unicode.h"

namespace minato::oncall {
namespace {

bool is_spelled(const SsmlNode& node) {
  if (node.tag != "say-as") return false;
  const std::string& how = *attribute(node, "interpret-as");
  return how == "characters" || how == "spell-out";
}

std::string text_of(const SsmlNode& node) {
  if (node.tag.empty()) return node.text;
  std::string out;
  for (const SsmlNode& child : node.children) out += text_of(child);
  return out;
}

// "E42" → "E 4 2".
std::string spelled(const std::string& text) {
  std::string out;
  for (const char32_t c : decode_utf8(text)) {
    if (is_blank(c)) continue;
    if (!out.empty() && !is_combining(c)) out += ' ';
    append_utf8(c, out);
  }
  return out;
}

// Polly documents strong as louder and slower, reduced as softer and faster.
std::vector<std::pair<std::string, std::string>> prosody_for(const SsmlNode& emphasis) {
  const std::string* level = attribute(emphasis, "level");
  if (level && *level == "strong") return {{"rate", "85%"}, {"volume", "+6dB"}};
  if (level && *level == "reduced") return {{"rate", "110%"}, {"volume", "soft"}};
  return {{"rate", "90%"}, {"volume", "+3dB"}};
}

// Polly's neural voices: emphasis and pitch are errors; a say-as that spells makes Polly change to
// another, standard voice for that sentence where there is one.
void append_neural(const SsmlNode& node, std::vector<SsmlNode>& out) {
  if (node.tag.empty()) {
    append_text(out, node.text);
    return;
  }
  if (is_spelled(node)) {
    append_text(out, spelled(text_of(node)));
    return;
  }
  SsmlNode changed;
  changed.tag = node.tag;
  for (const SsmlNode& child : node.children) append_neural(child, changed.children);
  if (node.tag == "emphasis") {
    changed.tag = "prosody";
    changed.attributes = prosody_for(node);
  } else {
    for (const auto& attribute : node.attributes) {
      if (node.tag != "prosody" || attribute.first != "pitch") {
        changed.attributes.push_back(attribute);
      }
    }
  }
  if (changed.tag != "prosody" || !changed.attributes.empty()) {
    out.push_back(std::move(changed));
    return;
  }
  for (SsmlNode& child : changed.children) {
    if (child.tag.empty()) {
      append_text(out, child.text);
    } else {
      out.push_back(std::move(child));
    }
  }
}

enum class Pause : std::uint8_t { none, comma, stop };

Pause pause_of(const SsmlNode& node) {
  if (const std::string* time = attribute(node, "time")) {
    double ms = std::strtod(time->c_str(), nullptr);
    if (!time->ends_with("ms")) ms *= 1000;
    if (ms < 50) return Pause::none;
    return ms < 400 ? Pause::comma : Pause::stop;
  }
  const std::string* strength = attribute(node, "strength");
  if (!strength) return Pause::comma;  // medium: as a comma
  if (*strength == "none" || *strength == "x-weak") return Pause::none;
  return strength->ends_with("strong") ? Pause::stop : Pause::comma;
}

bool holds_japanese(const SsmlNode& node) {
  const std::string* alias = attribute(node, "alias");
  for (const char32_t c : decode_utf8(alias ? *alias : node.text)) {
    if (is_japanese(c)) return true;
  }
  for (const SsmlNode& child : node.children) {
    if (holds_japanese(child)) return true;
  }
  return false;
}

// Puts the words together: blanks folded, pauses as punctuation, none twice.
class PlainText {
 public:
  explicit PlainText(bool japanese) : japanese_(japanese) {}

  void add(const SsmlNode& node) {
    if (node.tag.empty()) return words(node.text);
    if (node.tag == "break") return pause(pause_of(node));
    if (node.tag == "sub") return words(*attribute(node, "alias"));
    if (node.tag == "phoneme") return words(kana(node));
    if (is_spelled(node)) return words(spelled(text_of(node)));
    if (node.tag == "say-as" && *attribute(node, "interpret-as") == "digits") {
      return words(spelled(text_of(node)));
    }
    const bool block = node.tag == "p" || node.tag == "s";
    if (block) pause(Pause::stop);
    for (const SsmlNode& child : node.children) add(child);
    if (block) pause(Pause::stop);
  }

  std::string text() && { return encode_utf8(out_); }

 private:
  // Kana can be read by every voice, phonetic alphabets by none of these.
  static std::string kana(const SsmlNode& node) {
    const std::string& alphabet = *attribute(node, "alphabet");
    if (!alphabet.starts_with("x-amazon-")) return text_of(node);
    std::string out;
    for (const char c : *attribute(node, "ph")) {
      if (c != '\'') out += c;  // where the pitch falls
    }
    return out;
  }

  void pause(Pause wanted) { pause_ = std::max(pause_, wanted); }

  void words(const std::string& text) {
    for (const char32_t c : decode_utf8(text)) {
      if (is_blank(c)) {
        blank_ = true;
        continue;
      }
      before(c);
      out_ += c;
    }
  }

  static bool is_punctuation(char32_t c) {
    return is_sentence_end(c) || c == ',' || c == ':' || c == ';' || c == U'、' || c == U'，';
  }

  // What stands between what is there and the next character.
  void before(char32_t next) {
    if (out_.empty() || (pause_ != Pause::none && is_punctuation(next))) {
      pause_ = Pause::none;
      blank_ = false;
      return;
    }
    if (pause_ != Pause::none) {
      const char32_t last = out_.back();
      if (pause_ == Pause::stop && is_punctuation(last) && !is_sentence_end(last)) out_.pop_back();
      if (!is_punctuation(out_.back())) out_ += mark();
      blank_ = !japanese_;
    }
    if (blank_) out_ += U' ';
    blank_ = false;
    pause_ = Pause::none;
  }

  char32_t mark() const {
    if (japanese_) return pause_ == Pause::stop ? U'。' : U'、';
    return pause_ == Pause::stop ? U'.' : U',';
  }

  bool japanese_;
  std::u32string out_;
  Pause pause_ = Pause::none;
  bool blank_ = false;
};

}  // namespace

Result<std::string> rewrite(std::string_view ssml, Ssml voice) {
  TRY_ASSIGN(const SsmlNode root, parse_ssml(ssml));
  switch (voice) {
    case Ssml::polly_standard: return write_ssml(root);
    case Ssml::polly_neural: {
      std::vector<SsmlNode> out;
      append_neural(root, out);
      return write_ssml(out.front());
    }
    case Ssml::none: break;
  }
  PlainText text(holds_japanese(root));
  text.add(root);
  return std::move(text).text();
}

}  // namespace minato::oncall
