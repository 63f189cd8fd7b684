#include "oncall/speech/wav.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/check.h"

namespace minato::oncall {
namespace {

constexpr int kCrossings = 24;  // of the sinc on each side; with Blackman's window 800 Hz to fade
constexpr double kPassed = 3500.0 / telephone_hz;  // cut-off as a part of the lower rate

std::uint32_t little(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return value;
}

void append_little(std::string& out, std::uint32_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i) & 0xFFU);
}

double sinc(double x) {
  const double angle = std::numbers::pi * x;
  return std::abs(x) < 1e-9 ? 1.0 : std::sin(angle) / angle;
}

double blackman(double x) {  // -1 … 1
  const double angle = std::numbers::pi * x;
  return std::abs(x) >= 1 ? 0.0 : 0.42 + 0.5 * std::cos(angle) + 0.08 * std::cos(2 * angle);
}

// One row of coefficients for each place that an output sample can have between two input samples.
struct Filter {
  std::int64_t half = 0;  // input samples on each side
  std::vector<std::vector<double>> rows;
};

Filter filter_for(int from_hz, int phases, double cutoff_hz) {
  Filter filter;
  const double per_crossing = from_hz / (2 * cutoff_hz);  // input samples
  const double half = kCrossings * per_crossing;
  filter.half = static_cast<std::int64_t>(std::ceil(half));
  for (int phase = 0; phase < phases; ++phase) {
    std::vector<double> row;
    double sum = 0;
    for (std::int64_t k = -filter.half; k <= filter.half + 1; ++k) {
      const double distance = static_cast<double>(k) - static_cast<double>(phase) / phases;
      row.push_back(sinc(distance / per_crossing) * blackman(distance / half));
      sum += row.back();
    }
    for (double& value : row) value /= sum;
    filter.rows.push_back(std::move(row));
  }
  return filter;
}

}  // namespace

Result<Sound> read_wav(std::string_view bytes) {
  const auto wrong = [](const char* what) {
    return fail(Code::invalid, std::string("Not a WAV file that Minato can use: ") + what + ".");
  };
  if (bytes.size() < 12 || !bytes.starts_with("RIFF") || bytes.substr(8, 4) != "WAVE") {
    return wrong("it does not begin with RIFF and WAVE");
  }
  Sound sound;
  std::size_t channels = 0;
  for (std::size_t at = 12; at + 8 <= bytes.size();) {
    const std::string_view kind = bytes.substr(at, 4);
    const std::size_t left = bytes.size() - at - 8;
    const std::size_t size = std::min<std::size_t>(little(bytes, at + 4, 4), left);
    at += 8;
    if (kind == "fmt ") {
      if (size < 16) return wrong("its format is cut short");
      channels = little(bytes, at + 2, 2);
      sound.hz = static_cast<int>(little(bytes, at + 4, 4) & 0x7FFFFFFFU);
      const bool pcm = little(bytes, at, 2) == 1 && little(bytes, at + 14, 2) == 16;
      if (!pcm || channels < 1 || channels > 8) return wrong("it is not PCM with 16 bits");
      if (sound.hz < 4'000 || sound.hz > 192'000) return wrong("its sample rate is out of range");
    } else if (kind == "data") {
      if (channels == 0) return wrong("sound comes before its format");
      for (std::size_t i = 0; i + 2 * channels <= size; i += 2 * channels) {
        sound.samples.push_back(static_cast<std::int16_t>(little(bytes, at + i, 2)));
      }
      return sound;
    }
    at += size + (size & 1);
  }
  return wrong("there is no sound in it");
}

std::string write_wav(const Sound& sound) {
  const auto size = static_cast<std::uint32_t>(sound.samples.size() * 2);
  CHECK(sound.samples.size() < (1U << 30));
  const auto hz = static_cast<std::uint32_t>(sound.hz);
  std::string out = "RIFF";
  append_little(out, 36 + size, 4);
  out += "WAVEfmt ";
  append_little(out, 16, 4);
  append_little(out, 1, 2);  // PCM
  append_little(out, 1, 2);  // channels
  append_little(out, hz, 4);
  append_little(out, hz * 2, 4);  // bytes in a second
  append_little(out, 2, 2);       // bytes of a sample of all channels
  append_little(out, 16, 2);
  out += "data";
  append_little(out, size, 4);
  for (const std::int16_t sample : sound.samples) {
    append_little(out, static_cast<std::uint16_t>(sample), 2);
  }
  return out;
}

Sound resampled(const Sound& sound, int hz) {
  CHECK(sound.hz > 0 && hz > 0);
  if (sound.hz == hz) return sound;
  const int common = std::gcd(sound.hz, hz);
  const std::int64_t phases = hz / common;
  const std::int64_t step = sound.hz / common;
  const Filter filter =
      filter_for(sound.hz, static_cast<int>(phases), kPassed * std::min(sound.hz, hz));
  const auto count = static_cast<std::int64_t>(sound.samples.size());
  Sound out;
  out.hz = hz;
  out.samples.reserve(static_cast<std::size_t>(count * phases / step + 1));
  for (std::int64_t n = 0; n * step < count * phases; ++n) {
    const std::int64_t centre = n * step / phases;
    const std::vector<double>& row = filter.rows[static_cast<std::size_t>(n * step % phases)];
    const std::int64_t from = std::max<std::int64_t>(centre - filter.half, 0);
    const std::int64_t to = std::min(centre + filter.half + 1, count - 1);
    double sum = 0;
    for (std::int64_t i = from; i <= to; ++i) {
      sum += sound.samples[static_cast<std::size_t>(i)] *
             row[static_cast<std::size_t>(i - centre + filter.half)];
    }
    out.samples.push_back(static_cast<std::int16_t>(std::clamp(std::lround(sum), -32768L, 32767L)));
  }
  return out;
}

}  // namespace minato::oncall
