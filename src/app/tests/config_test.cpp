// minato.toml: what is wrong is said with its line and a suggestion; commands change it without
// destroying it.
#include "app/config/config.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "app/config/edit.h"

namespace minato::app {
namespace {

std::string problems(const std::string& text) {
  Config config;
  std::string out;
  for (const Problem& problem : parse_config(text, "minato.toml", config))
    out += to_string(problem) + "\n";
  return out;
}

constexpr const char* kSource =
    "[[source]]\nname = \"shop\"\nurl = \"mysql://u@h:3306/\"\npassword_file = \"p\"\ntables = "
    "[\"shop.%\"]\n";

TEST(Config, EmptyIsAllDefaults) {
  Config config;
  EXPECT_TRUE(parse_config("", "minato.toml", config).empty());
  EXPECT_EQ(config.gate.port, 5439);
  EXPECT_EQ(config.http.port, 8750);
  EXPECT_TRUE(config.lake.embedded());
}

TEST(Config, ReadsEverything) {
  Config config;
  const std::string text = std::string(
                               "[lake]\ndata = \"s3://b/p\"\n[lake.s3]\nendpoint = \"e\"\n"
                               "access_key_file = \"a\"\nsecret_key_env = \"S\"\nuse_ssl = false\n"
                               "[gate]\nport = 1\n[marts]\nworkers = 3\n") +
                           kSource;
  EXPECT_EQ(problems(text), "");
  parse_config(text, "minato.toml", config);
  EXPECT_TRUE(config.lake.on_s3());
  EXPECT_EQ(config.lake.s3.secret_key.env, "S");
  EXPECT_FALSE(config.lake.s3.use_ssl);
  EXPECT_EQ(config.marts.workers, 3);
  ASSERT_EQ(config.sources.size(), 1U);
  EXPECT_EQ(config.sources[0].tables, std::vector<std::string>{"shop.%"});
}

TEST(Config, UnknownKeysGetASuggestion) {
  EXPECT_EQ(problems("\n[gaet]\nport = 1\n"),
            "minato.toml:2: unknown key `gaet`. Did you mean `gate`?\n");
  EXPECT_EQ(problems("[gate]\nprot = 1\n"),
            "minato.toml:2: unknown key `prot` in [gate]. Did you mean `port`?\n");
  EXPECT_NE(problems("[gate]\nxyzzy = 1\n").find("There are: idle_timeout_seconds, listen, port, "),
            std::string::npos);
}

TEST(Config, WrongValuesSayWhatIsRight) {
  EXPECT_NE(
      problems("[gate]\nport = 70000\n").find("minato.toml:2: `gate.port` must be a whole number"),
      std::string::npos);
  EXPECT_NE(problems("[gate]\nport = \"5439\"\n").find("whole number"), std::string::npos);
  EXPECT_NE(problems("[log]\nlevel = \"loud\"\n").find("\"debug\", \"info\""), std::string::npos);
  EXPECT_NE(problems("[lake]\ncatalog = \"mysql://x\"\n").find("embedded"), std::string::npos);
  EXPECT_NE(problems("[gate\nport = 1\n").find("minato.toml:1: not TOML"), std::string::npos);
}

TEST(Config, SecretsDoNotStandInTheFile) {
  EXPECT_NE(problems("[[source]]\nname=\"a\"\nurl=\"u\"\npassword=\"x\"\ntables=[\"a.b\"]\n")
                .find("minato.toml:4"),
            std::string::npos);
  EXPECT_NE(
      problems("[lake]\ncatalog = \"postgres://u:secret@h/d\"\n").find("catalog_password_file"),
      std::string::npos);
}

TEST(Config, SourcesAreComplete) {
  EXPECT_NE(problems("[[source]]\n").find("has no name"), std::string::npos);
  EXPECT_NE(problems(std::string(kSource) + kSource).find("a second source is named \"shop\""),
            std::string::npos);
  EXPECT_NE(problems("[[source]]\nname=\"a\"\nurl=\"u\"\ntables=[\"shop\"]\n").find("\"shop.%\""),
            std::string::npos);
}

TEST(Config, TwoListenersNeedTwoPorts) {
  EXPECT_NE(problems("[gate]\nport = 7\n[http]\nport = 7\n").find("same port"), std::string::npos);
}

TEST(Edit, AddAndRemoveKeepTheRest) {
  const std::string before =
      "# mine\n[gate] # here\nport = 1\n\n# the old one\n[[source]]\nname = \"old\"\n"
      "url = \"u\"\ntables = [\n  \"a.%\", # all\n]\n\n# about http\n[http]\nport = 2\n";
  SourceConfig source{.name = "second", .url = "mysql://u@h/", .tables = {"a.%", "b.c"}};
  source.password.file = "p";
  const std::string added = add_source(before, source);
  EXPECT_TRUE(added.starts_with(before));
  Config config;
  ASSERT_TRUE(parse_config(added, "f", config).empty());
  ASSERT_EQ(config.sources.size(), 2U);
  EXPECT_EQ(config.sources[1].name, "second");
  const auto removed = remove_source(added, config, "second");
  ASSERT_TRUE(removed);
  EXPECT_EQ(*removed, before);
  Config small;
  ASSERT_TRUE(parse_config(before, "f", small).empty());
  const auto rest = remove_source(before, small, "old");
  ASSERT_TRUE(rest);
  EXPECT_EQ(*rest, "# mine\n[gate] # here\nport = 1\n\n# about http\n[http]\nport = 2\n");
  const auto missing = remove_source(before, small, "new");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("There are: old."), std::string::npos);
}

TEST(Secret, FromFileOrEnvironment) {
  const std::filesystem::path directory = testing::TempDir();
  ASSERT_TRUE(write_file(directory / "a.password", "geheim\n", 0600));
  EXPECT_EQ(*read_secret({.file = "a.password"}, directory, "x"), "geheim");
  setenv("MINATO_TEST_SECRET", "other", 1);
  EXPECT_EQ(*read_secret({.env = "MINATO_TEST_SECRET"}, directory, "x"), "other");
  const auto missing = read_secret({.file = "b.password"}, directory, "The password");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("b.password"), std::string::npos);
}

}  // namespace
}  // namespace minato::app
