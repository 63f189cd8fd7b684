// The engine behind our types: values of every type, errors by class, prepared statements,
// interrupts.
#include "lake/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "lake/tests/fixture.h"

namespace minato::lake {
namespace {

class EngineTest : public ::testing::Test {
 protected:
  Engine engine = testing::open_plain_engine();
  Session session = engine.connect().value();
};

TEST_F(EngineTest, PrintsValuesLikeTheEngine) {
  // Every value twice: as our text and as the engine's own cast to text.
  const char* values[] = {"true",
                          "-7::TINYINT",
                          "300::SMALLINT",
                          "170141183460469231731687303715884105727::HUGEINT",
                          "(-170141183460469231731687303715884105727-1)::HUGEINT",
                          "340282366920938463463374607431768211455::UHUGEINT",
                          "18446744073709551615::UBIGINT",
                          "1.5::DECIMAL(4,2)",
                          "-0.05::DECIMAL(9,2)",
                          "123456789012.345::DECIMAL(18,3)",
                          "-99999999999999999999999999999999999999::DECIMAL(38,0)",
                          "0.1::FLOAT",
                          "1::DOUBLE",
                          "1e300::DOUBLE",
                          "'nan'::DOUBLE",
                          "'-inf'::FLOAT",
                          "'text'",
                          "'\\x00ab\\xFF'::BLOB",
                          "'0101101'::BIT",
                          "DATE '2024-02-29'",
                          "DATE '0001-01-01'",
                          "DATE '0044-03-15 (BC)'",
                          "DATE 'infinity'",
                          "DATE '1969-12-31'",
                          "TIME '23:59:59.999999'",
                          "TIME '00:00:00'",
                          "TIMESTAMP '1969-12-31 23:59:59.5'",
                          "TIMESTAMP '2024-01-01 00:00:00'",
                          "TIMESTAMP_S '2024-01-01 01:02:03'",
                          "TIMESTAMP_MS '2024-01-01 01:02:03.4'",
                          "TIMESTAMP_NS '2024-01-01 01:02:03.123456789'",
                          "INTERVAL '1 year 2 months 3 days 04:05:06.7'",
                          "INTERVAL '-1 seconds'",
                          "INTERVAL '0 seconds'",
                          "UUID '00112233-4455-6677-8899-aabbccddeeff'",
                          "'b'::ENUM('a','b')",
                          "[1,2,NULL]",
                          "{'a': 1, 'b': [2]}",
                          "MAP {'k': 1, 'l': 2}",
                          "[1,2]::INTEGER[2]",
                          "'+05:30'::VARCHAR",
                          "TIMETZ '12:00:00+05:30'"};
  for (const char* value : values) {
    const auto rows = session.query(std::string("SELECT ") + value + ", (" + value + ")::VARCHAR");
    ASSERT_TRUE(rows) << value << ": " << describe(rows.error());
    EXPECT_EQ(rows->text(0, 0), rows->text(0, 1)) << value;
  }
}

TEST_F(EngineTest, DescribesTypes) {
  const auto rows = session.query(
      "SELECT 1.5::DECIMAL(18,4), [1], {'a': 1}, MAP {'k': 1.0::DOUBLE}, NULL, 'x'::ENUM('x')");
  ASSERT_TRUE(rows);
  const auto& columns = rows->columns();
  EXPECT_EQ(sql_name(columns[0].type), "DECIMAL(18,4)");
  EXPECT_EQ(sql_name(columns[1].type), "INTEGER[]");
  EXPECT_EQ(sql_name(columns[2].type), "STRUCT(\"a\" INTEGER)");
  EXPECT_EQ(sql_name(columns[3].type), "MAP(VARCHAR, DOUBLE)");
  EXPECT_EQ(sql_name(columns[5].type), "ENUM('x')");
}

TEST_F(EngineTest, StreamsChunks) {
  auto stream =
      session.stream("SELECT i, i::VARCHAR || '-a text longer than 12' FROM range(100000) t(i)");
  ASSERT_TRUE(stream);
  std::int64_t expected = 0;
  for (;;) {
    auto chunk = stream->next();
    ASSERT_TRUE(chunk);
    if (!*chunk) break;
    const Vector numbers = (*chunk)->column(0);
    const Vector texts = (*chunk)->column(1);
    for (std::size_t row = 0; row < (*chunk)->rows(); ++row, ++expected) {
      ASSERT_EQ(numbers.get<std::int64_t>(row), expected);
      ASSERT_EQ(texts.string(row), std::to_string(expected) + "-a text longer than 12");
    }
  }
  EXPECT_EQ(expected, 100000);
}

TEST_F(EngineTest, ErrorsHaveClasses) {
  EXPECT_EQ(session.query("SELEC 1").error().code, Code::invalid);
  EXPECT_EQ(session.query("SELECT * FROM nowhere").error().code, Code::not_found);
  EXPECT_EQ(session.query("SELECT nothing FROM (SELECT 1)").error().code, Code::invalid);
  EXPECT_EQ(session.query("SELECT 'x'::INTEGER").error().code, Code::invalid);
  EXPECT_EQ(session.prepare("SELECT * FROM nowhere").error().code, Code::not_found);
  // An error in the middle of a stream.
  auto stream = session.stream(
      "SELECT CASE WHEN i = 99999 THEN error('x') ELSE i END FROM range(100000) t(i)");
  for (;;) {
    if (!stream) break;
    auto chunk = stream->next();
    if (!chunk) break;
    ASSERT_TRUE(*chunk) << "the error was lost";
  }
  EXPECT_TRUE(session.query("SELECT 1")) << "the session goes on";
}

TEST_F(EngineTest, PreparesAndBinds) {
  auto prepared = session.prepare("SELECT $1::INTEGER + 1 AS a, $2::VARCHAR AS b, $3::BLOB");
  ASSERT_TRUE(prepared);
  ASSERT_EQ(prepared->parameters().size(), 3U);
  EXPECT_EQ(prepared->columns()[0].name, "a");
  EXPECT_EQ(prepared->columns()[0].type.id, TypeId::int32);
  EXPECT_EQ(prepared->kind(), StatementKind::select);
  for (int round = 0; round < 2; ++round) {
    auto stream =
        prepared->execute({std::string("41"), std::monostate{}, Blob{std::string("\0x", 2)}});
    ASSERT_TRUE(stream);
    auto chunk = stream->next();
    ASSERT_TRUE(chunk && *chunk);
    EXPECT_EQ((*chunk)->column(0).get<std::int32_t>(0), 42);
    EXPECT_TRUE((*chunk)->column(1).is_null(0));
    EXPECT_EQ((*chunk)->column(2).string(0), std::string("\0x", 2));
  }
  EXPECT_EQ(prepared->execute({}).error().code, Code::invalid);
}

TEST_F(EngineTest, InterruptEndsAStatement) {
  std::jthread interrupter([&](const std::stop_token& done) {
    while (!done.stop_requested()) {  // one that comes before the statement has no effect
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      session.interrupt();
    }
  });
  const auto rows =
      session.query("SELECT sum(a.i * b.i) FROM range(1000000) a(i), range(1000000) b(i)");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, Code::cancelled);
}

TEST_F(EngineTest, ConfigurationIsClosed) {
  EXPECT_FALSE(session.query("INSTALL spatial"));
  ASSERT_TRUE(lock_down(engine, {"/tmp/minato-none"}));
  EXPECT_FALSE(session.query("SELECT * FROM read_csv('/etc/passwd')"));
  EXPECT_FALSE(session.query("SET memory_limit = '100GB'"));
}

/// A directory with a copy of the extension `httpfs` whose signature is spoilt, not its contents.
/// (Of another one tools/sanitizers/tsan.txt could not tell two copies apart.)
class ExtensionTest : public ::testing::Test {
 protected:
  ExtensionTest() {
    std::filesystem::create_directory(directory_);
    const std::string original = default_extension_dir() + "/httpfs.duckdb_extension";
    std::filesystem::copy_file(original, file_);
    std::fstream copy(file_, std::ios::in | std::ios::out | std::ios::binary);
    copy.seekg(-1, std::ios::end);
    const char last = static_cast<char>(copy.get() ^ 1);
    copy.seekp(-1, std::ios::end);
    copy.put(last);
    options_ = testing::engine_options();
    options_.extension_dir = directory_;
    options_.extensions = {"httpfs"};
  }
  ~ExtensionTest() override { std::filesystem::remove_all(directory_); }
  void let_others_write(const std::string& path) const {
    std::filesystem::permissions(path, std::filesystem::perms::others_write,
                                 std::filesystem::perm_options::add);
  }
  void expect_signature_is_asked_for() const {
    const auto engine = Engine::open(options_);
    ASSERT_FALSE(engine);
    EXPECT_THAT(describe(engine.error()), ::testing::HasSubstr("signature"));
  }

