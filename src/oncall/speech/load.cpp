// load_speech(): speech.toml and readings.toml. All problems of both files are reported at once.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ASSERT(expression) static_assert(true)  // as in base/toml_section.h
#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "base/text.h"
#include "oncall/speech/speech.h"
#include "oncall/speech/ssml.h"
#include "oncall/speech/templates.h"
#include "oncall/speech/unicode.h"

namespace minato::oncall {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kProblemsShown = 20;
constexpr std::size_t kFileMax = 1024 * 1024;
constexpr std::size_t kWordMax = 100;  // characters of a word or a reading
constexpr std::int64_t kCharactersLeast = 100;
constexpr std::int64_t kCharactersMost = 1000;

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

// One file and what is wrong with it.
class File {
 public:
  explicit File(fs::path path) : path_(std::move(path)) {}

  // nullopt: not there, or not readable (which is a problem).
  std::optional<toml::table> read(const std::string& hint) {
    std::error_code error;
    if (!fs::exists(path_, error)) return std::nullopt;
    std::ifstream in;
    if (fs::is_regular_file(path_, error)) in.open(path_, std::ios::binary);
    std::ostringstream content;
    if (in.is_open()) content << in.rdbuf();
    if (!in.is_open() || in.bad() || content.bad()) {
      problem(0, "cannot be read. It must be a file that Minato's user may read.");
      return std::nullopt;
    }
    const std::string text = content.str();
    if (text.size() > kFileMax) {
      problem(0, "is larger than 1 MiB.");
      return std::nullopt;
    }
    toml::parse_result parsed = toml::parse(text, path_.string());
    if (!parsed) {
      problem(static_cast<int>(parsed.error().source().begin.line),
              "not TOML: " + std::string(parsed.error().description()) + hint);
      return std::nullopt;
    }
    return std::move(parsed).table();
  }

  void problem(int line, const std::string& text) {
    const std::string where = line > 0 ? ":" + std::to_string(line) + ": " : ": ";
    problems_.emplace_back(line, path_.string() + where + text);
  }

  // In the order of the file.
  void report(std::vector<std::string>& all) {
    std::stable_sort(problems_.begin(), problems_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [line, text] : problems_) all.push_back(std::move(text));
  }

  void refuse_unknown(const toml::table& table, const std::string& section,
                      const std::vector<std::string>& known) {
    for (const auto& [key, node] : table) {
      const std::string word(key.str());
      if (std::find(known.begin(), known.end(), word) != known.end()) continue;
      std::string hint = did_you_mean(word, known);
      if (hint.empty()) {
        for (const std::string& name : known) hint += (hint.empty() ? " There are: " : ", ") + name;
        hint += ".";
      }
      problem(static_cast<int>(key.source().begin.line),
              "unknown key `" + word + "`" + (section.empty() ? "" : " in [" + section + "]") +
                  "." + hint);
    }
  }

 private:
  fs::path path_;
  std::vector<std::pair<int, std::string>> problems_;
};

class SpeechFile {
 public:
  SpeechFile(File& file, const toml::table& root) : file_(file), root_(root) {}

  Speech read() {
    file_.refuse_unknown(root_, "", {"language", "characters_max", "menu", "more", "template"});
    Speech speech = default_speech(language());
    characters_max(speech.characters_max);
    pattern(root_, "menu", "menu", {}, speech.menu);
    pattern(root_, "more", "more", {"count"}, speech.more);
    templates(speech);
    return speech;
  }

 private:
  std::string language() {
    const toml::node* node = root_.get("language");
    if (!node) return "ja";
    const auto value = node->value_exact<std::string>();
    if (value && (*value == "ja" || *value == "en")) return *value;
    file_.problem(line_of(*node), "`language` must be \"ja\" or \"en\".");
    return "ja";
  }

  void characters_max(std::size_t& out) {
    const toml::node* node = root_.get("characters_max");
    if (!node) return;
    const auto value = node->value_exact<std::int64_t>();
    if (value && *value >= kCharactersLeast && *value <= kCharactersMost) {
      out = static_cast<std::size_t>(*value);
    } else {
      file_.problem(line_of(*node), "`characters_max` must be a whole number from " +
                                        std::to_string(kCharactersLeast) + " to " +
                                        std::to_string(kCharactersMost) + ".");
    }
  }

