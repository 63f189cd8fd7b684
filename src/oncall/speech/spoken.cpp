#include "oncall/speech/spoken.h"

#include <algorithm>

#include "oncall/speech/unicode.h"

namespace minato::oncall {
namespace {

constexpr SpokenWords kJapanese{U"", U"へのリンク", U"", U"で始まるID", U" 以下略"};
constexpr SpokenWords kEnglish{U"link to ", U"", U"ID starting ", U"", U" and so on"};

// Full-width ASCII counts as ASCII, capitals as small letters.
char32_t folded(char32_t c) {
  if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;
  return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

std::u32string fold(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) out += folded(c);
  return out;
}

// A place where a word of ASCII letters would be cut in two.
bool within_word(std::u32string_view folded_text, std::size_t place) {
  return place > 0 && place < folded_text.size() && is_ascii_word(folded_text[place - 1]) &&
         is_ascii_word(folded_text[place]);
}

// "1.5", "db.example": a dot, but no end.
bool ends_sentence(std::u32string_view text, std::size_t at) {
  if (!is_sentence_end(text[at])) return false;
  if (text[at] != '.' && text[at] != '!' && text[at] != '?') return true;
  return at + 1 == text.size() || is_blank(text[at + 1]) || text[at + 1] >= 0x80;
}

bool ends_word(std::u32string_view text, std::size_t at) {
  return is_blank(text[at]) || text[at] == U'、' || text[at] == U'，' ||
         (at + 1 < text.size() && is_blank(text[at + 1]));
}

// How much is said up to a place in the text.
struct Place {
  std::size_t at = 0;    // of the text
  std::size_t cost = 0;  // spoken characters before it
};

struct Places {
  Place sentence;  // behind the last sentence that fits
  Place word;
  Place any;
};

// The last places of each kind whose cost is at most `budget`; never within a reading.
Places places_within(const Spoken& spoken, std::size_t budget) {
  Places found;
  Place here;
  auto reading = spoken.readings.begin();
  while (here.at < spoken.text.size()) {
    const bool replaced = reading != spoken.readings.end() && reading->begin == here.at;
    here.cost += replaced ? reading->alias.size() : 1;
    here.at = replaced ? reading->end : here.at + 1;
    if (replaced) ++reading;
    if (here.cost > budget) break;
    const std::size_t last = here.at - 1;
    const bool joined = here.at < spoken.text.size() && is_combining(spoken.text[here.at]);
    if (!joined) found.any = here;
    if (!replaced && ends_sentence(spoken.text, last)) found.sentence = here;
    if (ends_word(spoken.text, last)) found.word = here;
    // Between scripts and between characters of Japanese any place will do.
    if (!joined && !within_word(spoken.text, here.at) && is_japanese(spoken.text[last])) {
      found.word = here;
    }
  }
  return found;
}

void end_at(Spoken& spoken, std::size_t at) {
  std::erase_if(spoken.readings, [&](const Spoken::Reading& r) { return r.end > at; });
  const std::size_t least = spoken.readings.empty() ? 0 : spoken.readings.back().end;
  while (at > least && (is_blank(spoken.text[at - 1]) || spoken.text[at - 1] == ',' ||
                        spoken.text[at - 1] == U'、')) {
    --at;
  }
  spoken.text.resize(at);
}

}  // namespace

const SpokenWords& spoken_words(std::string_view language) {
  return language.starts_with("ja") ? kJapanese : kEnglish;
}

std::size_t Spoken::characters() const {
  std::size_t sum = text.size();
  for (const Reading& reading : readings) {
    sum += reading.alias.size();
    sum -= reading.end - reading.begin;
  }
  return sum;
}

ReadingIndex::ReadingIndex(const Readings& readings) {
  for (const auto& [written, alias] : readings.words) {
    Word word{fold(decode_utf8(written)), decode_utf8(alias)};
    if (word.written.empty() || std::none_of(word.alias.begin(), word.alias.end(), is_speakable)) {
      continue;
    }
    std::erase_if(word.alias, [](char32_t c) { return !is_xml_character(c); });
    words_[word.written.front()].push_back(std::move(word));
  }
  for (auto& [letter, words] : words_) {
    std::stable_sort(words.begin(), words.end(), [](const Word& a, const Word& b) {
      return a.written.size() > b.written.size();
    });
  }
}

const ReadingIndex::Word* ReadingIndex::at(const std::u32string& text, std::size_t place) const {
  const auto found = words_.find(text[place]);
  if (found == words_.end()) return nullptr;
  for (const Word& word : found->second) {
    const std::size_t end = place + word.written.size();
    if (text.compare(place, word.written.size(), word.written) == 0 && end <= text.size() &&
        !within_word(text, place) && !within_word(text, end)) {
      return &word;
    }
  }
  return nullptr;
}

Spoken ReadingIndex::apply(std::u32string text) const {
  Spoken spoken;
  const std::u32string plain = fold(text);
  for (std::size_t at_place = 0; at_place < plain.size();) {
    if (const Word* word = at(plain, at_place)) {
      const std::size_t end = at_place + word->written.size();
      spoken.readings.push_back({at_place, end, word->alias});
      at_place = end;
    } else {
      ++at_place;
    }
  }
  spoken.text = std::move(text);
  return spoken;
}

Spoken cut(Spoken spoken, std::size_t characters_max, std::u32string_view rest) {
  if (spoken.characters() <= characters_max) return spoken;
  if (characters_max < rest.size() + 4) return {};
  const std::size_t budget = characters_max - rest.size();
  const Places places = places_within(spoken, budget);
  const std::size_t half = budget / 2;
  const Place& place = places.sentence.cost >= half ? places.sentence
                       : places.word.cost >= half   ? places.word
                                                    : places.any;
  end_at(spoken, place.at);
  if (spoken.text.empty()) return {};
  spoken.text += rest;
  return spoken;
}

std::string to_ssml(const Spoken& spoken) {
  std::string out;
  auto reading = spoken.readings.begin();
  for (std::size_t at = 0; at < spoken.text.size();) {
    std::size_t end = at + 1;
    if (reading != spoken.readings.end() && reading->begin == at) {
      end = reading->end;
      out += "<sub alias=\"" + escape_xml(encode_utf8(reading->alias)) + "\">";
      out += escape_xml(encode_utf8(std::u32string_view(spoken.text).substr(at, end - at)));
      out += "</sub>";
      ++reading;
    } else if (spoken.text[at] == '\n') {
      out += "<break strength=\"strong\"/>";
    } else {
      const auto next = reading != spoken.readings.end() ? reading->begin : spoken.text.size();
      end = std::min(next, spoken.text.find('\n', at));
      out += escape_xml(encode_utf8(std::u32string_view(spoken.text).substr(at, end - at)));
    }
    at = end;
  }
  return out;
}

}  // namespace minato::oncall
