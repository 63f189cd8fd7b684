// speak_to_file(): Open JTalk and espeak-ng as child processes, a piece of text at a time.
// Promise: texts reach them on stdin only, and the WAV file appears whole or not at all.
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/log.h"
#include "oncall/speech/speech.h"
#include "oncall/speech/unicode.h"
#include "oncall/speech/wav.h"
#include "runtime/child.h"

namespace minato::oncall {
namespace {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kVoiceName = "mei_normal.htsvoice";
constexpr const char* kDictionary = "/var/lib/mecab/dic/open-jtalk/naist-jdic";
constexpr auto kPieceLimit = seconds(30);
constexpr auto kLimit = seconds(120);
// Open JTalk reads one line into 1,024 bytes, and makes three bytes of each ASCII letter in them.
constexpr std::size_t kOpenJtalkPiece = 200;
constexpr std::size_t kEspeakPiece = 1'000;
constexpr std::size_t kGap = telephone_hz / 5;  // samples between two pieces

bool in_path(const char* program) {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path ? path : "/usr/local/bin:/usr/bin:/bin");
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (access((fs::path(directory) / program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

// A directory beside the target, so that the finished file can be renamed to it; gone afterwards.
class Scratch {
 public:
  static Result<Scratch> beside(const fs::path& target) {
    const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
    std::string name = (parent / ".speech-XXXXXX").string();
    if (!mkdtemp(name.data())) {
      return fail(Code::unavailable, "No file can be made in " + parent.string() + ".",
                  strerror(errno));
    }
    return Scratch(name);
  }
  Scratch(Scratch&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  Scratch& operator=(Scratch&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  explicit Scratch(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

struct Engine {
  std::vector<std::string> argv;  // the WAV file's name is appended
  std::size_t piece = 0;          // characters at most
  std::string package;
};

// What Open JTalk lacks here, with the remedy; empty when nothing.
std::string lacks(const fs::path& voice) {
  std::error_code ignored;
  if (!in_path("open_jtalk")) return "Open JTalk is not installed: apt install open-jtalk";
  if (!fs::is_directory(kDictionary, ignored)) {
    return "Open JTalk has no dictionary: apt install open-jtalk-mecab-naist-jdic";
  }
  if (voice.empty()) return "Open JTalk has no voice: ./dev setup, or MINATO_VOICE names its file";
  return {};
}

Result<Engine> engine_for(std::string_view language, const fs::path& htsvoice) {
  std::error_code ignored;
  if (!htsvoice.empty() && !fs::is_regular_file(htsvoice, ignored)) {
    return fail(Code::unavailable, "There is no voice " + htsvoice.string() +
                                       ". Name a file .htsvoice, or none for the built-in voice.");
  }
  std::string missing;
  if (language == "ja") {
    const fs::path voice = htsvoice.empty() ? find_voice() : htsvoice;
    missing = lacks(voice);
    if (missing.empty()) {
      return Engine{{"open_jtalk", "-x", kDictionary, "-m", voice.string(), "-ow"},
                    kOpenJtalkPiece,
                    "open-jtalk"};
    }
  }
  if (in_path("espeak-ng")) {
    // It reads kana, and of kanji little: better than silence, but somebody should know.
    if (!missing.empty()) log::warn("speech by espeak-ng", {{"reason", missing}});
    const std::string voice(language);
    return Engine{{"espeak-ng", "-b", "1", "-v", voice, "-s", "150", "--stdin", "-w"},
                  kEspeakPiece,
                  "espeak-ng"};
  }
  if (!missing.empty()) return fail(Code::unavailable, missing + ".");
  return fail(Code::unavailable, "espeak-ng is not installed: apt install espeak-ng.");
}

bool ends_piece(char32_t c, bool sentence) {
  if (is_sentence_end(c)) return true;
  return !sentence && (c == ',' || c == U'、' || c == U'，' || is_blank(c));
}

// Where a piece of at most `most` characters ends: behind a sentence, a comma, or anywhere.
std::size_t piece_end(std::u32string_view text, std::size_t most) {
  if (text.size() <= most) return text.size();
  for (const bool sentence : {true, false}) {
    for (std::size_t end = most; end > most / 3; --end) {
      const bool within = text[end - 1] == '.' && !is_blank(text[end]);  // "1.5"
      if (!within && ends_piece(text[end - 1], sentence)) return end;
    }
  }
  return most;
}

std::vector<std::string> pieces(const std::string& text, std::size_t most) {
  std::vector<std::string> out;
  const std::u32string all = decode_utf8(text);
  for (std::u32string_view left = all; !left.empty();) {
    const std::u32string_view piece = left.substr(0, piece_end(left, most));
    left.remove_prefix(piece.size());
    bool said = false;
    std::string line;
    for (const char32_t c : piece) {
      said = said || is_speakable(c);
      // espeak-ng takes what stands in [[ ]] for phonemes.
      append_utf8(c == '[' || c == ']' || c < 0x20 ? U' ' : c, line);
    }
    if (said) out.push_back(line + "\n");
  }
  return out;
}

Result<std::string> content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  if (!in) return fail(Code::unavailable, "No speech was made.", path.string());
  return content.str();
}

Result<Sound> say(const Engine& engine, const std::string& text, const fs::path& wav,
                  Clock::time_point deadline) {
  runtime::ChildOptions child;
  child.argv = engine.argv;
  child.argv.push_back(wav.string());
  child.input = text;
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
  if (left <= milliseconds(0)) return fail(Code::deadline, "Speech was not made in time.");
  TRY_ASSIGN(const auto finished, runtime::run(child, std::min<milliseconds>(left, kPieceLimit)));
  if (finished.exit_code != 0) {
    return fail(Code::unavailable,
                engine.argv[0] + " failed with exit code " + std::to_string(finished.exit_code) +
                    ". Is the package " + engine.package + " complete?",
                finished.output);
  }
  TRY_ASSIGN(const std::string bytes, content_of(wav));
  return read_wav(bytes);
}

Status write_whole(const Scratch& scratch, const Sound& sound, const fs::path& target) {
  const fs::path fresh = scratch / "speech.wav";
  std::ofstream out(fresh, std::ios::binary);
  out << write_wav(sound);
  out.close();
  if (!out) return fail(Code::unavailable, target.string() + " cannot be written.");
  std::error_code error;
  fs::rename(fresh, target, error);
  if (error) {
    return fail(Code::unavailable, target.string() + " cannot be written.", error.message());
  }
  return {};
}

}  // namespace

fs::path find_voice() {
  std::error_code error;
  std::vector<fs::path> places;
  if (const char* named = std::getenv("MINATO_VOICE"); named && *named) {
    places = {named, fs::path(named) / kVoiceName};
  }
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  places.push_back(program / "../lib/minato/voice" / kVoiceName);
  for (const char* up : {"..", "../..", "."}) {
    places.push_back(program / up / ".deps/voice" / kVoiceName);
  }
  for (const fs::path& place : places) {
    if (fs::is_regular_file(place, error)) return fs::canonical(place, error);
  }
  return {};
}

Status speak_to_file(std::string_view ssml, std::string_view language, const fs::path& htsvoice,
                     const fs::path& wav) {
  if (language != "ja" && language != "en") {
    return fail(Code::invalid, "There is no speech in this language. There are: ja, en.");
  }
  TRY_ASSIGN(const std::string text, rewrite(ssml, Ssml::none));
  TRY_ASSIGN(const Engine engine, engine_for(language, htsvoice));
  TRY_ASSIGN(const Scratch scratch, Scratch::beside(wav));
  const auto deadline = Clock::now() + kLimit;
  Sound all;
  for (const std::string& piece : pieces(text, engine.piece)) {
    TRY_ASSIGN(const Sound sound, say(engine, piece, scratch / "piece.wav", deadline));
    const Sound line = resampled(sound, telephone_hz);
    if (!all.samples.empty()) all.samples.resize(all.samples.size() + kGap);
    all.samples.insert(all.samples.end(), line.samples.begin(), line.samples.end());
  }
  if (all.samples.empty()) return fail(Code::invalid, "There is nothing to say in this text.");
  return write_whole(scratch, all, wav);
}

}  // namespace minato::oncall
