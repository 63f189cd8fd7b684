// Values, text and binary, byte for byte as a real PostgreSQL sends them.
#include <gtest/gtest.h>

#include <random>

#include "base/testing/seed.h"
#include "gate/tests/fixture.h"

namespace minato::gate::testing {
namespace {

/// The same value in both dialects.
struct Pair {
  std::string postgres;
  std::string minato;
};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  std::vector<Pair> values() {
    std::vector<Pair> list = edges();
    for (int i = 0; i < 25; ++i) {
      same(list, "'" + std::to_string(bits() % 32768) + "'::int2");
      same(list, "'" + std::to_string(static_cast<std::int32_t>(bits())) + "'::int4");
      same(list, "'" + std::to_string(bits()) + "'::int8");
      same(list, "'" + real(16) + "'::float8");
      same(list, "'" + real(6) + "'::float4");
      same(list, "'" + decimal(12, 4) + "'::numeric(16,4)");
      same(list, "'" + decimal(9, 0) + "'::numeric(9,0)");
      same(list, "'" + decimal(20, 18) + "'::numeric(38,18)");
      same(list, "'" + date() + "'::date");
      same(list, "'" + clock() + "'::time");
      same(list, "'" + date() + " " + clock() + "'::timestamp");
      same(list, "'" + date() + " " + clock() + "+00'::timestamptz");
      same(list, "INTERVAL '" + std::to_string(small()) + " months " + std::to_string(small()) +
                     " days " + std::to_string(bits() % 1'000'000'000'000) + " microseconds'");
      same(list, "'" + uuid() + "'::uuid");
      const std::string a = std::to_string(small());
      const std::string b = std::to_string(small());
      list.push_back(
          {"'{" + a + ",NULL," + b + "}'::int4[]", "[" + a + ",NULL," + b + "]::int4[]"});
      list.push_back({"'{" + date() + "}'::date[]", ""});
      list.back().minato = "['" + list.back().postgres.substr(2, 10) + "'::date]";
    }
    return list;
  }

