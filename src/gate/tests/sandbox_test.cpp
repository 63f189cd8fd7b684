// The gate in its sandbox, as a process of its own: people's SQL works, everything around it is out
// of reach.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "gate/landlock.h"
#include "gate/memory.h"
#include "gate/tests/fixture.h"

namespace minato::gate::testing {
namespace {

constexpr const char* kDirectory = "MINATO_TEST_DIRECTORY";

bool can_read(const char* path) {
  const int file = ::open(path, O_RDONLY);
  if (file >= 0) ::close(file);
  return file >= 0;
}
bool can_write(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  if (file >= 0) ::close(file);
  return file >= 0;
}
bool can_connect(std::uint16_t port) {
  const int handle = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int done = ::connect(handle, reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::close(handle);
  return done == 0;
}

/// What a process in the sandbox finds possible, one word each.
std::string possibilities(const std::string& directory, std::uint16_t port) {
  std::ostringstream out;
  out << "uid=" << ::getuid() << ' ';
  if (can_read("/etc/passwd")) out << "passwd ";
  if (can_read((directory + "/data/PG_VERSION").c_str())) out << "cluster ";
  if (can_read("/proc/self/environ")) out << "environ ";
  if (can_write(directory + "/lake/x")) out << "lake-write ";
  if (can_write("/tmp/minato-sandbox-x")) out << "tmp-write ";
  if (can_write(directory + "/spill/x")) out << "spill-write ";
  if (can_connect(port)) out << "connect ";
  if (::kill(::getppid(), 0) == 0) out << "signal ";
  if (const pid_t child = ::fork(); child >= 0) {
    if (child == 0) ::_exit(0);
    out << "fork ";
  }
  char name[] = "/bin/true";
  char* arguments[] = {name, nullptr};
  ::execv(name, arguments);
  out << "no-exec";
  return out.str();
}

// Not a test: the process that the test below starts.
TEST(Sandbox, DISABLED_Child) {
  const char* directory = std::getenv(kDirectory);
  ASSERT_NE(directory, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const std::string root = directory;
  const auto conninfo = [&](const std::string& role) {
    return "host=" + root + " dbname=minato user=" + role;
  };
  GateOptions options;
  options.port = 0;
  options.catalogue_conninfo = conninfo("minato_reader");
  options.account_conninfo = conninfo("minato_gate");
  options.lake_data = root + "/lake";
  options.extension_directory = std::getenv("MINATO_TEST_EXTENSIONS");
  options.spill_directory = root + "/spill";
  options.memory_limit_mb = 512;
  options.threads = 2;
  // Some bombs fill the disk first, for minutes where it is slow: memory is short all the while.
  options.spill_limit_mb = 1024;
  // Where the parent reads it; the directory is out of reach from inside.
  const int report =
      ::open((root + "/report").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  options.on_ready = [&](std::uint16_t port) {
    const std::string text = std::to_string(port) + "\n" + possibilities(root, port) + "\n.";
    ASSERT_EQ(::write(report, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  };
  const Status status = gate::run(options, {});
  FAIL() << describe(status.error());
}

struct Child {
  pid_t pid = -1;
  std::uint16_t port = 0;
  std::string possible;
  explicit Child(const PrivatePlatform& platform) {
    const std::string& root = platform.postgres.directory();
    pid = ::fork();
    if (pid == 0) {
      ::setenv(kDirectory, root.c_str(), 1);
      ::setenv("MINATO_TEST_EXTENSIONS", lake_extensions().c_str(), 1);
      ::execl("/proc/self/exe", "gate_test", "--gtest_filter=Sandbox.DISABLED_Child",
              "--gtest_also_run_disabled_tests", nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 1000 && port == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      std::ifstream file(root + "/report");
      std::string number;
      std::string end;
      if (std::getline(file, number) && std::getline(file, possible) && std::getline(file, end)) {
        port = static_cast<std::uint16_t>(std::stoi(number));
      }
    }
  }
  ~Child() {
    ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
  }
  bool alive() const { return ::waitpid(pid, nullptr, WNOHANG) == 0; }
  /// The most real memory that it ever had, in MB.
  std::uint64_t peak_mb() const {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string word; file >> word;) {
      std::uint64_t kilobytes = 0;
      if (word == "VmHWM:" && file >> kilobytes) return kilobytes >> 10;
    }
    CHECK(!"VmHWM is missing");
  }
  static std::string lake_extensions() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      const std::size_t end = line.find("/libduckdb.so");
      if (end != std::string::npos)
        return line.substr(line.find('/'), end - line.find('/')) + "/extensions";
    }
    CHECK(!"libduckdb.so is not loaded");
  }
};

TEST(Sandbox, NothingButTheLakeIsInReach) {
  if (::geteuid() != 0 || landlock_version() == 0) GTEST_SKIP() << "needs root and Landlock";
  PrivatePlatform platform;
  const Child child(platform);
  ASSERT_NE(child.port, 0);
  const std::string version4 = landlock_version() >= 4 ? "" : "connect ";
  EXPECT_EQ(child.possible, "uid=65534 spill-write " + version4 + "no-exec");
  Client clerk(child.port);
  ASSERT_TRUE(clerk.ok()) << clerk.error();
  EXPECT_EQ(clerk.value("select count(*) from shop.orders"), "100000");
  EXPECT_EQ(clerk.value("select count(distinct note) from shop.orders"), "100000");
}

// Each takes all the memory that it gets, in its own way: large values, many small ones, results,
// sorts, aggregates, hash tables of the C++ library, and before the statement even runs.
constexpr const char* kBombs[] = {
    "select length(list_transform(range(20000), x -> repeat('x', 100000))::varchar)",
    "select list_transform(range(30000), x -> list_transform(range(3000), y -> x + y))",
    "select sum(length(x)) from (select repeat(note, 99999) as x from shop.orders order by x)",
    "select list(note || id) from (select a.note, b.id from shop.orders a, shop.orders b)",
    "select sum(len(list_transform(range(0, 30000000), x -> repeat('x', 200)))) from range(20)",
    "select string_agg(repeat('z', 100000), '') from range(100000)",
    "select map_from_entries(list((a.note || b.id, [a.id]))) from shop.orders a, shop.orders b",
    "select list(x) from (select list(note || i) as x from shop.orders, range(10000) t(i) group by "
    "i)",
    "select count(distinct repeat('y', 300) || a.id || '-' || b.id) from shop.orders a, "
    "shop.orders "
    "b",
    "select a.note, row_number() over (partition by a.note || b.note order by b.price) from "
    "shop.orders a, shop.orders b order by 2 desc",
    "with recursive r(x, n) as (select 'x', 1 union all select x || x, n + 1 from r where n < 60) "
    "select sum(length(x)) from r",
};

// The engine's limit is 512 MB; refusals begin at 768 MB more, for all at 256 MB more. The rest is
// code and gaps. Without a bound on the engine's own allocator it was 3.9 GB.
constexpr std::uint64_t kPeakMb = 2048;

/// Goal: a statement that takes all memory ends with an ordinary error; the gate lives, others are
/// answered. Method: bombs one after the other in one session, and a bystander that keeps asking.
TEST(Sandbox, AStatementThatEatsMemoryEndsWithAnError) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  if (!memory_guarded()) GTEST_SKIP() << "sanitizers leave no bounded address space";
  PrivatePlatform platform;
  const Child child(platform);
  ASSERT_NE(child.port, 0);
  Client clerk(child.port);
  ASSERT_TRUE(clerk.ok()) << clerk.error();
  std::atomic<int> answered = 0;
  std::jthread bystander([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      Client other(child.port);
      if (other.value("select max(price) from shop.orders") == "999.99") ++answered;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  for (const char* bomb : kBombs) {
    const int before = answered;
    const std::string answer = clerk.value(bomb);
    ASSERT_TRUE(child.alive()) << bomb;
    EXPECT_EQ(answer, "ERROR 53200") << bomb << ": " << clerk.error();
    EXPECT_LT(child.peak_mb(), kPeakMb) << bomb;
    // Later statements work as soon as the memory is given back, here and in other sessions.
    std::string later;
    for (int look = 0; look < 100 && later != "100000"; ++look) {
      if (look > 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      later = clerk.value("select count(distinct note) from shop.orders");
    }
    EXPECT_EQ(later, "100000") << bomb << ": " << clerk.error();
    for (int look = 0; look < 100 && answered == before; ++look) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_GT(answered, before) << bomb;
  }
}

/// Goal: nor do many such statements at once take the gate along. Method: each bomb in a session of
/// its own, all together, twice; then the gate still is the same process and answers.
TEST(Sandbox, ManyStatementsThatEatMemoryEndWithErrors) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  if (!memory_guarded()) GTEST_SKIP() << "sanitizers leave no bounded address space";
  PrivatePlatform platform;
  const Child child(platform);
  ASSERT_NE(child.port, 0);
  std::vector<std::string> answers(2 * std::size(kBombs));
  {
    std::vector<std::jthread> clerks;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      clerks.emplace_back([&, i] {
        Client clerk(child.port);
        answers[i] = clerk.ok() ? clerk.value(kBombs[i % std::size(kBombs)]) : clerk.error();
      });
    }
  }
  ASSERT_TRUE(child.alive());
  EXPECT_LT(child.peak_mb(), kPeakMb);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i], "ERROR 53200") << kBombs[i % std::size(kBombs)];
  }
  // As soon as the last one has given its memory back.
  Client clerk(child.port);
  std::string later;
  for (int look = 0; look < 100 && later != "100000"; ++look) {
    if (look > 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    later = clerk.value("select count(distinct note) from shop.orders");
  }
  EXPECT_EQ(later, "100000") << clerk.error();
}

}  // namespace
}  // namespace minato::gate::testing
