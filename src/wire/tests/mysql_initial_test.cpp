// Goal: what a new column holds in the rows that are there is told only where it is certain.
// Method: statements and the value that the source's manual promises; tests/e2e/test_ddl.py
// compares with the source itself.
#include "wire/mysql_initial.h"

#include <gtest/gtest.h>

#include <array>

namespace minato::wire {
namespace {

/// "NULL", the text, or "?" where it is not certain.
std::string initial(const std::string& definition, const std::string& charset = "utf8mb4",
                    std::string_view time_zone = "SYSTEM") {
  DdlStatement statement = parse_ddl("ALTER TABLE t ADD COLUMN c " + definition, "d", 0);
  if (statement.kind != DdlStatement::Kind::alter_table) return "unreadable";
  ColumnDefinition& column = statement.actions.at(0).column;
  if (has_charset(column.type.kind) && column.type.charset.empty()) column.type.charset = charset;
  const auto value = initial_value(column, {1709251199, time_zone});  // 2024-02-29 23:59:59
  if (!value) return "?";
  return value->text ? *value->text : "NULL";
}

struct Case {
  const char* definition;
  const char* value;
};

TEST(MysqlInitial, ConstantsThatTheTypeHolds) {
  for (const auto& [definition, value] : std::to_array<Case>({
           {"INT", "NULL"},
           {"INT DEFAULT NULL", "NULL"},
           {"INT DEFAULT 5", "5"},
           {"INT NOT NULL DEFAULT -17 COMMENT 'x'", "-17"},
           {"INT DEFAULT '007' AFTER b", "7"},
           {"INT DEFAULT +3, ADD d INT", "3"},
           {"INT DEFAULT 2.0", "2"},
           {"TINYINT(1) NOT NULL DEFAULT TRUE", "1"},
           {"BOOL DEFAULT false", "0"},
           {"TINYINT UNSIGNED DEFAULT 255", "255"},
           {"BIGINT UNSIGNED DEFAULT 18446744073709551615", "18446744073709551615"},
           {"BIGINT DEFAULT -9223372036854775808", "-9223372036854775808"},
           {"MEDIUMINT DEFAULT 8388607", "8388607"},
           {"BIT(1) DEFAULT b'1'", "true"},
           {"BIT DEFAULT 0", "false"},
           {"DECIMAL(9,2) DEFAULT 1.25", "1.25"},
           {"DECIMAL(9,2) DEFAULT '-0.5'", "-0.5"},
           {"DOUBLE NOT NULL DEFAULT 0.0", "0"},
           {"FLOAT(7,2) DEFAULT -12", "-12"},
           {"YEAR DEFAULT 2026", "2026"},
           {"DATE DEFAULT '2024-02-29'", "2024-02-29"},
           {"DATE NOT NULL DEFAULT '0000-00-00'", "NULL"},
           {"DATETIME DEFAULT '2026-01-02 03:04:05'", "2026-01-02 03:04:05"},
           {"DATETIME(6) DEFAULT '2026-01-02'", "2026-01-02"},
           {"TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00'", "NULL"},
           {"TIMESTAMP NULL", "NULL"},
           {"TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE NOW()",
            "2024-02-29T23:59:59.000Z"},
           {"TIMESTAMP(0) DEFAULT now(0) COMMENT 'x'", "2024-02-29T23:59:59.000Z"},
           {"VARCHAR(10) DEFAULT ''", ""},
           {"VARCHAR(10) DEFAULT 'it''s' NOT NULL", "it's"},
           {"VARCHAR(5) DEFAULT 'あいうえお'", "あいうえお"},
           {"TEXT DEFAULT 'a\\nb'", "a\nb"},
           {"VARCHAR(9) DEFAULT '\\%\\_'", "\\%\\_"},
           {"ENUM('a','b') DEFAULT 'b'", "b"},
           {"SET('a','b') NOT NULL DEFAULT ''", ""},
       })) {
    EXPECT_EQ(initial(definition), value) << definition;
  }
}

TEST(MysqlInitial, WithoutDefaultButNotNull) {
  for (const auto& [definition, value] : std::to_array<Case>({
           {"INT NOT NULL", "0"},
           {"DECIMAL(5,2) NOT NULL", "0"},
           {"VARCHAR(9) NOT NULL", ""},
           {"ENUM('x','y') NOT NULL", "x"},
           {"DATE NOT NULL", "NULL"},
           {"BIT(1) NOT NULL", "false"},
           {"TIMESTAMP NOT NULL", "?"},
           {"BLOB NOT NULL", "?"},
           {"INT NOT NULL AUTO_INCREMENT UNIQUE", "?"},
           {"INT PRIMARY KEY", "?"},
       })) {
    EXPECT_EQ(initial(definition), value) << definition;
  }
}

TEST(MysqlInitial, WhatIsNotCertain) {
  for (const char* definition : {
           "INT DEFAULT (1 + 1)",
           "INT DEFAULT 1.5",
           "INT DEFAULT 1e3",
           "INT DEFAULT 2147483648",
           "INT UNSIGNED DEFAULT -1",
           "INT DEFAULT ''",
           "INT DEFAULT 'x'",
           "INT DEFAULT x'41'",
           "INT AS (a + 1)",
           "BIT(8) DEFAULT b'101'",
           "DECIMAL(5,1) DEFAULT 1.25",
           "DECIMAL(50,1) DEFAULT 1.5",
           "DOUBLE DEFAULT 0.1",
           "YEAR DEFAULT 26",
           "DATE DEFAULT '2026-02-29'",
           "DATE DEFAULT '26-1-1'",
           "DATE DEFAULT '0999-01-01'",
           "DATE DEFAULT '2026-01-02 03:04:05'",
           "DATETIME DEFAULT '2026-01-02 24:00:00'",
           "DATETIME DEFAULT ' 2026-1-2 03:04:05'",
           "DATETIME DEFAULT '2026-01-02T03:04:05'",
           "DATETIME DEFAULT CURRENT_TIMESTAMP",
           "DATETIME DEFAULT '2026-01-02 03:04:05.5'",
           "TIMESTAMP DEFAULT '2026-01-02 03:04:05'",
           "TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6)",
           "TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP",
           "TIMESTAMP",
           "TIME DEFAULT '01:00:00'",
           "VARCHAR(3) DEFAULT 'abcd'",
           "VARCHAR(9) DEFAULT 'a '",
           "VARCHAR(9) DEFAULT 5",
           "VARCHAR(9) DEFAULT _latin1'a'",
           "VARCHAR(9) DEFAULT 'a' 'b'",
           "VARCHAR(9) DEFAULT 'a\\0'",
           "VARCHAR(9) CHARACTER SET latin1 DEFAULT '名'",
           "VARCHAR(9) CHARACTER SET utf8mb3 DEFAULT '🍣'",
           "VARBINARY(9) DEFAULT 'a'",
           "ENUM('a','b') DEFAULT 'B'",
           "ENUM('a','b') DEFAULT 2",
           "SET('a','b') DEFAULT 'b,a'",
           "UUID DEFAULT UUID()",
       }) {
    EXPECT_EQ(initial(definition), "?") << definition;
  }
}

TEST(MysqlInitial, TimesInTheSessionsZone) {
  const auto at = [](const std::string& definition, std::string_view zone) {
    return initial(definition, "utf8mb4", zone);
  };
  const std::string now = "DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP";
  EXPECT_EQ(at(now, "+09:00"), "2024-03-01 08:59:59");
  EXPECT_EQ(at(now, "-01:30"), "2024-02-29 22:29:59");
  EXPECT_EQ(at(now, "Asia/Tokyo"), "2024-03-01 08:59:59");
  EXPECT_EQ(at(now, "UTC"), "2024-02-29 23:59:59");
  EXPECT_EQ(at("DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6)", "UTC"), "?");
  EXPECT_EQ(at("DATE DEFAULT CURRENT_TIMESTAMP", "UTC"), "?");
  for (const char* zone : {"SYSTEM", "", "../etc/passwd", "right/UTC", "Not/There", "+9:00"}) {
    EXPECT_EQ(at(now, zone), "?") << zone;
  }
  const std::string noon = "TIMESTAMP NULL DEFAULT '2026-01-02 12:00:00'";
  EXPECT_EQ(at(noon, "+09:00"), "2026-01-02T03:00:00.000Z");
  EXPECT_EQ(at(noon, "America/New_York"), "2026-01-02T17:00:00.000Z");
  EXPECT_EQ(at("TIMESTAMP DEFAULT '2026-01-02'", "+09:00"), "2026-01-01T15:00:00.000Z");
  // Twice, or never, on that day.
  EXPECT_EQ(at("TIMESTAMP DEFAULT '2026-11-01 01:30:00'", "America/New_York"), "?");
  EXPECT_EQ(at("TIMESTAMP DEFAULT '2026-03-08 02:30:00'", "America/New_York"), "?");
}

TEST(MysqlInitial, OtherCharsets) {
  for (const char* charset : {"latin1", "cp932", "eucjpms", "utf8mb3", "ascii"}) {
    EXPECT_EQ(initial("VARCHAR(9) DEFAULT 'new'", charset), "new") << charset;
  }
  EXPECT_EQ(initial("VARCHAR(9) DEFAULT '名'", "utf8mb3"), "名");
  EXPECT_EQ(initial("VARCHAR(9) DEFAULT 'x'", "big5"), "?");  // not read at all
}

}  // namespace
}  // namespace minato::wire
