// A real gate on a private lake, spoken to by libpq.
#include <gtest/gtest.h>
#include <poll.h>

#include <iostream>

#include "gate/tests/fixture.h"

namespace minato::gate::testing {
namespace {

// Shared by all tests, and gone before exit(): the engine must not outlive the statics of its
// extensions.
struct Shared : ::testing::Environment {
  std::unique_ptr<PrivatePlatform> platform;
  std::unique_ptr<PrivateGate> gate;
  void TearDown() override {
    gate.reset();
    platform.reset();
  }
};
Shared* const shared =
    static_cast<Shared*>(::testing::AddGlobalTestEnvironment(new Shared));  // NOLINT: gtest owns it

PrivatePlatform& platform() {
  if (!shared->platform) shared->platform = std::make_unique<PrivatePlatform>();
  return *shared->platform;
}
PrivateGate& gate() {
  if (!shared->gate) shared->gate = std::make_unique<PrivateGate>(platform());
  return *shared->gate;
}

TEST(Gate, LogsIn) {
  Client clerk(gate());
  ASSERT_TRUE(clerk.ok()) << clerk.error();
  EXPECT_EQ(clerk.value("select count(*) from shop.orders"), "100000");
  EXPECT_TRUE(Client(gate(), "minato_admin", "keeper").ok());
}

TEST(Gate, RefusedLoginsLookAlike) {
  const std::string wrong = Client(gate(), "clerk", "wrong").error();
  EXPECT_NE(wrong.find("password authentication failed for user \"clerk\""), std::string::npos)
      << wrong;
  EXPECT_NE(Client(gate(), "nobody", "x")
                .error()
                .find("password authentication failed for user \"nobody\""),
            std::string::npos);
  EXPECT_FALSE(Client(gate(), "ops").ok()) << "disabled";
  const std::string database = Client(gate(), "clerk", password, "dbname=shop").error();
  EXPECT_NE(database.find("database \"shop\" does not exist"), std::string::npos) << database;
}

TEST(Gate, SimpleQueries) {
  Client clerk(gate());
  EXPECT_EQ(clerk.value(""), "ERROR ?");  // PGRES_EMPTY_QUERY
  EXPECT_EQ(clerk.value("select 1; select 2"), "2");
  EXPECT_EQ(clerk.value("select note from shop.orders where id = 42"), "order 42");
  EXPECT_EQ(clerk.value("select 1 +"), "ERROR 42601");
  EXPECT_EQ(clerk.value("selec 1"), "ERROR 42601");
  EXPECT_EQ(clerk.value("select nothing from shop.orders"), "ERROR 42703");
  EXPECT_EQ(clerk.value("select 1 from shop.nothing"), "ERROR 42P01");
  EXPECT_EQ(clerk.value("select 1 from shop.ordres"), "ERROR 42P01");
  EXPECT_NE(clerk.error().find("Did you mean shop.orders?"), std::string::npos) << clerk.error();
  EXPECT_EQ(clerk.value("select version()"), "PostgreSQL 15.0 (Minato)");
  EXPECT_EQ(clerk.value("show server_version"), "15.0 (Minato)");
  EXPECT_EQ(clerk.value("set statement_timeout = '2s'"), "SET");
  EXPECT_EQ(clerk.value("show statement_timeout"), "2s");
  EXPECT_EQ(clerk.value("set nonsense = 1"), "ERROR 42704");
  EXPECT_EQ(clerk.value("insert into shop.orders values (1)"), "ERROR 42501");
  EXPECT_EQ(clerk.value("select 1"), "1");
}

TEST(Gate, TransactionBlocks) {
  Client clerk(gate());
  EXPECT_EQ(clerk.value("begin"), "BEGIN");
  const std::string before = clerk.value("select count(*) from shop.orders");
  platform().run("INSERT INTO minato.shop.orders VALUES (1000000, 1, 'later', 1)");
  EXPECT_EQ(clerk.value("select count(*) from shop.orders"), before) << "one snapshot";
  EXPECT_EQ(Client(gate()).value("select count(*) from shop.orders"),
            std::to_string(std::stoi(before) + 1));
  EXPECT_EQ(clerk.value("commit"), "COMMIT");
  EXPECT_EQ(clerk.value("select count(*) from shop.orders"), std::to_string(std::stoi(before) + 1));
  platform().run("DELETE FROM minato.shop.orders WHERE id = 1000000");
  EXPECT_EQ(clerk.value("select count(*) from shop.orders"), before)
      << "new commits at the next statement";

  EXPECT_EQ(clerk.value("begin"), "BEGIN");
  EXPECT_EQ(clerk.value("select 1/"), "ERROR 42601");
  EXPECT_EQ(clerk.value("select 1"), "ERROR 25P02");
  EXPECT_EQ(clerk.value("commit"), "ROLLBACK");
  EXPECT_EQ(clerk.value("select 1"), "1");
}

TEST(Gate, Parameters) {
  Client clerk(gate());
  EXPECT_EQ(clerk.value("select note from shop.orders where id = $1", {"7"}), "order 7");
  EXPECT_EQ(clerk.value("select $1", {"text"}), "text");
  EXPECT_EQ(clerk.value("select $1 + 1", {"41"}, {23}), "42");
  EXPECT_EQ(clerk.value("select $2 || $1", {"b", "a"}, {25, 25}), "ab");
  EXPECT_EQ(clerk.value("select $1 * 2", {"1.005"}, {1700}), "2.010");
  EXPECT_EQ(
      clerk.value("select count(*) from shop.orders where id = any($1)", {"{1,2,3,NULL}"}, {1016}),
      "3");
  EXPECT_EQ(clerk.value("select list_contains($1, 'b\"c')", {"{a,\"b\\\"c\"}"}, {1009}), "t");
  EXPECT_EQ(clerk.value("select note from shop.orders order by id limit $1", {"1"}), "order 0");
  EXPECT_EQ(clerk.value("select $1 + 1", {"x"}, {23}), "ERROR 22P02");
  EXPECT_EQ(clerk.value("select '$1', $1 -- $1", {"y"}), "$1");
}

// For trying clients by hand: prints the port and serves until the end of the input.
TEST(Gate, DISABLED_Serve) {
  std::cout << "port " << gate().port() << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) platform().run(line);
}

TEST(Gate, Tls) {
  const std::string directory = platform().postgres.directory();
  const std::string command =
      "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 -keyout " + directory +
      "/key.pem -out " + directory + "/cert.pem 2>/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT: fixed words
  GateOptions options;
  options.certificate_file = directory + "/cert.pem";
  options.key_file = directory + "/key.pem";
  PrivateGate secure(platform(), options);
  Client clerk(secure, "clerk", password, "sslmode=require");
  ASSERT_TRUE(clerk.ok()) << clerk.error();
  EXPECT_EQ(PQsslInUse(clerk.handle()), 1);
  EXPECT_EQ(clerk.value("select repeat('x', 1000000)").size(), 1000000U);
  EXPECT_TRUE(Client(secure, "clerk", password, "sslmode=disable").ok());
  EXPECT_FALSE(Client(gate(), "clerk", password, "sslmode=require").ok());
}

TEST(Gate, SessionLimitKeepsRoomForTheAdministrator) {
  GateOptions options;
  options.sessions_max = 2;
  PrivateGate small(platform(), options);
  Client one(small);
  Client two(small);
  Client three(small);
  EXPECT_FALSE(three.ok());
  EXPECT_NE(three.error().find("too many clients"), std::string::npos) << three.error();
  EXPECT_TRUE(Client(small, "minato_admin", "keeper").ok());
}

TEST(Gate, IdleSessionsEnd) {
  GateOptions options;
  options.idle_timeout = std::chrono::milliseconds(100);
  PrivateGate impatient(platform(), options);
  Client clerk(impatient);
  ASSERT_TRUE(clerk.ok());
  pollfd told{PQsocket(clerk.handle()), POLLIN, 0};
  ASSERT_EQ(::poll(&told, 1, 10'000), 1);
  clerk.value("select 1");
  EXPECT_NE(clerk.error().find("idle-session timeout"), std::string::npos) << clerk.error();
}

TEST(Gate, CancelAndTimeout) {
  Client clerk(gate());
  const char* slow = "select sum(a.range * b.range) from range(3000000) a, range(3000000) b";
  const std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> handle(PQgetCancel(clerk.handle()),
                                                                  &PQfreeCancel);
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    char text[256];
    EXPECT_EQ(PQcancel(handle.get(), text, sizeof text), 1) << text;
  });
  EXPECT_EQ(clerk.value(slow), "ERROR 57014");
  EXPECT_NE(clerk.error().find("user request"), std::string::npos) << clerk.error();
  EXPECT_EQ(clerk.value("set statement_timeout = 200"), "SET");
  EXPECT_EQ(clerk.value(slow), "ERROR 57014");
  EXPECT_NE(clerk.error().find("statement timeout"), std::string::npos) << clerk.error();
  EXPECT_EQ(clerk.value("select 1"), "1");
}

}  // namespace
}  // namespace minato::gate::testing
