// SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side, and PostgreSQL's verifier text. Pure: no
// I/O, no sockets. Promise: an unknown account goes through the same exchange as a known one and
// fails at the same place; secrets are compared in constant time and never appear in an error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace minato::access {

inline constexpr std::string_view scram_mechanism = "SCRAM-SHA-256";
inline constexpr int scram_iterations = 4096;

/// What the server keeps of a password. The members are raw bytes.
struct Verifier {
  int iterations = scram_iterations;
  std::string salt;
  std::string stored_key;
  std::string server_key;
};

/// "SCRAM-SHA-256$4096:salt$StoredKey:ServerKey", as in pg_authid.
std::string format(const Verifier& verifier);
Result<Verifier> parse_verifier(std::string_view text);

/// Derives the verifier of a password (normalised by the caller: see accounts.h).
Verifier make_verifier(std::string_view password, std::string_view salt,
                       int iterations = scram_iterations);

/// For an account that does not exist: always the same salt for the same name, no password fits.
Verifier decoy_verifier(std::string_view secret, std::string_view name);

/// `count` random bytes for secrets; nonces are base64 of such.
std::string random_bytes(std::size_t count);
std::string base64(std::string_view bytes);
Result<std::string> from_base64(std::string_view text);
/// In time that depends on the lengths only.
bool equal_secrets(std::string_view a, std::string_view b);

/// One exchange: first(), then last(). Errors are unauthenticated (wrong proof) or invalid (not
/// SCRAM).
class ScramServer {
 public:
  /// `genuine`: the account exists and may log in; otherwise last() always fails.
  ScramServer(Verifier verifier, bool genuine, std::string server_nonce);

  /// client-first-message → server-first-message.
  Result<std::string> first(std::string_view message);
  /// client-final-message → server-final-message; success means that the client knows the password.
  Result<std::string> last(std::string_view message);

 private:
  Verifier verifier_;
  bool genuine_;
  std::string nonce_;  // the server's part, then client's and server's together
  std::string gs2_header_;
  std::string auth_message_;
};

}  // namespace minato::access