  const std::string directory_ = "/tmp/minato-extension-test." + std::to_string(::getpid());
  const std::string file_ = directory_ + "/httpfs.duckdb_extension";
  EngineOptions options_;
};

TEST_F(ExtensionTest, ThatOnlyItsOwnerCanChangeIsTrustedAsTheLibraryIs) {
  EXPECT_TRUE(Engine::open(options_));
  options_.check_signatures = true;
  expect_signature_is_asked_for();
}

TEST_F(ExtensionTest, ThatOthersCanChangeMustBeSigned) {
  let_others_write(file_);
  expect_signature_is_asked_for();
}

TEST_F(ExtensionTest, ThatOthersCanExchangeMustBeSigned) {
  let_others_write(directory_);
  expect_signature_is_asked_for();
}

TEST_F(ExtensionTest, OfAnotherOwnerMustBeSigned) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(::chown(file_.c_str(), 65534, 65534), 0);
  expect_signature_is_asked_for();
}

TEST_F(ExtensionTest, MustBeSignedOnceTheEngineRuns) {
  options_.extension_dir.clear();
  const Engine engine = Engine::open(options_).value();
  Session session = engine.connect().value();
  EXPECT_FALSE(session.query("SET GLOBAL allow_unsigned_extensions = true"));
  std::ignore = session.query("RESET GLOBAL allow_unsigned_extensions");
  std::filesystem::rename(file_, directory_ + "/other.duckdb_extension");
  const auto loaded = session.query("LOAD '" + directory_ + "/other.duckdb_extension'");
  ASSERT_FALSE(loaded);
  EXPECT_THAT(describe(loaded.error()), ::testing::HasSubstr("signature"));
}

