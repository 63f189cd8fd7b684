// The attempts of tests/sql/escapes.sql through a real gate, by both query protocols: each ends in
// an error that tells nothing, and the session lives on.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "gate/tests/fixture.h"
#include "sql/statement.h"
#include "sql/tests/gate_engine.h"

namespace minato::gate::testing {
namespace {

using sql::testing::marker;
using sql::testing::replaced;

class GateEscapes : public ::testing::Test {
 protected:
  GateEscapes() : gate_(platform_), directory_(platform_.postgres.directory() + "/outside") {
    std::filesystem::create_directory(directory_);
    for (const char* name : {"/secret.txt", "/secret.csv"}) {
      std::ofstream(directory_ + name) << "name,value\na," << marker << "\n";
    }
    platform_.run("COPY (SELECT 'a' AS name, '" + std::string(marker) + "' AS value) TO '" +
                  directory_ + "/secret.parquet'");
    auto connection = platform_.postgres.connect();
    EXPECT_TRUE(connection.script("update minato.account set verifier = verifier || '" +
                                  std::string(marker) + "' where name = 'ops'"));
  }
  /// The texts of an error, or "" when the statement went through.
  static std::string error_of(const Client::ResultPtr& result) {
    const auto status = PQresultStatus(result.get());
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) return "";
    return std::string("E") + PQresultErrorMessage(result.get());
  }

  PrivatePlatform platform_;
  PrivateGate gate_;
  std::string directory_;
};

TEST_F(GateEscapes, EndInErrorsThatTellNothing) {
  Client clerk(gate_);
  ASSERT_TRUE(clerk.ok()) << clerk.error();
  for (const auto& attempt : sql::testing::read_samples("escapes.sql", "attempt")) {
    std::string text =
        replaced(replaced(attempt.text, "{file}", directory_ + "/secret.txt"), "{dir}", directory_);
    text = replaced(text, "{lake}", platform_.data());
    SCOPED_TRACE(attempt.name + ": " + text);
    for (const bool extended : {false, true}) {
      const Client::ResultPtr result =
          extended ? Client::ResultPtr(PQexecParams(clerk.handle(), text.c_str(), 0, nullptr,
                                                    nullptr, nullptr, nullptr, 0),
                                       &PQclear)
                   : clerk.query(text);
      const std::string error = error_of(result);
      EXPECT_NE(error, "") << "carried out";
      EXPECT_EQ(error.find(marker), std::string::npos) << error;
      EXPECT_EQ(error.find("SCRAM"), std::string::npos) << error;
      ASSERT_EQ(PQstatus(clerk.handle()), CONNECTION_OK) << error;
      // Some attempts begin a transaction before they fail.
      if (PQtransactionStatus(clerk.handle()) != PQTRANS_IDLE) clerk.query("ROLLBACK");
    }
  }
  EXPECT_EQ(clerk.value("SELECT count(*) FROM shop.orders"), "100000");
}

}  // namespace
}  // namespace minato::gate::testing
