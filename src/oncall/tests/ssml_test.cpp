// SSML: what parses, what is refused with which words, and what each voice is given instead.
// The random documents at the end show that every tree survives being written and rewritten.
#include "oncall/speech/ssml.h"

#include <gtest/gtest.h>

#include <random>

#include "base/testing/seed.h"
#include "oncall/speech/speech.h"

namespace minato::oncall {
namespace {

std::string error_of(std::string_view ssml) {
  const auto parsed = parse_ssml(ssml);
  if (parsed) return "parsed";
  EXPECT_EQ(parsed.error().code, Code::invalid);
  return parsed.error().message;
}

std::string as(Ssml voice, std::string_view ssml) {
  const auto out = rewrite(ssml, voice);
  return out ? *out : out.error().message;
}

TEST(Ssml, RoundTrip) {
  const std::string text =
      "<speak><p><s>a</s></p><break time=\"300ms\"/><break strength=\"strong\"/>"
      "<emphasis level=\"strong\">b <sub alias=\"きばん\">基盤</sub></emphasis>"
      "<prosody rate=\"80%\" volume=\"+6dB\" pitch=\"+10%\">c</prosody>"
      "<say-as interpret-as=\"characters\">E42</say-as>"
      "<phoneme alphabet=\"x-amazon-yomigana\" ph=\"みなと\">港</phoneme>"
      "<lang xml:lang=\"en-US\">port</lang></speak>";
  const auto parsed = parse_ssml(text);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(write_ssml(*parsed), text);
  EXPECT_EQ(as(Ssml::polly_standard, text), text);
  EXPECT_EQ(spoken_characters(*parsed), 1U + 2 + 3 + 1 + 3 + 1 + 4);
}

TEST(Ssml, CharactersAndReferences) {
  const auto parsed = parse_ssml("<speak>&lt;&amp;&gt;&quot;&apos;&#x6E2F;&#65; a\r\nb</speak>");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->children.at(0).text, "<&>\"'港A a\nb");
  EXPECT_EQ(parse_ssml(write_ssml(*parsed)), *parsed);
  const auto sub = parse_ssml("<speak><sub alias='\"&lt;\n&#10;'>x</sub></speak>");
  ASSERT_TRUE(sub) << sub.error().message;
  EXPECT_EQ(sub->children.at(0).attributes.at(0).second, "\"< \n");
  EXPECT_EQ(parse_ssml(write_ssml(*sub)), *sub);
}

TEST(Ssml, RefusedWithPlaceAndRemedy) {
  EXPECT_EQ(error_of("<speak>港<emphasys>a</emphasys></speak>"),
            "SSML, character 9: there is no tag <emphasys>. Did you mean emphasis?");
  EXPECT_EQ(error_of("<speak><audio src=\"x\"/></speak>"),
            "SSML, character 8: there is no tag <audio>. There are: speak, p, s, break, emphasis, "
            "prosody, say-as, sub, phoneme, lang.");
  EXPECT_EQ(error_of("<speak><break tim=\"1s\"/></speak>"),
            "SSML, character 15: <break> has no attribute `tim`. Did you mean time?");
  EXPECT_EQ(error_of("<speak><break time=\"11s\"/></speak>"),
            "SSML, character 15: `time` may not be \"11s\", but: 300ms or 1s, at most 10s.");
  EXPECT_EQ(error_of("<speak><sub>a</sub></speak>"),
            "SSML, character 8: <sub> needs alias=\"…\": what to say instead.");
  EXPECT_EQ(error_of("<speak><sub alias=\"a\"><break/></sub></speak>"),
            "SSML, character 23: <break> may not stand in <sub>.");
  EXPECT_EQ(error_of("<speak>a & b</speak>"),
            "SSML, character 10: this & begins no character. Write &amp;.");
  EXPECT_EQ(error_of("<speak><p>a</s></speak>"), "SSML, character 15: <p> is closed by </s>.");
  EXPECT_EQ(error_of("<speak><p>a"), "SSML, character 8: <p> is never closed.");
  EXPECT_EQ(error_of("<speak>a\x01</speak>"), "SSML, character 9: a control character.");
  EXPECT_EQ(error_of("<speak>a\xff</speak>"), "SSML, character 9: not UTF-8.");
}

TEST(Ssml, Refused) {
  for (const char* text : {"",
                           "a",
                           "<p>a</p>",
                           "<speak>",
                           "<speak/>x",
                           "<speak><speak/></speak>",
                           "<speak>]]></speak>",
                           "<speak><!-- a --></speak>",
                           "<?xml version=\"1.0\"?><speak/>",
                           "<!DOCTYPE a><speak/>",
                           "<speak>&nbsp;</speak>",
                           "<speak>&#0;</speak>",
                           "<speak>&#xD800;</speak>",
                           "<speak>&#99999999999;</speak>",
                           "<speak><break time=1s/></speak>",
                           "<speak><break time=\"1s\"time=\"1s\"/></speak>",
                           "<speak><break time=\"1s\" time=\"1s\"/></speak>",
                           "<speak><break time=\"<\"/></speak>",
                           "<speak><break>a</break></speak>",
                           "<speak><prosody>a</prosody></speak>",
                           "<speak><prosody rate=\"10%\">a</prosody></speak>",
                           "<speak><prosody volume=\"6dB\">a</prosody></speak>",
                           "<speak><prosody rate=\"|\">a</prosody></speak>",
                           "<speak><prosody rate=\"slow|medium\">a</prosody></speak>",
                           "<speak><emphasis level=\"\">a</emphasis></speak>",
                           "<speak><s><p>a</p></s></speak>",
                           "<speak><sub alias=\" \">a</sub></speak>",
                           "<speak a=\"1\"></speak>",
                           "<speak",
                           "<",
                           "<speak><break time=\"1s",
                           "<speak><SUB alias=\"a\">b</SUB></speak>"}) {
    EXPECT_NE(error_of(text), "parsed") << text;
  }
  std::string deep;
  for (int i = 0; i < 5'000; ++i) deep += "<emphasis>";
  EXPECT_NE(error_of("<speak>" + deep), "parsed");
  EXPECT_NE(error_of("<speak>" + std::string(ssml_bytes_max, 'a') + "</speak>"), "parsed");
}

TEST(Ssml, NeuralVoices) {
  EXPECT_EQ(as(Ssml::polly_neural,
               "<speak><emphasis level=\"strong\">a</emphasis><emphasis>b</emphasis>"
               "<emphasis level=\"reduced\">c</emphasis></speak>"),
            "<speak><prosody rate=\"85%\" volume=\"+6dB\">a</prosody>"
            "<prosody rate=\"90%\" volume=\"+3dB\">b</prosody>"
            "<prosody rate=\"110%\" volume=\"soft\">c</prosody></speak>");
  EXPECT_EQ(as(Ssml::polly_neural,
               "<speak>a<prosody pitch=\"high\">b<break/>c</prosody>d"
               "<prosody pitch=\"high\" rate=\"slow\">e</prosody></speak>"),
            "<speak>ab<break/>cd<prosody rate=\"slow\">e</prosody></speak>");
  EXPECT_EQ(as(Ssml::polly_neural,
               "<speak><say-as interpret-as=\"characters\">E42</say-as>"
               "<say-as interpret-as=\"date\">2026</say-as></speak>"),
            "<speak>E 4 2<say-as interpret-as=\"date\">2026</say-as></speak>");
}

TEST(Ssml, PlainText) {
  EXPECT_EQ(as(Ssml::none,
               "<speak>a<break time=\"200ms\"/>b<break time=\"1s\"/> c. "
               "<break strength=\"strong\"/>d,<break time=\"1s\"/>e<break/>.</speak>"),
            "a, b. c. d. e.");
  EXPECT_EQ(as(Ssml::none,
               "<speak><sub alias=\"きばん\">基盤</sub>で<break time=\"500ms\"/>障害"
               "<break/>です。<break time=\"1s\"/></speak>"),
            "きばんで。障害、です。");
  EXPECT_EQ(as(Ssml::none, "<speak><p>a</p><p><s>b</s>c</p></speak>"), "a. b. c");
  EXPECT_EQ(as(Ssml::none, "<speak>&lt;a  \n b&gt;<break strength=\"none\"/>c</speak>"), "<a b>c");
  EXPECT_EQ(as(Ssml::none,
               "<speak><phoneme alphabet=\"x-amazon-pron-kana\" ph=\"ミ'ナト\">港</phoneme>と"
               "<phoneme alphabet=\"ipa\" ph=\"x\">word</phoneme> "
               "<say-as interpret-as=\"spell-out\">E4</say-as></speak>"),
            "ミナトとword E 4");
  EXPECT_EQ(as(Ssml::none, "<speak></speak>"), "");
}

// Random trees of the language, then the same in random disorder.
class Random {
 public:
  explicit Random(unsigned seed) : random_(seed) {}

  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

  std::string text() {
    static const std::vector<std::string> parts{"a",  "基盤", " ", "<", "&", ">",  "\"", "'",
                                                "。", "\n",   "]", "é", ".", "😀", "1"};
    std::string out;
    for (int i = below(6); i >= 0; --i) out += parts[below(static_cast<int>(parts.size()))];
    return out;
  }

  SsmlNode node(const std::string& tag, int depth) {
    SsmlNode out;
    out.tag = tag;
    if (tag == "break" && below(2)) out.attributes = {{"time", "300ms"}};
    if (tag == "emphasis" && below(2)) out.attributes = {{"level", "strong"}};
    if (tag == "prosody") {
      out.attributes = {{"pitch", "high"}};
      if (below(2)) out.attributes.emplace_back("rate", "slow");
    }
    if (tag == "say-as") {
      out.attributes = {{"interpret-as", below(2) ? "characters" : "date"}};
    }
    if (tag == "sub") out.attributes = {{"alias", "x" + text()}};
    if (tag == "phoneme") {
      out.attributes = {{"alphabet", "x-amazon-yomigana"}, {"ph", "x" + text()}};
    }
    if (tag == "lang") out.attributes = {{"xml:lang", "en-US"}};
    if (tag == "break") return out;
    static const std::vector<std::string> inner{"break", "emphasis", "prosody", "say-as",
                                                "sub",   "phoneme",  "lang"};
    const bool words = tag == "sub" || tag == "say-as" || tag == "phoneme";
    for (int i = below(4); i > 0; --i) {
      if (words || depth > 5 || below(2)) {
        append_text(out.children, text());
      } else {
        out.children.push_back(node(inner[below(static_cast<int>(inner.size()))], depth + 1));
      }
    }
    return out;
  }

 private:
  std::mt19937 random_;
};

TEST(Ssml, RandomTreesSurvive) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("MINATO_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 2'000; ++i) {
    const SsmlNode tree = random.node("speak", 0);
    const std::string text = write_ssml(tree);
    const auto parsed = parse_ssml(text);
    ASSERT_TRUE(parsed) << parsed.error().message << "\n" << text;
    ASSERT_EQ(*parsed, tree) << text;
    const auto neural = rewrite(text, Ssml::polly_neural);
    ASSERT_TRUE(neural);
    EXPECT_EQ(neural->find("<emphasis"), std::string::npos);
    EXPECT_EQ(neural->find("pitch="), std::string::npos);
    EXPECT_EQ(neural->find("\"characters\""), std::string::npos);
    EXPECT_EQ(rewrite(*neural, Ssml::polly_neural), *neural) << text;
    ASSERT_TRUE(rewrite(text, Ssml::none));
  }
}

TEST(Ssml, DamagedTextsAreRefusedOrSound) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("MINATO_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 5'000; ++i) {
    std::string text = write_ssml(random.node("speak", 0));
    for (int k = random.below(3); k >= 0; --k) {
      const auto at = static_cast<std::size_t>(random.below(static_cast<int>(text.size())));
      if (random.below(2)) {
        text.erase(at, 1 + random.below(3));
      } else {
        text[at] = static_cast<char>(random.below(256));
      }
      if (text.empty()) break;
    }
    const auto parsed = parse_ssml(text);
    if (!parsed) continue;
    EXPECT_EQ(parse_ssml(write_ssml(*parsed)), *parsed) << text;
  }
}

}  // namespace
}  // namespace minato::oncall
