// The private PostgreSQL, for real: made, started, killed, started again. What stands there is
// never removed.
#include "runtime/postgres_cluster.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "runtime/child.h"
#include "runtime/pg.h"

namespace minato::runtime {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

class Cluster : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mtpg.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);  // 0700: the server's user cannot pass without help
    directory_ = name;
    fs::create_directories(directory_ / "hidden");
    if (!cluster().check_installed()) GTEST_SKIP() << "PostgreSQL is not installed";
    chmod((directory_ / "hidden").c_str(), 0711);
  }
  void TearDown() override {
    std::error_code error;
    fs::remove_all(directory_, error);
  }
  PostgresCluster cluster() const {
    return PostgresCluster({.data_dir = directory_ / "hidden" / "pg",
                            .socket_dir = directory_ / "hidden" / "run",
                            .log_file = directory_ / "log" / "postgres.log",
                            .superuser_password = "p'a\\ss"});
  }
  static std::string ask(const PostgresCluster& cluster, const std::string& sql) {
    auto connection = pg::Connection::open(cluster.conninfo("postgres", "p'a\\ss", "postgres"));
    if (!connection) return describe(connection.error());
    auto rows = connection->query(sql);
    return rows ? rows->string(0, 0) : describe(rows.error());
  }

  fs::path directory_;
};

TEST_F(Cluster, IsMadeStartedKilledAndStartedAgain) {
  PostgresCluster server = cluster();
  const Status prepared = server.prepare();
  ASSERT_TRUE(prepared) << describe(prepared.error());
  EXPECT_TRUE(server.initialised());
  auto pid = server.launch();
  ASSERT_TRUE(pid) << describe(pid.error());
  const Status ready = server.wait_ready(*pid, seconds(60));
  ASSERT_TRUE(ready) << describe(ready.error());
  EXPECT_EQ(ask(server, "show fsync"), "on");
  EXPECT_EQ(ask(server, "show listen_addresses"), "");
  EXPECT_FALSE(pg::Connection::open(server.conninfo("postgres", "wrong", "postgres")));
  ask(server, "create table kept as select 42 as a");
  struct stat info {};
  ASSERT_EQ(stat(server.options().data_dir.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
  EXPECT_EQ(info.st_uid, PostgresCluster::server_uid());

  kill(*pid, SIGKILL);
  ASSERT_TRUE(wait_for_end(*pid, seconds(10)));
  ASSERT_TRUE(server.prepare());
  Status again = fail(Code::unavailable, "");
  for (int i = 0; i < 50 && !again; ++i) {  // orphans of the killed one may hold it up for a moment
    pid = server.launch();
    ASSERT_TRUE(pid);
    again = server.wait_ready(*pid, seconds(60));
  }
  ASSERT_TRUE(again) << describe(again.error());
  EXPECT_EQ(ask(server, "select a from kept"), "42");
  kill(*pid, SIGINT);
  EXPECT_TRUE(wait_for_end(*pid, seconds(20)));
}

TEST_F(Cluster, NeverTouchesWhatIsNoCluster) {
  PostgresCluster server = cluster();
  fs::create_directories(server.options().data_dir);
  std::ofstream(server.options().data_dir / "precious") << "x";
  const Status refused = server.prepare();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("neither empty"), std::string::npos);
  EXPECT_TRUE(fs::exists(server.options().data_dir / "precious"));
}

}  // namespace
}  // namespace minato::runtime
