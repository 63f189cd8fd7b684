// Messages: what is said for a group of incidents, whatever stands in the alarm; and the two files
// from which templates and readings are loaded.
#include "oncall/speech/speech.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/testing/seed.h"
#include "oncall/speech/spoken.h"
#include "oncall/speech/ssml.h"
#include "oncall/speech/unicode.h"

namespace minato::oncall {
namespace {
namespace fs = std::filesystem;

Incident incident(const std::string& host, const std::string& title, const std::string& text = "") {
  Incident out;
  out.key = "load/orders";
  out.title = title;
  out.text = text;
  if (!host.empty()) out.labels["host"] = host;
  return out;
}

std::string plain(const Speech& speech, const std::vector<Incident>& incidents) {
  const auto text = rewrite(message(speech, incidents), Ssml::none);
  return text ? *text : text.error().message;
}

std::string fit(std::string_view text, std::string_view language = "en") {
  return encode_utf8(fit_for_speech(text, spoken_words(language)));
}

TEST(Speech, JapaneseMessage) {
  const Speech speech = default_speech("ja");
  EXPECT_EQ(
      message(speech, {incident("db01", "読み込みが失敗しました。", "ディスクがいっぱいです。")}),
      "<speak><prosody rate=\"slow\">db01で、<emphasis level=\"strong\">緊急の障害</emphasis>"
      "です。<break time=\"500ms\"/>読み込みが失敗しました。<break time=\"500ms\"/>"
      "ディスクがいっぱいです。</prosody><break time=\"600ms\"/>"
      "確認は1、次の人に回すには2、もう一度聞くには9を押してください。</speak>");
}

TEST(Speech, EnglishMessage) {
  Incident error = incident("", "Load failed", "Load failed: disk is full.");
  error.severity = Severity::error;
  error.labels["instance"] = "10.0.0.5:9100";
  EXPECT_EQ(
      plain(default_speech("en"), {error}),
      "10.0.0.5: failure. Load failed. disk is full. Press 1 to acknowledge, 2 to pass to the "
      "next person, 9 to hear this again.");
}

TEST(Speech, HostOrInstanceOrKey) {
  const Speech speech = default_speech("en");
  Incident one = incident("", "t");
  EXPECT_TRUE(plain(speech, {one}).starts_with("load/orders: "));
  one.labels["instance"] = "[2001:db8::1]:9100";
  EXPECT_TRUE(plain(speech, {one}).starts_with("[2001:db8::1]: "));
  one.labels["instance"] = "2001:db8::1";
  EXPECT_TRUE(plain(speech, {one}).starts_with("2001:db8::1: "));
  one.labels["host"] = " \x01 ";
  EXPECT_TRUE(plain(speech, {one}).starts_with("2001:db8::1: "));
  one.labels["host"] = "db01";
  EXPECT_TRUE(plain(speech, {one}).starts_with("db01: "));
}

TEST(Speech, GroupTellsTheMostSevereThenTheOldest) {
  std::vector<Incident> group(4, incident("db01", "later"));
  for (std::size_t i = 0; i < group.size(); ++i) group[i].seq = static_cast<std::int64_t>(i);
  group[0].severity = Severity::warning;
  group[0].title = "warning";
  for (std::size_t i = 1; i < 4; ++i) group[i].opened_at += std::chrono::seconds(10 - i);
  group[3].title = "oldest";
  const std::string text = plain(default_speech("en"), group);
  EXPECT_TRUE(text.starts_with("db01: critical failure. oldest. And 3 more. Press 1")) << text;
  EXPECT_EQ(plain(default_speech("en"), {}).substr(0, 9), "Press 1 t");
}

TEST(Speech, AlarmTextsNeverBecomeTags) {
  const Speech speech = default_speech("en");
  Incident evil = incident("</speak><audio src='x'/>", "<break time=\"10s\"/>&amp; {text} {count}",
                           "\x1b[31mred\x1b[0m \x07 \xff\xfe]]> <speak>");
  const std::string out = message(speech, {evil});
  const auto parsed = parse_ssml(out);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(out.find("<audio"), std::string::npos);
  EXPECT_EQ(out.find("time=\"10s\""), std::string::npos);
  EXPECT_NE(out.find("{text} {count}"), std::string::npos);  // as said, not filled in
  EXPECT_NE(out.find("red"), std::string::npos);
  EXPECT_EQ(out.find("[31m"), std::string::npos);
}

TEST(Speech, ReadingsLongestFirstAndWholeWords) {
  Speech speech = default_speech("ja");
  speech.readings.words = {{"DB", "でーびー"},
                           {"db-01", "でーびーいち"},
                           {"基盤", "きばん"},
                           {"分析基盤", "ぶんせききばん"},
                           {"A&B", "えーと<びー>"}};
  EXPECT_EQ(plain(speech, {incident("DB-01", "dbと分析基盤と基盤とdb2とｄｂとA&B")}).substr(0, 100),
            std::string(
                "でーびーいちで、緊急の障害です。でーびーとぶんせききばんときばんとdb2とでーびーと"
                "えーと<びー>。確認は1")
                .substr(0, 100));
  const std::string out = message(speech, {incident("h", "A&B基盤")});
  EXPECT_NE(out.find("<sub alias=\"えーと&lt;びー&gt;\">A&amp;B</sub>"
                     "<sub alias=\"きばん\">基盤</sub>"),
            std::string::npos)
      << out;
}

TEST(Speech, CutAtASentenceAndSaidSo) {
  Speech speech = default_speech("en");
  speech.characters_max = 200;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "Sentence number " + std::to_string(i) + ". ";
  const std::string said = plain(speech, {incident("db01", "Load failed", text)});
  const std::size_t end = said.find(" and so on");
  ASSERT_NE(end, std::string::npos) << said;
  EXPECT_EQ(said[end - 1], '.');
  EXPECT_LT(said.find("Press 1"), 210U);
  EXPECT_GT(said.find("Press 1"), 150U);

  const Spoken words =
      cut(ReadingIndex(Readings{}).apply(U"alpha beta gamma delta epsilon"), 25, U"…");
  EXPECT_EQ(encode_utf8(words.text), "alpha beta gamma delta…");
  EXPECT_TRUE(cut(ReadingIndex(Readings{}).apply(U"alpha beta"), 3, U"…").text.empty());
}

TEST(Speech, MegabyteOfText) {
  for (const char* unit :
       {"a", "<", "&amp;", "港", "x y ", "\n", "\x01", "\xff", "http://a/", "-"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    Incident big = incident(text, text, text);
    big.key = text;
    for (const char* language : {"ja", "en"}) {
      const std::string out = message(default_speech(language), {big});
      ASSERT_TRUE(parse_ssml(out)) << unit;
      EXPECT_LT(count_code_points(out), 6'000U) << unit;
    }
  }
}

TEST(Speech, ManyReadingsStayWithinPollysLimit) {
  Speech speech = default_speech("ja");
  speech.characters_max = 1000;
  speech.readings.words = {{"a", "b"}};
  std::string text;
  for (int i = 0; i < 1'000; ++i) text += "a ";
  const std::string out = message(speech, {incident("h", "t", text)});
  EXPECT_LT(count_code_points(out), 6'000U);
  EXPECT_NE(out.find("<sub alias=\"b\">a</sub> <sub"), std::string::npos);
}

TEST(Speech, UrlsIdsAndPathsAreShortened) {
  EXPECT_EQ(fit("see https://user:secret@grafana.example.com:3000/d/abc?x=1&y=2, now"),
            "see link to grafana.example.com, now");
  EXPECT_EQ(fit("詳細はhttps://a.example/b/cを参照", "ja"), "詳細はa.exampleへのリンクを参照");
  EXPECT_EQ(fit("url=http://h/"), "url=link to h");
  EXPECT_EQ(fit("id 3f2a9c4e-1b2c-4d5e-8f90-123456789abc failed"), "id ID starting 3f2a failed");
  EXPECT_EQ(fit("at 0x7ffe1234abcd5678"), "at ID starting 7ffe");
  EXPECT_EQ(fit("at 2026-11-26 15:33:28, 20261126153328, feedback"),
            "at 2026-11-26 15:33:28, 20261126153328, feedback");
  EXPECT_EQ(fit("/var/lib/minato/lake/main/orders/year=2026/month=11/part-00001.parquet"),
            "/var/lib/minato/lake/main/orders/year=2026/month=11/part-00001.parquet");
  EXPECT_EQ(fit("/var/lib/minato/lake/main/orders/2026/11/26/part-00001.parquet"),
            "part-00001.parquet");
  EXPECT_EQ(fit(std::string(100, 'a')), std::string(24, 'a') + " and so on");
  EXPECT_EQ(fit("a ---------- b == c ... d"), "a - b == c . d");
  EXPECT_EQ(fit("a\r\n\r\n==========\n  b\t c\u200b\u202e \n"), "a\nb c");
}

TEST(Speech, StackTracesKeepTheirMessages) {
  EXPECT_EQ(fit("java.lang.IllegalStateException: no lake\n"
                "\tat com.example.Load.run(Load.java:42)\n"
                "\tat java.base/java.lang.Thread.run(Thread.java:840)\n"
                "Caused by: java.io.IOException: disk full\n"
                "\t... 23 more\n"),
            "java.lang.IllegalStateException: no lake\n"
            "Caused by: java.io.IOException: disk full");
  EXPECT_EQ(fit("Traceback (most recent call last):\n"
                "  File \"/srv/load.py\", line 12, in main\n"
                "    run(table)\n"
                "    ^^^^^^^^^^\n"
                "  File \"/srv/load.py\", line 3, in run\n"
                "    raise ValueError(table)\n"
                "ValueError: orders\n"),
            "ValueError: orders");
  EXPECT_EQ(fit("panic: nil map\n\ngoroutine 1 [running]:\nmain.load(0xc000012345)\n"
                "\t/srv/main.go:12 +0x1d\n"),
            "panic: nil map");
  EXPECT_EQ(fit("at db01 (primary)\n#12 failed in 3 s"), "at db01 (primary)\n#12 failed in 3 s");
  EXPECT_EQ(fit("\tat a.B.c(B.java:1)"), "at a.B.c(B.java:1)");
}

TEST(Speech, WrongPartsGiveWayToTheBuiltIn) {
  Speech speech;
  speech.language = "en";
  EXPECT_EQ(message(speech, {incident("h", "t")}),
            message(default_speech("en"), {incident("h", "t")}));
  speech.templates[Severity::critical] = "<p>{title}";
  speech.more = "{many}";
  speech.menu = "<menu/>";
  EXPECT_EQ(message(speech, {incident("h", "t"), incident("h", "u")}),
            message(default_speech("en"), {incident("h", "t"), incident("h", "u")}));
}

TEST(Speech, EscapeXml) {
  EXPECT_EQ(escape_xml("a<&>\"'\x01\x7f\r\n\tb\xff港"), "a&lt;&amp;&gt;&quot;&apos;\n\tb\uFFFD港");
}

class SpeechFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("minato-speech-" + std::to_string(getpid()));
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }
  void write(const char* name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
  }
  // The message of the error, without the directory.
  std::string problems() {
    const auto speech = load_speech(directory_);
    if (speech) return "loaded";
    std::string out = speech.error().message;
    const std::string prefix = directory_.string() + "/";
    for (auto at = out.find(prefix); at != out.npos; at = out.find(prefix)) {
      out.erase(at, prefix.size());
    }
    return out;
  }
  fs::path directory_;
};

TEST_F(SpeechFiles, NoFilesAreFine) {
  const auto speech = load_speech(directory_);
  ASSERT_TRUE(speech) << speech.error().message;
  EXPECT_EQ(speech->language, "ja");
  EXPECT_EQ(speech->menu, default_speech("ja").menu);
  EXPECT_TRUE(load_speech(directory_ / "none"));
}

TEST_F(SpeechFiles, WhatStandsInThemIsUsed) {
  write("speech.toml",
        "language = \"en\"\ncharacters_max = 300\nmenu = \"Press 1.\"\n[template]\n"
        "critical = \"\"\"{host}<break time=\"1s\"/>\n<emphasis>{title}</emphasis>\"\"\"\n");
  write("readings.toml",
        "DB = \"dee bee\"\n\"db.example.com\" = \"the database\"\n"
        "\"基盤\" = \"きばん\"\n");
  const auto speech = load_speech(directory_);
  ASSERT_TRUE(speech) << speech.error().message;
  EXPECT_EQ(speech->characters_max, 300U);
  EXPECT_EQ(speech->readings.words.at(0).first, "db.example.com");
  EXPECT_EQ(speech->more, default_speech("en").more);
  EXPECT_EQ(plain(*speech, {incident("db.example.com", "DB down")}),
            "the database. dee bee down. Press 1.");
}

TEST_F(SpeechFiles, ProblemsWithLineAndRemedy) {
  write("speech.toml",
        "langauge = \"ja\"\n"
        "characters_max = 5\n"
        "menu = \"<brek/>\"\n"
        "more = \"{cuont}\"\n"
        "[template]\n"
        "critical = \"{host}\"\n"
        "error = \"<sub alias='x'>{title}</sub>\"\n"
        "warning = \"<prosody rate='{title}'>{title}</prosody>\"\n"
        "info = \"<speak>{title}</speak>\"\n"
        "fatal = \"{title}\"\n");
  write("readings.toml", "db.example = \"a\"\nx = 1\nDB = \"a\"\n\"Db\" = \"b\"\n\"!\" = \"c\"\n");
  EXPECT_EQ(problems(),
            "speech.toml:1: unknown key `langauge`. Did you mean language?\n"
            "speech.toml:2: `characters_max` must be a whole number from 100 to 1000.\n"
            "speech.toml:3: `menu`: SSML, character 1: there is no tag <brek>. "
            "Did you mean break?\n"
            "speech.toml:4: `more`: there is no place {cuont}. Did you mean count? There are: "
            "{count}.\n"
            "speech.toml:6: `template.critical` never says what failed. Write {title} into it.\n"
            "speech.toml:7: `template.error`: a place may not stand in <sub>, which holds no tags. "
            "Write it outside.\n"
            "speech.toml:8: `template.warning`: SSML, character 10: `rate` may not be "
            "\"{title}\", but: x-slow, slow, medium, fast, x-fast; or as 80%, from 20% to 200%.\n"
            "speech.toml:9: `template.info`: SSML, character 1: <speak> may not stand in "
            "<speak>.\n"
            "speech.toml:10: unknown key `fatal` in [template]. There are: critical, error, "
            "warning, info.\n"
            "readings.toml:1: `db` is a section here. A word with a dot, or with anything but A-Z "
            "a-z 0-9 _ -, stands in quotes: \"db.example\" = \"…\". There are no sections.\n"
            "readings.toml:2: the reading of `x` must be a text in quotes, one line of at most 100 "
            "characters with something to say in it.\n"
            "readings.toml:4: `Db` stands twice (capitals do not count). Keep one.\n"
            "readings.toml:5: `!` is no word: one line of at most 100 characters, not only "
            "punctuation.");
}

TEST_F(SpeechFiles, NotToml) {
  write("readings.toml", "\n基盤 = きばん\n");
  EXPECT_TRUE(problems().starts_with("readings.toml:2: not TOML: ")) << problems();
  EXPECT_NE(problems().find("\"基盤\" = \"きばん\""), std::string::npos) << problems();
  write("readings.toml", "");
  fs::create_directory(directory_ / "speech.toml");
  EXPECT_TRUE(problems().starts_with("speech.toml: cannot be read.")) << problems();
}

// Any alarm, any dictionary: well-formed, within its length, and fit for each voice.
class Alarms {
 public:
  explicit Alarms(unsigned seed) : random_(seed) {}
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

  std::string text() {
    static const std::vector<std::string> parts{"a",
                                                "DB",
                                                "基盤",
                                                "障害",
                                                " ",
                                                "\n",
                                                "<",
                                                "&",
                                                ">",
                                                "\"",
                                                "'",
                                                "。",
                                                ". ",
                                                "、",
                                                "{title}",
                                                "{",
                                                "https://u:p@h.example:1/x?y",
                                                "3f2a9c4e1b2c4d5e",
                                                "\x01",
                                                "\x1b[1m",
                                                "\xff",
                                                "\xe3\x81",
                                                "😀",
                                                "é",
                                                "e\u0301",
                                                "</speak>",
                                                "<break/>",
                                                "]]>",
                                                "&#0;",
                                                "\tat a.B(C.java:1)\n",
                                                "か\u3099",
                                                "//",
                                                "\u202e",
                                                "\uFFFE",
                                                "12345678901234567890",
                                                "-",
                                                "----"};
    const int size = below(8) == 0 ? 400 : below(20);
    std::string out;
    for (int i = 0; i < size; ++i) {
      out += below(5) == 0 ? std::string(1, static_cast<char>(below(256)))
                           : parts[below(static_cast<int>(parts.size()))];
    }
    return out;
  }

  Incident incident() {
    Incident out;
    out.key = text();
    out.title = text();
    out.text = below(4) == 0 ? out.title + text() : text();
    out.severity = static_cast<Severity>(below(4));
    if (below(2)) out.labels["host"] = text();
    if (below(2)) out.labels["instance"] = text();
    return out;
  }

  Speech speech() {
    Speech out = default_speech(below(2) ? "ja" : "en");
    out.characters_max = 100U + static_cast<unsigned>(below(600));
    for (int i = below(6); i > 0; --i) {
      const std::string spoken = text();
      // A password in the dictionary is said; one in an alarm must not be.
      if (spoken.find('@') == spoken.npos) out.readings.words.emplace_back(text(), spoken);
    }
    return out;
  }

 private:
  std::mt19937 random_;
};

TEST(Speech, AnyAlarmIsWellFormedAndShortForEveryVoice) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("MINATO_SEED=" + std::to_string(seed));
  Alarms alarms(seed);
  for (int i = 0; i < 3'000; ++i) {
    const Speech speech = alarms.speech();
    std::vector<Incident> group;
    for (int k = alarms.below(3); k >= 0; --k) group.push_back(alarms.incident());
    const std::string out = message(speech, group);
    const auto tree = parse_ssml(out);
    ASSERT_TRUE(tree) << tree.error().message << "\n" << out;
    const std::size_t menu = count_code_points(speech.menu);
    EXPECT_LE(spoken_characters(*tree), speech.characters_max + menu) << out;
    EXPECT_LE(count_code_points(out), 6'000U);
    EXPECT_EQ(parse_ssml(rewrite(out, Ssml::polly_standard).value_or("")), *tree);
    const auto neural = rewrite(out, Ssml::polly_neural);
    ASSERT_TRUE(neural);
    EXPECT_EQ(neural->find("<emphasis"), std::string::npos);
    const auto text = rewrite(out, Ssml::none);
    ASSERT_TRUE(text);
    EXPECT_NE(text->find(speech.menu.substr(0, 10)), std::string::npos);
    EXPECT_EQ(text->find("u:p@"), std::string::npos) << *text;
  }
}

}  // namespace
}  // namespace minato::oncall