  // A text with SSML; true when it stands in the file and is good.
  bool pattern(const toml::table& table, const char* key, const std::string& name,
               const std::vector<std::string>& places, std::string& out) {
    const toml::node* node = table.get(key);
    if (!node) return false;
    const auto value = node->value_exact<std::string>();
    if (!value || value->find_first_not_of(" \t\n") == std::string::npos) {
      file_.problem(line_of(*node), "`" + name + "` must be a text in quotes, and not empty. " +
                                        "Leave the key out for the built-in text.");
      return false;
    }
    if (const Status good = check_template(*value, places); !good) {
      file_.problem(line_of(*node), "`" + name + "`: " + good.error().message);
      return false;
    }
    out = *value;
    return true;
  }

  void templates(Speech& speech) {
    const toml::node* node = root_.get("template");
    if (!node) return;
    const toml::table* table = node->as_table();
    if (!table) {
      file_.problem(line_of(*node), "`template` must be a section, as in [template].");
      return;
    }
    file_.refuse_unknown(*table, "template", {"critical", "error", "warning", "info"});
    for (auto& [severity, text] : speech.templates) {
      const std::string key(name_of(severity));
      const std::string name = "template." + key;
      if (!pattern(*table, key.c_str(), name, {"host", "title", "text"}, text)) continue;
      const int line = line_of(*table->get(key));
      if (uses(text, "title") == 0) {
        file_.problem(line, "`" + name + "` never says what failed. Write {title} into it.");
      }
      const auto fixed =
          parse_ssml_fragment(filled(text, {{"host", ""}, {"title", ""}, {"text", ""}}));
      if (fixed && spoken_characters(*fixed) > speech.characters_max / 2) {
        file_.problem(line, "`" + name + "` takes more than half of the " +
                                std::to_string(speech.characters_max) +
                                " characters itself. Shorten it, or raise characters_max.");
      }
    }
  }

  File& file_;
  const toml::table& root_;
};

bool is_plain_line(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (!c.valid || !is_xml_character(c.value) || c.value < 0x20) return false;
    at += c.size;
  }
  return count_code_points(text) <= kWordMax;
}

bool is_said(const std::string& text) {
  const std::u32string letters = decode_utf8(text);
  return std::any_of(letters.begin(), letters.end(), is_speakable);
}

void read_readings(File& file, const toml::table& root, Readings& readings) {
  std::set<std::string> seen;
  for (const auto& [key, node] : root) {
    const std::string word(key.str());
    const int line = static_cast<int>(key.source().begin.line);
    if (node.is_table()) {
      file.problem(line, "`" + word + "` is a section here. A word with a dot, or with anything " +
                             "but A-Z a-z 0-9 _ -, stands in quotes: \"" + word +
                             ".example\" = \"…\". There are no sections.");
      continue;
    }
    const auto reading = node.value_exact<std::string>();
    if (!reading || !is_plain_line(*reading) || !is_said(*reading)) {
      file.problem(line, "the reading of `" + word + "` must be a text in quotes, one line of at " +
                             "most " + std::to_string(kWordMax) + " characters with something to " +
                             "say in it.");
      continue;
    }
    if (!is_plain_line(word) || !is_said(word)) {
      file.problem(line, "`" + word + "` is no word: one line of at most " +
                             std::to_string(kWordMax) + " characters, not only punctuation.");
      continue;
    }
    std::string folded = word;
    for (char& c : folded) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    if (!seen.insert(folded).second) {
      file.problem(line, "`" + word + "` stands twice (capitals do not count). Keep one.");
      continue;
    }
    readings.words.emplace_back(word, *reading);
  }
  std::stable_sort(readings.words.begin(), readings.words.end(), [](const auto& a, const auto& b) {
    return count_code_points(a.first) > count_code_points(b.first);
  });
}

std::string joined(const std::vector<std::string>& problems) {
  std::string all;
  for (std::size_t i = 0; i < problems.size() && i < kProblemsShown; ++i) {
    all += (i > 0 ? "\n" : "") + problems[i];
  }
  if (problems.size() > kProblemsShown) {
    all += "\n… and " + std::to_string(problems.size() - kProblemsShown) + " more.";
  }
  return all;
}

}  // namespace

Result<Speech> load_speech(const fs::path& directory) {
  std::vector<std::string> problems;
  Speech speech = default_speech("ja");
  File speech_file(directory / "speech.toml");
  if (const auto root = speech_file.read("")) speech = SpeechFile(speech_file, *root).read();
  speech_file.report(problems);
  File readings_file(directory / "readings.toml");
  const std::string hint =
      ". Each line is \"word\" = \"reading\", both in quotes: \"基盤\" = \"きばん\"";
  if (const auto root = readings_file.read(hint)) {
    read_readings(readings_file, *root, speech.readings);
  }
  readings_file.report(problems);
  if (!problems.empty()) return fail(Code::invalid, joined(problems));
  return speech;
}

}  // namespace minato::oncall