TEST(SpillTest, ALimitHolds) {
  const std::string directory = "/tmp/minato-spill-test." + std::to_string(::getpid());
  EngineOptions options = testing::engine_options();
  options.extensions.clear();
  options.memory_limit_mb = 64;
  options.spill_dir = directory;
  options.spill_limit_mb = 16;
  {
    const Engine engine = Engine::open(options).value();
    const auto rows = engine.connect().value().query(
        "SELECT count(DISTINCT repeat('y', 300) || i) FROM range(1000000) t(i)");
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.error().code, Code::exhausted);
    EXPECT_THAT(describe(rows.error()), ::testing::HasSubstr("max_temp_directory_size"));
  }
  std::filesystem::remove_all(directory);
}

TEST(AttachTest, NoPasswordShows) {
  minato::testing::PrivatePostgres postgres;
  auto owner = postgres.connect();
  ASSERT_TRUE(owner.script("alter role minato_owner password 'geheim-7391'"));
  Engine engine = testing::open_engine();
  LakeOptions options;
  options.catalog_conninfo = postgres.conninfo() + " password=geheim-7391 application_name=minato";
  options.data_path = postgres.directory() + "/lake";
  const Status attached = attach_lake(engine, options);
  ASSERT_TRUE(attached) << describe(attached.error());
  Session session = engine.connect().value();
  for (const char* table : {"duckdb_databases()", "duckdb_secrets()", "duckdb_settings()"}) {
    const auto rows = session.query(std::string("SELECT d::VARCHAR FROM ") + table + " d");
    ASSERT_TRUE(rows);
    for (std::size_t row = 0; row < rows->size(); ++row) {
      EXPECT_EQ(rows->text(row, 0).find("geheim"), std::string::npos) << rows->text(row, 0);
    }
  }
}

TEST(AttachTest, UnreachableCatalogue) {
  Engine engine = testing::open_engine();
  LakeOptions options;
  options.catalog_conninfo = "host=/tmp/minato-nowhere dbname=minato password=geheim-7391";
  options.data_path = "/tmp/minato-nowhere/lake";
  const Status attached = attach_lake(engine, options);
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().code, Code::unavailable);
  EXPECT_EQ(describe(attached.error()).find("geheim"), std::string::npos);
}

}  // namespace
}  // namespace minato::lake
