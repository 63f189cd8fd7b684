// Cutting text into statements, recognising commands, places in messages.
#include "sql/statement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/scan.h"

namespace minato::sql {
namespace {

using testing::ElementsAre;

std::vector<std::string> split(std::string_view text) {
  auto out = split_statements(text);
  EXPECT_TRUE(out) << describe(out.error());
  return out ? *out : std::vector<std::string>{};
}

TEST(Split, CutsAtSemicolonsOutsideOfQuotes) {
  EXPECT_THAT(split("SELECT 1; SELECT 2"), ElementsAre("SELECT 1", "SELECT 2"));
  EXPECT_THAT(split(" SELECT ';' ; SELECT \"a;b\" ;; "),
              ElementsAre("SELECT ';'", "SELECT \"a;b\""));
  EXPECT_THAT(split("SELECT 'it''s;'"), ElementsAre("SELECT 'it''s;'"));
  EXPECT_THAT(split("SELECT E'\\';' ; x"), ElementsAre("SELECT E'\\';'", "x"));
  EXPECT_THAT(split(R"(SELECT '\' ; x)"), ElementsAre(R"(SELECT '\')", "x"));
}

TEST(Split, KnowsDollarQuotesAndParameters) {
  EXPECT_THAT(split("SELECT $$;$$; y"), ElementsAre("SELECT $$;$$", "y"));
  EXPECT_THAT(split("SELECT $a$ $$;$b$ $a$; y"), ElementsAre("SELECT $a$ $$;$b$ $a$", "y"));
  EXPECT_THAT(split("SELECT $1;SELECT $2"), ElementsAre("SELECT $1", "SELECT $2"));
  EXPECT_THAT(split("SELECT 1$$;$$; y"), ElementsAre("SELECT 1$$;$$", "y"));
  EXPECT_THAT(split("SELECT 1e5, 1.5e-3, 0x1F, 1_000; y"),
              ElementsAre("SELECT 1e5, 1.5e-3, 0x1F, 1_000", "y"));
  EXPECT_THAT(split("SELECT a$b$c; y$b$"), ElementsAre("SELECT a$b$c", "y$b$"));
}

TEST(Split, KnowsComments) {
  EXPECT_THAT(split("SELECT 1 -- ; no\n, 2; y"), ElementsAre("SELECT 1 -- ; no\n, 2", "y"));
  EXPECT_THAT(split("SELECT /* ; /* ; */ ; */ 1"), ElementsAre("SELECT /* ; /* ; */ ; */ 1"));
  EXPECT_THAT(split("-- nothing\n; /* here */ ;"), ElementsAre());
  EXPECT_THAT(split("-- why\nSELECT 1"), ElementsAre("-- why\nSELECT 1"));
  EXPECT_THAT(split(""), ElementsAre());
}

TEST(Split, SaysWhereAQuoteWasLeftOpen) {
  const auto open = split_statements("SELECT 1,\n  'abc");
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().message,
            "line 2, column 3: the text that begins with ' here has no closing '.");
  EXPECT_FALSE(split_statements("SELECT \"a"));
  EXPECT_FALSE(split_statements("/* /* */"));
  EXPECT_FALSE(split_statements("$x$ ; $y$"));
}

TEST(Scan, UnicodeSpacesBecomePlainOnes) {
  EXPECT_EQ(*plain_text("SELECT\u3000'\u3000',\u00A0\"\u3000\""), "SELECT   '\u3000',  \"\u3000\"");
  EXPECT_EQ(*plain_text("SELECT 売上\u3000FROM 表"), "SELECT 売上   FROM 表");
  EXPECT_EQ(*plain_text("SELECT/*\n*/1 /* '/* */ */"), "SELECT  \n  1             ");
  EXPECT_EQ(display(place_of("あい\nう x", 10)), "line 2, column 2");
}

TEST(Recognise, Commands) {
  const auto is = [](std::string_view text) { return *recognise(text); };
  EXPECT_EQ(is("/* x */ begin read only").kind, StatementKind::begin);
  EXPECT_EQ(is("START TRANSACTION").kind, StatementKind::begin);
  EXPECT_EQ(is("commit work").kind, StatementKind::commit);
  EXPECT_EQ(is("END").kind, StatementKind::commit);
  EXPECT_EQ(is("ROLLBACK").kind, StatementKind::rollback);
  EXPECT_EQ(is("ROLLBACK TO a").kind, StatementKind::other);
  EXPECT_EQ(is("DISCARD ALL").kind, StatementKind::discard);
  EXPECT_EQ(is("").kind, StatementKind::empty);
  EXPECT_EQ(is("COPY x TO 'y'").kind, StatementKind::other);
  EXPECT_EQ(is("COPY x TO 'y'").verb, "COPY");
  EXPECT_EQ(is("(select 1)").kind, StatementKind::query);
  EXPECT_EQ(is("with a as (select 1) from a").kind, StatementKind::query);
  EXPECT_EQ(is("SHOW TABLES").kind, StatementKind::query);
  EXPECT_EQ(is("commit ; -- done").kind, StatementKind::commit);
  EXPECT_FALSE(recognise("commit; drop table x"));
  EXPECT_FALSE(recognise("begin; drop table x"));
}

TEST(Recognise, Settings) {
  const auto set = *recognise("SET SESSION datestyle TO 'ISO', MDY");
  EXPECT_EQ(set.kind, StatementKind::set);
  EXPECT_EQ(set.name, "datestyle");
  EXPECT_EQ(set.value, "ISO, MDY");
  EXPECT_EQ(recognise("set extra_float_digits = -3")->value, "-3");
  EXPECT_EQ(recognise("set statement_timeout to 10s")->value, "10s");
  EXPECT_EQ(recognise("SET TIME ZONE 'Asia/Tokyo'")->name, "timezone");
  EXPECT_EQ(recognise("SET timezone = DEFAULT")->value, "default");
  EXPECT_EQ(recognise("SET x")->kind, StatementKind::other);
  EXPECT_EQ(recognise("SHOW server_version")->kind, StatementKind::show);
  EXPECT_EQ(recognise("SHOW transaction isolation level")->name, "transaction_isolation");
  EXPECT_EQ(recognise("RESET ALL")->name, "all");
  EXPECT_EQ(recognise("DEALLOCATE PREPARE \"X\"")->name, "X");
  const auto explain = *recognise("explain analyze select 1");
  EXPECT_EQ(explain.kind, StatementKind::explain);
  EXPECT_TRUE(explain.analyze);
  EXPECT_EQ(explain.inner, "select 1");
}

}  // namespace
}  // namespace minato::sql
