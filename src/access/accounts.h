// Accounts of the gate: who may log in. Passwords come in, verifiers are kept; the rows belong to
// state/accounts.
#pragma once

#include <string>
#include <string_view>

#include "access/scram.h"
#include "base/result.h"
#include "runtime/pg.h"

namespace minato::access {

/// Error{invalid} for names that the gate could not serve: empty, longer than 63 bytes, with
/// control characters or spaces at an end, or beginning with "minato_" (reserved).
Status check_account_name(std::string_view name);

/// Creates the account, or gives an existing one this password: usable at once. Error{invalid}:
/// name or password.
Status add_account(pg::Connection& connection, const std::string& name, std::string_view password);

/// The verifier of a password with a fresh salt; `connection` normalises what is not ASCII
/// (SASLprep by libpq).
Result<std::string> verifier_text(pg::Connection& connection, const std::string& name,
                                  std::string_view password);

/// What the login exchange needs of an account.
struct Credentials {
  Verifier verifier;
  bool genuine = false;  // exists, enabled
};
/// Never fails for an unknown name: it gets a decoy made of `secret`. Error{unavailable}: no
/// PostgreSQL.
Result<Credentials> credentials(pg::Connection& connection, const std::string& name,
                                std::string_view secret);

}  // namespace minato::access
