#include "oncall/speech/speech.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "oncall/speech/spoken.h"
#include "oncall/speech/ssml.h"
#include "oncall/speech/templates.h"
#include "oncall/speech/unicode.h"

namespace minato::oncall {
namespace {

// Polly takes 6,000 characters with all tags; a voice may need a few more than we write.
constexpr std::size_t kWrittenMax = 5'500;
constexpr std::size_t kHostMax = 80;

const std::vector<std::string> kPlaces{"host", "title", "text"};
const std::vector<std::string> kMorePlaces{"count"};

// The host comes first: who is woken wants to know at once whether it is theirs.
Speech japanese() {
  Speech speech;
  speech.language = "ja";
  speech.templates = {
      {Severity::critical,
       "<prosody rate=\"slow\">{host}で、<emphasis level=\"strong\">緊急の障害</emphasis>です。"
       "<break time=\"500ms\"/>{title}。<break time=\"500ms\"/>{text}</prosody>"},
      {Severity::error,
       "{host}で、<emphasis level=\"moderate\">障害</emphasis>です。"
       "<break time=\"400ms\"/>{title}。<break time=\"400ms\"/>{text}"},
      {Severity::warning,
       "{host}の警告です。<break time=\"400ms\"/>{title}。<break time=\"400ms\"/>{text}"},
      {Severity::info,
       "{host}のお知らせです。<break time=\"300ms\"/>{title}。<break time=\"300ms\"/>{text}"}};
  speech.more = "ほかに{count}件あります。";
  speech.menu = "確認は1、次の人に回すには2、もう一度聞くには9を押してください。";
  return speech;
}

Speech english() {
  Speech speech;
  speech.language = "en";
  speech.templates = {
      {Severity::critical,
       "<prosody rate=\"slow\">{host}: <emphasis level=\"strong\">critical failure.</emphasis>"
       "<break time=\"500ms\"/>{title}.<break time=\"500ms\"/>{text}</prosody>"},
      {Severity::error,
       "{host}: <emphasis level=\"moderate\">failure.</emphasis>"
       "<break time=\"400ms\"/>{title}.<break time=\"400ms\"/>{text}"},
      {Severity::warning,
       "{host}: warning.<break time=\"400ms\"/>{title}.<break time=\"400ms\"/>{text}"},
      {Severity::info,
       "{host}: notice.<break time=\"300ms\"/>{title}.<break time=\"300ms\"/>{text}"}};
  speech.more = "And {count} more.";
  speech.menu = "Press 1 to acknowledge, 2 to pass to the next person, 9 to hear this again.";
  return speech;
}

const std::string& good_or(const std::string& text, const std::vector<std::string>& places,
                           const std::string& built_in) {
  return !text.empty() && check_template(text, places) ? text : built_in;
}

// "10.0.0.5:9100" is a host and the port of its exporter.
std::string_view without_port(std::string_view instance) {
  const std::size_t colon = instance.rfind(':');
  if (colon == instance.npos || colon == 0 || colon + 1 == instance.size()) return instance;
  if (instance.find(':') != colon && instance[colon - 1] != ']') return instance;  // IPv6
  for (const char c : instance.substr(colon + 1)) {
    if (c < '0' || c > '9') return instance;
  }
  return instance.substr(0, colon);
}

// The end of a sentence comes from the template.
std::u32string without_end(std::u32string text) {
  while (!text.empty() && (is_sentence_end(text.back()) || is_blank(text.back()))) text.pop_back();
  return text;
}

std::u32string host_of(const Incident& incident, const SpokenWords& words) {
  const auto label = [&](const char* name) {
    const auto found = incident.labels.find(name);
    return found == incident.labels.end() ? std::string() : found->second;
  };
  const std::string named = label("host");
  const std::string instance = label("instance");
  for (const std::string_view candidate :
       {std::string_view(named), without_port(instance), std::string_view(incident.key)}) {
    std::u32string host = without_end(fit_for_speech(candidate, words));
    std::replace(host.begin(), host.end(), U'\n', U' ');
    if (!host.empty()) return host;
  }
  return {};
}

// What the text says beyond the title: nothing when it is the same, the rest when it begins so.
std::u32string beyond(const std::u32string& title, std::u32string text) {
  if (title.empty() || !text.starts_with(title)) return text;
  if (without_end(text) == title) return {};
  const std::size_t end = title.size();
  if (is_ascii_word(title.back()) && is_ascii_word(text[end])) return text;
  std::size_t at = end;
  while (at < text.size() && !is_speakable(text[at]) && !is_combining(text[at])) ++at;
  return text.substr(at);
}

struct Told {
  std::u32string host;
  std::u32string title;
  std::u32string text;
};

Told told_of(const Incident& incident, const SpokenWords& words) {
  Told told;
  told.host = host_of(incident, words);
  told.title = without_end(fit_for_speech(incident.title, words));
  told.text = beyond(told.title, fit_for_speech(incident.text, words));
  if (told.title.empty()) told.title = without_end(fit_for_speech(incident.key, words));
  return told;
}

std::size_t spoken_length(std::string_view fragment) {
  const auto root = parse_ssml_fragment(fragment);
  CHECK(root);  // checked, or made from what was
  return spoken_characters(*root);
}

// The template with its texts, together at most `characters_max` spoken characters if the template
// leaves room for texts at all.
std::string body(const std::string& pattern, const Told& told, const ReadingIndex& readings,
                 const SpokenWords& words, std::size_t characters_max) {
  std::map<std::string, std::string> values{{"host", ""}, {"title", ""}, {"text", ""}};
  const std::size_t fixed = spoken_length(filled(pattern, values));
  std::size_t room = characters_max > fixed ? characters_max - fixed : 0;
  const auto put = [&](const char* name, const std::u32string& text, std::size_t at_most) {
    const std::size_t times = uses(pattern, name);
    if (times == 0) return;
    // More than fits is not even looked at: texts may be long.
    const std::u32string head = text.substr(0, 8 * characters_max + 1'000);
    const Spoken spoken = cut(readings.apply(head), std::min(room, at_most) / times, words.rest);
    room -= std::min(room, times * spoken.characters());
    values[name] = to_ssml(spoken);
  };
  put("host", told.host, std::min(room / 3, kHostMax));
  put("title", told.title,
      std::max(room * 2 / 3, room - std::min(room, told.text.size() * uses(pattern, "text"))));
  put("text", told.text, room);
  return filled(pattern, values);
}

const Incident* first_to_tell(const std::vector<Incident>& incidents) {
  const auto before = [](const Incident& a, const Incident& b) {
    if (a.severity != b.severity) return a.severity > b.severity;
    return a.opened_at != b.opened_at ? a.opened_at < b.opened_at : a.seq < b.seq;
  };
  const auto first = std::min_element(incidents.begin(), incidents.end(), before);
  return first == incidents.end() ? nullptr : &*first;
}

}  // namespace

Speech default_speech(std::string_view language) {
  return language == "ja" ? japanese() : english();
}

std::string message(const Speech& speech, const std::vector<Incident>& incidents) {
  const Speech built_in = default_speech(speech.language);
  const SpokenWords& words = spoken_words(speech.language);
  const std::string& menu = good_or(speech.menu, {}, built_in.menu);
  const Incident* first = first_to_tell(incidents);
  if (!first) return "<speak>" + menu + "</speak>";

  const auto own = speech.templates.find(first->severity);
  const std::string& fallback = built_in.templates.at(first->severity);
  const std::string& pattern =
      own == speech.templates.end() ? fallback : good_or(own->second, kPlaces, fallback);
  std::string more;
  if (incidents.size() > 1) {
    more = "<break time=\"400ms\"/>" + filled(good_or(speech.more, kMorePlaces, built_in.more),
                                              {{"count", std::to_string(incidents.size() - 1)}});
  }
  const Told told = told_of(*first, words);
  const ReadingIndex readings(speech.readings);
  const std::size_t more_length = spoken_length(more);
  std::size_t room = speech.characters_max - std::min(speech.characters_max, more_length);
  for (;; room /= 2) {
    std::string out = "<speak>" + body(pattern, told, readings, words, room) + more +
                      "<break time=\"600ms\"/>" + menu + "</speak>";
    CHECK(parse_ssml(out));
    // Readings and escapes can be many times longer than what is said.
    if (count_code_points(out) <= kWrittenMax || room == 0) return out;
  }
}

std::string escape_xml(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    at += c.size;
    switch (c.value) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      default:
        if (is_xml_character(c.value) && c.value != '\r') append_utf8(c.value, out);
    }
  }
  return out;
}

}  // namespace minato::oncall
