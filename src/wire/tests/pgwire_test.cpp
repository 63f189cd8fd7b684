// PostgreSQL protocol: every message survives the round trip; every truncated prefix is refused or
// waited for.
#include "wire/pgwire.h"

#include <gtest/gtest.h>

namespace minato::wire::pgwire {
namespace {

using namespace std::string_view_literals;

std::vector<FrontendMessage> frontend_samples() {
  return {
      Startup{protocol_3_0, {{"user", "clerk"}, {"database", "minato"}, {"application_name", ""}}},
      SslRequest{},
      GssEncRequest{},
      CancelRequest{4711, "\x01\x02\x03\x04"sv},
      Query{"select '港'"},
      Parse{"s1", "select $1", {23, 0}},
      Parse{"", "", {}},
      Bind{"p", "s1", {1}, {"\0\0\0\x2a"sv, std::nullopt, ""sv}, {0, 1}},
      Bind{"", "", {}, {}, {}},
      Describe{'P', "p"},
      Execute{"p", 100},
      Close{'S', "s1"},
      Sync{},
      Flush{},
      Terminate{},
      Password{"n,,n=,r=abc"},
      CopyData{"1\t2\n"},
      CopyDone{},
      CopyFail{"no"},
      FunctionCall{"x"},
  };
}

std::vector<BackendMessage> backend_samples() {
  return {
      Authentication{Authentication::sasl, "SCRAM-SHA-256\0\0"sv},
      ParameterStatus{"client_encoding", "UTF8"},
      BackendKeyData{1, "abcd"},
      ReadyForQuery{'T'},
      RowDescription{{{"id", 0, 0, 20, 8, -1, 1}, {"名前", 0, 0, 25, -1, -1, 0}}},
      ParameterDescription{{23, 25}},
      DataRow{{"1"sv, std::nullopt, ""sv}},
      CommandComplete{"SELECT 1"},
      Report{false, {{'S', "ERROR"}, {'C', "42601"}, {'M', "no"}}},
      Report{true, {{'S', "NOTICE"}}},
      Plain{'1'},
      Plain{'I'},
      NegotiateVersion{0, {"_pq_.x"}},
  };
}

template <class Message, class ParseMessage>
void round_trip(const Message& message, bool startup, ParseMessage parse) {
  std::string bytes;
  encode(message, bytes);
  const auto frame = next_frame(bytes, startup, 1 << 20);
  ASSERT_TRUE(frame && *frame);
  EXPECT_EQ((*frame)->size, bytes.size());
  const auto parsed = parse(**frame);
  ASSERT_TRUE(parsed) << describe(parsed.error());
  EXPECT_EQ(parsed->index(), message.index());
  std::string again;
  encode(*parsed, again);
  EXPECT_EQ(again, bytes);

  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string_view prefix = std::string_view(bytes).substr(0, size);
    const auto partial = next_frame(prefix, startup, 1 << 20);
    ASSERT_TRUE(partial && !*partial) << "a prefix of " << size << " bytes is not a message";
  }
  // A body cut short must parse to something else or be refused; what counts is that nothing reads
  // past its end (the copy has the exact size, so that AddressSanitizer sees it).
  for (std::size_t size = 0; size < (*frame)->body.size(); ++size) {
    const std::string body((*frame)->body.substr(0, size));
    (void)parse(Frame{(*frame)->type, body, 0});
  }
}

TEST(Pgwire, FrontendMessagesRoundTrip) {
  for (const FrontendMessage& message : frontend_samples()) {
    round_trip(message, message.index() < 4, parse_frontend);
  }
}

TEST(Pgwire, BackendMessagesRoundTrip) {
  for (const BackendMessage& message : backend_samples()) round_trip(message, false, parse_backend);
}

TEST(Pgwire, KnownBytes) {
  std::string bytes;
  encode(FrontendMessage{Query{"select 1"}}, bytes);
  EXPECT_EQ(bytes, "Q\0\0\0\x0dselect 1\0"sv);
  bytes.clear();
  encode(BackendMessage{ReadyForQuery{'I'}}, bytes);
  EXPECT_EQ(bytes, "Z\0\0\0\x05I"sv);
  bytes.clear();
  RowWriter row(bytes);
  row.begin(3);
  row.text("ab");
  row.null();
  row.open();
  row.out().push_back('c');
  row.close();
  row.end();
  EXPECT_EQ(bytes,
            "D\0\0\0\x15\0\x03\0\0\0\x02"
            "ab\xff\xff\xff\xff\0\0\0\x01"
            "c"sv);
}

TEST(Pgwire, ImpossibleLengthsAreRefused) {
  EXPECT_FALSE(next_frame("Q\0\0\0\x03"sv, false, 100));
  EXPECT_FALSE(next_frame("Q\xff\xff\xff\xff"sv, false, 100));
  EXPECT_FALSE(next_frame("Q\0\0\0\x69"sv, false, 100));
  EXPECT_TRUE(next_frame("Q\0\0\0\x68"sv, false, 100));
  EXPECT_FALSE(next_frame("\0\0\0\0\x08"sv, false, 100));
}

TEST(Pgwire, MalformedBodiesAreRefused) {
  const auto refused = [](char type, std::string_view body) {
    return !parse_frontend(Frame{type, body, 0});
  };
  EXPECT_TRUE(refused('Q', "no end"));
  EXPECT_TRUE(refused('Q', "two\0ends\0"sv));
  EXPECT_TRUE(refused('B', "\0\0\xff\xff"sv));
  EXPECT_TRUE(refused('B', "\0\0\0\0\xff\xff\0\0"sv));
  EXPECT_TRUE(refused('B', "\0\0\0\x01\0\x02\0\0\0\0"sv)) << "unknown format code";
  EXPECT_TRUE(refused('P', "\0\0\0\x02\0\0\0\x17"sv));
  EXPECT_TRUE(refused('D', "X\0"sv));
  EXPECT_TRUE(refused('?', ""));
  EXPECT_TRUE(refused('\0', "\0\3\0\0user\0"sv));
}

TEST(Pgwire, SaslInitial) {
  const std::string body = encode_sasl_initial({"SCRAM-SHA-256", "n,,n=,r=x"sv});
  const auto initial = parse_sasl_initial(body);
  ASSERT_TRUE(initial);
  EXPECT_EQ(initial->mechanism, "SCRAM-SHA-256");
  EXPECT_EQ(initial->data, "n,,n=,r=x"sv);
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(parse_sasl_initial(std::string_view(body).substr(0, size)));
  }
}

TEST(Pgwire, FormatsApplyToAllOrOne) {
  EXPECT_EQ(format_of({}, 3), 0);
  EXPECT_EQ(format_of({1}, 3), 1);
  EXPECT_EQ(format_of({0, 1}, 1), 1);
}

}  // namespace
}  // namespace minato::wire::pgwire
