#include "oncall/speech/ssml.h"

#include <array>
#include <charconv>
#include <cstdint>

#include "base/text.h"
#include "oncall/speech/unicode.h"

namespace minato::oncall {
namespace {

constexpr int kDepthMax = 16;

struct AttributeRule {
  std::string_view name;
  std::string_view words;             // allowed values, between bars
  bool (*measure)(std::string_view);  // or values that this accepts
  std::string_view form;              // of those, for people
  bool required = false;
};

struct TagRule {
  std::string_view name;
  std::string_view children;  // tags that may stand in it, between blanks; #text: words, too
  std::vector<AttributeRule> attributes;
  bool needs_attribute = false;  // at least one
};

// "80", "1.5"; without a sign.
bool number(std::string_view text, double& out) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || text.size() > 8 || !digit(text.front()) || !digit(text.back())) return false;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), out, std::chars_format::fixed);
  return error == std::errc() && end == text.data() + text.size();
}

bool number_with(std::string_view text, std::string_view unit, bool sign, double low, double high) {
  if (!text.ends_with(unit)) return false;
  text.remove_suffix(unit.size());
  double factor = 1;
  if (sign) {
    if (text.empty() || (text.front() != '+' && text.front() != '-')) return false;
    factor = text.front() == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  double value = 0;
  return number(text, value) && factor * value >= low && factor * value <= high;
}

bool is_time(std::string_view text) {
  return number_with(text, "ms", false, 0, 10'000) || number_with(text, "s", false, 0, 10);
}
bool is_rate(std::string_view text) { return number_with(text, "%", false, 20, 200); }
bool is_volume(std::string_view text) { return number_with(text, "dB", true, -20, 10); }
bool is_pitch(std::string_view text) { return number_with(text, "%", true, -50, 50); }
bool is_something(std::string_view text) {
  return text.find_first_not_of(" \t\n\r") != std::string_view::npos;
}
bool is_language(std::string_view text) {
  if (text.size() < 2 || text.size() > 16) return false;
  for (const char c : text) {
    if (c != '-' && (!is_ascii_word(static_cast<unsigned char>(c)) || c == '_')) return false;
  }
  return text.front() != '-' && text.back() != '-';
}

constexpr std::string_view kInline = " #text break emphasis prosody say-as sub phoneme lang ";
constexpr std::string_view kBlocks = " #text break emphasis prosody say-as sub phoneme lang p s ";

// The whole language. Values are those that Polly documents for its standard voices.
const std::vector<TagRule>& rules() {
  static const std::vector<TagRule> table = {
      {"speak", kBlocks, {}},
      {"p", " #text break emphasis prosody say-as sub phoneme lang s ", {}},
      {"s", kInline, {}},
      {"break",
       "",
       {{"time", "", is_time, "300ms or 1s, at most 10s"},
        {"strength", "|none|x-weak|weak|medium|strong|x-strong|", nullptr, ""}}},
      {"emphasis", kInline, {{"level", "|strong|moderate|reduced|", nullptr, ""}}},
      {"prosody",
       kBlocks,
       {{"rate", "|x-slow|slow|medium|fast|x-fast|", is_rate, "80%, from 20% to 200%"},
        {"volume", "|default|silent|x-soft|soft|medium|loud|x-loud|", is_volume, "+6dB"},
        {"pitch", "|default|x-low|low|medium|high|x-high|", is_pitch, "+10%"}},
       true},
      {"say-as",
       " #text ",
       {{"interpret-as",
         "|characters|spell-out|digits|cardinal|number|ordinal|date|time|telephone|", nullptr, "",
         true},
        {"format", "|mdy|dmy|ymd|md|dm|ym|my|d|m|y|yyyymmdd|", nullptr, ""}}},
      {"sub", " #text ", {{"alias", "", is_something, "what to say instead", true}}},
      {"phoneme",
       " #text ",
       {{"alphabet", "|ipa|x-sampa|x-amazon-yomigana|x-amazon-pron-kana|", nullptr, "", true},
        {"ph", "", is_something, "how it sounds", true}}},
      {"lang", kBlocks, {{"xml:lang", "", is_language, "en-US", true}}},
  };
  return table;
}

const TagRule* find_rule(std::string_view name) {
  for (const TagRule& rule : rules()) {
    if (rule.name == name) return &rule;
  }
  return nullptr;
}

bool allows(const TagRule& parent, std::string_view child) {
  return parent.children.find(" " + std::string(child) + " ") != std::string_view::npos;
}

bool fits(const AttributeRule& rule, std::string_view value) {
  if (rule.measure && rule.measure(value)) return true;
  return !value.empty() && value.find('|') == std::string_view::npos &&
         rule.words.find("|" + std::string(value) + "|") != std::string_view::npos;
}

std::string forms(const AttributeRule& rule) {
  std::string list;
  for (const char c : rule.words) {
    if (c != '|') {
      list += c;
    } else if (!list.empty()) {
      list += ", ";
    }
  }
  if (list.ends_with(", ")) list.resize(list.size() - 2);
  if (!rule.form.empty()) list += (list.empty() ? "" : "; or as ") + std::string(rule.form);
  return list;
}

template <class Rules>
std::string names_of(const Rules& list, std::string_view near, std::string_view before) {
  std::vector<std::string> names;
  std::string all;
  for (const auto& rule : list) {
    names.emplace_back(rule.name);
    all += (all.empty() ? "" : ", ") + std::string(rule.name);
  }
  const std::string hint = did_you_mean(near, names);
  return hint.empty() ? std::string(before) + all + "." : hint;
}

bool is_name_character(char c) {
  return is_ascii_word(static_cast<unsigned char>(c)) || c == '-' || c == ':' || c == '.';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<SsmlNode> document() {
    TRY(characters());
    skip_blanks();
    if (!text_.substr(at_).starts_with("<speak")) return wrong("a document begins with <speak>.");
    TRY_ASSIGN(SsmlNode root, element(nullptr, 0));
    skip_blanks();
    if (at_ < text_.size()) return wrong("something follows the end of <speak>.");
    return root;
  }

  Result<SsmlNode> fragment() {
    TRY(characters());
    SsmlNode root;
    root.tag = "speak";
    TRY(content(root, *find_rule("speak"), 0));
    if (at_ < text_.size()) return wrong("this closes a tag that was not opened.");
    return root;
  }

 private:
  tl::unexpected<Error> wrong(const std::string& what) const { return wrong(at_, what); }
  tl::unexpected<Error> wrong(std::size_t at, const std::string& what) const {
    const std::size_t place = count_code_points(text_.substr(0, at)) + 1;
    return fail(Code::invalid, "SSML, character " + std::to_string(place) + ": " + what);
  }

  Status characters() {
    if (text_.size() > ssml_bytes_max) {
      return wrong(0, "longer than " + std::to_string(ssml_bytes_max / 1024) + " KiB.");
    }
    for (std::size_t at = 0; at < text_.size();) {
      const CodePoint c = code_point_at(text_, at);
      if (!c.valid) return wrong(at, "not UTF-8.");
      if (!is_xml_character(c.value)) return wrong(at, "a control character.");
      at += c.size;
    }
    return {};
  }

  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void skip_blanks() {
    while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) != text_.npos) ++at_;
  }
  std::string_view name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name_character(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  Result<SsmlNode> element(const TagRule* parent, int depth) {
    const std::size_t begin = at_++;
    const std::string_view tag = name();
    if (tag.empty()) {
      return wrong(begin,
                   "this < begins no tag. As a character write &lt;, and leave out "
                   "comments and declarations.");
    }
    const TagRule* rule = find_rule(tag);
    if (!rule) {
      return wrong(begin, "there is no tag <" + std::string(tag) + ">." +
                              names_of(rules(), tag, " There are: "));
    }
    if (parent && !allows(*parent, tag)) {
      return wrong(begin, "<" + std::string(tag) + "> may not stand in <" +
                              std::string(parent->name) + ">.");
    }
    if (depth >= kDepthMax) return wrong(begin, "tags stand too deep in one another.");
    SsmlNode node;
    node.tag = tag;
    TRY(attributes(node, *rule, begin));
    if (take("/>")) return node;
    if (!take(">")) return wrong("<" + node.tag + "> is not ended by >.");
    TRY(content(node, *rule, depth));
    if (at_ >= text_.size()) return wrong(begin, "<" + node.tag + "> is never closed.");
    at_ += 2;  // the "</" at which the content ended
    const std::string_view closing = name();
    skip_blanks();
    if (closing != tag || !take(">")) {
      return wrong("<" + node.tag + "> is closed by </" + std::string(closing) + ">.");
    }
    return node;
  }

  Status content(SsmlNode& node, const TagRule& rule, int depth) {
    while (at_ < text_.size() && !text_.substr(at_).starts_with("</")) {
      if (text_[at_] == '<') {
        TRY_ASSIGN(SsmlNode child, element(&rule, depth + 1));
        node.children.push_back(std::move(child));
        continue;
      }
      const std::size_t begin = at_;
      std::string words;
      TRY(characters_until("<", words));
      if (allows(rule, "#text")) {
        append_text(node.children, words);
      } else if (is_something(words)) {
        return wrong(begin, "<" + node.tag + "> holds no text.");
      }
    }
    return {};
  }

  Status attributes(SsmlNode& node, const TagRule& rule, std::size_t tag_at) {
    for (;;) {
      const std::size_t before = at_;
      skip_blanks();
      if (at_ >= text_.size()) return wrong(tag_at, "<" + node.tag + "> is not ended by >.");
      if (text_[at_] == '>' || text_[at_] == '/') break;
      if (at_ == before) return wrong("a blank is missing.");
      TRY(one_attribute(node, rule));
    }
    for (const AttributeRule& wanted : rule.attributes) {
      if (wanted.required && !attribute(node, wanted.name)) {
        return wrong(tag_at, "<" + node.tag + "> needs " + std::string(wanted.name) +
                                 "=\"…\": " + forms(wanted) + ".");
      }
    }
    if (rule.needs_attribute && node.attributes.empty()) {
      return wrong(tag_at, "<" + node.tag + "> says nothing." +
                               names_of(rule.attributes, "", " Write one of: "));
    }
    return {};
  }

  Status one_attribute(SsmlNode& node, const TagRule& rule) {
    const std::size_t begin = at_;
    const std::string key(name());
    const AttributeRule* known = nullptr;
    for (const AttributeRule& candidate : rule.attributes) {
      if (candidate.name == key) known = &candidate;
    }
    if (!known) {
      return wrong(
          begin,
          "<" + node.tag + "> has no attribute `" + key + "`." +
              (rule.attributes.empty() ? "" : names_of(rule.attributes, key, " There are: ")));
    }
    if (attribute(node, key)) return wrong(begin, "`" + key + "` stands twice.");
    skip_blanks();
    if (!take("=")) return wrong("= is missing after `" + key + "`.");
    skip_blanks();
    const std::string quote(text_.substr(at_, 1));
    if (quote != "\"" && quote != "'") return wrong("the value of `" + key + "` needs quotes.");
    ++at_;
    std::string value;
    TRY(characters_until(quote + "<", value));
    if (!take(quote)) return wrong("the value of `" + key + "` is not ended by " + quote + ".");
    if (!fits(*known, value)) {
      return wrong(begin,
                   "`" + key + "` may not be \"" + value + "\", but: " + forms(*known) + ".");
    }
    node.attributes.emplace_back(key, std::move(value));
    return {};
  }

  // Up to one of the `ends`, references resolved. Line ends as XML wants them (§2.11).
  Status characters_until(std::string_view ends, std::string& out) {
    const bool in_attribute = ends.size() > 1;
    while (at_ < text_.size() && ends.find(text_[at_]) == std::string_view::npos) {
      const char c = text_[at_];
      if (c == '&') {
        TRY(reference(out));
        continue;
      }
      if (!in_attribute && text_.substr(at_).starts_with("]]>")) {
        return wrong("]]> may not stand in a text. Write ]]&gt;.");
      }
      ++at_;
      if (c == '\r' && at_ < text_.size() && text_[at_] == '\n') continue;
      const bool blank = c == '\r' || c == '\n' || c == '\t';
      out += blank && in_attribute ? ' ' : (c == '\r' ? '\n' : c);
    }
    return {};
  }

  Status reference(std::string& out) {
    constexpr std::array<std::pair<std::string_view, char>, 5> named{
        {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
    for (const auto& [word, character] : named) {
      if (!take(word)) continue;
      out += character;
      return {};
    }
    const std::size_t begin = at_;
    if (take("&#")) {
      const int base = take("x") ? 16 : 10;
      std::uint32_t value = 0;
      const char* from = text_.data() + at_;
      const auto [end, error] = std::from_chars(from, text_.data() + text_.size(), value, base);
      at_ += static_cast<std::size_t>(end - from);
      if (error == std::errc() && is_xml_character(value) && take(";")) {
        append_utf8(value, out);
        return {};
      }
    }
    return wrong(begin, "this & begins no character. Write &amp;.");
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

void escape(std::string_view text, bool in_attribute, std::string& out) {
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\r': out += "&#13;"; break;
      case '"': out += in_attribute ? "&quot;" : "\""; break;
      case '\t': out += in_attribute ? "&#9;" : "\t"; break;
      case '\n': out += in_attribute ? "&#10;" : "\n"; break;
      default: out += c;
    }
  }
}

void write(const SsmlNode& node, std::string& out) {
  if (node.tag.empty()) {
    escape(node.text, false, out);
    return;
  }
  out += "<" + node.tag;
  for (const auto& [name, value] : node.attributes) {
    out += " " + name + "=\"";
    escape(value, true, out);
    out += '"';
  }
  if (node.tag == "break") {
    out += "/>";
    return;
  }
  out += '>';
  for (const SsmlNode& child : node.children) write(child, out);
  out += "</" + node.tag + ">";
}

}  // namespace

Result<SsmlNode> parse_ssml(std::string_view ssml) { return Parser(ssml).document(); }

Result<SsmlNode> parse_ssml_fragment(std::string_view ssml) { return Parser(ssml).fragment(); }

std::string write_ssml(const SsmlNode& node) {
  std::string out;
  write(node, out);
  return out;
}

const std::string* attribute(const SsmlNode& node, std::string_view name) {
  for (const auto& [key, value] : node.attributes) {
    if (key == name) return &value;
  }
  return nullptr;
}

void append_text(std::vector<SsmlNode>& nodes, std::string_view text) {
  if (text.empty()) return;
  if (nodes.empty() || !nodes.back().tag.empty()) nodes.emplace_back();
  nodes.back().text += text;
}

std::size_t spoken_characters(const SsmlNode& node) {
  if (node.tag.empty()) return count_code_points(node.text);
  if (node.tag == "sub") return count_code_points(*attribute(node, "alias"));
  std::size_t sum = 0;
  for (const SsmlNode& child : node.children) sum += spoken_characters(child);
  return sum;
}

}  // namespace minato::oncall
