#include "access/accounts.h"

#include <algorithm>
#include <memory>

#include "state/accounts.h"

namespace minato::access {
namespace {

constexpr std::size_t kNameMax = 63;
constexpr std::size_t kPasswordMax = 1024;
constexpr std::size_t kSaltSize = 16;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

Status check_account_name(std::string_view name) {
  if (name.empty() || name.size() > kNameMax) {
    return fail(Code::invalid, "An account's name has 1 to 63 bytes.");
  }
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(name.begin(), name.end(), control) || name.front() == ' ' || name.back() == ' ') {
    return fail(Code::invalid,
                "An account's name has no control characters and no space at its ends.");
  }
  if (name.starts_with("minato_")) {
    return fail(Code::invalid, "Names that begin with minato_ are reserved: choose another one.");
  }
  return {};
}

Result<std::string> verifier_text(pg::Connection& connection, const std::string& name,
                                  std::string_view password) {
  if (password.empty()) {
    return fail(Code::invalid, "The password is empty: write one into the password file.");
  }
  if (password.size() > kPasswordMax || password.find('\0') != std::string_view::npos) {
    return fail(Code::invalid, "A password has at most 1024 bytes and no NUL.");
  }
  if (is_ascii(password)) return format(make_verifier(password, random_bytes(kSaltSize)));
  const std::unique_ptr<char, decltype(&PQfreemem)> text(
      PQencryptPasswordConn(connection.handle(), std::string(password).c_str(), name.c_str(),
                            "scram-sha-256"),
      &PQfreemem);
  if (text == nullptr) {
    return fail(Code::internal, "The password could not be made into a verifier.",
                PQerrorMessage(connection.handle()));
  }
  return std::string(text.get());
}

Status add_account(pg::Connection& connection, const std::string& name, std::string_view password) {
  TRY(check_account_name(name));
  TRY_ASSIGN(const std::string verifier, verifier_text(connection, name, password));
  return state::put_account(connection, name, verifier);
}

Result<Credentials> credentials(pg::Connection& connection, const std::string& name,
                                std::string_view secret) {
  TRY_ASSIGN(const auto account, state::account(connection, name));
  // The decoy is computed in any case, so that the time taken does not tell one from the other.
  Credentials answer{decoy_verifier(secret, name), false};
  if (!account) return answer;
  TRY_ASSIGN(answer.verifier, parse_verifier(account->verifier));
  answer.genuine = !account->disabled;
  return answer;
}

}  // namespace minato::access
