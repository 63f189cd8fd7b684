// The message as a carrier's speech engine takes it. Promise: there is always something to say. A
// message that is malformed or too long for the carrier becomes shorter and plainer, because a
// telephone that rings and tells little wakes people, and one that does not ring wakes nobody.
#pragma once

#include <string>
#include <string_view>

#include "oncall/speech/speech.h"

namespace minato::oncall {

/// The inside of <speak>: SSML for the voice, at most `bytes_max` bytes.
std::string spoken_ssml(std::string_view speech, Ssml voice, std::size_t bytes_max);

/// The same as plain text, not escaped, cut at a character.
std::string spoken_text(std::string_view speech, std::size_t bytes_max);

/// At most `bytes_max` bytes of UTF-8, cut before a character that does not fit.
std::string cut_utf8(std::string_view text, std::size_t bytes_max);

}  // namespace minato::oncall
