// `minato check` on files as people write them, with the engine's parser.
#include <gtest/gtest.h>

#include <fstream>

#include "lake/tests/fixture.h"
#include "marts/check.h"
#include "marts/lineage.h"

namespace minato::marts {
namespace {

namespace fs = std::filesystem;

class CheckTest : public ::testing::Test {
 protected:
  CheckTest() {
    char name[] = "/tmp/minato-check-XXXXXX";
    options.platform = mkdtemp(name);
    options.tables = {{"shop", "orders"}, {"shop", "items"}};
  }
  ~CheckTest() override { fs::remove_all(options.platform); }
  void write(const std::string& file, const std::string& text) {
    fs::create_directories((options.platform / file).parent_path());
    std::ofstream(options.platform / file) << text;
  }
  std::vector<std::string> found() {
    std::vector<std::string> out;
    const auto findings = check(options, engine);
    EXPECT_TRUE(findings.has_value());
    for (const Finding& finding : *findings) out.push_back(display(finding));
    return out;
  }
  lake::Engine engine = lake::testing::open_plain_engine();
  CheckOptions options;
};

TEST_F(CheckTest, GoodFilesHaveNoFindings) {
  write("marts/sales/daily.sql",
        "-- refresh: 10s\nWITH o AS (SELECT * FROM shop.orders)\n"
        "SELECT a.id FROM o AS a JOIN minato.shop.items USING (id), range(3); -- done\n");
  write("marts/sales/top.sql", "FROM daily ORDER BY 1 LIMIT 10");
  write("marts/売上/日次.sql", "SELECT * FROM Sales.\"Daily\" UNION ALL SELECT * FROM sales.top");
  EXPECT_EQ(found(), std::vector<std::string>{});
}

TEST_F(CheckTest, SaysWhatIsWrongWithPlaceAndRemedy) {
  write("marts/s/typo.sql", "SELECT *\nFROM shop.ordes");
  write("marts/s/syntax.sql", "SELECT 1,\n  FROM WHERE");
  write("marts/s/file.sql", "SELECT * FROM read_csv('/etc/passwd')");
  write("marts/s/insert.sql", "INSERT INTO shop.orders VALUES (1)");
  write("marts/s/param.sql", "SELECT * FROM shop.orders WHERE id = $1");
  write("marts/s/other.sql", "SELECT * FROM elsewhere.shop.orders");
  const auto all = found();
  ASSERT_EQ(all.size(), 6U);
  EXPECT_TRUE(all[0].starts_with("marts/s/file.sql: A mart cannot use read_csv()")) << all[0];
  EXPECT_TRUE(all[1].starts_with("marts/s/insert.sql:")) << all[1];
  EXPECT_TRUE(all[2].starts_with("marts/s/other.sql:1: ")) << all[2];
  EXPECT_TRUE(all[3].starts_with("marts/s/param.sql: A mart has no parameters")) << all[3];
  EXPECT_TRUE(all[4].starts_with("marts/s/syntax.sql:2: ")) << all[4];
  EXPECT_EQ(all[5], "marts/s/typo.sql:2: There is no table shop.ordes. Did you mean shop.orders?");
  options.patterns = {"shop.orde%"};  // may be captured later
  EXPECT_EQ(found().size(), 5U);
  options.tables.reset();
  EXPECT_EQ(found().size(), 5U);
}

TEST_F(CheckTest, CyclesAndNames) {
  write("marts/s/a.sql", "SELECT * FROM s.b");
  write("marts/s/b.sql", "SELECT * FROM s.a");
  write("marts/s/c.sql", "SELECT * FROM shop.orders");
  write("marts/s/C.sql", "SELECT * FROM shop.orders");
  const auto all = found();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_TRUE(all[0].find("s.a → s.b → s.a") != std::string::npos ||
              all[1].find("s.a → s.b → s.a") != std::string::npos);
  EXPECT_TRUE(all[0].find("upper and lower case") != std::string::npos ||
              all[1].find("upper and lower case") != std::string::npos);
}

}  // namespace
}  // namespace minato::marts
