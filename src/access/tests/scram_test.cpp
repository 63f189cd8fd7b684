// SCRAM-SHA-256 against the example of RFC 7677, PostgreSQL's verifier text, and what must be
// refused.
#include "access/scram.h"

#include <gtest/gtest.h>

namespace minato::access {
namespace {

constexpr const char* kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr const char* kClientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr const char* kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr const char* kClientFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

Verifier rfc_verifier() {
  return make_verifier("pencil", *from_base64("W22ZaJ0SNY7soEsUEjb6gQ=="));
}

TEST(Scram, ExampleOfRfc7677) {
  ScramServer server(rfc_verifier(), true, kServerNonce);
  const auto first = server.first(kClientFirst);
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, kServerFirst);
  const auto last = server.last(kClientFinal);
  ASSERT_TRUE(last) << describe(last.error());
  EXPECT_EQ(*last, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST(Scram, VerifierTextRoundTrip) {
  const std::string text = format(rfc_verifier());
  EXPECT_TRUE(text.starts_with("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"));
  const auto parsed = parse_verifier(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(format(*parsed), text);
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(parse_verifier(std::string_view(text).substr(0, size))) << size;
  }
}

TEST(Scram, VerifierHoldsForAnyPassword) {
  const Verifier a = make_verifier("secret", "0123456789abcdef", 1);
  const Verifier b = make_verifier("Secret", "0123456789abcdef", 1);
  EXPECT_NE(a.stored_key, b.stored_key);
  EXPECT_EQ(a.stored_key.size(), 32U);
}

TEST(Scram, WrongPasswordFails) {
  ScramServer server(make_verifier("pen", *from_base64("W22ZaJ0SNY7soEsUEjb6gQ==")), true,
                     kServerNonce);
  ASSERT_TRUE(server.first(kClientFirst));
  const auto last = server.last(kClientFinal);
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Code::unauthenticated);
}

TEST(Scram, NotGenuineFailsWithTheSameError) {
  ScramServer server(rfc_verifier(), false, kServerNonce);
  ASSERT_TRUE(server.first(kClientFirst));
  const auto last = server.last(kClientFinal);
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Code::unauthenticated);
}

TEST(Scram, DecoyIsStableAndPerName) {
  EXPECT_EQ(decoy_verifier("secret", "a").salt, decoy_verifier("secret", "a").salt);
  EXPECT_NE(decoy_verifier("secret", "a").salt, decoy_verifier("secret", "b").salt);
  EXPECT_NE(decoy_verifier("secret", "a").salt, decoy_verifier("other", "a").salt);
  EXPECT_EQ(decoy_verifier("secret", "a").salt.size(), 16U);
}

TEST(Scram, MalformedMessagesAreRefused) {
  for (const char* message :
       {"", "n", "n,", "n,,", "n,,n=", "n,,n=u", "n,,n=u,r=", "n,,r=x", "p=tls-unique,,n=u,r=x",
        "n,a=root,n=u,r=x", "x,,n=u,r=x", "n,,m=1,n=u,r=x", "n,,n=u,r=a\x01"}) {
    ScramServer server(rfc_verifier(), true, kServerNonce);
    EXPECT_FALSE(server.first(message)) << message;
  }
  const std::string final = kClientFinal;
  for (std::size_t size = 0; size < final.size(); ++size) {
    ScramServer server(rfc_verifier(), true, kServerNonce);
    ASSERT_TRUE(server.first(kClientFirst));
    EXPECT_FALSE(server.last(std::string_view(final).substr(0, size))) << size;
  }
  ScramServer early(rfc_verifier(), true, kServerNonce);
  EXPECT_FALSE(early.last(kClientFinal)) << "final before first";
  ScramServer twisted(rfc_verifier(), true, kServerNonce);
  ASSERT_TRUE(twisted.first("y,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
  EXPECT_FALSE(twisted.last(kClientFinal)) << "binding of another header";
}

TEST(Scram, Base64IsStrict) {
  EXPECT_EQ(*from_base64(""), "");
  EXPECT_EQ(*from_base64("YQ=="), "a");
  for (const char* text : {"YQ", "YQ=", "Y Q=", "YR==", "====", "Y===", "\xff\xff\xff\xff"}) {
    EXPECT_FALSE(from_base64(text)) << text;
  }
  for (std::size_t size = 0; size < 40; ++size) {
    const std::string bytes = random_bytes(size);
    EXPECT_EQ(*from_base64(base64(bytes)), bytes);
  }
}

}  // namespace
}  // namespace minato::access
