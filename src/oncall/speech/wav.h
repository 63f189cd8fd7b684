// Sound of one channel with 16 bits: WAV files in and out, and the way down to a telephone's rate.
// Pure functions on bytes and samples.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace minato::oncall {

constexpr int telephone_hz = 8000;

struct Sound {
  int hz = telephone_hz;
  std::vector<std::int16_t> samples;
};

/// PCM, 16 bit, 4 to 192 kHz; of several channels the first. Sizes in the header that are larger
/// than the file (a writer that could not seek) mean "to the end". Error{invalid} otherwise.
Result<Sound> read_wav(std::string_view bytes);

/// RIFF/WAVE with a header of 44 bytes.
std::string write_wav(const Sound& sound);

/// Resampled, after a low-pass at what a telephone carries (3.5 kHz for 8 kHz): nothing above half
/// of the new rate folds back into what is heard.
Sound resampled(const Sound& sound, int hz);

}  // namespace minato::oncall
