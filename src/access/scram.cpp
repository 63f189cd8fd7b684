#include "access/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <charconv>

#include "base/check.h"

namespace minato::access {
namespace {

constexpr std::size_t kKeySize = SHA256_DIGEST_LENGTH;

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::string hmac(std::string_view key, std::string_view text) {
  std::string digest(kKeySize, '\0');
  unsigned size = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(text), text.size(),
             reinterpret_cast<unsigned char*>(digest.data()), &size) != nullptr);
  CHECK(size == kKeySize);
  return digest;
}

std::string sha256(std::string_view text) {
  std::string digest(kKeySize, '\0');
  SHA256(raw(text), text.size(), reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

tl::unexpected<Error> malformed() {
  return fail(Code::invalid, "malformed SCRAM message from the client");
}

/// Takes "x=value" up to the next comma off the front of `text`; false when it begins otherwise.
bool take(std::string_view& text, char name, std::string_view& value) {
  if (text.size() < 2 || text[0] != name || text[1] != '=') return false;
  text.remove_prefix(2);
  const std::size_t end = text.find(',');
  value = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return true;
}

/// RFC 5802, section 7: printable ASCII except the comma.
bool is_nonce(std::string_view text) {
  for (const char c : text) {
    if (c < 0x21 || c > 0x7e || c == ',') return false;
  }
  return !text.empty();
}

}  // namespace

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) == 1);
  return bytes;
}

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), raw(bytes),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

Result<std::string> from_base64(std::string_view text) {
  const auto refused = [] { return fail(Code::invalid, "not base64"); };
  if (text.size() % 4 != 0 || text.size() > (1U << 20)) return refused();
  for (const char c : text) {  // EVP_DecodeBlock lets white space pass
    if (c <= ' ' || c > 'z') return refused();
  }
  std::string bytes(text.size() / 4 * 3 + 1, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), raw(text),
                                   static_cast<int>(text.size()));
  if (size < 0) return refused();
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  if (base64(bytes) != text) return refused();
  return bytes;
}

bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string format(const Verifier& verifier) {
  return std::string(scram_mechanism) + "$" + std::to_string(verifier.iterations) + ":" +
         base64(verifier.salt) + "$" + base64(verifier.stored_key) + ":" +
         base64(verifier.server_key);
}

Result<Verifier> parse_verifier(std::string_view text) {
  const auto refused = [] {
    return fail(Code::invalid, "the stored verifier is not of the form SCRAM-SHA-256$…");
  };
  const std::string prefix = std::string(scram_mechanism) + "$";
  if (!text.starts_with(prefix)) return refused();
  text.remove_prefix(prefix.size());
  const std::size_t colon = text.find(':');
  const std::size_t dollar = text.find('$');
  const std::size_t last = text.rfind(':');
  if (colon == std::string_view::npos || dollar == std::string_view::npos || colon > dollar ||
      last < dollar) {
    return refused();
  }
  Verifier verifier;
  const auto number = std::from_chars(text.data(), text.data() + colon, verifier.iterations);
  if (number.ec != std::errc() || number.ptr != text.data() + colon) return refused();
  TRY_ASSIGN(verifier.salt, from_base64(text.substr(colon + 1, dollar - colon - 1)));
  TRY_ASSIGN(verifier.stored_key, from_base64(text.substr(dollar + 1, last - dollar - 1)));
  TRY_ASSIGN(verifier.server_key, from_base64(text.substr(last + 1)));
  if (verifier.iterations < 1 || verifier.salt.empty() || verifier.stored_key.size() != kKeySize ||
      verifier.server_key.size() != kKeySize) {
    return refused();
  }
  return verifier;
}

Verifier make_verifier(std::string_view password, std::string_view salt, int iterations) {
  CHECK(iterations > 0 && !salt.empty());
  std::string salted(kKeySize, '\0');
  CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), raw(salt),
                          static_cast<int>(salt.size()), iterations, EVP_sha256(),
                          static_cast<int>(kKeySize),
                          reinterpret_cast<unsigned char*>(salted.data())) == 1);
  Verifier verifier{iterations, std::string(salt), sha256(hmac(salted, "Client Key")),
                    hmac(salted, "Server Key")};
  OPENSSL_cleanse(salted.data(), salted.size());
  return verifier;
}

Verifier decoy_verifier(std::string_view secret, std::string_view name) {
  Verifier verifier;
  verifier.salt = hmac(secret, "salt:" + std::string(name)).substr(0, 16);
  verifier.stored_key = hmac(secret, "stored:" + std::string(name));
  verifier.server_key = hmac(secret, "server:" + std::string(name));
  return verifier;
}

ScramServer::ScramServer(Verifier verifier, bool genuine, std::string server_nonce)
    : verifier_(std::move(verifier)), genuine_(genuine), nonce_(std::move(server_nonce)) {
  CHECK(is_nonce(nonce_));
}

Result<std::string> ScramServer::first(std::string_view message) {
  if (!auth_message_.empty()) return malformed();
  const std::string_view whole = message;
  if (message.starts_with("p=")) {
    return fail(Code::invalid, "channel binding was not offered: use SCRAM-SHA-256");
  }
  if (!message.starts_with("n,") && !message.starts_with("y,")) return malformed();
  message.remove_prefix(2);
  // An authorisation identity ("a=…") would ask to act as somebody else.
  if (!message.starts_with(",")) return malformed();
  message.remove_prefix(1);
  gs2_header_ = std::string(whole.substr(0, whole.size() - message.size()));
  const std::string bare(message);
  std::string_view name;  // PostgreSQL ignores it: the account is that of the start-up message
  std::string_view client_nonce;
  if (!take(message, 'n', name) || !take(message, 'r', client_nonce)) return malformed();
  if (!is_nonce(client_nonce)) return malformed();
  nonce_ = std::string(client_nonce) + nonce_;
  std::string answer =
      "r=" + nonce_ + ",s=" + base64(verifier_.salt) + ",i=" + std::to_string(verifier_.iterations);
  auth_message_ = bare + "," + answer;
  return answer;
}

Result<std::string> ScramServer::last(std::string_view message) {
  if (auth_message_.empty()) return malformed();
  const std::size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return malformed();
  const std::string_view without_proof = message.substr(0, proof_at);
  const auto proof = from_base64(message.substr(proof_at + 3));
  if (!proof || proof->size() != kKeySize) return malformed();
  std::string_view rest = without_proof;
  std::string_view binding;
  std::string_view nonce;
  if (!take(rest, 'c', binding) || !take(rest, 'r', nonce)) return malformed();
  if (binding != base64(gs2_header_) || nonce != nonce_) return malformed();

  const std::string auth = auth_message_ + "," + std::string(without_proof);
  std::string client_key = hmac(verifier_.stored_key, auth);  // the signature; XOR proof: the key
  for (std::size_t i = 0; i < kKeySize; ++i) client_key[i] ^= (*proof)[i];
  const bool fits = equal_secrets(sha256(client_key), verifier_.stored_key);
  OPENSSL_cleanse(client_key.data(), client_key.size());
  if (!fits || !genuine_) {
    return fail(Code::unauthenticated, "password authentication failed");
  }
  return "v=" + base64(hmac(verifier_.server_key, auth));
}

}  // namespace minato::access
