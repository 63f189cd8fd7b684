// Sound: the way down to 8 kHz by measured tones, WAV files, and real speech by Open JTalk and
// espeak-ng where they are installed.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <sstream>

#include "oncall/speech/speech.h"
#include "oncall/speech/wav.h"

namespace minato::oncall {
namespace {
namespace fs = std::filesystem;

Sound tone(int hz, double frequency, double amplitude = 10'000) {
  Sound sound;
  sound.hz = hz;
  for (int i = 0; i < hz; ++i) {
    const double angle = 2 * std::numbers::pi * frequency * i / hz;
    sound.samples.push_back(static_cast<std::int16_t>(std::lround(amplitude * std::sin(angle))));
  }
  return sound;
}

double loudness(const Sound& sound) {
  double sum = 0;
  const std::size_t edge = sound.samples.size() / 10;
  const std::size_t end = sound.samples.size() - edge;
  for (std::size_t i = edge; i < end; ++i) sum += 1.0 * sound.samples[i] * sound.samples[i];
  return std::sqrt(sum / static_cast<double>(end - edge));
}

TEST(Wav, TonesOfSpeechPassAndHigherOnesDoNotFold) {
  for (const int hz : {48'000, 44'100, 22'050, 16'000}) {
    const double whole = loudness(tone(hz, 1'000));
    for (const double frequency : {200.0, 1'000.0, 3'000.0}) {
      const Sound out = resampled(tone(hz, frequency), telephone_hz);
      EXPECT_NEAR(static_cast<double>(out.samples.size()), 8'000, 1);
      EXPECT_NEAR(loudness(out) / whole, 1, 0.03) << hz << " " << frequency;
    }
    for (const double frequency : {4'100.0, 5'000.0, 7'500.0}) {
      EXPECT_LT(loudness(resampled(tone(hz, frequency), telephone_hz)) / whole, 0.001)
          << hz << " " << frequency;
    }
  }
}

TEST(Wav, LoudestStaysInRangeAndShortStaysShort) {
  Sound square;
  square.hz = 48'000;
  for (int i = 0; i < 4'800; ++i) square.samples.push_back(i / 100 % 2 ? 32'767 : -32'768);
  const Sound out = resampled(square, telephone_hz);
  EXPECT_EQ(*std::max_element(out.samples.begin(), out.samples.end()), 32'767);
  EXPECT_TRUE(resampled(Sound{48'000, {}}, telephone_hz).samples.empty());
  EXPECT_EQ(resampled(Sound{48'000, {1}}, telephone_hz).samples.size(), 1U);
}

TEST(Wav, WrittenAndRead) {
  const Sound sound{telephone_hz, {0, 1, -1, 32'767, -32'768}};
  const std::string bytes = write_wav(sound);
  EXPECT_EQ(bytes.size(), 44U + 10);
  const auto again = read_wav(bytes);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->hz, telephone_hz);
  EXPECT_EQ(again->samples, sound.samples);
}

TEST(Wav, StrangeFiles) {
  const std::string good = write_wav({telephone_hz, {1, 2, 3}});
  for (std::size_t size = 0; size < 44; ++size) EXPECT_FALSE(read_wav(good.substr(0, size)));
  EXPECT_EQ(read_wav(good.substr(0, 47))->samples.size(), 1U);
  std::string endless = good;
  endless.replace(40, 4, "\xff\xff\xff\x7f");  // a writer that could not seek back
  EXPECT_EQ(read_wav(endless)->samples.size(), 3U);
  std::string compressed = good;
  compressed[20] = 7;
  EXPECT_FALSE(read_wav(compressed));
  std::string list = good;
  list.insert(36, std::string("LIST\x03\0\0\0abc\0", 12));
  EXPECT_EQ(read_wav(list)->samples.size(), 3U);
}

class Speak : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("minato-speak-" + std::to_string(getpid()));
    fs::create_directories(directory_);
    wav_ = directory_ / "a.wav";
  }
  void TearDown() override { fs::remove_all(directory_); }
  Sound spoken() {
    std::ifstream in(wav_, std::ios::binary);
    std::ostringstream content;
    content << in.rdbuf();
    auto sound = read_wav(content.str());
    EXPECT_TRUE(sound) << sound.error().message;
    return sound ? *sound : Sound{};
  }
  static bool installed(const char* program) { return fs::exists(fs::path("/usr/bin") / program); }
  void expect_speech(double seconds_least, double seconds_most) {
    const Sound sound = spoken();
    EXPECT_EQ(sound.hz, telephone_hz);
    const double seconds = static_cast<double>(sound.samples.size()) / telephone_hz;
    EXPECT_GT(seconds, seconds_least);
    EXPECT_LT(seconds, seconds_most);
    EXPECT_GT(loudness(sound), 300);
    // Nothing is left beside it.
    EXPECT_EQ(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()), 1);
  }
  fs::path directory_;
  fs::path wav_;
};

std::string japanese_message(int sentences) {
  Incident incident;
  incident.key = "load/orders";
  incident.title = "注文表の読み込みが失敗しました";
  for (int i = 0; i < sentences; ++i) incident.text += "ディスクの空きがありません。";
  incident.labels["host"] = "db01";
  return message(default_speech("ja"), {incident});
}

TEST_F(Speak, OpenJtalk) {
  ASSERT_TRUE(installed("open_jtalk") && !find_voice().empty()) << "./dev setup installs them";
  const Status done = speak_to_file(japanese_message(1), "ja", {}, wav_);
  ASSERT_TRUE(done) << done.error().message << done.error().detail;
  expect_speech(5, 30);
}

// More than one line of Open JTalk: nothing is lost.
TEST_F(Speak, LongTextIsSplit) {
  ASSERT_TRUE(installed("open_jtalk") && !find_voice().empty()) << "./dev setup installs them";
  const Status done = speak_to_file(japanese_message(100), "ja", {}, wav_);
  ASSERT_TRUE(done) << done.error().message << done.error().detail;
  expect_speech(60, 240);
}

TEST_F(Speak, Espeak) {
  ASSERT_TRUE(installed("espeak-ng")) << "./dev setup installs it";
  Incident incident;
  incident.title = "-x [[load]] of `orders` failed; $(reboot)";
  incident.labels["host"] = "db01";
  const std::string text = message(default_speech("en"), {incident});
  const Status done = speak_to_file(text, "en", {}, wav_);
  ASSERT_TRUE(done) << done.error().message << done.error().detail;
  expect_speech(4, 30);
  // An earlier file is replaced.
  ASSERT_TRUE(speak_to_file("<speak>short</speak>", "en", {}, wav_));
  expect_speech(0.2, 3);
}

TEST_F(Speak, WhatIsMissingIsNamed) {
  const Status voice = speak_to_file("<speak>a</speak>", "ja", directory_ / "no.htsvoice", wav_);
  ASSERT_FALSE(voice);
  EXPECT_EQ(voice.error().code, Code::unavailable);
  EXPECT_NE(voice.error().message.find("no.htsvoice"), std::string::npos);

  const std::string path = std::getenv("PATH");
  setenv("PATH", directory_.c_str(), 1);
  const Status japanese = speak_to_file("<speak>a</speak>", "ja", {}, wav_);
  const Status english = speak_to_file("<speak>a</speak>", "en", {}, wav_);
  setenv("PATH", path.c_str(), 1);
  ASSERT_FALSE(japanese);
  EXPECT_EQ(japanese.error().code, Code::unavailable);
  EXPECT_NE(japanese.error().message.find("apt install open-jtalk"), std::string::npos);
  ASSERT_FALSE(english);
  EXPECT_NE(english.error().message.find("apt install espeak-ng"), std::string::npos);
  EXPECT_FALSE(fs::exists(wav_));
}

TEST_F(Speak, NothingAppearsWhenItFails) {
  EXPECT_EQ(speak_to_file("<speak>a", "en", {}, wav_).error().code, Code::invalid);
  EXPECT_EQ(speak_to_file("<speak>a</speak>", "xx; ls", {}, wav_).error().code, Code::invalid);
  if (installed("espeak-ng")) {
    EXPECT_EQ(speak_to_file("<speak>…</speak>", "en", {}, wav_).error().code, Code::invalid);
    EXPECT_EQ(speak_to_file("<speak>a</speak>", "en", {}, directory_ / "no" / "a.wav").error().code,
              Code::unavailable);
  }
  EXPECT_FALSE(fs::exists(wav_));
}

TEST_F(Speak, VoiceByEnvironment) {
  const char* before = std::getenv("MINATO_VOICE");
  const std::string kept = before ? before : "";
  std::ofstream(directory_ / "mei_normal.htsvoice") << "voice";
  setenv("MINATO_VOICE", directory_.c_str(), 1);
  EXPECT_EQ(find_voice(), fs::canonical(directory_ / "mei_normal.htsvoice"));
  setenv("MINATO_VOICE", kept.c_str(), 1);
}

}  // namespace
}  // namespace minato::oncall
