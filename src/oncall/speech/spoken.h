// A text of an alarm made fit for the ear: cleaned, shortened, readings put in, cut, and written as
// SSML. Nothing in an alarm text can become a tag.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "oncall/speech/speech.h"

namespace minato::oncall {

/// The few words that Minato itself puts into texts.
struct SpokenWords {
  std::u32string_view link_before;  // … HOST …: instead of a URL
  std::u32string_view link_after;
  std::u32string_view id_before;  // … 3f2a …: instead of a long id
  std::u32string_view id_after;
  std::u32string_view rest;  // at the end of what was cut
};
const SpokenWords& spoken_words(std::string_view language);

/// UTF-8 in any state → text without control characters, terminal colours, stack frames and
/// endless tokens; URLs by their host, long ids by their beginning. '\n': a pause. Only the first
/// 64 KiB count.
std::u32string fit_for_speech(std::string_view text, const SpokenWords& words);

struct Spoken {
  struct Reading {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::u32string alias;
  };
  std::u32string text;
  std::vector<Reading> readings;  // in order, without overlap

  std::size_t characters() const;  // as said
};

/// Finds the words of the dictionary: the longest at each place, ASCII words whole only, ASCII
/// letters in either case and width.
class ReadingIndex {
 public:
  explicit ReadingIndex(const Readings& readings);
  Spoken apply(std::u32string text) const;

 private:
  struct Word {
    std::u32string written;  // folded
    std::u32string alias;
  };
  const Word* at(const std::u32string& folded, std::size_t place) const;

  std::unordered_map<char32_t, std::vector<Word>> words_;  // by first letter, longest first
};

/// At most `characters_max` spoken characters; ends at a sentence where one ends in the second
/// half, else at a word, and then says so with `rest` (counted). Empty when nothing sensible fits.
Spoken cut(Spoken spoken, std::size_t characters_max, std::u32string_view rest);

/// Escaped, readings as <sub>, '\n' as <break>.
std::string to_ssml(const Spoken& spoken);

}  // namespace minato::oncall
