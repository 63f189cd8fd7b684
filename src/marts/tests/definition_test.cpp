// Mart files: names, options, one statement; what changed in the directory.
#include <gtest/gtest.h>

#include <fstream>

#include "marts/definition.h"

namespace minato::marts {
namespace {

namespace fs = std::filesystem;

Finding finding(const std::string& file, std::string_view text) {
  const auto parsed = parse_definition(file, text);
  EXPECT_FALSE(parsed.has_value()) << text;
  return parsed ? Finding{} : parsed.error();
}

TEST(Definition, NameOptionsStatement) {
  const auto mart = parse_definition("marts/売上/日次.sql",
                                     "\xEF\xBB\xBF-- Daily sales. Note: closes at night.\n"
                                     "-- refresh: 5 min\n\nSELECT 1 AS a; -- end\n");
  ASSERT_TRUE(mart.has_value());
  EXPECT_EQ(mart->name, (TableName{"売上", "日次"}));
  EXPECT_EQ(mart->refresh_seconds, 300);
  EXPECT_EQ(mart->sql.substr(0, 13), "SELECT 1 AS a");
}

TEST(Definition, TheHashIsOfTheStatement) {
  const auto hash = [](std::string_view text) {
    return parse_definition("marts/s/a.sql", text).value().hash;
  };
  EXPECT_EQ(hash("-- refresh: 5s\n/* x */ select 1"), hash("select 1;\n"));
  EXPECT_NE(hash("select 1"), hash("select 2"));
}

TEST(Definition, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(finding("marts/s/a.sql", "select 1;\n\nselect 2").line, 3);
  EXPECT_EQ(finding("marts/s/a.sql", "-- just a comment").line, 1);
  const Finding typo = finding("marts/s/a.sql", "-- x\n-- refesh: 5s\nselect 1");
  EXPECT_EQ(typo.line, 2);
  EXPECT_EQ(typo.suggestion, "Write -- refresh: 5s");
  EXPECT_EQ(finding("marts/s/a.sql", "-- refresh: soon\nselect 1").line, 1);
  EXPECT_NE(finding("marts/a.sql", "select 1").suggestion, "");
  EXPECT_NE(finding("marts/s/t/a.sql", "select 1").message, "");
  EXPECT_NE(finding("marts/pg_catalog/a.sql", "select 1").message, "");
  EXPECT_NE(finding("marts/s/a.sql", "select '\xff'").message, "");
  EXPECT_NE(finding("marts/s/a.sql", "select '\xe3\x81").message, "");
  EXPECT_NE(finding("marts/s/a.sql", "select 'open").message, "");
}

TEST(Definition, Durations) {
  EXPECT_EQ(parse_duration("30s"), 30);
  EXPECT_EQ(parse_duration(" 2 h "), 7200);
  EXPECT_EQ(parse_duration("1d"), 86400);
  for (const char* wrong : {"", "s", "0s", "-5s", "5", "5 weeks", "99999999999s", "999999999d"}) {
    EXPECT_FALSE(parse_duration(wrong).has_value()) << wrong;
  }
}

class FolderTest : public ::testing::Test {
 protected:
  FolderTest() {
    char name[] = "/tmp/minato-folder-XXXXXX";
    root = mkdtemp(name);
  }
  ~FolderTest() override { fs::remove_all(root); }
  void write(const std::string& file, const std::string& text) {
    fs::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  }
  fs::path root;
};

TEST_F(FolderTest, TellsWhatChanged) {
  Folder folder(root);
  EXPECT_EQ(folder.poll().error().code, Code::unavailable);
  write("marts/s/a.sql", "select 1");
  write("marts/s/b.sql", "select 1; select 2");
  write("marts/s/.hidden.sql", "x");
  write("marts/s/notes.txt", "x");
  write("marts/stray.sql", "select 1");
  auto changes = folder.poll().value();
  ASSERT_EQ(changes.changed.size(), 1U);
  EXPECT_EQ(changes.changed[0].file, "marts/s/a.sql");
  ASSERT_EQ(changes.broken.size(), 1U);
  EXPECT_EQ(changes.broken[0].first, (TableName{"s", "b"}));
  EXPECT_EQ(changes.stray.size(), 1U);
  EXPECT_TRUE(folder.poll().value().empty());
  write("marts/s/a.sql", "select 12345");
  write("marts/s/b.sql", "select 2");
  EXPECT_TRUE(folder.poll().value().empty());  // still being written, perhaps
  EXPECT_TRUE(folder.unsettled());
  write("marts/s/b.sql", "select 2 as two");
  changes = folder.poll().value();
  ASSERT_EQ(changes.changed.size(), 1U);
  EXPECT_EQ(changes.changed[0].text, "select 12345");
  changes = folder.poll().value();
  ASSERT_EQ(changes.changed.size(), 1U);
  EXPECT_EQ(changes.changed[0].text, "select 2 as two");
  EXPECT_FALSE(folder.unsettled());
  // An editor that moves the old file away first.
  fs::rename(root / "marts/s/a.sql", root / "marts/s/a.sql~");
  EXPECT_TRUE(folder.poll().value().empty());
  fs::rename(root / "marts/s/a.sql~", root / "marts/s/a.sql");
  EXPECT_TRUE(folder.poll().value().empty());
  EXPECT_TRUE(folder.poll().value().empty());
  fs::remove(root / "marts/s/a.sql");
  EXPECT_TRUE(folder.poll().value().empty());
  EXPECT_TRUE(folder.unsettled());
  changes = folder.poll().value();
  ASSERT_EQ(changes.removed.size(), 1U);
  EXPECT_EQ(changes.removed[0], (TableName{"s", "a"}));
  // A directory that cannot be listed removes nothing.
  fs::rename(root / "marts", root / "away");
  EXPECT_FALSE(folder.poll().has_value());
  fs::rename(root / "away", root / "marts");
  EXPECT_TRUE(folder.poll().value().empty());
}

}  // namespace
}  // namespace minato::marts
