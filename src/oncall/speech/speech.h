// What is said: message templates with SSML, a dictionary of readings, and the rewriting to what
// each voice understands. Minato's own SSML is the part of SSML 1.1 that Polly's standard voices
// know: speak, p, s, break, emphasis, prosody (rate, volume, pitch), say-as, sub, phoneme, lang.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "oncall/model.h"

namespace minato::oncall {

/// What a voice understands. An unsupported tag is an error at Polly, so it is never sent.
enum class Ssml : std::uint8_t {
  polly_standard,  // all of Minato's SSML
  polly_neural,    // no emphasis, no pitch, no spelling
  none,            // plain text: Open JTalk, espeak-ng
};

struct Readings {
  std::vector<std::pair<std::string, std::string>> words;  // written → spoken
};

struct Speech {
  std::string language = "ja";                // or "en"
  std::map<Severity, std::string> templates;  // Minato's SSML with {host} {title} {text}
  std::string more;                           // with {count}: said when there are more incidents
  std::string menu;                           // "確認は1、…": said after each message
  Readings readings;
  std::size_t characters_max = 600;  // of the spoken text without the menu; 100 to 1000
};

/// Built-in templates of the language; those of English for a language that has none.
Speech default_speech(std::string_view language);

/// Reads DIR/speech.toml (language, characters_max, menu, more, [template]) and DIR/readings.toml
/// ("word" = "reading") over the built-in ones; files that are not there are fine. Error{invalid}
/// has a line "file:line: what is wrong, and the remedy" for every problem.
Result<Speech> load_speech(const std::filesystem::path& directory);

/// The message for a group of incidents (the most severe, then the oldest of them is told): first
/// the host, then what failed, then how many more there are, then the menu of keys. Texts are
/// escaped, control characters dropped, readings put in as <sub>, and the whole is cut at a
/// sentence or a word to `characters_max` spoken characters. One <speak> without attributes, always
/// well-formed, at most 6,000 characters with the tags (Polly's limit). A part of `speech` that is
/// not good SSML gives way to the built-in one.
std::string message(const Speech& speech, const std::vector<Incident>& incidents);

/// Minato's SSML → what the voice understands; for Ssml::none the text to be read, with pauses as
/// punctuation. Error{invalid} when `ssml` is not well-formed or not Minato's; it names the tag.
Result<std::string> rewrite(std::string_view ssml, Ssml voice);

/// Speaks into a WAV file (8 kHz, mono, 16 bit: what a telephone line carries), by Open JTalk for
/// Japanese (voice file: `htsvoice`, or that of find_voice()) and espeak-ng for everything else or
/// when Open JTalk or its voice is missing. The file appears whole or not at all. Blocking, at most
/// two minutes. Error{unavailable} names the package that is missing.
Status speak_to_file(std::string_view ssml, std::string_view language,
                     const std::filesystem::path& htsvoice, const std::filesystem::path& wav);

/// Open JTalk's voice: $MINATO_VOICE (a file, or a directory with mei_normal.htsvoice), else as
/// installed beside the program, else as `./dev setup` laid it. Empty when there is none.
std::filesystem::path find_voice();

/// Text as it may stand inside an XML element or attribute; control characters are dropped, invalid
/// UTF-8 becomes U+FFFD.
std::string escape_xml(std::string_view text);

}  // namespace minato::oncall
