// Fuzzes speech: any bytes parse as SSML or are refused, and what parses survives write → parse;
// any alarm text gives a message that every voice can be sent.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "oncall/speech/speech.h"
#include "oncall/speech/ssml.h"
#include "oncall/speech/unicode.h"

using namespace minato::oncall;

namespace {

void document(std::string_view text) {
  const auto tree = parse_ssml(text);
  if (!tree) return;
  const std::string once = write_ssml(*tree);
  if (once.size() > ssml_bytes_max) return;  // references take more room than characters
  const auto again = parse_ssml(once);
  CHECK(again && *again == *tree);
  const auto neural = rewrite(once, Ssml::polly_neural);
  CHECK(neural && neural->find("<emphasis") == std::string::npos);
  if (neural->size() <= ssml_bytes_max) {
    CHECK(rewrite(*neural, Ssml::polly_neural).value_or("") == *neural);
  }
  CHECK(rewrite(once, Ssml::none));
}

void alarm(std::string_view text, Speech speech) {
  Incident incident;
  incident.title = text.substr(0, text.size() / 2);
  incident.text = text.substr(text.size() / 2);
  incident.key = text.substr(0, 40);
  incident.labels["host"] = text.substr(0, text.size() / 4);
  speech.readings.words = {{std::string(text.substr(0, 3)), std::string(text.substr(0, 9))},
                           {std::string(text.substr(text.size() / 2, 2)), "x"}};
  const std::string out = message(speech, {incident, incident});
  const auto tree = parse_ssml(out);
  CHECK(tree);
  CHECK(spoken_characters(*tree) <= speech.characters_max + count_code_points(speech.menu));
  CHECK(rewrite(out, Ssml::polly_neural) && rewrite(out, Ssml::none));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: document(input); break;
    case 1: document("<speak>" + std::string(input) + "</speak>"); break;
    case 2: alarm(input, default_speech("ja")); break;
    default: alarm(input, default_speech("en"));
  }
  return 0;
}