 private:
  static void same(std::vector<Pair>& list, const std::string& text) {
    list.push_back({text, text});
  }
  static std::vector<Pair> edges() {
    std::vector<Pair> list;
    for (const char* text : {"true",
                             "false",
                             "NULL::int4",
                             "''::text",
                             "'naïve 港 \"x\"'::text",
                             "'NaN'::float8",
                             "'Infinity'::float8",
                             "'-Infinity'::float4",
                             "'0'::float8",
                             "'-0'::float8",
                             "'1e15'::float8",
                             "'1e14'::float8",
                             "'123456'::float4",
                             "'1234567'::float4",
                             "'0.0001'::float8",
                             "'0.00001'::float8",
                             "'5e-324'::float8",
                             "'4.828675015389194e-09'::float8",  // 3e-4 beside a rounding edge
                             "'1.7976931348623157e308'::float8",
                             "'0'::numeric(5,2)",
                             "'-0.01'::numeric(5,2)",
                             "'10000'::numeric(9,2)",
                             "'0.0001'::numeric(9,4)",
                             "'0.00012'::numeric(9,5)",
                             "'99999999'::numeric(8,0)",
                             "'0001-01-01'::date",
                             "'9999-12-31'::date",
                             "'infinity'::date",
                             "'-infinity'::timestamp",
                             "'infinity'::timestamptz",
                             "'2000-01-01'::date",
                             "'00:00:00'::time",
                             "'23:59:59.999999'::time",
                             "'1999-12-31 23:59:59.999999'::timestamp",
                             "INTERVAL '0 days'",
                             "INTERVAL '-1 days'",
                             "INTERVAL '1 month -1 days'",
                             "INTERVAL '-1 month 1 day 00:00:01'",
                             "INTERVAL '-00:00:01.5'"}) {
      same(list, text);
    }
    list.push_back({"'\\x00ff27'::bytea", "'\\x00\\xff\\x27'::blob"});
    list.push_back({"'0044-03-15 BC'::date", "'0044-03-15 (BC)'::date"});
    list.push_back({"'{}'::int8[]", "[]::int8[]"});
    list.push_back({R"('{"a b","NULL",NULL,"q\"","","b\\s","{x}"}'::text[])",
                    R"(['a b', 'NULL', NULL, 'q"', '', 'b\s', '{x}']::text[])"});
    return list;
  }
  std::int64_t bits() { return static_cast<std::int64_t>(random_()) >> (random_() % 60); }
  std::int64_t small() { return static_cast<std::int64_t>(random_() % 200) - 100; }
  std::string number(std::uint64_t below, int width) {
    std::string text = std::to_string(random_() % below);
    return std::string(static_cast<std::size_t>(width) - std::min<std::size_t>(text.size(), width),
                       '0') +
           text;
  }
  std::string real(int digits) {
    char text[64];
    const double value =
        static_cast<double>(bits()) / static_cast<double>(1ULL << (random_() % 60));
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    return text;
  }
  std::string decimal(int whole, int fraction) {
    std::string text = random_() % 2 == 0 ? "-" : "";
    for (int i = static_cast<int>(random_() % static_cast<unsigned>(whole)); i >= 0; --i)
      text += number(10, 1);
    if (fraction > 0) text += ".";
    for (int i = 0; i < fraction; ++i) text += random_() % 3 == 0 ? "0" : number(10, 1);
    return text;
  }
  std::string date() {
    std::string text = number(9998, 4);
    if (text == "0000") text = "0001";
    const std::string month = std::to_string(random_() % 12 + 101).substr(1);
    return text + "-" + month + "-" + std::to_string(random_() % 28 + 101).substr(1);
  }
  std::string clock() {
    const std::string fraction = random_() % 2 == 0 ? "" : "." + number(1000000, 6);
    return number(24, 2) + ":" + number(60, 2) + ":" + number(60, 2) + fraction;
  }
  std::string uuid() {
    std::string text;
    for (int i = 0; i < 32; ++i) {
      if (i == 8 || i == 12 || i == 16 || i == 20) text += '-';
      text += "0123456789abcdef"[random_() % 16];
    }
    return text;
  }
  std::mt19937_64 random_;
};

TEST(Values, AreThoseOfPostgresByteForByte) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("MINATO_SEED=" + std::to_string(seed));
  PrivatePlatform platform;
  PrivateGate gate(platform);
  Client minato(gate);
  ASSERT_TRUE(minato.ok()) << minato.error();
  auto postgres = platform.postgres.connect();
  ASSERT_TRUE(postgres.script("set timezone to utc"));
  const std::vector<Pair> pairs = Generator(seed).values();
  constexpr std::size_t kColumns = 60;
  for (std::size_t begin = 0; begin < pairs.size(); begin += kColumns) {
    const std::size_t end = std::min(begin + kColumns, pairs.size());
    Pair sql{"select ", "select "};
    for (std::size_t i = begin; i < end; ++i) {
      sql.postgres += (i == begin ? "" : ", ") + pairs[i].postgres;
      sql.minato += (i == begin ? "" : ", ") + pairs[i].minato;
    }
    for (const int format : {0, 1}) {
      const auto run = [format](PGconn* handle, const std::string& text) {
        return Client::ResultPtr(
            PQexecParams(handle, text.c_str(), 0, nullptr, nullptr, nullptr, nullptr, format),
            &PQclear);
      };
      const auto expected = run(postgres.handle(), sql.postgres);
      const auto got = run(minato.handle(), sql.minato);
      ASSERT_EQ(PQntuples(expected.get()), 1) << PQresultErrorMessage(expected.get());
      ASSERT_EQ(PQntuples(got.get()), 1) << PQresultErrorMessage(got.get());
      for (int i = 0; i < PQnfields(expected.get()); ++i) {
        const auto bytes = [i](const Client::ResultPtr& result) {
          if (PQgetisnull(result.get(), 0, i) != 0) return std::string("NULL");
          return std::string(PQgetvalue(result.get(), 0, i),
                             static_cast<std::size_t>(PQgetlength(result.get(), 0, i)));
        };
        const std::string& what = pairs[begin + static_cast<std::size_t>(i)].postgres;
        EXPECT_EQ(bytes(got), bytes(expected)) << what << " format " << format;
        EXPECT_EQ(PQftype(got.get(), i), PQftype(expected.get(), i)) << what;
        EXPECT_EQ(PQfsize(got.get(), i), PQfsize(expected.get(), i)) << what;
        EXPECT_EQ(PQfmod(got.get(), i), PQfmod(expected.get(), i)) << what;
      }
    }
  }
}

}  // namespace
}  // namespace minato::gate::testing
